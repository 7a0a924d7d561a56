// The floating-point formats of a cache, as bits.
#pragma once

#include "planecast/config.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// What a cache's values are: fp16 is IEEE binary16, bf16 the upper half of a binary32; of the 8-bit formats
/// (OCP's) e4m3 has NaNs but no infinities and ends at 448, e5m2 is as IEEE would have it and ends at 57344.
/// The values go on the wire: they do not change.
enum class number : std::uint8_t { fp16 = 1, bf16 = 2, fp8_e4m3 = 3, fp8_e5m2 = 4 };

/// Bytes of one value as an engine keeps it. Patterns of 8 bits travel in 16 all the same where values are
/// worked with one by one.
PLANECAST_HOST_DEVICE constexpr std::uint32_t value_bytes(number dtype) noexcept {
  return dtype == number::fp8_e4m3 || dtype == number::fp8_e5m2 ? 1 : 2;
}

/// The order-preserving bijection from 16-bit patterns to 0…65535: negative patterns inverted, others offset,
/// so that comparing orders compares values and −0 < +0. NaNs lie beyond the infinities. Each format has the
/// same for its own number of bits.
PLANECAST_HOST_DEVICE constexpr std::uint32_t order_of(std::uint16_t pattern) noexcept {
  return (pattern & 0x8000u) != 0 ? 0xFFFFu - pattern : pattern + 0x8000u;
}
/// The pattern of an order: the way back.
/// Preconditions: order ≤ 65535.
PLANECAST_HOST_DEVICE constexpr std::uint16_t pattern_of(std::uint32_t order) noexcept {
  return static_cast<std::uint16_t>(order >= 0x8000u ? order - 0x8000u : 0xFFFFu - order);
}

namespace detail {
// What is said the same way of every format: sign first, then the size.
template <number Id, std::uint32_t Bits, std::uint32_t Greatest>
struct number_format {
  static constexpr number id = Id;                        ///< its name
  static constexpr std::uint32_t bits = Bits;             ///< of a pattern
  static constexpr std::uint32_t sign = 1u << (Bits - 1); ///< the pattern of −0
  static constexpr std::uint16_t greatest = Greatest;     ///< pattern of the greatest finite value

  /// Where a pattern stands among all: order_of, for this format's number of bits.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t order(std::uint32_t pattern) noexcept {
    return (pattern & sign) != 0 ? 2 * sign - 1 - pattern : pattern + sign;
  }
  /// The way back.
  /// Preconditions: order < 2^bits.
  PLANECAST_HOST_DEVICE static constexpr std::uint16_t pattern(std::uint32_t order) noexcept {
    return static_cast<std::uint16_t>(order >= sign ? order - sign : 2 * sign - 1 - order);
  }
  /// Whether a pattern is neither an infinity nor a NaN.
  PLANECAST_HOST_DEVICE static constexpr bool finite(std::uint16_t pattern) noexcept {
    return (pattern & (sign - 1)) <= Greatest;
  }
};

// A format narrower than binary32 in its exponent as well as in its fraction.
template <number Id, std::uint32_t Bits, std::uint32_t Fraction, std::uint32_t Bias, std::uint32_t Greatest>
struct narrow_format : number_format<Id, Bits, Greatest> {
  using number_format<Id, Bits, Greatest>::sign, number_format<Id, Bits, Greatest>::order;

  /// What a pattern means, exactly.
  PLANECAST_HOST_DEVICE static constexpr float value(std::uint16_t pattern) noexcept {
    const std::uint32_t negative = (pattern & sign) << (32 - Bits);
    const std::uint32_t size = pattern & (sign - 1);
    std::uint32_t exponent = size >> Fraction, fraction = size & (hidden - 1);
    if (size > Greatest) // an infinity or a NaN
      return bit_cast<float>(negative | 0x7F800000u | fraction << (23 - Fraction));
    if (exponent == 0) {
      if (fraction == 0)
        return bit_cast<float>(negative);
      for (exponent = 1; (fraction & hidden) == 0; --exponent)
        fraction <<= 1;
      fraction &= hidden - 1;
    }
    return bit_cast<float>(negative | (exponent + (127u - Bias)) << 23 | fraction << (23 - Fraction));
  }
  /// Order of the least pattern that is not below x: a zero counts as −0, and what no finite pattern reaches
  /// has the order of +∞, or of what stands in its place.
  /// Preconditions: x is not NaN.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t ceil_order(float x) noexcept {
    const auto all = bit_cast<std::uint32_t>(x);
    if ((all << 1) == 0)
      return order(sign);
    const bool negative = (all >> 31) != 0;
    const std::uint32_t size = all & 0x7FFFFFFFu;
    const auto [whole, rest] = shifted(size);
    std::uint32_t pattern = whole + (rest != 0 && !negative ? 1u : 0u);
    if (pattern > Greatest)
      pattern = negative && size < 0x7F800000u ? Greatest : Greatest + 1;
    return order(negative ? sign | pattern : pattern);
  }
  /// The finite pattern nearest to x, ties to even. What lies beyond, and NaN, gives the greatest in size.
  PLANECAST_HOST_DEVICE static constexpr std::uint16_t nearest(float x) noexcept {
    const auto all = bit_cast<std::uint32_t>(x);
    return static_cast<std::uint16_t>(sign_of(all) | min(rounded(all & 0x7FFFFFFFu), Greatest));
  }

protected:
  struct split {
    std::uint32_t whole, rest; // the pattern rounded toward zero; what was cut off, as a 32-bit fraction
  };
  static constexpr std::uint32_t hidden = 1u << Fraction, half = 0x80000000u;

  PLANECAST_HOST_DEVICE static constexpr std::uint32_t sign_of(std::uint32_t all) noexcept {
    return all >> (32 - Bits) & sign;
  }
  // The size's pattern, nearest even, as if the format went on for ever.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t rounded(std::uint32_t size) noexcept {
    const auto [whole, rest] = shifted(size);
    return whole + (rest > half || (rest == half && (whole & 1u) != 0) ? 1u : 0u);
  }
  // The same without branches that hang on the data, for rows of values that are converted.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t rounded_evenly(std::uint32_t size) noexcept {
    const std::uint32_t exponent = size >> 23;
    const bool normal = exponent >= 128 - Bias;
    const std::uint32_t all = normal ? size - (127 - Bias) * 0x800000u : (size & 0x7FFFFFu) | 0x800000u;
    const std::uint32_t cut = normal ? 23 - Fraction : min(31u, 151u - Bias - Fraction - exponent);
    return (all + (1u << (cut - 1)) - 1 + (all >> cut & 1u)) >> cut;
  }
  PLANECAST_HOST_DEVICE static constexpr split shifted(std::uint32_t size) noexcept {
    const std::uint32_t exponent = size >> 23;
    if (exponent >= 128 - Bias) // a normal number of the format
      return {(size - (127 - Bias) * 0x800000u) >> (23 - Fraction), size << (9 + Fraction)};
    const std::uint32_t fraction = (size & 0x7FFFFFu) | 0x800000u;
    const std::uint32_t shift = 151u - Bias - Fraction - exponent;
    if (shift > 31) // far below half of the smallest: nothing but the fact that it is not zero
      return {0, size != 0 ? 1u : 0u};
    const std::uint64_t wide = (static_cast<std::uint64_t>(fraction) << 32) >> shift;
    return {static_cast<std::uint32_t>(wide >> 32), static_cast<std::uint32_t>(wide)};
  }
};
} // namespace detail

/// bfloat16. All that a format says it finds by integer operations on bits, so that no rounding or
/// flush-to-zero mode of the machine can change it.
struct bf16 : detail::number_format<number::bf16, 16, 0x7F7F> {
  /// What a pattern means, exactly.
  PLANECAST_HOST_DEVICE static constexpr float value(std::uint16_t pattern) noexcept {
    return detail::bit_cast<float>(static_cast<std::uint32_t>(pattern) << 16);
  }
  /// Order of the least pattern that is not below x: a zero counts as −0, and what no finite pattern reaches
  /// has the order of +∞.
  /// Preconditions: x is not NaN.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t ceil_order(float x) noexcept {
    const auto all = detail::bit_cast<std::uint32_t>(x);
    if ((all << 1) == 0)
      return order(sign);
    const bool negative = (all >> 31) != 0;
    return order((negative ? all : all + 0xFFFFu) >> 16);
  }
  /// The finite pattern nearest to x, ties to even. What lies beyond, and NaN, gives the greatest in size.
  PLANECAST_HOST_DEVICE static constexpr std::uint16_t nearest(float x) noexcept {
    const auto all = detail::bit_cast<std::uint32_t>(x);
    const std::uint32_t negative = (all >> 16) & sign;
    return static_cast<std::uint16_t>(negative | detail::min(rounded(all & 0x7FFFFFFFu), 0x7F7Fu));
  }
  /// What a conversion from binary32 gives: nearest, ties to even, infinity beyond the finite ones. A NaN
  /// stays one, of the same sign, made quiet.
  PLANECAST_HOST_DEVICE static constexpr std::uint16_t from_fp32(float x) noexcept {
    const auto all = detail::bit_cast<std::uint32_t>(x);
    const std::uint32_t size = all & 0x7FFFFFFFu;
    return static_cast<std::uint16_t>((all >> 16 & sign) |
                                      (size > 0x7F800000u ? size >> 16 | 0x40u : rounded(size)));
  }

private:
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t rounded(std::uint32_t size) noexcept {
    return (size + 0x7FFFu + ((size >> 16) & 1u)) >> 16;
  }
};

/// IEEE binary16. It says the same things as bf16, in the same way.
struct fp16 : detail::narrow_format<number::fp16, 16, 10, 15, 0x7BFF> {
  /// What a conversion from binary32 gives, as bf16's.
  PLANECAST_HOST_DEVICE static constexpr std::uint16_t from_fp32(float x) noexcept {
    const auto all = detail::bit_cast<std::uint32_t>(x);
    const std::uint32_t size = all & 0x7FFFFFFFu;
    return static_cast<std::uint16_t>(
        sign_of(all) |
        (size > 0x7F800000u ? 0x7E00u | (size >> 13 & 0x3FFu) : detail::min(rounded(size), 0x7C00u)));
  }
};

/// OCP's 8-bit format with 3 bits of fraction: no infinities, one NaN of each sign beyond ±448. Says what
/// bf16 says; patterns have 8 bits.
struct e4m3 : detail::narrow_format<number::fp8_e4m3, 8, 3, 7, 0x7E> {
  /// From binary32 as engines convert: nearest, ties to even, the greatest of its sign for what lies beyond,
  /// infinities too. A NaN stays one, here of the same sign.
  PLANECAST_HOST_DEVICE static constexpr std::uint16_t from_fp32(float x) noexcept {
    const auto all = detail::bit_cast<std::uint32_t>(x);
    const std::uint32_t size = all & 0x7FFFFFFFu, number = detail::min(rounded_evenly(size), 0x7Eu);
    return static_cast<std::uint16_t>(sign_of(all) | (size > 0x7F800000u ? 0x7Fu : number));
  }
};

/// OCP's 8-bit format with 2 bits of fraction: ±57344, then infinities and NaNs. Says what bf16 says;
/// patterns have 8 bits.
struct e5m2 : detail::narrow_format<number::fp8_e5m2, 8, 2, 15, 0x7B> {
  /// As e4m3's: nothing becomes an infinity. A NaN is made quiet.
  PLANECAST_HOST_DEVICE static constexpr std::uint16_t from_fp32(float x) noexcept {
    const auto all = detail::bit_cast<std::uint32_t>(x);
    const std::uint32_t size = all & 0x7FFFFFFFu, number = detail::min(rounded_evenly(size), 0x7Bu);
    return static_cast<std::uint16_t>(sign_of(all) |
                                      (size > 0x7F800000u ? 0x7Eu | (size >> 21 & 1u) : number));
  }
};

/// Calls f with the format that a dtype names, and returns what f does.
/// Preconditions: the dtype is one that `number` names.
/// Example: `with_format(dtype, [&]<class Number>(Number) { return Number::value(pattern); });`
template <class F>
constexpr decltype(auto) with_format(number dtype, F&& f) {
  switch (dtype) {
  case number::fp16:
    return f(fp16{});
  case number::fp8_e4m3:
    return f(e4m3{});
  case number::fp8_e5m2:
    return f(e5m2{});
  case number::bf16:
    break;
  }
  return f(bf16{});
}

} // namespace planecast::inline v0
