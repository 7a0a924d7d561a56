// Whether a vector backend codes as the plain one does: the same bytes, values and answers, and nothing else
// touched.
#pragma once

#include "planecast/cpu/instruction_set.hpp"
#include "planecast/cpu/plain.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <immintrin.h>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

namespace planecast_test {

/// Whether this machine has these instructions. If not, the test says so.
inline bool here(planecast::instruction_set set) {
  const bool found = planecast::supports(set);
  if (!found)
    MESSAGE((set == planecast::instruction_set::avx512 ? "AVX-512" : "AVX2"), ": not on this machine");
  return found;
}

/// Bytes that begin at a multiple of 64, and end where a sanitizer sees what is read past them.
class aligned_bytes {
public:
  explicit aligned_bytes(std::size_t size, std::byte fill = std::byte{0})
      : first_(static_cast<std::byte*>(::operator new (size, std::align_val_t{64}))), size_(size) {
    std::fill_n(first_.get(), size, fill);
  }
  [[nodiscard]] std::byte* data() const { return first_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }

private:
  struct give_back {
    void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{64}); }
  };
  std::unique_ptr<std::byte, give_back> first_;
  std::size_t size_;
};

/// Rows somewhere in memory: at any byte, further apart than they are long, backwards, or as a store past the
/// cache wants them. Bytes around them are known.
class strewn_rows {
public:
  static constexpr std::byte dirt{0x5B};
  static constexpr std::size_t guard = 64;

  strewn_rows(planecast::tile_shape shape, random_source& random, bool at_end = false)
      : shape_(shape), row_(2 * std::size_t{shape.dim}), step_(row_) {
    std::size_t first = guard;
    switch (random.below(4)) {
    case 0: // side by side
      break;
    case 1: // each at a multiple of 64
      step_ = planecast::detail::align_up(row_, std::size_t{64});
      break;
    default:
      first += random.below(64);
      step_ += random.below(70);
      backwards_ = random.coin();
    }
    first_ = first;
    memory_ = std::make_unique<aligned_bytes>(
        first + (shape.tokens - 1) * step_ + row_ + (at_end ? 0 : guard), dirt);
  }

  [[nodiscard]] planecast::target_rows rows(planecast::stores how = planecast::stores::cached) const {
    const auto step = static_cast<std::ptrdiff_t>(step_);
    return {row(0), backwards_ ? -step : step, how};
  }
  void fill(const std::vector<std::uint16_t>& values) const {
    for (std::uint32_t t = 0; t < shape_.tokens; ++t)
      std::memcpy(row(t), values.data() + std::size_t{t} * shape_.dim, row_);
  }
  /// Whether they hold these values, and whatever lies around them is as it was.
  [[nodiscard]] bool hold(const std::uint16_t* values) const {
    aligned_bytes expected(memory_->size(), dirt);
    for (std::uint32_t t = 0; t < shape_.tokens; ++t)
      std::memcpy(expected.data() + (row(t) - memory_->data()), values + std::size_t{t} * shape_.dim, row_);
    return std::memcmp(expected.data(), memory_->data(), memory_->size()) == 0;
  }

private:
  [[nodiscard]] std::byte* row(std::uint32_t t) const {
    return memory_->data() + first_ + (backwards_ ? shape_.tokens - 1 - t : t) * step_;
  }

  planecast::tile_shape shape_;
  std::size_t row_, step_, first_ = 0;
  bool backwards_ = false;
  std::unique_ptr<aligned_bytes> memory_;
};

/// What an engine's thread may have set: how it rounds, whether it flushes, what it traps.
inline constexpr unsigned float_modes[] = {
    0x1F80, 0x1F80 | 0x8040, 0x1F80 | 0x4000, 0x1F80 | 0x2000, 0x1F80 | 0xE040, 0x0000,
};

/// Calls f in one of the modes. False if it left another.
template <class F>
bool in_float_mode(unsigned mode, F&& f) {
  constexpr unsigned control = 0xFFC0;
  const unsigned before = _mm_getcsr();
  _mm_setcsr(mode);
  f();
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  return (after & control) == mode;
}

/// A quantizer of a user's own: three rows for each token.
struct three_for_each_token {
  static constexpr std::uint32_t page_tokens = 0;
  static constexpr std::uint32_t scale_rows(planecast::tile_shape shape) noexcept { return shape.tokens * 3; }
  static constexpr std::uint32_t scale_row(planecast::tile_shape, std::uint32_t token,
                                           std::uint32_t channel) noexcept {
    return token * 3 + channel % 3;
  }
  static constexpr std::uint64_t fingerprint() noexcept { return 9; }
};
static_assert(planecast::quantizer<three_for_each_token>);

/// What came of it, so that a test can tell whether it has seen what it is about.
struct seen_tiles {
  std::uint32_t coded = 0, stored = 0, corrupt = 0;
};

/// One tile through Set and through plain_cpu.
template <class Set, class Number, class Q, class Planes>
class tile_comparison {
public:
  using plain = planecast::plain_cpu;
  using layout_type = planecast::tile_layout<Q, Planes>;

  tile_comparison(planecast::tile_shape shape, random_source& random, seen_tiles& seen)
      : layout_{shape}, random_(random), seen_(seen), tile_(0), ends_(shape.tokens) {}

  /// What differs; nothing, if all is well.
  std::string difference(const std::vector<std::uint16_t>& values) {
    if (std::string text = encoded_difference(values); !text.empty() || stored_)
      return text;
    if (std::string text = decoded_difference(); !text.empty())
      return text;
    if constexpr (Planes::has_tail) {
      std::vector<std::uint16_t> back(values.size());
      std::size_t used = 0;
      if (!plain::decode_exact(Number::id, layout_, tile_.data(), 0, layout_.shape.tokens, tails_, flat(back),
                               used) ||
          back != values || used != tails_.size())
        return "the plain loops do not give the values back";
      if (std::string text = exact_difference(true); !text.empty())
        return text;
    }
    for (int i = 0; i < 2; ++i) {
      make_hostile();
      if (std::string text = decoded_difference(); !text.empty())
        return "hostile: " + text;
      if constexpr (Planes::has_tail)
        if (std::string text = exact_difference(false); !text.empty())
          return "hostile: " + text;
    }
    return "";
  }

private:
  unsigned any_mode() { return float_modes[random_.below(std::size(float_modes))]; }
  planecast::target_rows flat(std::vector<std::uint16_t>& values) const {
    return planecast::target_rows::of(values.data(), layout_.shape.dim);
  }
  planecast::stores any_stores() {
    return random_.coin() ? planecast::stores::past_cache : planecast::stores::cached;
  }

  std::string encoded_difference(const std::vector<std::uint16_t>& values) {
    constexpr std::size_t guard = 64;
    const planecast::tile_shape shape = layout_.shape;
    const strewn_rows source(shape, random_, true);
    source.fill(values);
    const planecast::target_rows from = source.rows();
    const std::size_t bound = layout_.bound();
    const aligned_bytes expected(bound, std::byte{0x11}), room(bound + 2 * guard, std::byte{0xEE});
    std::vector<std::uint32_t> ends(shape.tokens, 7);
    const planecast::encoded_tile a =
        plain::encode(Number::id, layout_, {from.first, from.step}, expected.data(), ends_.data());
    planecast::encoded_tile b;
    if (!in_float_mode(any_mode(), [&] {
          b = Set::encode(Number::id, layout_, {from.first, from.step}, room.data() + guard, ends.data());
        }))
      return "encode leaves another floating-point mode";
    if (a.stored != b.stored)
      return b.stored ? "stored, though plain codes it" : "coded, though plain stores it";
    if (a.bytes != b.bytes)
      return "another length: " + std::to_string(b.bytes) + ", not " + std::to_string(a.bytes);
    if (ends != ends_)
      return "tails end elsewhere";
    const std::byte* const tile = room.data() + guard;
    for (std::uint32_t i = 0; i < a.bytes; ++i)
      if (expected.data()[i] != tile[i])
        return "byte " + std::to_string(i) + " of " + std::to_string(a.bytes) + " differs";
    for (std::size_t i = 0; i < guard; ++i)
      if (room.data()[i] != std::byte{0xEE} || tile[bound + i] != std::byte{0xEE})
        return "encode writes outside of its room";
    stored_ = a.stored;
    ++(stored_ ? seen_.stored : seen_.coded);
    if (!stored_) {
      tile_ = aligned_bytes(layout_.tails_at());
      std::memcpy(tile_.data(), expected.data(), tile_.size());
      tails_.assign(expected.data() + tile_.size(), expected.data() + a.bytes);
      tails_.shrink_to_fit();
    }
    return "";
  }

  // All tokens, and some of them.
  std::string decoded_difference() {
    const planecast::tile_shape shape = layout_.shape;
    std::vector<std::uint16_t> expected(shape.values());
    for (std::uint32_t planes = 1; planes <= Planes::fixed; ++planes) {
      plain::decode(Number::id, layout_, tile_.data(), 0, shape.tokens, planes, flat(expected));
      for (const bool all : {true, false}) {
        const std::uint32_t token = all ? 0 : random_.below(shape.tokens);
        const std::uint32_t count = all ? shape.tokens : 1 + random_.below(shape.tokens - token);
        const strewn_rows out({count, shape.dim}, random_);
        const auto rows = out.rows(any_stores());
        if (!in_float_mode(any_mode(), [&] {
              Set::decode(Number::id, layout_, tile_.data(), token, count, planes, rows);
            }))
          return "decode leaves another floating-point mode";
        if (!out.hold(expected.data() + std::size_t{token} * shape.dim))
          return std::to_string(planes) + " planes of " + std::to_string(count) + " tokens from " +
                 std::to_string(token) + ": other values, or bytes between them";
      }
    }
    return "";
  }

  std::string exact_difference(bool good) {
    const planecast::tile_shape shape = layout_.shape;
    for (const bool all : {true, false}) {
      const std::uint32_t token = all ? 0 : random_.below(shape.tokens);
      const std::uint32_t count = all ? shape.tokens : 1 + random_.below(shape.tokens - token);
      const std::size_t begin = token == 0 ? 0 : std::min<std::size_t>(ends_[token - 1], tails_.size());
      const std::vector<std::byte> tails(tails_.begin() + static_cast<std::ptrdiff_t>(begin), tails_.end());
      std::vector<std::uint16_t> expected(std::size_t{count} * shape.dim);
      std::size_t used = 1, as_plain = 2;
      const planecast::status a = plain::decode_exact(Number::id, layout_, tile_.data(), token, count, tails,
                                                      flat(expected), as_plain);
      const strewn_rows out({count, shape.dim}, random_);
      const auto rows = out.rows(any_stores());
      planecast::status b;
      if (!in_float_mode(any_mode(), [&] {
            b = Set::decode_exact(Number::id, layout_, tile_.data(), token, count, tails, rows, used);
          }))
        return "decode_exact leaves another floating-point mode";
      if (a.code != b.code || (good && !b.ok()))
        return "decode_exact says " + b.message() + ", not " + a.message();
      if (used != as_plain || (good && used != ends_[token + count - 1] - begin))
        return "decode_exact used " + std::to_string(used) + " bytes, not " + std::to_string(as_plain);
      if (!out.hold(expected.data()))
        return "decode_exact writes other values, or bytes between them";
      seen_.corrupt += a.ok() ? 0 : 1;
    }
    return "";
  }

  // Scalars that are valid, though no values gave them; codes and tails of any kind.
  void make_hostile() {
    using cells = planecast::cells<Number, Planes::code_bits>;
    if (random_.coin())
      for (std::uint32_t i = 0; i < 3; ++i) {
        const std::uint32_t r = random_.below(layout_.rows());
        cells any;
        do {
          any.low = random_.pattern();
          any.step = random_.below(4) == 0
                         ? std::uint16_t{0}
                         : static_cast<std::uint16_t>(cells::least_step + random_.below(0x6D81));
        } while (!any.valid());
        planecast::detail::store(tile_.data() + layout_.low_at(r), any.low);
        planecast::detail::store(tile_.data() + layout_.step_at(r), any.step);
      }
    const std::uint32_t planes_at = layout_.plane_at(0);
    for (std::uint32_t i = 0; i < random_.below(4); ++i)
      tile_.data()[planes_at + random_.below(layout_.tails_at() - planes_at)] ^=
          static_cast<std::byte>(1u << random_.below(8));
    if (random_.coin() && !tails_.empty())
      tails_[random_.below(static_cast<std::uint32_t>(tails_.size()))] ^=
          static_cast<std::byte>(1u << random_.below(8));
    switch (random_.below(6)) {
    case 0: // cut short
      tails_.resize(random_.below(static_cast<std::uint32_t>(tails_.size()) + 1));
      break;
    case 1: // any bytes
      for (std::byte& b : tails_)
        b = static_cast<std::byte>(random_.bits());
      break;
    case 2: // more of them
      tails_.resize(tails_.size() + random_.below(2 * layout_.shape.values()), std::byte{0xFF});
      break;
    default:
      break;
    }
    tails_.shrink_to_fit();
  }

  layout_type layout_;
  random_source& random_;
  seen_tiles& seen_;
  aligned_bytes tile_;
  std::vector<std::byte> tails_;
  std::vector<std::uint32_t> ends_;
  bool stored_ = false;
};

/// Hard tiles of one quantizer and one layout of planes, pages of every awkward length.
template <class Set, class Number, class Q, class Planes>
void same_over_hard_tiles(std::uint32_t count) {
  constexpr std::uint32_t page = Q::page_tokens == 0 ? 64 : Q::page_tokens;
  constexpr std::uint32_t lengths[] = {page, 1, 6, 7, page - 1, page > 64 ? 65 : page};
  seen_tiles seen;
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    random_source random(seed);
    const std::uint32_t blocks = 1 + random.below(k % 8 == 0 ? 18 : 5);
    const planecast::tile_shape shape{lengths[k % std::size(lengths)],
                                      random.coin() ? 32 * blocks : 8 * (1 + random.below(4 * blocks))};
    // Mostly rows that are hard on the code as they are coded; else tiles are often stored.
    const bool by_channel = (Q::page_tokens != 0) != (random.below(4) == 0);
    const auto values =
        hard_tile<Number>(shape, by_channel, random.below(4) == 0 ? hard_kinds : hard_kinds_in_range, random);
    CAPTURE(seed);
    CAPTURE(shape.tokens);
    CAPTURE(shape.dim);
    CAPTURE(Planes::fingerprint());
    CAPTURE(Q::fingerprint());
    tile_comparison<Set, Number, Q, Planes> tile(shape, random, seen);
    CHECK(tile.difference(values) == "");
  }
  CHECK(seen.coded >= count / 4); // else all would be about tiles that were not coded
  CHECK((seen.corrupt > 0 || !Planes::has_tail));
}

/// Every length of row that there is.
template <class Set, class Number, class Q>
void same_over_every_dim() {
  seen_tiles seen;
  for (std::uint32_t dim = 8; dim <= planecast::max_head_dim; dim += 8) {
    const std::uint64_t seed = first_seed() + dim;
    random_source random(seed);
    const planecast::tile_shape shape{1 + random.below(7), dim};
    const auto values = hard_tile<Number>(shape, random.coin(), 3, random);
    CAPTURE(seed);
    CAPTURE(dim);
    tile_comparison<Set, Number, Q, planecast::planes<4, 4, planecast::tail>> tile(shape, random, seen);
    CHECK(tile.difference(values) == "");
  }
  CHECK(seen.coded > 0);
}

template <class Set, class Number>
void same_as_plain(std::uint32_t count) {
  using namespace planecast;
  using standard = planes<4, 4, tail>;
  same_over_hard_tiles<Set, Number, per_channel<64>, standard>(count);
  same_over_hard_tiles<Set, Number, per_token, standard>(count);
  same_over_hard_tiles<Set, Number, three_for_each_token, standard>(count);
  same_over_hard_tiles<Set, Number, per_channel<32>, standard>(count / 2);
  same_over_hard_tiles<Set, Number, per_channel<128>, standard>(count / 4);
  same_over_hard_tiles<Set, Number, per_token, planes<2, 2, 2, 2, tail>>(count / 2);
  same_over_hard_tiles<Set, Number, per_channel<64>, planes<8, tail>>(count / 2);
  same_over_hard_tiles<Set, Number, per_token, planes<4, 2, 1, 1, tail>>(count / 2);
  same_over_hard_tiles<Set, Number, per_token, planes<4, tail>>(count / 2);
  same_over_hard_tiles<Set, Number, per_channel<64>, planes<2, 1, tail>>(count / 2);
  same_over_hard_tiles<Set, Number, three_for_each_token, planes<4, 4>>(count / 2);
  same_over_hard_tiles<Set, Number, per_channel<64>, planes<2>>(count / 2);
  same_over_hard_tiles<Set, Number, per_token, planes<2>>(count / 2);
  same_over_every_dim<Set, Number, per_channel<64>>();
  same_over_every_dim<Set, Number, per_token>();
  same_over_every_dim<Set, Number, three_for_each_token>();
}

} // namespace planecast_test
