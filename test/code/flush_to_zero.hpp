// Denormal numbers treated as zeros for as long as this lives, as programs built with -ffast-math elsewhere
// do.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <cstdint>
#endif

namespace planecast_test {

class flush_to_zero {
public:
#if defined(__x86_64__)
  static constexpr bool supported = true;
  flush_to_zero() : before_(_mm_getcsr()) {
    _mm_setcsr(before_ | 0x8040u);
  } // results, and operands
  ~flush_to_zero() {
    _mm_setcsr(before_);
  }

private:
  unsigned before_;

public:
#elif defined(__aarch64__)
  static constexpr bool supported = true;
  flush_to_zero() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" ::"r"(before_ | std::uint64_t{1} << 24));
  }
  ~flush_to_zero() {
    asm volatile("msr fpcr, %0" ::"r"(before_));
  }

private:
  std::uint64_t before_;

public:
#else
  static constexpr bool supported = false;
  flush_to_zero() {}
#endif
  flush_to_zero(const flush_to_zero&) = delete;
  flush_to_zero& operator=(const flush_to_zero&) = delete;
};

} // namespace planecast_test
