#include "planecast/code/balance.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace code_balance_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

template <class Number>
double exact(std::uint32_t pattern) {
  return static_cast<double>(Number::value(static_cast<std::uint16_t>(pattern)));
}

// floor(log2) as the definition says it, in doubles, which hold every format's numbers.
template <class Number>
int exponent_by_log(std::uint32_t size) {
  if (size == 0)
    return -128;
  int e = 0;
  std::frexp(exact<Number>(size), &e);
  return std::max(-96, e - 1);
}

// A row between channels of those exponents: the boundaries rise, hold all of the row, and are what doubles
// say.
template <class Number, std::uint32_t Bits>
void check_row(const std::vector<std::uint16_t>& row, const std::vector<int>& exponents) {
  using balance = pc::balanced_cells<Number, Bits>;
  typename balance::extent extent;
  for (std::size_t i = 0; i < row.size(); ++i)
    extent.add(row[i], exponents[i]);
  balance cells;
  cells.fit(extent);
  bool rising = true, holds = true, as_defined = true, back = true, valid = true;
  for (std::size_t i = 0; i < row.size(); ++i) {
    cells.exponent = static_cast<std::int8_t>(exponents[i]);
    valid = valid && cells.valid();
    const auto line = cells.on_line();
    for (std::uint32_t q = 0; q < 1u << Bits; ++q)
      rising = rising && line.first(q) <= line.first(q + 1);
    const std::uint32_t order = Number::order(row[i]), q = line.code(order);
    holds = holds && (!Number::finite(row[i]) || (q >= 1 && q < line.last));
    back = back && line.first(q) <= order && order < line.first(q + 1) &&
           order - line.first(q) < 1u << line.tail_bits(q);
    if (exponents[i] != -128 && cells.step != 0) // the other formula: add, then multiply
      for (std::uint32_t k = 1; k < line.last; ++k) {
        const float sum = static_cast<float>(cells.low) * 0x1p-14f +
                          static_cast<float>(k - 1) * pc::bf16::value(cells.step);
        as_defined = as_defined && line.first(k) == Number::ceil_order(std::ldexp(sum, exponents[i]));
      }
  }
  CHECK(rising);
  CHECK(holds);
  CHECK(back);
  CHECK(as_defined);
  CHECK(valid);
}

template <class Number, std::uint32_t Bits>
void hard_rows(std::uint32_t count) {
  using balance = pc::balanced_cells<Number, Bits>;
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    // Channels of any size, each with values of its own kind; a token's row takes one of each.
    const std::uint32_t dim = 1 + random.below(40);
    std::vector<std::uint16_t> row;
    std::vector<int> exponents;
    for (std::uint32_t c = 0; c < dim; ++c) {
      const auto channel = hard_row<Number>(static_cast<hard>(random.below(hard_kinds)), 8, random);
      std::uint32_t size = 0;
      for (const std::uint16_t x : channel)
        if (Number::finite(x))
          size = std::max<std::uint32_t>(size, x & (Number::sign - 1));
      const int e = balance::exponent_of(size);
      if (e > balance::greatest_exponent)
        continue;
      row.push_back(channel[random.below(8)]);
      exponents.push_back(e);
    }
    check_row<Number, Bits>(row, exponents);
  }
}

template <class Number>
void exponents_and_scaled_values() {
  using balance = pc::balanced_cells<Number, 8>;
  bool exponents = true, scaled = true;
  for (std::uint32_t size = 0; size <= Number::greatest; ++size)
    exponents = exponents && balance::exponent_of(size) == exponent_by_log<Number>(size);
  for (std::uint32_t p = 0; p < 2 * Number::sign; ++p)
    if (const auto pattern = static_cast<std::uint16_t>(p);
        Number::finite(pattern) && p % Number::sign != 0) {
      const int own = exponent_by_log<Number>(p % Number::sign);
      for (const int above : {0, 1, 5, 14, 15, 22, 23, 24, 31, 32, 40, 100})
        if (own + above <= 127)
          scaled = scaled && balance::scaled(pattern, own + above) ==
                                 static_cast<int>(std::floor(std::ldexp(exact<Number>(p), 14 - own - above)));
    }
  CHECK(exponents);
  CHECK(scaled);
}

// Every pattern's cell, for one row's cells.
template <class Number, std::uint32_t Bits>
bool every_pattern_has_a_cell(const pc::ruler<Number, Bits>& line) {
  for (std::uint32_t order = 0; order < 2 * Number::sign; ++order) {
    const std::uint32_t q = line.code(order);
    if (line.first(q) > order || order >= line.first(q + 1) ||
        order - line.first(q) >= 1u << line.tail_bits(q))
      return false;
  }
  return true;
}

} // namespace

TEST_CASE("balance: exponents and scaled values are those of the definition, for every pattern") {
  exponents_and_scaled_values<pc::bf16>();
  exponents_and_scaled_values<pc::fp16>();
  exponents_and_scaled_values<pc::e4m3>();
  exponents_and_scaled_values<pc::e5m2>();
}

TEST_CASE("balance: hard rows between channels of all sizes") {
  hard_rows<pc::bf16, 8>(rounds(4000, 800));
  hard_rows<pc::bf16, 2>(rounds(500, 100));
  hard_rows<pc::fp16, 8>(rounds(2000, 400));
  hard_rows<pc::fp16, 4>(rounds(500, 100));
  hard_rows<pc::e4m3, 4>(rounds(2000, 400));
  hard_rows<pc::e5m2, 4>(rounds(2000, 400));
  hard_rows<pc::e5m2, 8>(rounds(500, 100));
}

TEST_CASE("balance: every pattern has a cell, wherever the cells lie") {
  for (std::uint32_t k = 0; k < rounds(60, 10); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const auto line = [&]<class Number>(Number) {
      using balance = pc::balanced_cells<Number, 8>;
      typename balance::extent e{static_cast<int>(random.below(0x10000)) - 0x8000, 0, true};
      e.greatest = e.least + static_cast<int>(random.below(static_cast<std::uint32_t>(0x8000 - e.least)));
      balance cells;
      cells.fit(e);
      cells.exponent = static_cast<std::int8_t>(static_cast<int>(random.below(221)) - 96);
      CHECK(cells.valid());
      CHECK(every_pattern_has_a_cell(cells.on_line()));
    };
    line(pc::bf16{});
    line(pc::fp16{});
    line(pc::e4m3{});
    line(pc::e5m2{});
  }
}

TEST_CASE("balance: a row of zeros, and a channel of zeros, cost a bit") {
  using balance = pc::balanced_cells<pc::bf16, 8>;
  balance::extent zeros;
  zeros.add(0, 3);
  zeros.add(0x8000, 3);
  zeros.add(0x7F80, 3);    // not finite
  zeros.add(0x3F80, -128); // a channel without an exponent has no such value; it does not count
  balance cells;
  cells.fit(zeros);
  CHECK(cells.low == 0);
  CHECK(cells.step == 0);
  cells.exponent = 3;
  CHECK(cells.on_line().tail_bits(cells.on_line().code(pc::order_of(0x8000))) == 1);
  CHECK(cells.on_line().code(pc::order_of(0)) == 1);
  balance::extent row;
  row.add(0x3F80, 0);
  cells.fit(row);
  cells.exponent = balance::no_exponent;
  CHECK(cells.step != 0);
  CHECK(cells.on_line().step == 0);
  CHECK(cells.on_line().tail_bits(1) == 1);
}

TEST_CASE("balance: hostile scalars are told from good ones, and good ones rise") {
  using balance = pc::balanced_cells<pc::bf16, 8>;
  CHECK(!balance{1, 0, 0}.valid());      // a row without a step starts at zero
  CHECK(!balance{0, 0x3480, 0}.valid()); // below the least step
  CHECK(!balance{0, 0x8000, 0}.valid());
  CHECK(!balance{0, 0x7F80, 0}.valid());
  CHECK(!balance{0, 0x7FC0, 0}.valid());
  CHECK(!balance{0, 0x4000, 0}.valid()); // 2: cells as wide as all there is
  CHECK(!balance{0, 0, 125}.valid());
  CHECK(!balance{0, 0, -97}.valid());
  CHECK(balance{0, 0, -128}.valid());
  std::uint32_t valid = 0;
  for (std::uint32_t k = 0; k < rounds(200'000, 40'000); ++k) {
    random_source random(first_seed() + k);
    balance cells{static_cast<std::int16_t>(random.pattern()), random.pattern(),
                  static_cast<std::int8_t>(random.pattern())};
    if (random.coin())
      cells.step = static_cast<std::uint16_t>(0x3480 + random.below(0x800));
    if (!cells.valid())
      continue;
    ++valid;
    const auto line = cells.on_line();
    bool rising = std::isfinite(line.low) && std::isfinite(line.step);
    for (std::uint32_t q = 0; q <= line.last; ++q)
      rising = rising && line.first(q) <= line.first(q + 1);
    CHECK(rising);
  }
  CHECK(valid > 1000);
}

} // namespace code_balance_test
