// The 16-bit floating-point formats of a cache, as bits.
#pragma once

#include "planecast/config.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// What a cache's values are: fp16 is IEEE binary16, bf16 the upper half of a binary32. The values go on the
/// wire: they do not change.
enum class number : std::uint8_t { fp16 = 1, bf16 = 2 };

/// The order-preserving bijection from patterns to 0…65535: negative patterns inverted, others offset, so
/// that comparing orders compares values and −0 < +0. NaNs lie beyond the infinities.
PLANECAST_HOST_DEVICE constexpr std::uint32_t order_of(std::uint16_t pattern) noexcept {
  return (pattern & 0x8000u) != 0 ? 0xFFFFu - pattern : pattern + 0x8000u;
}
/// The pattern of an order: the way back.
/// Preconditions: order ≤ 65535.
PLANECAST_HOST_DEVICE constexpr std::uint16_t pattern_of(std::uint32_t order) noexcept {
  return static_cast<std::uint16_t>(order >= 0x8000u ? order - 0x8000u : 0xFFFFu - order);
}

/// bfloat16. All that a format says it finds by integer operations on bits, so that no rounding or
/// flush-to-zero mode of the machine can change it.
struct bf16 {
  static constexpr number id = number::bf16; ///< its name

  /// What a pattern means, exactly.
  PLANECAST_HOST_DEVICE static constexpr float value(std::uint16_t pattern) noexcept {
    return detail::bit_cast<float>(static_cast<std::uint32_t>(pattern) << 16);
  }
  /// Whether a pattern is neither an infinity nor a NaN.
  PLANECAST_HOST_DEVICE static constexpr bool finite(std::uint16_t pattern) noexcept {
    return (pattern & 0x7F80u) != 0x7F80u;
  }
  /// Order of the least pattern that is not below x: a zero counts as −0, and what no finite pattern reaches
  /// has the order of +∞.
  /// Preconditions: x is not NaN.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t ceil_order(float x) noexcept {
    const auto bits = detail::bit_cast<std::uint32_t>(x);
    if ((bits << 1) == 0)
      return order_of(0x8000u);
    const bool negative = (bits >> 31) != 0;
    return order_of(static_cast<std::uint16_t>((negative ? bits : bits + 0xFFFFu) >> 16));
  }
  /// The finite pattern nearest to x, ties to even. What lies beyond, and NaN, gives the greatest in size.
  PLANECAST_HOST_DEVICE static constexpr std::uint16_t nearest(float x) noexcept {
    const auto bits = detail::bit_cast<std::uint32_t>(x);
    const std::uint32_t sign = (bits >> 16) & 0x8000u;
    const std::uint32_t size = bits & 0x7FFFFFFFu;
    const std::uint32_t rounded = (size + 0x7FFFu + ((size >> 16) & 1u)) >> 16;
    return static_cast<std::uint16_t>(sign | detail::min(rounded, 0x7F7Fu));
  }
};

/// IEEE binary16. It says the same things as bf16, in the same way.
struct fp16 {
  static constexpr number id = number::fp16; ///< its name

  /// What a pattern means, exactly.
  PLANECAST_HOST_DEVICE static constexpr float value(std::uint16_t pattern) noexcept {
    const std::uint32_t sign = static_cast<std::uint32_t>(pattern & 0x8000u) << 16;
    std::uint32_t exponent = (pattern >> 10) & 31u;
    std::uint32_t fraction = pattern & 0x3FFu;
    if (exponent == 31)
      return detail::bit_cast<float>(sign | 0x7F800000u | fraction << 13);
    if (exponent == 0) {
      if (fraction == 0)
        return detail::bit_cast<float>(sign);
      for (exponent = 1; (fraction & 0x400u) == 0; --exponent)
        fraction <<= 1;
      fraction &= 0x3FFu;
    }
    return detail::bit_cast<float>(sign | (exponent + 112u) << 23 | fraction << 13);
  }
  /// Whether a pattern is neither an infinity nor a NaN.
  PLANECAST_HOST_DEVICE static constexpr bool finite(std::uint16_t pattern) noexcept {
    return (pattern & 0x7C00u) != 0x7C00u;
  }
  /// Order of the least pattern that is not below x: a zero counts as −0, and what no finite pattern reaches
  /// has the order of +∞.
  /// Preconditions: x is not NaN.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t ceil_order(float x) noexcept {
    const auto bits = detail::bit_cast<std::uint32_t>(x);
    if ((bits << 1) == 0)
      return order_of(0x8000u);
    const bool negative = (bits >> 31) != 0;
    const std::uint32_t size = bits & 0x7FFFFFFFu;
    std::uint32_t pattern = 0;
    if (size >= 0x47800000u) // 65536 and above
      pattern = negative && size < 0x7F800000u ? 0x7BFFu : 0x7C00u;
    else {
      const auto [whole, rest] = shifted(size);
      pattern = whole + (rest != 0 && !negative ? 1u : 0u);
    }
    return order_of(static_cast<std::uint16_t>(negative ? 0x8000u | pattern : pattern));
  }
  /// The finite pattern nearest to x, ties to even. What lies beyond, and NaN, gives the greatest in size.
  PLANECAST_HOST_DEVICE static constexpr std::uint16_t nearest(float x) noexcept {
    const auto bits = detail::bit_cast<std::uint32_t>(x);
    const std::uint32_t sign = (bits >> 16) & 0x8000u;
    const std::uint32_t size = bits & 0x7FFFFFFFu;
    if (size >= 0x47800000u)
      return static_cast<std::uint16_t>(sign | 0x7BFFu);
    const auto [whole, rest] = shifted(size);
    const std::uint32_t up = rest > half || (rest == half && (whole & 1u) != 0) ? 1u : 0u;
    return static_cast<std::uint16_t>(sign | detail::min(whole + up, 0x7BFFu));
  }

private:
  struct split {
    std::uint32_t whole, rest; // the pattern rounded toward zero; what was cut off, as a 32-bit fraction
  };
  static constexpr std::uint32_t half = 0x80000000u;

  PLANECAST_HOST_DEVICE static constexpr split shifted(std::uint32_t size) noexcept {
    const std::uint32_t exponent = size >> 23;
    if (exponent >= 113) // a normal number of the format
      return {(size - 0x38000000u) >> 13, size << 19};
    const std::uint32_t fraction = (size & 0x7FFFFFu) | 0x800000u;
    const std::uint32_t shift = 126u - exponent;
    if (shift > 31) // below a quarter of the smallest: nothing but the fact that it is not zero
      return {0, 1};
    const std::uint64_t wide = (static_cast<std::uint64_t>(fraction) << 32) >> shift;
    return {static_cast<std::uint32_t>(wide >> 32), static_cast<std::uint32_t>(wide)};
  }
};

/// Calls f with the format that a dtype names, and returns what f does.
/// Preconditions: the dtype is fp16 or bf16.
/// Example: `with_format(dtype, [&]<class Number>(Number) { return Number::value(pattern); });`
template <class F>
constexpr decltype(auto) with_format(number dtype, F&& f) {
  return dtype == number::fp16 ? f(fp16{}) : f(bf16{});
}

} // namespace planecast::inline v0
