// Denormals as numbers, rounding to nearest, no traps: for as long as this lives.
#pragma once

#include "planecast/cpu/instruction_set.hpp"

#if PLANECAST_X86

#include <immintrin.h>

namespace planecast::inline v0::detail {

/// The vector loops count on it; the engine's own mode comes back.
class float_mode {
public:
  float_mode() noexcept : before_(_mm_getcsr()) {
    if ((before_ & control) != usual)
      _mm_setcsr((before_ & ~control) | usual);
  }
  ~float_mode() {
    if ((before_ & control) != usual)
      _mm_setcsr(before_);
  }
  float_mode(const float_mode&) = delete;
  float_mode& operator=(const float_mode&) = delete;

private:
  static constexpr unsigned control = 0xFFC0, usual = 0x1F80; // all but the flags that tell what happened
  unsigned before_;
};

} // namespace planecast::inline v0::detail

#endif
