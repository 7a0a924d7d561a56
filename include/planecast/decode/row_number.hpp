// What the numbers of a vocabulary's rows are: floats, or patterns of 16 bits.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/config.hpp"

#include <cstdint>
#include <type_traits>

namespace planecast::inline v0::detail {

// How a row holds its numbers, and the float that one of them is, exactly.
template <class Format>
struct row_number {
  static_assert(std::is_same_v<Format, bf16> || std::is_same_v<Format, fp16>,
                "planecast: rows of a vocabulary hold float, fp16 or bf16");
  using type = std::uint16_t;

  PLANECAST_HOST_DEVICE static float value(std::uint16_t pattern) noexcept {
#if PLANECAST_ON_DEVICE
    if constexpr (std::is_same_v<Format, fp16>) { // one instruction; all that fp16 has are normal floats
      float y;
      asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(pattern));
      return y;
    }
#endif
    return Format::value(pattern);
  }
};
template <>
struct row_number<float> {
  using type = float;

  PLANECAST_HOST_DEVICE static float value(float x) noexcept { return x; }
};

} // namespace planecast::inline v0::detail
