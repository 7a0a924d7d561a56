// Arithmetic on floats that nvcc's fast math does not change.
#pragma once

#include "planecast/config.hpp"

#include <cmath>

namespace planecast::inline v0::detail {

// On a device each is one instruction, written as such: options that fuse a product and a sum, flush
// subnormal numbers to zero or divide less exactly change none of its bits. They round to the nearest where
// they do not say otherwise.

PLANECAST_HOST_DEVICE inline float sum_of(float a, float b) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("add.rn.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
#else
  return a + b;
#endif
}
PLANECAST_HOST_DEVICE inline float difference_of(float a, float b) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("sub.rn.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
#else
  return a - b;
#endif
}
// Neither of them is NaN.
PLANECAST_HOST_DEVICE inline float greater_of(float a, float b) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("max.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
#else
  return a < b ? b : a;
#endif
}
PLANECAST_HOST_DEVICE inline float product_of(float a, float b) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("mul.rn.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
#else
  return a * b;
#endif
}
PLANECAST_HOST_DEVICE inline float negated(float x) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("neg.f32 %0, %1;" : "=f"(y) : "f"(x)); // which becomes a part of what uses it
  return y;
#else
  return -x;
#endif
}
// 1 where a is not above b, else 0. Of zeros none is above the other.
PLANECAST_HOST_DEVICE inline float not_above(float a, float b) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("set.le.f32.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
#else
  return a <= b ? 1.0f : 0.0f;
#endif
}
// a · b + c, rounded once.
PLANECAST_HOST_DEVICE inline float fused(float a, float b, float c) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("fma.rn.f32 %0, %1, %2, %3;" : "=f"(y) : "f"(a), "f"(b), "f"(c));
  return y;
#else
  return std::fma(a, b, c);
#endif
}
// The least whole number above a · b, and this more: then the number is what the low bits are.
// Preconditions: |a · b| < 2²¹.
inline constexpr float whole_offset = 0x1.8p23f;
PLANECAST_HOST_DEVICE inline float whole_above(float a, float b) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("fma.rm.f32 %0, %1, %2, %3;" : "=f"(y) : "f"(a), "f"(b), "f"(whole_offset + 1.0f));
  return y;
#else
  return static_cast<float>(std::floor(double{a} * b)) + (whole_offset + 1.0f);
#endif
}
PLANECAST_HOST_DEVICE inline float quotient_of(float a, float b) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("div.rn.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
#else
  return a / b;
#endif
}
PLANECAST_HOST_DEVICE inline float root_of(float x) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("sqrt.rn.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return std::sqrt(x);
#endif
}

// 2^x, within 2⁻²¹ of itself; 0 for −∞ and for what is below 2⁻¹²⁶.
PLANECAST_HOST_DEVICE inline float exp2_of(float x) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return x < -126.0f ? 0.0f : std::exp2(x);
#endif
}
// log₂ x, within 2⁻²² of it, beside its own rounding; −∞ for 0. Preconditions: x is not subnormal.
PLANECAST_HOST_DEVICE inline float log2_of(float x) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return std::log2(x);
#endif
}

} // namespace planecast::inline v0::detail
