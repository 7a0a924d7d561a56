// Patterns of 8 bits as 16-bit numbers.
#pragma once

#include "planecast/cache/number.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

/// The same value in a wider format: both 16-bit formats have all that fp8 has, normal numbers of theirs but
/// for e5m2's least in fp16. A few operations on whole numbers and no subnormal float, so that no
/// flush-to-zero mode can change it. NaN stays NaN.
template <class Narrow, class Wide>
PLANECAST_HOST_DEVICE std::uint16_t widened(std::uint32_t pattern) noexcept {
  static_assert(Narrow::bits == 8 && Wide::bits == 16);
  constexpr bool is_e4m3 = Narrow::id == number::fp8_e4m3;
  if constexpr (!is_e4m3 && Wide::id == number::fp16)
    return static_cast<std::uint16_t>(pattern << 8);
  constexpr std::uint32_t fraction = is_e4m3 ? 3 : 2, bias = is_e4m3 ? 7 : 15;
  constexpr float least = is_e4m3 ? 0x1p-9f : 0x1p-16f;
  const std::uint32_t size = pattern & 0x7Fu, sign = (pattern & 0x80u) << 8;
  if (size > Narrow::greatest) // e5m2's 0x7C is its infinity
    return static_cast<std::uint16_t>(sign | (Wide::greatest + 1u) |
                                      (!is_e4m3 && size == Narrow::greatest + 1u ? 0u : 1u));
  const std::uint32_t bits = size < 1u << fraction ? bit_cast<std::uint32_t>(static_cast<float>(size) * least)
                                                   : (size << (23 - fraction)) + ((127 - bias) << 23);
  if constexpr (Wide::id == number::bf16)
    return static_cast<std::uint16_t>(sign | bits >> 16);
  return static_cast<std::uint16_t>(sign | (bits == 0 ? 0 : (bits >> 13) - (112u << 10)));
}

} // namespace planecast::inline v0::detail
