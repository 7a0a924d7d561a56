#include "planecast/cpu/cpu.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <string>
#include <vector>

namespace cpu_cpu_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

using keys = pc::per_channel<64>;
using standard = pc::planes<4, 4, pc::tail>;

struct coded {
  std::vector<std::byte> bytes; // as many as the tile has: a sanitizer sees what is read past them
  std::vector<std::uint32_t> tail_ends;
  bool stored = false;
};

template <class Q, class Planes>
coded encode(pc::number dtype, pc::tile_layout<Q, Planes> layout, const std::vector<std::uint16_t>& values,
             std::byte dirt = std::byte{0xA5}) {
  coded tile{std::vector<std::byte>(layout.bound(), dirt), std::vector<std::uint32_t>(layout.shape.tokens),
             false};
  const pc::encoded_tile done =
      pc::cpu::encode(dtype, layout, pc::source_rows::of(values.data(), layout.shape.dim), tile.bytes.data(),
                      tile.tail_ends.data());
  tile.bytes.resize(done.bytes);
  tile.bytes.shrink_to_fit();
  tile.stored = done.stored;
  return tile;
}

// The cells that a value's scale row must have.
template <class Number, class Q, class Planes>
auto cells_of(pc::tile_layout<Q, Planes> layout, const std::vector<std::uint16_t>& values) {
  using cells = pc::cells<Number, Planes::code_bits>;
  std::vector<typename cells::extent> extents(layout.rows());
  for (std::uint32_t t = 0; t < layout.shape.tokens; ++t)
    for (std::uint32_t c = 0; c < layout.shape.dim; ++c)
      extents[Q::scale_row(layout.shape, t, c)].add(values[t * layout.shape.dim + c]);
  std::vector<cells> rows(layout.rows());
  bool fits = true;
  for (std::size_t r = 0; r < rows.size(); ++r)
    fits = rows[r].fit(extents[r]) && fits;
  return std::pair{rows, fits};
}

// What goes wrong when a tile is coded and comes back; nothing, if all is well.
template <class Number, class Q, class Planes>
std::string trouble(pc::tile_shape shape, const std::vector<std::uint16_t>& values,
                    bool* was_stored = nullptr) {
  const pc::tile_layout<Q, Planes> layout{shape};
  const coded tile = encode(Number::id, layout, values);
  if (was_stored != nullptr)
    *was_stored = tile.stored;
  const coded again = encode(Number::id, layout, values, std::byte{0});
  if (again.bytes != tile.bytes || again.tail_ends != tile.tail_ends)
    return "the bytes depend on what was in the buffer";
  if (pc::detail::align_up<std::size_t>(tile.bytes.size(), 16) > 2 * std::size_t{shape.values()} + 16)
    return "the tile is larger than raw + 16 bytes";
  const auto [rows, fits] = cells_of<Number>(layout, values);
  const auto mark = pc::detail::load<std::uint32_t>(tile.bytes.data());
  if (std::any_of(tile.bytes.begin() + 4, tile.bytes.begin() + 16,
                  [](std::byte b) { return b != std::byte{0}; }))
    return "the header's rest is not zero";
  if (tile.stored) {
    if (mark != pc::stored_tile || tile.bytes.size() != layout.stored_bytes())
      return "a stored tile without its mark or size";
    if (std::memcmp(tile.bytes.data() + 16, values.data(), 2 * values.size()) != 0)
      return "a stored tile holds other values";
    if (std::any_of(tile.tail_ends.begin(), tile.tail_ends.end(), [](std::uint32_t end) { return end != 0; }))
      return "a stored tile has tails";
    return "";
  }
  if (!fits)
    return "a tile whose step is out of range was coded";
  if (mark != tile.tail_ends.back() || tile.bytes.size() != layout.tails_at() + mark)
    return "the header tells another length";

  std::vector<std::uint16_t> row(shape.dim);
  std::uint32_t begin = 0;
  for (std::uint32_t t = 0; t < shape.tokens; ++t) {
    const auto cells = [&, &rows = rows](std::uint32_t c) { return rows[Q::scale_row(shape, t, c)]; };
    for (std::uint32_t p = 1; p <= Planes::fixed; ++p) {
      pc::cpu::decode(Number::id, layout, tile.bytes.data(), t, 1, p,
                      pc::target_rows::of(row.data(), layout.shape.dim));
      const std::uint32_t bits = Planes::bits_before(p);
      for (std::uint32_t c = 0; c < shape.dim; ++c) {
        const std::uint32_t q = cells(c).code(pc::order_of(values[t * shape.dim + c]));
        if (row[c] != cells(c).middle(q >> (Planes::code_bits - bits), bits))
          return "prefix of " + std::to_string(p) + " planes: another value than its cells' middle";
      }
    }
    if constexpr (Planes::has_tail) {
      const std::uint32_t end = tile.tail_ends[t];
      if (end < begin)
        return "tails overlap";
      const std::vector<std::byte> tails(tile.bytes.begin() + layout.tails_at() + begin,
                                         tile.bytes.begin() + layout.tails_at() + end);
      std::size_t used = 0;
      if (const pc::status s = pc::cpu::decode_exact(Number::id, layout, tile.bytes.data(), t, 1, tails,
                                                     pc::target_rows::of(row.data(), layout.shape.dim), used);
          !s.ok())
        return s.message();
      if (used != tails.size())
        return "decode_exact used " + std::to_string(used) + " of " + std::to_string(tails.size()) + " bytes";
      if (!std::equal(row.begin(), row.end(), values.begin() + t * shape.dim))
        return "token " + std::to_string(t) + " did not come back";
      begin = end;
    }
  }
  return "";
}

template <class Number, class Q>
std::string trouble_with_any_planes(std::uint32_t which, pc::tile_shape shape,
                                    const std::vector<std::uint16_t>& values) {
  switch (which % 8) {
  case 0:
    return trouble<Number, Q, pc::planes<2, 2, 2, 2, pc::tail>>(shape, values);
  case 1:
    return trouble<Number, Q, pc::planes<8, pc::tail>>(shape, values);
  case 2:
    return trouble<Number, Q, pc::planes<4, 4>>(shape, values);
  case 3:
    return trouble<Number, Q, pc::planes<4>>(shape, values);
  case 4:
    return trouble<Number, Q, pc::planes<4, 2, 1, 1, pc::tail>>(shape, values);
  case 5:
    return trouble<Number, Q, pc::planes<4, pc::tail>>(shape, values);
  default:
    return trouble<Number, Q, standard>(shape, values);
  }
}

constexpr std::uint32_t dims[] = {8, 16, 24, 64, 80, 96, 128, 192, 256, 512, 576};

// 65 tokens are two tiles, of 64 and of one: pages are coded each on its own.
template <class Number, class Q>
void pages_come_back(bool rows_are_channels, std::uint32_t count, std::uint32_t kinds) {
  std::uint32_t stored = 0, all = 0;
  for (std::uint32_t k = 0; k < count; ++k)
    for (const std::uint32_t tokens : {1u, 6u, 7u, 63u, 64u, 65u}) {
      const std::uint64_t seed = first_seed() + 1000 * k + tokens;
      random_source random(seed);
      const std::uint32_t dim = dims[random.below(k % 8 == 0 ? 11 : 7)];
      CAPTURE(seed);
      CAPTURE(tokens);
      CAPTURE(dim);
      for (std::uint32_t first = 0; first < tokens; first += 64) {
        const pc::tile_shape shape{std::min(64u, tokens - first), dim};
        const auto values = hard_tile<Number>(shape, rows_are_channels, kinds, random);
        bool was_stored = false;
        CHECK(trouble<Number, Q, standard>(shape, values, &was_stored) == "");
        CHECK(trouble_with_any_planes<Number, Q>(k, shape, values) == "");
        stored += was_stored ? 1 : 0;
        ++all;
      }
    }
  CHECK(stored < all); // else the properties have seen stored tiles alone
}

template <class Number>
void pages_come_back() {
  for (const std::uint32_t kinds : {hard_kinds_in_range, hard_kinds}) {
    pages_come_back<Number, keys>(true, rounds(60, 4), kinds);
    pages_come_back<Number, pc::per_token>(false, rounds(60, 4), kinds);
  }
}

// A row for each of the 65,536 patterns, in the company of its neighbours or of ones, so that tiles are
// coded.
template <class Number, class Q>
void every_pattern_through_coded_tiles(bool rows_are_channels) {
  constexpr std::uint32_t rows = 64, length = 16;
  const pc::tile_shape shape =
      rows_are_channels ? pc::tile_shape{length, rows} : pc::tile_shape{rows, length};
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  random_source random(seed);
  std::uint32_t stored = 0;
  for (std::uint32_t first = 0; first < 0x10000u; first += rows * rounds(1, 9)) {
    std::vector<std::uint16_t> values(shape.values());
    for (std::uint32_t r = 0; r < rows; ++r) {
      // Neighbouring patterns to different tiles: 40503 is odd, so all of them come.
      const auto pattern = static_cast<std::uint16_t>((first + r) * 40503u);
      const bool finite = Number::finite(pattern);
      const std::uint32_t near = pc::order_of(finite ? pattern : nearest<Number>(1.0));
      const std::uint32_t width = random.below(3) * 20;
      for (std::uint32_t i = 0; i < length; ++i) {
        const std::uint16_t other = pc::pattern_of(std::min(0xFFFFu, near + random.below(width + 1)));
        const std::uint16_t value = i == 3 ? pattern : Number::finite(other) ? other : pattern;
        values[rows_are_channels ? i * rows + r : r * length + i] = value;
      }
    }
    bool was_stored = false;
    CAPTURE(first);
    CHECK(trouble<Number, Q, standard>(shape, values, &was_stored) == "");
    stored += was_stored ? 1 : 0;
  }
  CHECK(stored == 0);
}

// Values by channel, as bench/bits.cpp has them.
using draw = double (*)(std::uint32_t channel, random_source& random);
double gaussian(std::uint32_t, random_source& random) {
  return random.gaussian();
}
double laplace(std::uint32_t, random_source& random) {
  const double size = -std::log(1 - random.uniform());
  return random.coin() ? size : -size;
}
double wide_channels(std::uint32_t channel, random_source& random) {
  return random.gaussian() * (channel % 32 == 5 ? 20 : 1);
}
double biased_channels(std::uint32_t channel, random_source& random) {
  return random.gaussian() + (channel % 8 == 5 ? 10 : 0);
}

// Bits per value of a coded tile of 64 tokens, scalars and padding in.
template <class Number, class Q>
double measured(draw next, std::uint32_t tiles) {
  const pc::tile_layout<Q, standard> layout{{64, 128}};
  random_source random(first_seed());
  double bytes = 0;
  for (std::uint32_t k = 0; k < tiles; ++k) {
    std::vector<std::uint16_t> values;
    for (std::uint32_t i = 0; i < layout.shape.values(); ++i)
      values.push_back(nearest<Number>(next(i % layout.shape.dim, random)));
    const coded tile = encode(Number::id, layout, values);
    CHECK(!tile.stored);
    bytes += static_cast<double>(tile.bytes.size() - 16);
  }
  return bytes * 8 / tiles / layout.shape.values();
}

// The same of a cache: keys per channel, values per token, and the tiles' headers.
template <class Number>
double measured_cache(draw next_key, draw next_value, std::uint32_t tiles) {
  return (measured<Number, keys>(next_key, tiles) + measured<Number, pc::per_token>(next_value, tiles)) / 2 +
         16.0 * 8 / (64 * 128);
}

} // namespace

TEST_CASE("cpu: pages of hard rows come back in bf16") {
  pages_come_back<pc::bf16>();
}
TEST_CASE("cpu: pages of hard rows come back in fp16") {
  pages_come_back<pc::fp16>();
}

TEST_CASE("cpu: the widest head comes back through every plane layout") {
  random_source random(first_seed());
  const pc::tile_shape shape{64, 576};
  const auto k = hard_tile<pc::bf16>(shape, true, 3, random),
             v = hard_tile<pc::fp16>(shape, false, 3, random);
  for (std::uint32_t which = 0; which < 7u; ++which) {
    CHECK(trouble_with_any_planes<pc::bf16, keys>(which, shape, k) == "");
    CHECK(trouble_with_any_planes<pc::fp16, pc::per_token>(which, shape, v) == "");
  }
}

TEST_CASE("cpu: every pattern comes back through coded tiles") {
  every_pattern_through_coded_tiles<pc::bf16, keys>(true);
  every_pattern_through_coded_tiles<pc::bf16, pc::per_token>(false);
  every_pattern_through_coded_tiles<pc::fp16, keys>(true);
  every_pattern_through_coded_tiles<pc::fp16, pc::per_token>(false);
}

TEST_CASE("cpu: a tile is stored when a step is out of range, and when coding would not pay") {
  const pc::tile_layout<pc::per_token, standard> layout{{2, 8}};
  std::vector<std::uint16_t> values(16, 0x3F80);
  CHECK(!encode(pc::number::bf16, layout, values).stored);
  values[9] = 0x7F7F;
  values[10] = 0xFF7F;
  CHECK(encode(pc::number::bf16, layout, values).stored);
  const pc::tile_layout<keys, standard> one_token{{1, 64}}; // four bytes of scalars for each value of two
  CHECK(encode(pc::number::bf16, one_token, std::vector<std::uint16_t>(64, 0x3F80)).stored);
  const pc::tile_layout<keys, pc::planes<4>> anchor_of_one{{1, 64}};
  CHECK(encode(pc::number::fp16, anchor_of_one, std::vector<std::uint16_t>(64, 0x3C00)).stored);
}

TEST_CASE("cpu: gaussian caches take the measured bits per value") {
  const std::uint32_t tiles = rounds(16, 4);
  CHECK(measured<pc::bf16, keys>(gaussian, tiles) == doctest::Approx(11.59).epsilon(0.01));
  CHECK(measured<pc::fp16, keys>(gaussian, tiles) == doctest::Approx(14.78).epsilon(0.01));
  CHECK(measured<pc::bf16, keys>(biased_channels, tiles) <
        measured<pc::bf16, pc::per_token>(biased_channels, tiles));
}

// As bench/results/bits.json has them, heads of 128 channels. The design's figures for Laplace rows, 12.29
// and 15.35, are within a hundredth those of keys per channel alone, headers not counted. The file's are the
// mean with values per token, which take more: their rows are longer, and the longer a row of Laplace values,
// the wider its step.
TEST_CASE("cpu: laplace caches take the measured bits per value") {
  const std::uint32_t tiles = rounds(8, 2);
  CHECK(measured_cache<pc::bf16>(laplace, laplace, tiles) == doctest::Approx(12.36).epsilon(0.01));
  CHECK(measured_cache<pc::fp16>(laplace, laplace, tiles) == doctest::Approx(15.42).epsilon(0.01));
  CHECK(measured<pc::bf16, keys>(laplace, tiles) == doctest::Approx(12.29).epsilon(0.01));
  CHECK(measured<pc::fp16, keys>(laplace, tiles) == doctest::Approx(15.35).epsilon(0.01));
}

// Likewise. The design's 11.22 and 14.33 for outlier keys are below those of Gaussian ones. Channels that are
// only wider, bits.json's "outlier keys", cannot be: each has its own scale, and floating-point numbers are
// as dense in a wide channel. Channels that lie beside zero are, for fewer numbers lie between their least
// and their greatest; with one in eight so biased, the keys of bits.json's "biased keys" alone, without the
// values that its figure averages them with, come to the design's within a hundredth.
TEST_CASE("cpu: caches with outlier keys take the measured bits per value") {
  const std::uint32_t tiles = rounds(8, 2);
  CHECK(measured_cache<pc::bf16>(wide_channels, gaussian, tiles) == doctest::Approx(11.57).epsilon(0.01));
  CHECK(measured_cache<pc::fp16>(wide_channels, gaussian, tiles) == doctest::Approx(14.74).epsilon(0.01));
  CHECK(measured_cache<pc::bf16>(biased_channels, gaussian, tiles) == doctest::Approx(11.38).epsilon(0.01));
  CHECK(measured_cache<pc::fp16>(biased_channels, gaussian, tiles) == doctest::Approx(14.44).epsilon(0.01));
  CHECK(measured<pc::bf16, keys>(biased_channels, tiles) == doctest::Approx(11.22).epsilon(0.01));
  CHECK(measured<pc::fp16, keys>(biased_channels, tiles) == doctest::Approx(14.33).epsilon(0.01));
}

namespace {

// Squared error of each prefix of a Gaussian tile's planes, by the square of its values; then, if there is a
// tail, of all of it.
template <class Number, class Q, class Planes>
std::vector<double> prefix_errors() {
  const pc::tile_layout<Q, Planes> layout{{64, 128}};
  random_source random(first_seed());
  std::vector<std::uint16_t> values;
  for (std::uint32_t i = 0; i < layout.shape.values(); ++i)
    values.push_back(nearest<Number>(random.gaussian()));
  const coded tile = encode(Number::id, layout, values);
  CHECK(!tile.stored);
  std::vector<double> errors;
  for (std::uint32_t p = 1; p <= Planes::count; ++p) {
    double error = 0, all = 0;
    for (std::uint32_t t = 0; t < 64; ++t) {
      std::vector<std::uint16_t> row(128);
      if constexpr (Planes::has_tail) {
        std::size_t used = 0;
        const auto tails =
            std::span(tile.bytes).subspan(layout.tails_at() + (t == 0 ? 0 : tile.tail_ends[t - 1]));
        if (p == Planes::count)
          CHECK(pc::cpu::decode_exact(Number::id, layout, tile.bytes.data(), t, 1, tails,
                                      pc::target_rows::of(row.data(), layout.shape.dim), used)
                    .ok());
      }
      if (p <= Planes::fixed)
        pc::cpu::decode(Number::id, layout, tile.bytes.data(), t, 1, p,
                        pc::target_rows::of(row.data(), layout.shape.dim));
      for (std::uint32_t c = 0; c < 128; ++c) {
        const double x = static_cast<double>(Number::value(values[t * 128 + c]));
        const double d = x - static_cast<double>(Number::value(row[c]));
        error += d * d;
        all += x * x;
      }
    }
    errors.push_back(error / all);
  }
  return errors;
}

// Each bit takes about three quarters of the error, the tail all that is left.
template <class Number, class Q, class Planes>
void errors_fall() {
  const auto errors = prefix_errors<Number, Q, Planes>();
  double before = 2.5; // a prefix of w bits leaves about 2.2 · 4⁻ʷ
  for (std::uint32_t p = 0; p < Planes::fixed; ++p) {
    CAPTURE(p);
    const double kept = std::pow(0.25, Planes::width(p));
    CHECK(errors[p] < before * kept * 1.4);
    CHECK(errors[p] > before * kept * 0.4);
    before = errors[p];
  }
  if (Planes::has_tail)
    CHECK(errors.back() == 0);
}

template <class Planes>
void errors_fall() {
  CAPTURE(Planes::fingerprint());
  errors_fall<pc::bf16, keys, Planes>();
  errors_fall<pc::fp16, keys, Planes>();
  errors_fall<pc::bf16, pc::per_token, Planes>();
  errors_fall<pc::fp16, pc::per_token, Planes>();
}

} // namespace

TEST_CASE("cpu: the error falls from plane to plane, and the tail leaves none") {
  errors_fall<standard>();
  errors_fall<pc::planes<2, 2, 2, 2, pc::tail>>();
  errors_fall<pc::planes<8, pc::tail>>();
  errors_fall<pc::planes<4, 4>>();
  errors_fall<pc::planes<4, 2, 1, 1, pc::tail>>();
  errors_fall<pc::planes<1, 1, 2, 4, pc::tail>>();
}

TEST_CASE("cpu: tails that are cut, or padded with ones, are corrupt") {
  const pc::tile_layout<pc::per_token, standard> layout{{1, 24}};
  random_source random(first_seed());
  std::uint32_t padded = 0;
  for (std::uint32_t k = 0; k < rounds(300, 50); ++k) {
    const auto values = hard_row<pc::bf16>(hard::gaussian, 24, random);
    const coded tile = encode(pc::number::bf16, layout, values);
    REQUIRE(!tile.stored);
    std::vector<std::byte> tails(tile.bytes.begin() + layout.tails_at(), tile.bytes.end());
    std::vector<std::uint16_t> row(24);
    std::size_t used = 0;
    const auto exact = [&](std::span<const std::byte> from) {
      return pc::cpu::decode_exact(pc::number::bf16, layout, tile.bytes.data(), 0, 1, from,
                                   pc::target_rows::of(row.data(), layout.shape.dim), used);
    };
    REQUIRE(!tails.empty());
    CHECK(exact(std::vector<std::byte>(tails.begin(), tails.end() - 1)) == pc::errc::corrupt);
    CHECK(used <= tails.size() - 1);
    CHECK(exact({}) == pc::errc::corrupt);
    std::vector<std::byte> longer = tails;
    longer.push_back(std::byte{0xFF});
    CHECK(exact(longer).ok()); // the next token's tails are no part of this one's
    CHECK(used == tails.size());
    if ((tails.back() & std::byte{0x80}) ==
        std::byte{0}) { // often padding, always so if the value is still right
      tails.back() |= std::byte{0x80};
      if (!exact(tails).ok())
        ++padded;
      else
        CHECK(row != values);
    }
  }
  CHECK(padded > 0);
}

TEST_CASE("cpu: a tail outside of its cell is corrupt, and the value stays inside") {
  const pc::tile_layout<pc::per_token, standard> layout{{1, 64}};
  random_source random(first_seed());
  const auto values = hard_row<pc::bf16>(hard::gaussian, 64, random);
  const coded tile = encode(pc::number::bf16, layout, values);
  REQUIRE(!tile.stored);
  const auto cells = cells_of<pc::bf16>(layout, values).first[0];
  std::vector<std::byte> tails(128);
  pc::detail::bit_writer out(tails.data());
  std::vector<std::uint16_t> ends; // the greatest pattern of each value's cell
  bool outside = false;
  for (const std::uint16_t x : values) {
    const std::uint32_t q = cells.code(pc::order_of(x)), bits = cells.tail_bits(q);
    out.put((1u << bits) - 1, bits);
    ends.push_back(pc::pattern_of(cells.first(q + 1) - 1));
    outside = outside || cells.first(q) + (1u << bits) > cells.first(q + 1);
  }
  REQUIRE(outside);
  tails.resize(static_cast<std::size_t>(out.finish() - tails.data()));
  std::vector<std::uint16_t> row(64);
  std::size_t used = 0;
  CHECK(pc::cpu::decode_exact(pc::number::bf16, layout, tile.bytes.data(), 0, 1, tails,
                              pc::target_rows::of(row.data(), layout.shape.dim), used) == pc::errc::corrupt);
  CHECK(row == ends);
}

TEST_CASE("cpu: hostile bytes give a value or a status, never more") {
  const auto attack = []<class Q, class Planes>(pc::tile_layout<Q, Planes> layout, random_source& random) {
    const pc::number dtype = random.coin() ? pc::number::bf16 : pc::number::fp16;
    std::vector<std::byte> tile(layout.tails_at());
    if (random.coin()) { // bytes of any kind
      for (std::byte& b : tile)
        b = static_cast<std::byte>(random.bits());
    } else { // a good tile with a few bits turned
      const auto values = hard_tile<pc::bf16>(layout.shape, random.coin(), hard_kinds_in_range, random);
      tile = encode(dtype, layout, values).bytes;
      tile.resize(std::max<std::size_t>(tile.size(), layout.tails_at()));
      for (int i = 0; i < 4; ++i)
        tile[random.below(static_cast<std::uint32_t>(tile.size()))] ^=
            static_cast<std::byte>(1u << random.below(8));
    }
    std::vector<std::byte> tails(random.below(2 * layout.shape.dim + 2));
    for (std::byte& b : tails)
      b = random.below(3) == 0 ? std::byte{0} : static_cast<std::byte>(random.bits());
    std::vector<std::uint16_t> row(layout.shape.dim);
    std::uint32_t wrong = 0;
    for (std::uint32_t t = 0; t < layout.shape.tokens; ++t) {
      for (std::uint32_t p = 0; p <= Planes::fixed; ++p)
        pc::cpu::decode(dtype, layout, tile.data(), t, 1, p,
                        pc::target_rows::of(row.data(), layout.shape.dim));
      std::size_t used = 0;
      const pc::status s = pc::cpu::decode_exact(dtype, layout, tile.data(), t, 1, tails,
                                                 pc::target_rows::of(row.data(), layout.shape.dim), used);
      wrong += (s.ok() || s == pc::errc::corrupt) && used <= tails.size() ? 0 : 1;
    }
    return wrong;
  };
  for (std::uint32_t k = 0; k < rounds(3000, 150); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const pc::tile_shape shape{1 + random.below(64), 8 * (1 + random.below(8))};
    CHECK(attack(pc::tile_layout<keys, standard>{shape}, random) == 0);
    CHECK(attack(pc::tile_layout<pc::per_token, standard>{shape}, random) == 0);
    CHECK(attack(pc::tile_layout<pc::per_token, pc::planes<4, 2, 1, 1, pc::tail>>{shape}, random) == 0);
  }
}

} // namespace cpu_cpu_test
