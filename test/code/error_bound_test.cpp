#include "planecast/code/error_bound.hpp"
#include "planecast/code/scalars.hpp"
#include "planecast/code/tile.hpp"
#include "planecast/cpu/cpu.hpp"

#include "code/flush_to_zero.hpp"
#include "code/rows.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace code_error_bound_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

template <class Number>
double value(std::uint16_t pattern) {
  return static_cast<double>(Number::value(pattern));
}

template <class Number, std::uint32_t Bits>
bool fitted(const std::vector<std::uint16_t>& row, pc::cells<Number, Bits>& c) {
  typename pc::cells<Number, Bits>::extent extent;
  for (const std::uint16_t x : row)
    extent.add(x);
  return c.fit(extent);
}

// The greatest error's share of the bound, by number of bits.
template <std::uint32_t Bits>
using shares_by_bits = std::array<double, Bits + 1>;

// How near a row came to its bounds: of all patterns between two orders, whether they are in the row or not.
template <class Number, std::uint32_t Bits>
shares_by_bits<Bits> shares(const pc::ruler<Number, Bits>& r, std::uint32_t least, std::uint32_t greatest) {
  shares_by_bits<Bits> all{};
  for (std::uint32_t bits = 1; bits <= Bits; ++bits) {
    std::array<double, 1u << Bits> shown{};
    for (std::uint32_t p = 0; p < 1u << bits; ++p)
      shown[p] = value<Number>(r.middle(p, bits));
    const double bound = static_cast<double>(pc::error_bound(r, bits));
    double most = 0;
    std::uint32_t q = r.code(least);
    for (std::uint32_t order = least; order <= greatest; ++order) {
      while (order >= r.first(q + 1))
        ++q;
      most = std::max(most, std::abs(value<Number>(Number::pattern(order)) - shown[q >> (Bits - bits)]));
    }
    all[bits] = bound > 0 ? most / bound : most > 0 ? 1e9 : 0;
  }
  return all;
}

template <std::uint32_t Bits>
void keeps_to_it(const shares_by_bits<Bits>& row, shares_by_bits<Bits>& nearest_to_it) {
  for (std::uint32_t bits = 1; bits <= Bits; ++bits) {
    CAPTURE(bits);
    CHECK(row[bits] <= 1);
    nearest_to_it[bits] = std::max(nearest_to_it[bits], row[bits]);
  }
}
// Some rows make use of nearly all of each bound.
template <std::uint32_t Bits>
void is_tight(const shares_by_bits<Bits>& nearest_to_it) {
  for (std::uint32_t bits = 1; bits <= Bits; ++bits) {
    CAPTURE(bits);
    CHECK(nearest_to_it[bits] >= 0.9);
  }
}

template <class Number, std::uint32_t Bits>
void holds_and_is_tight(std::uint32_t count) {
  shares_by_bits<Bits> nearest_to_it{};
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    random_source random(seed);
    const auto row = hard_row<Number>(static_cast<hard>(k % hard_kinds), 2 + random.below(64), random);
    CAPTURE(seed);
    typename pc::cells<Number, Bits>::extent extent;
    for (const std::uint16_t x : row)
      extent.add(x);
    pc::cells<Number, Bits> c;
    if (c.fit(extent) && extent.least <= extent.greatest)
      keeps_to_it<Bits>(shares(c.on_line(), extent.least, extent.greatest), nearest_to_it);
  }
  is_tight<Bits>(nearest_to_it);
}

// A row's ends say all about its cells, and of eight bits there are few enough to try them all.
template <class Number, std::uint32_t Bits>
void holds_for_every_row_of_bytes() {
  shares_by_bits<Bits> nearest_to_it{};
  const std::uint32_t first = Number::order(Number::sign | Number::greatest);
  const std::uint32_t last = Number::order(Number::greatest);
  for (std::uint32_t least = first; least <= last; least += slow ? 5 : 1)
    for (std::uint32_t greatest = least; greatest <= last; greatest += slow ? 3 : 1) {
      CAPTURE(least);
      CAPTURE(greatest);
      pc::cells<Number, Bits> c;
      REQUIRE(c.fit({least, greatest}));
      keeps_to_it<Bits>(shares(c.on_line(), least, greatest), nearest_to_it);
    }
  is_tight<Bits>(nearest_to_it);
}

// A balanced row of one channel's: of the patterns that can be there, between the row's scaled ends.
template <class Number, std::uint32_t Bits>
void holds_for_balanced_rows(std::uint32_t count) {
  using balance = pc::balanced_cells<Number, Bits>;
  shares_by_bits<Bits> nearest_to_it{};
  const int top = balance::exponent_of(Number::greatest);
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const int all = std::min(top, balance::greatest_exponent) - balance::least_exponent + 1;
    const int near = 1 + static_cast<int>(random.below(Number::bits == 8 ? 16 : 40));
    const int e = random.below(4) == 0 ? balance::least_exponent + static_cast<int>(random.below(all))
                                       : std::min(top, balance::greatest_exponent) + 1 - near;
    // Some rows are wide, some narrow; scaled values are in units of 2⁻¹⁴, between −2 and 2.
    const std::uint32_t width = random.below(2u << random.below(16));
    const int least = -0x8000 + static_cast<int>(random.below(0x10000 - std::min(width, 0xFFFFu)));
    typename balance::extent extent;
    extent.least = least;
    extent.greatest = std::min(least + static_cast<int>(width), 0x7FFF);
    extent.not_zero = true;
    balance c;
    c.fit(extent);
    c.exponent = static_cast<std::int8_t>(e);
    REQUIRE(c.valid());
    const auto at = [&](int scaled) { // the first pattern that is not below it, among the finite
      return std::clamp(Number::ceil_order(static_cast<float>(std::ldexp(scaled, e - 14))),
                        Number::order(Number::sign | Number::greatest), Number::order(Number::greatest) + 1);
    };
    const std::uint32_t from = at(extent.least), to = at(extent.greatest + 1);
    if (from < to)
      keeps_to_it<Bits>(shares(c.on_line(), from, to - 1), nearest_to_it);
  }
  is_tight<Bits>(nearest_to_it);
}

// What a backend shows of a tile, prefix by prefix.
template <class Number, pc::quantizer Q, class Planes>
void tiles_keep_to_it(std::uint32_t count) {
  constexpr std::uint32_t lengths[] = {1, 6, 7, 63, 64};
  std::uint32_t coded = 0;
  // Few hard tiles may all be stored: then more of them.
  for (std::uint32_t k = 0; k < count || (coded == 0 && k < 100 * count); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const pc::tile_layout<Q, Planes> layout{{lengths[random.below(5)], 8 * (1 + random.below(6))},
                                            pc::value_bytes(Number::id)};
    const pc::tile_shape shape = layout.shape;
    const auto step = static_cast<std::ptrdiff_t>(layout.value_bytes * shape.dim);
    const auto values = hard_tile<Number>(shape, Q::scale_rows(shape) == shape.dim, hard_kinds, random);
    std::vector<std::byte> rows(layout.value_bytes * shape.values());
    for (std::uint32_t i = 0; i < shape.values(); ++i)
      pc::detail::store_pattern<Number>(rows.data(), i, values[i]);
    std::vector<std::byte> tile(layout.bound());
    std::vector<std::uint32_t> ends(shape.tokens);
    if (pc::cpu::encode(Number::id, layout, pc::source_rows{rows.data(), step}, tile.data(), ends.data())
            .stored)
      continue;
    ++coded;
    bool kept = true;
    for (std::uint32_t p = 1; p <= Planes::fixed; ++p) {
      pc::cpu::decode(Number::id, layout, tile.data(), 0, shape.tokens, p,
                      pc::target_rows{rows.data(), step});
      for (std::uint32_t i = 0; i < shape.values(); ++i) {
        const auto ruler = pc::ruler_of<Number>(layout, tile.data(), i / shape.dim, i % shape.dim);
        const std::uint16_t shown = pc::detail::load_pattern<Number>(rows.data(), i);
        if (Number::finite(values[i]))
          kept &= std::abs(value<Number>(shown) - value<Number>(values[i])) <=
                  static_cast<double>(pc::error_bound(ruler, Planes::bits_before(p)));
      }
    }
    CHECK(kept);
  }
  CHECK(coded > 0);
}

template <class Number, class Planes>
void tiles_of_both_kinds_keep_to_it() {
  tiles_keep_to_it<Number, pc::per_channel<64>, Planes>(rounds(120, 15));
  tiles_keep_to_it<Number, pc::per_token, Planes>(rounds(120, 15));
}
template <class Number, class Planes>
void tiles_of_other_kinds_keep_to_it() {
  tiles_keep_to_it<Number, pc::balanced, Planes>(rounds(240, 30));
  tiles_keep_to_it<Number, pc::per_channel_groups<64, 16>, Planes>(rounds(120, 15));
  tiles_keep_to_it<Number, pc::per_token_groups<16>, Planes>(rounds(120, 15));
}
template <class Number>
void tiles_of_all_planes_keep_to_it() {
  tiles_of_both_kinds_keep_to_it<Number, pc::planes<4, 4, pc::tail>>();
  tiles_of_both_kinds_keep_to_it<Number, pc::planes<2, 2, 2, 2, pc::tail>>();
  tiles_of_both_kinds_keep_to_it<Number, pc::planes<8, pc::tail>>();
  tiles_of_both_kinds_keep_to_it<Number, pc::planes<4, 4>>();
  tiles_of_both_kinds_keep_to_it<Number, pc::planes<1, 1, 1, 1, 1, 1, 1, 1>>();
  tiles_of_both_kinds_keep_to_it<Number, pc::planes<4, pc::tail>>();
  tiles_of_both_kinds_keep_to_it<Number, pc::planes<1, 2, pc::tail>>();
}

} // namespace

TEST_CASE("error bound: every pattern between a row's ends keeps to it, and some come near") {
  holds_and_is_tight<pc::bf16, 8>(rounds(1020, 68));
  holds_and_is_tight<pc::fp16, 8>(rounds(1020, 68));
}

TEST_CASE("error bound: likewise with fewer code bits") {
  const std::uint32_t count = rounds(340, 34);
  holds_and_is_tight<pc::bf16, 4>(count);
  holds_and_is_tight<pc::fp16, 4>(count);
  holds_and_is_tight<pc::bf16, 2>(count);
  holds_and_is_tight<pc::fp16, 2>(count);
  holds_and_is_tight<pc::bf16, 3>(count);
  holds_and_is_tight<pc::fp16, 6>(count);
}

TEST_CASE("error bound: every pattern between the ends of every row of bytes") {
  holds_for_every_row_of_bytes<pc::e4m3, 4>();
  holds_for_every_row_of_bytes<pc::e5m2, 4>();
  holds_for_every_row_of_bytes<pc::e4m3, 2>();
  holds_for_every_row_of_bytes<pc::e5m2, 2>();
}

TEST_CASE("error bound: every pattern that a balanced row can have between its ends, channel by channel") {
  holds_for_balanced_rows<pc::bf16, 8>(rounds(1000, 150));
  holds_for_balanced_rows<pc::fp16, 8>(rounds(1000, 150));
  holds_for_balanced_rows<pc::bf16, 4>(rounds(1000, 150));
  holds_for_balanced_rows<pc::e4m3, 4>(rounds(20000, 2000));
  holds_for_balanced_rows<pc::e5m2, 4>(rounds(20000, 2000));
}

TEST_CASE("error bound: what a backend shows of hard tiles, in every layout of planes") {
  tiles_of_all_planes_keep_to_it<pc::bf16>();
  tiles_of_all_planes_keep_to_it<pc::fp16>();
}

TEST_CASE("error bound: what a backend shows of hard tiles of bytes") {
  tiles_of_both_kinds_keep_to_it<pc::e4m3, pc::planes<4, pc::tail>>();
  tiles_of_both_kinds_keep_to_it<pc::e5m2, pc::planes<4, pc::tail>>();
  tiles_of_both_kinds_keep_to_it<pc::e4m3, pc::planes<2, 2, pc::tail>>();
  tiles_of_both_kinds_keep_to_it<pc::e5m2, pc::planes<1, 2, pc::tail>>();
}

TEST_CASE("error bound: what a backend shows of hard tiles, balanced and in groups") {
  tiles_of_other_kinds_keep_to_it<pc::bf16, pc::planes<4, 4, pc::tail>>();
  tiles_of_other_kinds_keep_to_it<pc::fp16, pc::planes<4, 4, pc::tail>>();
  tiles_of_other_kinds_keep_to_it<pc::bf16, pc::planes<2, 2, 2, 2, pc::tail>>();
  tiles_of_other_kinds_keep_to_it<pc::e4m3, pc::planes<4, pc::tail>>();
  tiles_of_other_kinds_keep_to_it<pc::e5m2, pc::planes<4, pc::tail>>();
}

TEST_CASE("error bound: nothing between equal values, half a cell and half a unit between others") {
  pc::cells<pc::bf16, 8> c;
  CHECK(fitted<pc::bf16>({0x4049, 0x4049}, c));
  CHECK(pc::error_bound(c, 1) == 0);
  CHECK(fitted<pc::bf16>({0x8000, 0x0000}, c));
  CHECK(pc::error_bound(c, 8) == 0);
  c = {0x0000, 0x3F80}; // 0, 1, … 254
  CHECK(pc::error_bound(c, 8) == doctest::Approx(0.5 + 0.5 + 254 * 0x1p-22));
  CHECK(pc::error_bound(c, 4) == doctest::Approx(8 + 0.5 + 254 * 0x1p-22));
  CHECK(pc::error_bound(c, 1) == doctest::Approx(64 + 0.5 + 254 * 0x1p-22));
  static_assert(pc::error_bound(pc::cells<pc::fp16, 8>{0x3C00, 0}, 4) == 0);
}

TEST_CASE("error bound: it is a number where the row reaches the format's end") {
  const pc::cells<pc::bf16, 8> wide{0x7F00, 0x7B00}; // its last boundary is beyond every number
  CHECK(std::isfinite(pc::error_bound(wide, 1)));
  const pc::cells<pc::fp16, 8> narrow{0x7B00, 0x4400};
  CHECK(pc::error_bound(narrow, 8) == doctest::Approx(256 + 16 + 65504 * 0x1p-22));
}

TEST_CASE("error bound: flush-to-zero changes nothing") {
  for (std::uint32_t k = 0; k < rounds(4000, 500); ++k) {
    const std::uint64_t seed = first_seed() + k;
    random_source random(seed);
    pc::cells<pc::bf16, 8> c;
    if (!fitted(hard_row<pc::bf16>(static_cast<hard>(k % hard_kinds), 1 + random.below(64), random), c))
      continue;
    CAPTURE(seed);
    const float with = [&] {
      const flush_to_zero on;
      return pc::error_bound(c, 1 + k % 8);
    }();
    CHECK(with == pc::error_bound(c, 1 + k % 8));
  }
}

} // namespace code_error_bound_test
