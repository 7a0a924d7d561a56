#include "planecast/cache/conversion.hpp"

#include "code/flush_to_zero.hpp"
#include "code/rows.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <utility>
#include <vector>

namespace cache_conversion_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

// What a pattern means, worked out here from the formats' widths; NaN where it is one.
struct format {
  int bits, fraction, bias;
  bool has_infinity, saturates;
};
constexpr format format_of(pc::number dtype) {
  switch (dtype) {
  case pc::number::fp16:
    return {16, 10, 15, true, false};
  case pc::number::bf16:
    return {16, 7, 127, true, false};
  case pc::number::fp8_e4m3:
    return {8, 3, 7, false, true};
  case pc::number::fp8_e5m2:
    break;
  }
  return {8, 2, 15, true, true};
}
double meaning(const format& f, std::uint32_t pattern) {
  const std::uint32_t size = pattern & ((1u << (f.bits - 1)) - 1), top = (1u << (f.bits - 1)) - 1;
  const int exponent = static_cast<int>(size >> f.fraction);
  const auto fraction = static_cast<double>(size & ((1u << f.fraction) - 1));
  const double hidden = std::ldexp(1.0, f.fraction);
  double x =
      std::ldexp(exponent == 0 ? fraction : hidden + fraction, std::max(exponent, 1) - f.bias - f.fraction);
  if (f.has_infinity && exponent == static_cast<int>(top >> f.fraction))
    x = fraction == 0 ? std::numeric_limits<double>::infinity() : std::nan("");
  else if (!f.has_infinity && size == top)
    x = std::nan("");
  return (pattern >> (f.bits - 1)) != 0 ? std::copysign(x, -1.0) : x;
}

// A format's finite sizes in order: their number is their pattern.
std::vector<double> sizes_of(const format& f) {
  std::vector<double> all;
  for (std::uint32_t p = 0; std::isfinite(meaning(f, p)); ++p)
    all.push_back(meaning(f, p));
  return all;
}

// Nearest even among a format's numbers, found by search; NaNs apart.
std::uint32_t nearest(const format& f, const std::vector<double>& sizes, double x) {
  const std::uint32_t sign = std::signbit(x) ? 1u << (f.bits - 1) : 0u;
  const double size = std::abs(x);
  const auto greatest = static_cast<std::uint32_t>(sizes.size() - 1);
  if (size > sizes.back()) {
    const double next =
        2 * sizes.back() - sizes[greatest - 1]; // even, for the greatest is odd where it counts
    return sign | (f.saturates || size < (sizes.back() + next) / 2 ? greatest : greatest + 1);
  }
  const auto above = static_cast<std::uint32_t>(std::ranges::lower_bound(sizes, size) - sizes.begin());
  if (above == 0)
    return sign;
  const double up = sizes[above] - size, down = size - sizes[above - 1]; // exact: they are close, or tiny
  return sign | (up < down || (up == down && above % 2 == 0) ? above : above - 1);
}

constexpr pc::number all[] = {pc::number::fp16, pc::number::bf16, pc::number::fp8_e4m3, pc::number::fp8_e5m2};

// Every pattern at some scales, in rows of many values.
void every_pattern(pc::number from, pc::number to, const pc::kv_scales& scales, std::uint32_t stride = 1) {
  CAPTURE(static_cast<int>(from));
  CAPTURE(static_cast<int>(to));
  CAPTURE(scales.keys);
  CAPTURE(scales.sent_keys);
  const format in = format_of(from), out = format_of(to);
  const std::vector<double> sizes = sizes_of(out);
  std::vector<std::uint32_t> patterns;
  std::vector<std::byte> row;
  for (std::uint32_t p = 0; p < 1u << in.bits; p += stride) {
    patterns.push_back(p);
    row.push_back(static_cast<std::byte>(p));
    if (in.bits == 16)
      row.push_back(static_cast<std::byte>(p >> 8));
  }
  const std::size_t width = static_cast<std::size_t>(out.bits) / 8;
  std::vector<std::byte> converted(patterns.size() * width + 1, std::byte{0x5A});
  const pc::detail::held_numbers numbers{.held = to, .sent = from, .scales = scales};
  numbers.convert(false, row.data(), static_cast<std::uint32_t>(patterns.size()), converted.data());
  CHECK(converted.back() == std::byte{0x5A});
  std::size_t wrong = 0, first = 0;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    std::uint32_t got = static_cast<std::uint32_t>(converted[i * width]);
    if (width == 2)
      got |= static_cast<std::uint32_t>(converted[2 * i + 1]) << 8;
    // In double the product is exact, and a quotient rounded twice is what it is rounded once.
    const double x = meaning(in, patterns[i]);
    const auto product = static_cast<float>(x * static_cast<double>(scales.sent_keys));
    const auto quotient = static_cast<float>(static_cast<double>(product) / static_cast<double>(scales.keys));
    const bool good = std::isnan(x) ? std::isnan(meaning(out, got)) &&
                                          (got >> (out.bits - 1)) == (patterns[i] >> (in.bits - 1))
                                    : got == nearest(out, sizes, static_cast<double>(quotient));
    if (!good && wrong++ == 0)
      first = patterns[i];
  }
  CAPTURE(first);
  CHECK(wrong == 0);
}

} // namespace

TEST_CASE("conversion: every pattern of each type into each type") {
  for (const pc::number from : all)
    for (const pc::number to : all)
      if (from != to)
        every_pattern(from, to, {});
}

TEST_CASE("conversion: every pattern at scales of fp8") {
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  random_source random(seed);
  const auto any = [&] {
    return std::ldexp(static_cast<float>(1 + random.uniform()), static_cast<int>(random.below(24)) - 16);
  };
  for (const pc::number from : all)
    for (const pc::number to : all) {
      const bool of_sent = pc::value_bytes(from) == 1, of_held = pc::value_bytes(to) == 1;
      for (std::uint32_t k = 0; k < rounds(4, 1); ++k)
        if (of_sent || of_held)
          every_pattern(from, to, {.keys = of_held ? any() : 1, .sent_keys = of_sent ? any() : 1},
                        of_sent ? 1 : rounds(1, 7));
    }
  for (const pc::number from : all) // as far as they go
    for (const float scale : {0x1p-100f, 0x1p100f}) {
      every_pattern(from, pc::number::fp8_e5m2, {.keys = scale}, rounds(1, 7));
      if (pc::value_bytes(from) == 1)
        for (const pc::number to : all)
          every_pattern(from, to, {.sent_keys = scale});
    }
}

// A machine that takes subnormal floats for zero gives the same.
TEST_CASE("conversion: flushing to zero changes nothing") {
  for (const pc::number from : all)
    for (const pc::number to : all) {
      const std::size_t in = pc::value_bytes(from), out = pc::value_bytes(to);
      const std::uint32_t count = in == 1 ? 256 : 65536;
      std::vector<std::byte> row(count * in), usual(count * out), flushed(count * out);
      for (std::uint32_t p = 0; p < count; ++p)
        for (std::size_t b = 0; b < in; ++b)
          row[p * in + b] = static_cast<std::byte>(p >> 8 * b);
      for (const float scale : {1.0f, 0.37f, 0x1p-100f, 0x1.8p99f}) {
        pc::detail::held_numbers numbers{.held = to, .sent = from, .scales = {}};
        if (in == 1)
          numbers.scales.sent_keys = scale;
        if (out == 1)
          numbers.scales.keys = in == 1 ? 1.7f : scale;
        numbers.convert(false, row.data(), count, usual.data());
        {
          const flush_to_zero mode;
          numbers.convert(false, row.data(), count, flushed.data());
        }
        CHECK((usual == flushed));
      }
    }
}

TEST_CASE("conversion: what it does not change, and what it refuses") {
  using pc::number;
  const auto converts = [](number held, number sent, pc::kv_scales scales = {}) {
    const pc::detail::held_numbers n{.held = held, .sent = sent, .scales = scales};
    return std::pair(n.converts(false), n.converts(true));
  };
  CHECK(converts(number::bf16, number::bf16) == std::pair(false, false));
  CHECK(converts(number::bf16, number::fp16) == std::pair(true, true));
  const pc::kv_scales same{.keys = 0.5f, .values = 3, .sent_keys = 0.5f, .sent_values = 3};
  CHECK(converts(number::fp8_e4m3, number::fp8_e4m3, same) == std::pair(false, false));
  CHECK(converts(number::fp8_e5m2, number::fp8_e4m3, same) == std::pair(true, true));
  CHECK(converts(number::fp8_e4m3, number::fp8_e4m3, {.values = 2}) == std::pair(false, true));
  CHECK(pc::kv_scales{}.valid());
  CHECK(pc::kv_scales{.keys = 0x1p-100f, .values = 0x1p100f}.valid());
  for (const float bad : {0.0f, -1.0f, 0x1p-101f, 0x1.000002p100f, std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    CHECK_FALSE(pc::kv_scales{.keys = bad}.valid());
    CHECK_FALSE(pc::kv_scales{.values = bad}.valid());
    CHECK_FALSE(pc::kv_scales{.sent_keys = bad}.valid());
    CHECK_FALSE(pc::kv_scales{.sent_values = bad}.valid());
  }
}

} // namespace cache_conversion_test
