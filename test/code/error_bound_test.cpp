#include "planecast/code/error_bound.hpp"
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

// How near a row came to its bound with each number of bits: the greatest error's share of it. Of all
// patterns between the row's ends, whether they are in the row or not.
template <class Number, std::uint32_t Bits>
std::array<double, Bits + 1> shares(const pc::cells<Number, Bits>& c, std::uint16_t least,
                                    std::uint16_t greatest) {
  std::array<double, Bits + 1> all{};
  for (std::uint32_t bits = 1; bits <= Bits; ++bits) {
    std::array<double, 1u << Bits> shown{};
    for (std::uint32_t p = 0; p < 1u << bits; ++p)
      shown[p] = value<Number>(c.middle(p, bits));
    const double bound = static_cast<double>(pc::error_bound(c, bits));
    double most = 0;
    std::uint32_t q = c.code(pc::order_of(least));
    for (std::uint32_t order = pc::order_of(least); order <= pc::order_of(greatest); ++order) {
      while (order >= c.first(q + 1))
        ++q;
      most = std::max(most, std::abs(value<Number>(pc::pattern_of(order)) - shown[q >> (Bits - bits)]));
    }
    all[bits] = bound > 0 ? most / bound : most > 0 ? 1e9 : 0;
  }
  return all;
}

// Every row keeps to its bounds, and some rows make use of nearly all of each.
template <class Number, std::uint32_t Bits>
void holds_and_is_tight(std::uint32_t count) {
  std::array<double, Bits + 1> nearest_to_it{};
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    random_source random(seed);
    const auto row = hard_row<Number>(static_cast<hard>(k % hard_kinds), 2 + random.below(64), random);
    CAPTURE(seed);
    pc::cells<Number, Bits> c;
    if (!fitted(row, c))
      continue;
    std::uint32_t least = 0xFFFF, greatest = 0;
    for (const std::uint16_t x : row)
      if (Number::finite(x)) {
        least = std::min(least, pc::order_of(x));
        greatest = std::max(greatest, pc::order_of(x));
      }
    if (least > greatest)
      continue;
    const auto all = shares(c, pc::pattern_of(least), pc::pattern_of(greatest));
    for (std::uint32_t bits = 1; bits <= Bits; ++bits) {
      CAPTURE(bits);
      CHECK(all[bits] <= 1);
      nearest_to_it[bits] = std::max(nearest_to_it[bits], all[bits]);
    }
  }
  for (std::uint32_t bits = 1; bits <= Bits; ++bits) {
    CAPTURE(bits);
    CHECK(nearest_to_it[bits] >= 0.9);
  }
}

// What a backend shows of a tile, prefix by prefix.
template <class Number, pc::quantizer Q, class Planes>
void tiles_keep_to_it(std::uint32_t count) {
  constexpr std::uint32_t lengths[] = {1, 6, 7, 63, 64};
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const pc::tile_layout<Q, Planes> layout{{lengths[random.below(5)], 8 * (1 + random.below(6))}};
    const pc::tile_shape shape = layout.shape;
    const auto values = hard_tile<Number>(shape, Q::scale_rows(shape) == shape.dim, hard_kinds, random);
    std::vector<std::byte> tile(layout.bound());
    std::vector<std::uint32_t> ends(shape.tokens);
    if (pc::cpu::encode(Number::id, layout, pc::source_rows::of(values.data(), shape.dim), tile.data(),
                        ends.data())
            .stored)
      continue;
    std::vector<std::uint16_t> shown(shape.dim);
    bool kept = true;
    for (std::uint32_t p = 1; p <= Planes::fixed; ++p)
      for (std::uint32_t t = 0; t < shape.tokens; ++t) {
        pc::cpu::decode(Number::id, layout, tile.data(), t, 1, p,
                        pc::target_rows::of(shown.data(), shape.dim));
        for (std::uint32_t i = 0; i < shape.dim; ++i) {
          const std::uint32_t r = Q::scale_row(shape, t, i);
          const pc::cells<Number, Planes::code_bits> row{
              pc::detail::load<std::uint16_t>(tile.data() + layout.low_at(r)),
              pc::detail::load<std::uint16_t>(tile.data() + layout.step_at(r))};
          const std::uint16_t x = values[t * shape.dim + i];
          if (Number::finite(x))
            kept &= std::abs(value<Number>(shown[i]) - value<Number>(x)) <=
                    static_cast<double>(pc::error_bound(row, Planes::bits_before(p)));
        }
      }
    CHECK(kept);
  }
}

template <class Number, class Planes>
void tiles_of_both_kinds_keep_to_it() {
  tiles_keep_to_it<Number, pc::per_channel<64>, Planes>(rounds(120, 30));
  tiles_keep_to_it<Number, pc::per_token, Planes>(rounds(120, 30));
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
  holds_and_is_tight<pc::bf16, 8>(rounds(1020, 170));
  holds_and_is_tight<pc::fp16, 8>(rounds(1020, 170));
}

TEST_CASE("error bound: likewise with fewer code bits") {
  const std::uint32_t count = rounds(340, 170);
  holds_and_is_tight<pc::bf16, 4>(count);
  holds_and_is_tight<pc::fp16, 4>(count);
  holds_and_is_tight<pc::bf16, 2>(count);
  holds_and_is_tight<pc::fp16, 2>(count);
  holds_and_is_tight<pc::bf16, 3>(count);
  holds_and_is_tight<pc::fp16, 6>(count);
}

TEST_CASE("error bound: what a backend shows of hard tiles, in every layout of planes") {
  tiles_of_all_planes_keep_to_it<pc::bf16>();
  tiles_of_all_planes_keep_to_it<pc::fp16>();
}

TEST_CASE("error bound: nothing between equal values, half a cell and half a unit between others") {
  pc::cells<pc::bf16, 8> c;
  CHECK(fitted<pc::bf16>({0x4049, 0x4049}, c));
  CHECK(pc::error_bound(c, 1) == 0);
  CHECK(fitted<pc::bf16>({0x8000, 0x0000}, c));
  CHECK(pc::error_bound(c, 8) == 0);
  c = {0x0000, 0x3F80}; // 0, 1, … 254
  CHECK(pc::error_bound(c, 8) == doctest::Approx(0.5 + 0.5 + 254 * 0x1p-23));
  CHECK(pc::error_bound(c, 4) == doctest::Approx(8 + 0.5 + 254 * 0x1p-23));
  CHECK(pc::error_bound(c, 1) == doctest::Approx(64 + 0.5 + 254 * 0x1p-23));
  static_assert(pc::error_bound(pc::cells<pc::fp16, 8>{0x3C00, 0}, 4) == 0);
}

TEST_CASE("error bound: it is a number where the row reaches the format's end") {
  const pc::cells<pc::bf16, 8> wide{0x7F00, 0x7B00}; // its last boundary is beyond every number
  CHECK(std::isfinite(pc::error_bound(wide, 1)));
  const pc::cells<pc::fp16, 8> narrow{0x7B00, 0x4400};
  CHECK(pc::error_bound(narrow, 8) == doctest::Approx(256 + 16 + 65504 * 0x1p-23));
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
