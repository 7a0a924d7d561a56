#include "planecast/cache/number.hpp"

#include "code/rows.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>

namespace cache_number_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

// What a pattern means, by the formats' definitions: exact in a double.
template <class Number>
double meaning(std::uint32_t pattern) {
  constexpr int fraction_bits = Number::id == pc::number::bf16       ? 7
                                : Number::id == pc::number::fp16     ? 10
                                : Number::id == pc::number::fp8_e4m3 ? 3
                                                                     : 2;
  constexpr int exponents = 1 << (static_cast<int>(Number::bits) - 1 - fraction_bits),
                bias = exponents / 2 - 1;
  const int exponent = static_cast<int>(pattern >> fraction_bits) & (exponents - 1);
  const int fraction = static_cast<int>(pattern) & ((1 << fraction_bits) - 1);
  double size = 0;
  if (Number::id == pc::number::fp8_e4m3 &&
      exponent == 15) // it has no infinities, and numbers in their place
    size = fraction == 7 ? std::nan("") : std::ldexp(8 + fraction, 5);
  else if (exponent == exponents - 1)
    size = fraction != 0 ? std::nan("") : HUGE_VAL;
  else if (exponent == 0)
    size = std::ldexp(fraction, 1 - bias - fraction_bits);
  else
    size = std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
  return (pattern & Number::sign) != 0 ? -size : size;
}

// The least order, infinities included, whose value is not below x: found by search, not by arithmetic.
template <class Number>
std::uint32_t least_not_below(double x) {
  std::uint32_t from = Number::order(Number::sign | greatest_finite<Number>);
  std::uint32_t to = Number::order(infinity<Number>);
  while (from < to) {
    const std::uint32_t half = (from + to) / 2;
    if (meaning<Number>(Number::pattern(half)) >= x)
      to = half;
    else
      from = half + 1;
  }
  return from;
}

// The nearest finite pattern with x's sign, of two equally near ones the even.
template <class Number>
std::uint16_t nearest_by_search(double x) {
  const std::uint32_t sign = std::signbit(x) ? Number::sign : 0u;
  const std::uint32_t above = least_not_below<Number>(std::abs(x));
  const std::uint32_t up = std::abs(x) == 0 ? 0u : Number::pattern(above);
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
  for (std::uint32_t p = 0; p < 2 * Number::sign; ++p) {
    const auto pattern = static_cast<std::uint16_t>(p);
    const double expected = meaning<Number>(p), value = static_cast<double>(Number::value(pattern));
    values =
        values && (std::isnan(expected) ? std::isnan(value)
                                        : value == expected && std::signbit(value) == std::signbit(expected));
    finite = finite && Number::finite(pattern) == std::isfinite(expected);
    if (std::isfinite(expected)) {
      back = back && Number::nearest(Number::value(pattern)) == pattern;
      const std::uint32_t order = Number::ceil_order(Number::value(pattern));
      back = back && order == (expected == 0 ? Number::order(Number::sign) : Number::order(pattern));
    }
  }
  CHECK(values);
  CHECK(finite);
  CHECK(back);
}

// Floats on and about every number of the format and every middle between two, then any floats.
template <class Number>
void every_float_rounds_as_defined() {
  for (std::uint32_t p = 0; p < greatest_finite<Number>; p += Number::bits == 8 ? 1 : rounds(1, 7)) {
    const auto low = std::bit_cast<std::uint32_t>(Number::value(static_cast<std::uint16_t>(p)));
    const auto high = std::bit_cast<std::uint32_t>(Number::value(static_cast<std::uint16_t>(p + 1)));
    for (const std::uint32_t bits : {low, low + 1, low + (high - low) / 2 - 1, low + (high - low) / 2,
                                     low + (high - low) / 2 + 1, high - 1}) {
      rounds_as_defined<Number>(std::bit_cast<float>(bits));
      rounds_as_defined<Number>(std::bit_cast<float>(bits | 0x80000000u));
    }
  }
  for (const float x : {448.f, 463.f, 464.f, 465.f, 480.f, 57344.f, 61439.f, 61440.f, 65504.f, 65519.f,
                        65520.f, 65535.f, 65536.f, 0x1.fffffep127f, 0x1p-149f, 0x1p-25f, 0x1p-26f})
    for (const float y : {x, -x})
      rounds_as_defined<Number>(y);
  CHECK(Number::ceil_order(HUGE_VALF) == Number::order(infinity<Number>));
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  random_source random(seed);
  for (std::uint32_t k = 0; k < rounds(1'000'000, 50'000); ++k)
    if (const float x = std::bit_cast<float>(static_cast<std::uint32_t>(random.bits() >> 32));
        std::isfinite(x))
      rounds_as_defined<Number>(x);
}

// A conversion of a finite binary32 by search: nearest even among the format's numbers and, beyond the
// greatest, the one that would come next, in whose place infinity stands.
template <class Number>
std::uint16_t converted_by_search(float x) {
  const double beyond =
      2 * meaning<Number>(greatest_finite<Number>) - meaning<Number>(greatest_finite<Number> - 1);
  const double size = std::abs(static_cast<double>(x));
  const double tie = (meaning<Number>(greatest_finite<Number>) + beyond) / 2; // the greatest is odd
  return size >= tie ? static_cast<std::uint16_t>((std::signbit(x) ? 0x8000u : 0u) | infinity<Number>)
                     : nearest_by_search<Number>(static_cast<double>(x));
}

template <class Number>
void converts_as_a_cast(float x) {
  if (Number::from_fp32(x) != converted_by_search<Number>(x))
    FAIL_CHECK("wrong conversion of the float with bits " << std::bit_cast<std::uint32_t>(x));
}

// A conversion is monotone, so that numbers, the middles between them and their neighbours decide it.
template <class Number>
void every_float_is_converted() {
  for (std::uint32_t p = 0; p <= greatest_finite<Number>; p += rounds(1, 7)) {
    const auto pattern = static_cast<std::uint16_t>(p);
    CHECK_MESSAGE(Number::from_fp32(Number::value(pattern)) == pattern, p);
    const auto low = std::bit_cast<std::uint32_t>(Number::value(pattern));
    const auto high = p < greatest_finite<Number>
                          ? std::bit_cast<std::uint32_t>(Number::value(static_cast<std::uint16_t>(p + 1)))
                          : low + (Number::id == pc::number::bf16 ? 0x10000u : 0x2000u);
    for (const std::uint32_t bits : {low, low + 1, low + (high - low) / 2 - 1, low + (high - low) / 2,
                                     low + (high - low) / 2 + 1, high - 1})
      for (const std::uint32_t sign : {0u, 0x80000000u})
        if (std::isfinite(std::bit_cast<float>(bits)))
          converts_as_a_cast<Number>(std::bit_cast<float>(bits | sign));
  }
  for (const float x : {0x1.fffffep127f, 0x1p-149f, 0x1p-25f, 0x1p-26f, 65536.f, 0x1.008p-25f})
    for (const float y : {x, -x})
      converts_as_a_cast<Number>(y);
  CHECK(Number::from_fp32(HUGE_VALF) == infinity<Number>);
  CHECK(Number::from_fp32(-HUGE_VALF) == (0x8000u | infinity<Number>));
  bool quiet = true;
  for (std::uint32_t fraction = 1; fraction < 0x800000u; fraction += 1 + fraction / 3)
    for (const std::uint32_t sign : {0u, 0x80000000u}) {
      const std::uint16_t nan = Number::from_fp32(std::bit_cast<float>(sign | 0x7F800000u | fraction));
      const std::uint32_t bit = Number::id == pc::number::bf16 ? 0x40u : 0x200u;
      quiet = quiet && !Number::finite(nan) && (nan & bit) != 0 && (nan >> 15) == (sign >> 31) &&
              (nan & (bit - 1)) == (fraction >> (Number::id == pc::number::bf16 ? 16 : 13) & (bit - 1));
    }
  CHECK(quiet);
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
TEST_CASE("number: every fp8 pattern means its value, and floats round to it as defined") {
  every_pattern_means_its_value<pc::e4m3>();
  every_pattern_means_its_value<pc::e5m2>();
  every_float_rounds_as_defined<pc::e4m3>();
  every_float_rounds_as_defined<pc::e5m2>();
  CHECK(pc::e4m3::value(0x7E) == 448);
  CHECK(pc::e4m3::value(0x01) == 0x1p-9f);
  CHECK(!pc::e4m3::finite(0xFF));
  CHECK(pc::e5m2::value(0x7B) == 57344);
  CHECK(pc::e5m2::value(0x81) == -0x1p-16f);
  CHECK(pc::e5m2::value(0xFC) == -HUGE_VALF);
}
TEST_CASE("number: orders of 8 bits are a bijection that keeps the order of values") {
  for (std::uint32_t order = 0; order < 256; ++order)
    CHECK(pc::e4m3::order(pc::e4m3::pattern(order)) == order);
  for (std::uint32_t order = 2; order < 255; ++order) // what is finite
    CHECK(pc::e4m3::value(pc::e4m3::pattern(order)) >= pc::e4m3::value(pc::e4m3::pattern(order - 1)));
  CHECK(pc::e4m3::order(0x80) + 1 == pc::e4m3::order(0x00));
  for (std::uint32_t p = 0; p < 0x10000u; ++p)
    if (pc::bf16::order(p) != pc::order_of(static_cast<std::uint16_t>(p)) ||
        pc::fp16::pattern(p) != pc::pattern_of(p))
      FAIL_CHECK("two meanings of order");
}
TEST_CASE("number: fp32 is converted as a cast does it") {
  every_float_is_converted<pc::bf16>();
  every_float_is_converted<pc::fp16>();
}
TEST_CASE("number: fp32 is converted to fp8 as engines do it: to the greatest, not beyond") {
  CHECK(pc::e4m3::from_fp32(464.0f) == 0x7E);
  CHECK(pc::e4m3::from_fp32(-HUGE_VALF) == 0xFE);
  CHECK(pc::e4m3::from_fp32(-std::bit_cast<float>(0x7F800001u)) == 0xFF);
  CHECK(pc::e5m2::from_fp32(65504.0f) == 0x7B);
  CHECK(pc::e5m2::from_fp32(HUGE_VALF) == 0x7B);
  CHECK(pc::e5m2::from_fp32(std::bit_cast<float>(0xFF800001u)) == 0xFE);
  CHECK(pc::e5m2::from_fp32(std::bit_cast<float>(0x7FA00000u)) == 0x7F);
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  random_source random(seed);
  for (std::uint32_t k = 0; k < rounds(100'000, 10'000); ++k)
    if (const float x = std::bit_cast<float>(static_cast<std::uint32_t>(random.bits() >> 32));
        !std::isnan(x) &&
        (pc::e4m3::from_fp32(x) != pc::e4m3::nearest(x) || pc::e5m2::from_fp32(x) != pc::e5m2::nearest(x)))
      FAIL_CHECK("wrong conversion of " << x);
}
TEST_CASE("number: values of the 8-bit formats take a byte") {
  CHECK(pc::value_bytes(pc::number::fp8_e4m3) == 1);
  CHECK(pc::value_bytes(pc::number::fp8_e5m2) == 1);
  CHECK(pc::value_bytes(pc::number::fp16) == 2);
  CHECK(pc::value_bytes(pc::number::bf16) == 2);
}

TEST_CASE("number: with_format gives the format that a dtype names") {
  CHECK(pc::with_format(pc::number::fp16, []<class N>(N) { return N::id; }) == pc::number::fp16);
  CHECK(pc::with_format(pc::number::bf16, []<class N>(N) { return N::id; }) == pc::number::bf16);
  CHECK(pc::with_format(pc::number::fp8_e4m3, []<class N>(N) { return N::id; }) == pc::number::fp8_e4m3);
  CHECK(pc::with_format(pc::number::fp8_e5m2, []<class N>(N) { return N::id; }) == pc::number::fp8_e5m2);
}

} // namespace cache_number_test
