#include "planecast/cache/number.hpp"

#include "code/rows.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>

namespace pc = planecast;
using namespace planecast_test;

namespace {

// What a pattern means, by the formats' definitions: exact in a double.
template <class Number>
double meaning(std::uint32_t pattern) {
  constexpr int fraction_bits = std::is_same_v<Number, pc::bf16> ? 7 : 10;
  constexpr int exponents = 1 << (15 - fraction_bits), bias = exponents / 2 - 1;
  const int exponent = static_cast<int>(pattern >> fraction_bits) & (exponents - 1);
  const int fraction = static_cast<int>(pattern) & ((1 << fraction_bits) - 1);
  double size = 0;
  if (exponent == exponents - 1)
    size = fraction != 0 ? std::nan("") : HUGE_VAL;
  else if (exponent == 0)
    size = std::ldexp(fraction, 1 - bias - fraction_bits);
  else
    size = std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
  return (pattern & 0x8000u) != 0 ? -size : size;
}

// The least order, infinities included, whose value is not below x: found by search, not by arithmetic.
template <class Number>
std::uint32_t least_not_below(double x) {
  std::uint32_t from = pc::order_of(static_cast<std::uint16_t>(0x8000u | infinity<Number>));
  std::uint32_t to = pc::order_of(infinity<Number>);
  while (from < to) {
    const std::uint32_t half = (from + to) / 2;
    if (meaning<Number>(pc::pattern_of(half)) >= x)
      to = half;
    else
      from = half + 1;
  }
  return from;
}

// The nearest finite pattern with x's sign, of two equally near ones the even.
template <class Number>
std::uint16_t nearest_by_search(double x) {
  const std::uint32_t sign = std::signbit(x) ? 0x8000u : 0u;
  const std::uint32_t above = least_not_below<Number>(std::abs(x));
  const std::uint32_t up = std::abs(x) == 0 ? 0u : pc::pattern_of(above);
  if (up > greatest_finite<Number>)
    return static_cast<std::uint16_t>(sign | greatest_finite<Number>);
  if (up == 0)
    return static_cast<std::uint16_t>(sign);
  const double over = meaning<Number>(up) - std::abs(x), under = std::abs(x) - meaning<Number>(up - 1);
  return static_cast<std::uint16_t>(sign | (over < under || (over == under && up % 2 == 0) ? up : up - 1));
}

template <class Number>
void rounds_as_defined(float x) {
  const bool same = Number::ceil_order(x) == least_not_below<Number>(static_cast<double>(x)) &&
                    Number::nearest(x) == nearest_by_search<Number>(static_cast<double>(x));
  if (!same)
    FAIL_CHECK("wrong rounding of the float with bits " << std::bit_cast<std::uint32_t>(x));
}

template <class Number>
void every_pattern_means_its_value() {
  bool values = true, finite = true, back = true;
  for (std::uint32_t p = 0; p < 0x10000u; ++p) {
    const auto pattern = static_cast<std::uint16_t>(p);
    const double expected = meaning<Number>(p), value = static_cast<double>(Number::value(pattern));
    values =
        values && (std::isnan(expected) ? std::isnan(value)
                                        : value == expected && std::signbit(value) == std::signbit(expected));
    finite = finite && Number::finite(pattern) == std::isfinite(expected);
    if (std::isfinite(expected)) {
      back = back && Number::nearest(Number::value(pattern)) == pattern;
      const std::uint32_t order = Number::ceil_order(Number::value(pattern));
      back = back && order == (expected == 0 ? pc::order_of(0x8000) : pc::order_of(pattern));
    }
  }
  CHECK(values);
  CHECK(finite);
  CHECK(back);
}

// Floats on and about every number of the format and every middle between two, then any floats.
template <class Number>
void every_float_rounds_as_defined() {
  for (std::uint32_t p = 0; p < greatest_finite<Number>; p += rounds(1, 7)) {
    const auto low = std::bit_cast<std::uint32_t>(Number::value(static_cast<std::uint16_t>(p)));
    const auto high = std::bit_cast<std::uint32_t>(Number::value(static_cast<std::uint16_t>(p + 1)));
    for (const std::uint32_t bits : {low, low + 1, low + (high - low) / 2 - 1, low + (high - low) / 2,
                                     low + (high - low) / 2 + 1, high - 1}) {
      rounds_as_defined<Number>(std::bit_cast<float>(bits));
      rounds_as_defined<Number>(std::bit_cast<float>(bits | 0x80000000u));
    }
  }
  for (const float x :
       {65504.f, 65519.f, 65520.f, 65535.f, 65536.f, 0x1.fffffep127f, 0x1p-149f, 0x1p-25f, 0x1p-26f})
    for (const float y : {x, -x})
      rounds_as_defined<Number>(y);
  CHECK(Number::ceil_order(HUGE_VALF) == pc::order_of(infinity<Number>));
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  random_source random(seed);
  for (std::uint32_t k = 0; k < rounds(1'000'000, 50'000); ++k)
    if (const float x = std::bit_cast<float>(static_cast<std::uint32_t>(random.bits() >> 32));
        std::isfinite(x))
      rounds_as_defined<Number>(x);
}

} // namespace

TEST_CASE("number: orders are a bijection that keeps the order of values") {
  bool back = true, rising = true;
  for (std::uint32_t order = 0; order < 0x10000u; ++order) {
    back = back && pc::order_of(pc::pattern_of(order)) == order;
    if (order > 0) {
      const double below = meaning<pc::bf16>(pc::pattern_of(order - 1)),
                   value = meaning<pc::bf16>(pc::pattern_of(order));
      rising =
          rising && (std::isnan(below) || std::isnan(value) || below < value || (below == 0 && value == 0));
    }
  }
  CHECK(back);
  CHECK(rising);
  CHECK(pc::order_of(0x8000) + 1 == pc::order_of(0x0000)); // −0 < +0
}

TEST_CASE("number: every bf16 pattern means its value") {
  every_pattern_means_its_value<pc::bf16>();
}
TEST_CASE("number: every fp16 pattern means its value") {
  every_pattern_means_its_value<pc::fp16>();
}
TEST_CASE("number: floats round to bf16 as defined") {
  every_float_rounds_as_defined<pc::bf16>();
}
TEST_CASE("number: floats round to fp16 as defined") {
  every_float_rounds_as_defined<pc::fp16>();
}

TEST_CASE("number: with_format gives the format that a dtype names") {
  CHECK(pc::with_format(pc::number::fp16, []<class N>(N) { return N::id; }) == pc::number::fp16);
  CHECK(pc::with_format(pc::number::bf16, []<class N>(N) { return N::id; }) == pc::number::bf16);
}
