// Eight channels of a token in a few registers, and what is computed with two at a time.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/detail/word_bits.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

inline constexpr std::uint32_t group_size = 8; ///< how many one thread works on at a time

/// Their patterns, two in a word, also those of 8 bits.
struct packed_patterns {
  std::uint32_t two[group_size / 2];

  PLANECAST_HOST_DEVICE std::uint32_t of(std::uint32_t k) const noexcept {
    return two[k / 2] >> 16 * (k % 2) & 0xFFFFu;
  }
};
/// Their codes, four in a word.
struct packed_codes {
  std::uint32_t four[group_size / 4];

  PLANECAST_HOST_DEVICE std::uint32_t of(std::uint32_t k) const noexcept {
    return four[k / 4] >> 8 * (k % 4) & 0xFFu;
  }
};

// Sixteen bytes at a multiple of them, and eight.
struct alignas(16) four_words {
  std::uint32_t of[4];
};
struct alignas(8) two_words {
  std::uint32_t of[2];
};

/// From where they lie side by side; `whole` says that this is a multiple of their bytes.
template <class Number>
PLANECAST_HOST_DEVICE packed_patterns load_packed(const std::byte* from, bool whole) noexcept {
  constexpr std::uint32_t words = Number::bits / 4;
  std::uint32_t word[words];
  if (whole && words == 4) {
    const auto all = load_aligned<four_words>(from);
    for (std::uint32_t i = 0; i < words; ++i)
      word[i] = all.of[i];
  } else if (whole) {
    const auto all = load_aligned<two_words>(from);
    for (std::uint32_t i = 0; i < words; ++i)
      word[i] = all.of[i];
  } else {
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < words; ++i) {
      word[i] = 0;
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t b = 0; b < 4; ++b)
        word[i] |= static_cast<std::uint32_t>(from[4 * i + b]) << 8 * b;
    }
  }
  packed_patterns x;
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t i = 0; i < group_size / 2; ++i)
    if constexpr (words == 4)
      x.two[i] = word[i];
    else { // bytes 0 and 1, or 2 and 3, into the halves of a word
      const std::uint32_t both = word[i / 2] >> 16 * (i % 2);
      x.two[i] = (both & 0xFFu) | (both & 0xFF00u) << 8;
    }
  return x;
}
/// And back.
template <class Number>
PLANECAST_HOST_DEVICE void store_packed(std::byte* to, const packed_patterns& x, bool whole) noexcept {
  constexpr std::uint32_t words = Number::bits / 4;
  std::uint32_t word[words];
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t i = 0; i < words; ++i)
    if constexpr (words == 4)
      word[i] = x.two[i];
    else
      word[i] = (x.two[2 * i] & 0xFFu) | (x.two[2 * i] >> 8 & 0xFF00u) | (x.two[2 * i + 1] & 0xFFu) << 16 |
                (x.two[2 * i + 1] & 0xFF0000u) << 8;
  if (whole && words == 4)
    store_aligned(to, four_words{{word[0], word[1], word[words - 2], word[words - 1]}});
  else if (whole)
    store_aligned(to, two_words{{word[0], word[1]}});
  else {
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < Number::bits; ++i)
      to[i] = static_cast<std::byte>(word[i / 4] >> 8 * (i % 4));
  }
}

/// Where patterns stand among all, two at a time, and back.
template <class Number>
PLANECAST_HOST_DEVICE std::uint32_t orders_of(std::uint32_t two) noexcept {
  constexpr std::uint32_t sign = Number::sign * 0x10001u, size = (Number::sign - 1) * 0x10001u;
  if constexpr (Number::bits == 16)
    return flipped_where(two, filled_with_signs(two), size);
  const std::uint32_t negative = two >> (Number::bits - 1) & 0x10001u;
  return two ^ sign ^ negative * (Number::sign - 1);
}
template <class Number>
PLANECAST_HOST_DEVICE std::uint32_t patterns_of(std::uint32_t orders) noexcept {
  constexpr std::uint32_t sign = Number::sign * 0x10001u, size = (Number::sign - 1) * 0x10001u;
  if constexpr (Number::bits == 16)
    return flipped_but_where(orders, filled_with_signs(orders), size);
  const std::uint32_t negative = ~orders >> (Number::bits - 1) & 0x10001u;
  return orders ^ sign ^ negative * (Number::sign - 1);
}

/// Whether none of them is an infinity or a NaN.
template <class Number>
PLANECAST_HOST_DEVICE bool all_finite(const packed_patterns& x) noexcept {
  constexpr std::uint32_t sizes = (Number::sign - 1) * 0x10001u;
  constexpr std::uint32_t over = (Number::sign - 1 - Number::greatest) * 0x10001u; // carries into the sign
  return ((((x.two[0] & sizes) + over) | ((x.two[1] & sizes) + over) | ((x.two[2] & sizes) + over) |
           ((x.two[3] & sizes) + over)) &
          Number::sign * 0x10001u) == 0;
}

namespace of_two {
// By their orders, half by half.
template <class Number, class F>
PLANECAST_HOST_DEVICE std::uint32_t chosen(std::uint32_t a, std::uint32_t b, const F& first) noexcept {
  std::uint32_t both = 0;
  for (std::uint32_t shift = 0; shift < 32; shift += 16) {
    const std::uint32_t x = a >> shift & 0xFFFFu, y = b >> shift & 0xFFFFu;
    both |= (first(Number::order(x), Number::order(y)) ? x : y) << shift;
  }
  return both;
}
} // namespace of_two

/// The lesser of each two, and the greater; −0 is less than +0.
/// Preconditions: none is NaN.
template <class Number>
PLANECAST_HOST_DEVICE std::uint32_t lesser_two(std::uint32_t a, std::uint32_t b) noexcept {
#if PLANECAST_ON_DEVICE
  std::uint32_t y;
  if constexpr (Number::id == number::bf16) {
    asm("min.bf16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
    return y;
  } else if constexpr (Number::id == number::fp16) {
    asm("min.f16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
    return y;
  }
#endif
  return of_two::chosen<Number>(a, b, [](std::uint32_t x, std::uint32_t y) { return x < y; });
}
template <class Number>
PLANECAST_HOST_DEVICE std::uint32_t greater_two(std::uint32_t a, std::uint32_t b) noexcept {
#if PLANECAST_ON_DEVICE
  std::uint32_t y;
  if constexpr (Number::id == number::bf16) {
    asm("max.bf16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
    return y;
  } else if constexpr (Number::id == number::fp16) {
    asm("max.f16x2 %0, %1, %2;" : "=r"(y) : "r"(a), "r"(b));
    return y;
  }
#endif
  return of_two::chosen<Number>(a, b, [](std::uint32_t x, std::uint32_t y) { return x > y; });
}

/// What a pattern means.
/// Preconditions: it is finite.
template <class Number>
PLANECAST_HOST_DEVICE float value_of(std::uint32_t pattern) noexcept {
#if PLANECAST_ON_DEVICE
  if constexpr (Number::id == number::fp16) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(static_cast<std::uint16_t>(pattern)));
    return y;
  }
#endif
  return Number::value(static_cast<std::uint16_t>(pattern));
}

/// The finite patterns nearest to two values.
/// Preconditions: neither is NaN.
template <class Number>
PLANECAST_HOST_DEVICE std::uint32_t nearest_two(float first, float second) noexcept {
#if PLANECAST_ON_DEVICE
  constexpr std::uint32_t greatest = Number::greatest * 0x10001u, least = greatest | Number::sign * 0x10001u;
  std::uint32_t y;
  if constexpr (Number::id == number::bf16) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(second), "f"(first));
    return greater_two<Number>(lesser_two<Number>(y, greatest), least);
  } else if constexpr (Number::id == number::fp16) {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(second), "f"(first));
    return greater_two<Number>(lesser_two<Number>(y, greatest), least);
  }
#endif
  return std::uint32_t{Number::nearest(first)} | std::uint32_t{Number::nearest(second)} << 16;
}

/// Number::ceil_order(−x) in the upper half of a word, below which anything may stand. There a zero counts as
/// the format's −0; here it does if x is +0, and as +0 if x is −0.
/// Preconditions: x is not NaN.
template <class Number>
PLANECAST_HOST_DEVICE std::uint32_t high_order_above_minus(float x) noexcept {
  const auto bits = bit_cast<std::uint32_t>(x);
  if constexpr (Number::id == number::bf16) {
    // Minus x is positive: rounded up in size; else cut off.
    const std::uint32_t positive = 0u - (bits >> 31), size = bits ^ (~positive & 0x7FFFFFFFu);
    return product_and_sum(positive, 0u - 0xFFFFu, size);
  }
#if PLANECAST_ON_DEVICE
  if constexpr (Number::id == number::fp16) {
    std::uint16_t up;
    asm("cvt.rp.f16.f32 %0, %1;" : "=h"(up) : "f"(bit_cast<float>(bits ^ 0x80000000u)));
    return std::uint32_t{Number::order(up)} << 16;
  }
#endif
  if (bits == 0x80000000u)
    return std::uint32_t{Number::order(0)} << 16;
  return std::uint32_t{Number::ceil_order(bit_cast<float>(bits ^ 0x80000000u))} << 16;
}

} // namespace planecast::inline v0::detail
