#include "planecast/code/cell.hpp"

#include "code/flush_to_zero.hpp"
#include "code/rows.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace code_cell_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

template <class Number>
double value(std::uint16_t pattern) {
  return static_cast<double>(Number::value(pattern));
}

// What rounding to the nearest number of the format may cost near x.
template <class Number>
double half_unit(double x) {
  return std::is_same_v<Number, pc::bf16> ? std::max(std::abs(x) * 0x1p-8, 0x1p-134)
                                          : std::max(std::abs(x) * 0x1p-11, 0x1p-25);
}

// The stated bound of a prefix: half its span of cells, and rounding (of the boundary in fp32, of the
// result).
template <class Number, std::uint32_t Bits>
std::string prefix_trouble(const pc::cells<Number, Bits>& cells, std::uint16_t pattern, std::uint32_t q) {
  const double x = value<Number>(pattern), low = value<Number>(cells.low), step = value<pc::bf16>(cells.step);
  for (std::uint32_t bits = 1; bits <= Bits; ++bits) {
    const std::uint32_t span = 1u << (Bits - bits);
    const std::uint16_t shown = cells.middle(q >> (Bits - bits), bits);
    if (!Number::finite(shown))
      return "a prefix decodes to a value that is not finite";
    const double centre = low + ((q / span) * span + 0.5 * span - 1) * step;
    const double rounding = half_unit<Number>(centre) + 0x1p-22 * std::max(std::abs(x), std::abs(centre));
    const double bound = cells.step == 0 ? 0 : 0.5 * span * step + rounding;
    if (!(std::abs(value<Number>(shown) - x) <= bound))
      return "prefix of " + std::to_string(bits) + " bits decodes " + std::to_string(pattern) + " to " +
             std::to_string(shown);
  }
  return "";
}

// What is wrong with the cells of a row; nothing, if all is well.
template <class Number, std::uint32_t Bits>
std::string trouble(const std::vector<std::uint16_t>& row) {
  using cells = pc::cells<Number, Bits>;
  typename cells::extent extent;
  for (const std::uint16_t x : row)
    extent.add(x);
  cells c;
  if (!c.fit(extent)) {
    const double range =
        value<Number>(pc::pattern_of(extent.greatest)) - value<Number>(pc::pattern_of(extent.least));
    return range < 0x1p119 * cells::steps * (1 - 0x1p-8) ? "a step within the limits was refused" : "";
  }
  if (c.step != 0 && (c.step < 0x0D80 || c.step > 0x7B00))
    return "a step outside of the limits was taken";

  std::array<std::uint32_t, (1u << Bits) + 1> table{};
  for (std::uint32_t q = 0; q < table.size(); ++q)
    table[q] = c.first(q);
  if (table.front() != 0 || table.back() != 0x10000u)
    return "the cells do not cover all patterns";
  if (!std::is_sorted(table.begin(), table.end()))
    return "first() falls";
  for (std::uint32_t order = 0; order < 0x10000u; ++order) {
    const std::uint32_t q = c.code(order);
    if (q > cells::last || order < table[q] || order >= table[q + 1])
      return "order " + std::to_string(order) + " is not in its cell";
    const std::uint32_t rest = order - table[q], bits = c.tail_bits(q);
    if (bits > 16 || rest >> bits != 0)
      return "order " + std::to_string(order) + " does not fit its tail";
    if (const std::uint32_t cell = table[q + 1] - table[q]; bits > 0 && 1u << (bits - 1) >= cell)
      return "a tail is wider than its cell needs";
  }
  for (const std::uint16_t x : row)
    if (Number::finite(x)) {
      const std::uint32_t q = c.code(pc::order_of(x));
      if (q == 0 || q == cells::last)
        return "pattern " + std::to_string(x) + " is finite, in a guard cell";
      if (const std::string wrong = prefix_trouble(c, x, q); !wrong.empty())
        return wrong;
    }
  return "";
}

template <class Number, std::uint32_t Bits>
void all_patterns_come_back(std::uint32_t count) {
  constexpr std::uint32_t lengths[] = {1, 2, 6, 7, 63, 64, 65, 128};
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    random_source random(seed);
    const std::uint32_t kind = k % hard_kinds, length = lengths[random.below(8)];
    CAPTURE(seed);
    CAPTURE(kind);
    CAPTURE(length);
    CHECK(trouble<Number, Bits>(hard_row<Number>(static_cast<hard>(kind), length, random)) == "");
  }
}

template <class Number>
pc::cells<Number, 8> fitted(std::initializer_list<std::uint16_t> row, bool fits = true) {
  typename pc::cells<Number, 8>::extent extent;
  for (const std::uint16_t x : row)
    extent.add(x);
  pc::cells<Number, 8> c;
  CHECK(c.fit(extent) == fits);
  return c;
}

// Everything that a scale row decides: the cells, the code of each of its values, what prefixes show.
template <class Number, std::uint32_t Bits>
[[gnu::noinline]] std::vector<std::uint32_t> all_of(const std::vector<std::uint16_t>& row) {
  pc::cells<Number, Bits> c;
  typename pc::cells<Number, Bits>::extent extent;
  for (const std::uint16_t x : row)
    extent.add(x);
  std::vector<std::uint32_t> all;
  all.push_back(c.fit(extent) ? 1 : 0);
  if (all[0] == 0)
    return all;
  all.push_back(c.low);
  all.push_back(c.step);
  for (std::uint32_t q = 0; q <= 1u << Bits; ++q)
    all.push_back(c.first(q));
  for (std::uint32_t bits = 0; bits <= Bits; ++bits)
    for (std::uint32_t prefix = 0; prefix < 1u << bits; ++prefix)
      all.push_back(c.middle(prefix, bits));
  for (const std::uint16_t x : row)
    all.push_back(c.code(pc::order_of(x)));
  return all;
}

template <class Number, std::uint32_t Bits>
void flush_to_zero_changes_nothing(std::uint32_t count) {
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    random_source random(seed);
    const auto row = hard_row<Number>(static_cast<hard>(k % hard_kinds), 1 + random.below(64), random);
    CAPTURE(seed);
    const auto with = [&] {
      const flush_to_zero on;
      return all_of<Number, Bits>(row);
    }();
    CHECK(with == all_of<Number, Bits>(row));
  }
}

std::uint16_t bf16(double x) {
  return nearest<pc::bf16>(x);
}

} // namespace

TEST_CASE("cell: all patterns come back for hard rows of bf16") {
  all_patterns_come_back<pc::bf16, 8>(rounds(5100, 85));
}
TEST_CASE("cell: all patterns come back for hard rows of fp16") {
  all_patterns_come_back<pc::fp16, 8>(rounds(5100, 85));
}

TEST_CASE("cell: all patterns come back with fewer code bits") {
  const std::uint32_t count = rounds(170, 17);
  all_patterns_come_back<pc::bf16, 2>(count);
  all_patterns_come_back<pc::fp16, 2>(count);
  all_patterns_come_back<pc::bf16, 3>(count);
  all_patterns_come_back<pc::fp16, 5>(count);
  all_patterns_come_back<pc::bf16, 4>(count);
  all_patterns_come_back<pc::fp16, 4>(count);
  all_patterns_come_back<pc::bf16, 6>(count);
  all_patterns_come_back<pc::fp16, 7>(count);
}

TEST_CASE("cell: flush-to-zero changes nothing") {
  flush_to_zero_changes_nothing<pc::bf16, 8>(rounds(20'000, 1000));
  flush_to_zero_changes_nothing<pc::fp16, 8>(rounds(20'000, 1000));
  flush_to_zero_changes_nothing<pc::bf16, 4>(rounds(20'000, 1000));
}

TEST_CASE("cell: a row without finite values has m = +0 and s = 0") {
  const auto c = fitted<pc::bf16>({0x7F80, 0xFF80, 0x7FC0, 0xFFFF});
  CHECK(c.low == 0);
  CHECK(c.step == 0);
  CHECK(c.code(pc::order_of(0x7FC0)) == 255);
  CHECK(c.code(pc::order_of(0xFFFF)) == 0);
  CHECK(fitted<pc::bf16>({}).low == 0);
}

TEST_CASE("cell: equal values need no tail, and zeros of both signs need one bit") {
  const auto one = fitted<pc::bf16>({0x3F80, 0x3F80});
  CHECK(one.step == 0);
  CHECK(one.code(pc::order_of(0x3F80)) == 1);
  CHECK(one.tail_bits(1) == 0);
  const auto zeros = fitted<pc::fp16>({0x0000, 0x8000});
  CHECK(zeros.low == 0x8000);
  CHECK(zeros.step == 0);
  CHECK(zeros.tail_bits(1) == 1);
  CHECK(zeros.code(pc::order_of(0x0000)) == 1);
  CHECK(zeros.code(pc::order_of(0x8000)) == 1);
  const auto positive = fitted<pc::fp16>({0x0000});
  CHECK(positive.low == 0);
  CHECK(positive.first(1) == pc::order_of(0x8000));
  CHECK(positive.first(2) == pc::order_of(0x0000) + 1);
}

TEST_CASE("cell: the step keeps to its limits, and beyond them the row is refused") {
  CHECK(fitted<pc::bf16>({0x0000, 0x0001}).step == 0x0D80); // the smallest difference there is
  CHECK(fitted<pc::bf16>({bf16(0), bf16(253 * 0x1p-100)}).step == 0x0D80);
  CHECK(fitted<pc::bf16>({bf16(0), bf16(254 * 0x1p-100)}).step == 0x0D81);
  CHECK(fitted<pc::bf16>({bf16(-0x1p118), bf16(253 * 0x1p119)}).step == 0x7B00);
  fitted<pc::bf16>({bf16(-0x1p119), bf16(253 * 0x1p119)}, false);
  fitted<pc::bf16>({bf16(0), bf16(254 * 0x1p119)}, false);
  fitted<pc::bf16>({0xFF7F, 0x7F7F}, false);
  CHECK(fitted<pc::fp16>({0xFBFF, 0x7BFF}).step != 0); // fp16 never comes near
}

TEST_CASE("cell: a boundary of zero counts as -0") {
  const auto c = fitted<pc::bf16>({bf16(-127), bf16(126.5)});
  CHECK(c.step == bf16(1));
  CHECK(c.first(128) == pc::order_of(0x8000));
}

TEST_CASE("cell: constant evaluation gives what the program gives") {
  constexpr auto tables = [] {
    std::array<std::uint32_t, 16> sums{};
    for (std::uint32_t i = 0; i < sums.size(); ++i) {
      pc::cells<pc::bf16, 4> c;
      c.fit({pc::order_of(static_cast<std::uint16_t>(0xC000 + 37 * i)),
             pc::order_of(static_cast<std::uint16_t>(0x3F00 + 91 * i))});
      for (std::uint32_t q = 0; q < 17; ++q)
        sums[i] = sums[i] * 31 + c.first(q) + c.middle(q & 15, 4);
    }
    return sums;
  };
  constexpr auto at_compile_time = tables();
  CHECK(at_compile_time == tables());
}

TEST_CASE("cell: four bits of gaussian rows have the stated error") {
  random_source random(first_seed());
  double error = 0, power = 0;
  for (std::uint32_t k = 0; k < rounds(4000, 1000); ++k) {
    std::vector<std::uint16_t> row;
    pc::cells<pc::bf16, 8>::extent extent;
    for (int i = 0; i < 64; ++i) {
      row.push_back(bf16(random.gaussian()));
      extent.add(row.back());
    }
    pc::cells<pc::bf16, 8> c;
    REQUIRE(c.fit(extent));
    for (const std::uint16_t x : row) {
      const double off = value<pc::bf16>(c.middle(c.code(pc::order_of(x)) >> 4, 4)) - value<pc::bf16>(x);
      error += off * off;
      power += value<pc::bf16>(x) * value<pc::bf16>(x);
    }
  }
  CHECK(error / power > 6.5e-3);
  CHECK(error / power < 8.5e-3);
}

} // namespace code_cell_test
