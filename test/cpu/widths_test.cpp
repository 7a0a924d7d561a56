// Every dtype through every quantizer: what cpu_test asks of the two usual ones, of all.
#include "planecast/code/scalars.hpp"
#include "planecast/cpu/cpu.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <span>
#include <string>
#include <vector>

namespace cpu_widths_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

using standard = pc::planes<4, 4, pc::tail>;
using short_code = pc::planes<4, pc::tail>;

// Patterns as an engine's rows hold them, one byte or two each.
template <class Number>
std::vector<std::byte> packed(const std::vector<std::uint16_t>& values) {
  std::vector<std::byte> bytes(values.size() * Number::bits / 8);
  for (std::uint32_t i = 0; i < values.size(); ++i)
    pc::detail::store_pattern<Number>(bytes.data(), i, values[i]);
  return bytes;
}
template <class Number>
std::vector<std::uint16_t> unpacked(const std::byte* bytes, std::size_t count) {
  std::vector<std::uint16_t> values(count);
  for (std::uint32_t i = 0; i < count; ++i)
    values[i] = pc::detail::load_pattern<Number>(bytes, i);
  return values;
}
template <class Number, class Byte>
pc::value_rows<Byte> rows_of(Byte* bytes, std::uint32_t dim) {
  return {bytes, static_cast<std::ptrdiff_t>(dim * Number::bits / 8)};
}

template <class Number, class Q, class Planes>
pc::encoded_tile encode(pc::tile_layout<Q, Planes> layout, const std::vector<std::uint16_t>& values,
                        std::byte* out, std::uint32_t* ends) {
  const std::vector<std::byte> bytes = packed<Number>(values);
  return pc::cpu::encode(Number::id, layout, rows_of<Number>(bytes.data(), layout.shape.dim), out, ends);
}
template <class Number, class Q, class Planes>
std::vector<std::uint16_t> decode(pc::tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t t,
                                  std::uint32_t planes) {
  std::vector<std::byte> bytes(layout.shape.dim * layout.value_bytes);
  pc::cpu::decode(Number::id, layout, tile, t, 1, planes, rows_of<Number>(bytes.data(), layout.shape.dim));
  return unpacked<Number>(bytes.data(), layout.shape.dim);
}

// What goes wrong when a tile is coded and comes back; nothing, if all is well.
template <class Number, class Q, class Planes>
std::string trouble(pc::tile_shape shape, const std::vector<std::uint16_t>& values,
                    std::uint32_t* coded_tiles = nullptr) {
  const pc::tile_layout<Q, Planes> layout{shape, pc::value_bytes(Number::id)};
  std::vector<std::byte> tile(layout.bound(), std::byte{0xA5});
  std::vector<std::uint32_t> ends(shape.tokens);
  const pc::encoded_tile done = encode<Number>(layout, values, tile.data(), ends.data());
  tile.resize(done.bytes);
  tile.shrink_to_fit();
  if (done.bytes > layout.stored_bytes() || layout.stored_bytes() != 16 + values.size() * (Number::bits / 8))
    return "the tile is larger than raw + 16 bytes";
  if (done.stored) {
    return unpacked<Number>(tile.data() + 16, values.size()) == values &&
                   pc::detail::load<std::uint32_t>(tile.data()) == pc::stored_tile
               ? ""
               : "a stored tile holds other values";
  }
  if (layout.always_stored())
    return "a tile without scale rows is coded";
  if (coded_tiles != nullptr)
    ++*coded_tiles;
  if (!pc::valid_scalars<Number>(layout, tile.data()))
    return "the encoder's own scalars are not valid";
  for (std::uint32_t t = 0, begin = 0; t < shape.tokens; begin = ends[t++]) {
    for (std::uint32_t p = 1; p <= Planes::fixed; ++p) {
      const std::vector<std::uint16_t> row = decode<Number>(layout, tile.data(), t, p);
      const std::uint32_t bits = Planes::bits_before(p);
      for (std::uint32_t c = 0; c < shape.dim; ++c) {
        const auto line = pc::ruler_of<Number>(layout, tile.data(), t, c);
        const std::uint16_t x = values[t * shape.dim + c];
        const std::uint32_t q = line.code(Number::order(x));
        if (row[c] != line.middle(q >> (Planes::code_bits - bits), bits) || !Number::finite(row[c]))
          return "a prefix shows something else than its cells' middle";
        if (Number::finite(x) && (q == 0 || q == line.last))
          return "a finite value is in a guard cell";
      }
    }
    if constexpr (Planes::has_tail) {
      const std::vector<std::byte> tails(tile.begin() + layout.tails_at() + begin,
                                         tile.begin() + layout.tails_at() + ends[t]);
      std::size_t used = 0;
      std::vector<std::byte> row(shape.dim * layout.value_bytes);
      if (!pc::cpu::decode_exact(Number::id, layout, tile.data(), t, 1, tails,
                                 rows_of<Number>(row.data(), shape.dim), used)
               .ok() ||
          used != tails.size() ||
          unpacked<Number>(row.data(), shape.dim) !=
              std::vector<std::uint16_t>(values.begin() + t * shape.dim,
                                         values.begin() + (t + 1) * shape.dim))
        return "token " + std::to_string(t) + " did not come back";
    }
  }
  return "";
}

template <class Number, class Q>
std::string trouble_with_any_planes(pc::tile_shape shape, const std::vector<std::uint16_t>& values,
                                    std::uint32_t which, std::uint32_t* coded) {
  switch (which % 3) {
  case 0:
    return trouble<Number, Q, standard>(shape, values, coded);
  case 1:
    return trouble<Number, Q, pc::planes<2, 2>>(shape, values, coded);
  default:
    return trouble<Number, Q, short_code>(shape, values, coded);
  }
}

template <class F>
void each_number(F&& f) {
  f(pc::bf16{});
  f(pc::fp16{});
  f(pc::e4m3{});
  f(pc::e5m2{});
}
// f(quantizer, page).
template <class F>
void each_quantizer(F&& f) {
  f(pc::per_channel<32>{}, 32);
  f(pc::per_channel<128>{}, 128);
  f(pc::per_channel_groups<128, 32>{}, 128);
  f(pc::per_channel_groups<64, 24>{}, 64);
  f(pc::per_token{}, 128);
  f(pc::per_token_groups<64>{}, 32);
  f(pc::per_token_groups<40>{}, 64);
  f(pc::balanced{}, 128);
  f(pc::verbatim{}, 64);
}

} // namespace

TEST_CASE("widths: hard tiles of every dtype come back through every quantizer and page") {
  each_number([]<class Number>(Number) {
    each_quantizer([]<class Q>(Q, std::uint32_t page) {
      constexpr bool always_stored = std::is_same_v<Q, pc::verbatim>;
      std::uint32_t coded = 0;
      // Few hard tiles may all be stored: then more of them.
      for (std::uint32_t k = 0; k < rounds(24, 2) || (coded == 0 && !always_stored && k < 1000); ++k) {
        const std::uint64_t seed = first_seed() + k;
        CAPTURE(seed);
        CAPTURE(static_cast<int>(Number::id));
        CAPTURE(Q::fingerprint());
        random_source random(seed);
        const std::uint32_t tokens = k % 4 == 0 ? page : 1 + random.below(page);
        const pc::tile_shape shape{tokens, 8 * (1 + random.below(k % 10 == 0 ? 72 : 10))};
        CAPTURE(shape.tokens);
        CAPTURE(shape.dim);
        const auto values =
            hard_tile<Number>(shape, random.coin(), k % 2 == 0 ? hard_kinds : hard_kinds_in_range, random);
        CHECK(trouble_with_any_planes<Number, Q>(shape, values, k, &coded) == "");
      }
      CHECK((coded > 0) == !always_stored);
    });
  });
}

TEST_CASE("widths: heads of every width come back") {
  for (std::uint32_t dim = 8; dim <= pc::max_head_dim; dim += 8) {
    CAPTURE(dim);
    random_source random(first_seed() + dim);
    const pc::tile_shape shape{9, dim};
    std::vector<std::uint16_t> b, e;
    for (std::uint32_t i = 0; i < shape.values(); ++i) {
      b.push_back(nearest<pc::bf16>(random.gaussian()));
      e.push_back(nearest<pc::e4m3>(random.gaussian()));
    }
    std::uint32_t coded = 0;
    CHECK(trouble<pc::bf16, pc::per_token, standard>(shape, b, &coded) == "");
    CHECK(trouble<pc::bf16, pc::per_channel<64>, standard>(shape, b) == "");
    CHECK(trouble<pc::bf16, pc::balanced, standard>(shape, b) == "");
    CHECK(trouble<pc::bf16, pc::per_token_groups<64>, standard>(shape, b) == "");
    CHECK(trouble<pc::e4m3, pc::per_token, short_code>(shape, e) == "");
    CHECK((coded == 1 || dim < 16));
  }
}

// Each pattern among others as near as makes a tile worth coding, by token and by channel.
TEST_CASE("widths: every pattern comes back through coded tiles") {
  each_number([]<class Number>(Number) {
    constexpr std::uint32_t length = 64, rows = 16, all = 2 * Number::sign;
    random_source random(first_seed());
    std::uint32_t coded = 0, tiles = 0;
    for (std::uint32_t first = 0; first < all; first += Number::bits == 8 ? rows : rows * (slow ? 48 : 1)) {
      std::vector<std::uint16_t> values(rows * length);
      for (std::uint32_t r = 0; r < rows; ++r) {
        const auto pattern = static_cast<std::uint16_t>((first + r) * 40503u % all); // odd: all of them come
        const std::uint32_t near = Number::order(Number::finite(pattern) ? pattern : nearest<Number>(1.0));
        for (std::uint32_t i = 0; i < length; ++i) {
          const std::uint16_t other = Number::pattern(std::min(all - 1, near + random.below(3)));
          values[r * length + i] = i == 3 || !Number::finite(other) ? pattern : other;
        }
      }
      CAPTURE(first);
      using planes = std::conditional_t<Number::bits == 8, short_code, standard>;
      CHECK(trouble<Number, pc::per_token, planes>({rows, length}, values, &coded) == "");
      CHECK(trouble<Number, pc::balanced, planes>({rows, length}, values, &coded) == "");
      CHECK(trouble<Number, pc::per_token_groups<32>, planes>({rows, length}, values, &coded) == "");
      std::vector<std::uint16_t> turned(values.size());
      for (std::uint32_t i = 0; i < values.size(); ++i)
        turned[i % length * rows + i / length] = values[i];
      CHECK(trouble<Number, pc::per_channel_groups<64, 32>, planes>({length, rows}, turned, &coded) == "");
      CHECK(trouble<Number, pc::balanced, planes>({length, rows}, turned, &coded) == "");
      tiles += 5;
    }
    CHECK(coded > tiles / 2);
  });
}

TEST_CASE("widths: a code as long as the value pays for nothing, and is stored") {
  random_source random(first_seed());
  const pc::tile_shape shape{64, 128};
  std::vector<std::uint16_t> values;
  for (std::uint32_t i = 0; i < shape.values(); ++i)
    values.push_back(nearest<pc::e4m3>(random.gaussian()));
  std::uint32_t coded = 0;
  CHECK(trouble<pc::e4m3, pc::per_token, standard>(shape, values, &coded) == "");
  CHECK(coded == 0);
  CHECK(trouble<pc::e4m3, pc::per_token, short_code>(shape, values, &coded) == "");
  CHECK(coded == 1);
}

TEST_CASE("widths: groups keep the error of other groups out, balance that of other channels") {
  // One channel in 32 is 50 times the others: what a 4-bit prefix leaves of the others.
  const pc::tile_shape shape{64, 128};
  const auto error = [&]<class Q>(Q) {
    const pc::tile_layout<Q, standard> layout{shape};
    random_source random(first_seed());
    std::vector<std::uint16_t> values;
    for (std::uint32_t i = 0; i < shape.values(); ++i)
      values.push_back(nearest<pc::bf16>(random.gaussian() * (i % 128 == 40 ? 50 : 1)));
    std::vector<std::byte> tile(layout.bound());
    std::vector<std::uint32_t> ends(shape.tokens);
    CHECK(!encode<pc::bf16>(layout, values, tile.data(), ends.data()).stored);
    double sum = 0, all = 0;
    for (std::uint32_t t = 0; t < shape.tokens; ++t) {
      const std::vector<std::uint16_t> row = decode<pc::bf16>(layout, tile.data(), t, 1);
      for (std::uint32_t c = 0; c < shape.dim; ++c)
        if (c != 40) {
          const auto x = static_cast<double>(pc::bf16::value(values[t * shape.dim + c]));
          const double off = x - static_cast<double>(pc::bf16::value(row[c]));
          sum += off * off;
          all += x * x;
        }
    }
    return sum / all;
  };
  const double token = error(pc::per_token{}), groups = error(pc::per_token_groups<32>{}),
               balanced = error(pc::balanced{}), channel = error(pc::per_channel<64>{});
  CHECK(channel < 0.012);
  CHECK(balanced < 3 * channel);
  CHECK(groups < token / 2);
  CHECK(balanced < token / 10);
}

} // namespace cpu_widths_test
