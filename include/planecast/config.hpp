// What the compiler must be, and the few macros. No other header looks at __CUDACC__ or
// __CUDA_ARCH__.
#pragma once

#include "planecast/version.hpp"

#include <bit>

#if defined(__FAST_MATH__)
#error "planecast: -ffast-math may reorder the arithmetic that fixes the coded bytes; build without it"
#endif

#if defined(__FLT_EVAL_METHOD__) && (__FLT_EVAL_METHOD__ == 1 || __FLT_EVAL_METHOD__ == 2)
#error "planecast: float must be computed as float; the x87 unit would change the coded bytes"
#endif

#if __cplusplus < 202002L
#error "planecast needs C++20"
#endif

#if !defined(__cpp_exceptions)
#error "planecast: wrong arguments and failed constructors throw; build without -fno-exceptions"
#endif

/// Stands before functions that device code calls too: `__host__ __device__` to nvcc, nothing to others.
#if defined(__CUDACC__)
#define PLANECAST_HOST_DEVICE __host__ __device__
#else
#define PLANECAST_HOST_DEVICE
#endif

/// Whether what is compiled is a kernel's part of a unit, which nvcc compiles once more for the host.
#if defined(__CUDA_ARCH__)
#define PLANECAST_ON_DEVICE 1
#else
#define PLANECAST_ON_DEVICE 0
#endif

/// Stands before a loop of a few known rounds whose arrays belong into registers. nvcc knows no such pragma
/// that g++ behind it takes as well.
#if defined(__CUDACC__)
#define PLANECAST_UNROLL
#elif defined(__clang__)
#define PLANECAST_UNROLL _Pragma("unroll")
#else
#define PLANECAST_UNROLL _Pragma("GCC unroll 16")
#endif

/// The same for kernels; on the host, where tests alone run such loops, it would only take a compiler's time.
#if PLANECAST_ON_DEVICE
#define PLANECAST_DEVICE_UNROLL _Pragma("unroll")
#else
#define PLANECAST_DEVICE_UNROLL
#endif

/// Stands before a loop that kernels do not unroll: what is rare takes few registers.
#if PLANECAST_ON_DEVICE
#define PLANECAST_DEVICE_NO_UNROLL _Pragma("unroll 1")
#else
#define PLANECAST_DEVICE_NO_UNROLL
#endif

namespace planecast::inline v0::detail {

// std::bit_cast and the like are host functions to nvcc; these few serve both sides.
template <class To, class From>
requires(sizeof(To) == sizeof(From)) PLANECAST_HOST_DEVICE constexpr To bit_cast(const From& from) noexcept {
  return __builtin_bit_cast(To, from);
}

template <class T>
PLANECAST_HOST_DEVICE constexpr T min(T a, T b) noexcept {
  return b < a ? b : a;
}

template <class T>
PLANECAST_HOST_DEVICE constexpr T max(T a, T b) noexcept {
  return a < b ? b : a;
}

PLANECAST_HOST_DEVICE constexpr unsigned bit_width(unsigned x) noexcept {
#if PLANECAST_ON_DEVICE
  return 32u - static_cast<unsigned>(__clz(static_cast<int>(x)));
#else
  return static_cast<unsigned>(std::bit_width(x));
#endif
}

} // namespace planecast::inline v0::detail
