// The arithmetic that all results are defined in, whatever mode the caller works in.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tiny {

/// Denormals as numbers and rounding to nearest while this lives, whatever the caller works with.
class usual_floats {
public:
#if defined(__x86_64__)
  usual_floats() : before_(_mm_getcsr()) {
    _mm_setcsr(0x1F80);
  }
  ~usual_floats() {
    _mm_setcsr(before_);
  }

private:
  unsigned before_;
#else
  usual_floats() {}
#endif
public:
  usual_floats(const usual_floats&) = delete;
  usual_floats& operator=(const usual_floats&) = delete;
};

} // namespace tiny
