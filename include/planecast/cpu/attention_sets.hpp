// Which set of instructions computes attention mass: chosen when the program runs.
#pragma once

#include "planecast/cpu/attention_avx2.hpp"
#include "planecast/cpu/attention_avx512.hpp"
#include "planecast/cpu/attention_plain.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#endif

namespace planecast::inline v0::detail {

#if defined(__x86_64__) && defined(__GNUC__)
/// Whether this machine, and its operating system, can run attention_avx2.
inline bool has_avx2() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0; // clang 14 knows no name for F16C
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
/// Likewise attention_avx512.
inline bool has_avx512() noexcept {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

/// Calls f with every set that this machine can run, the best first, until f says true.
template <class F>
bool any_attention_set(F&& f) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (has_avx512() && f(attention_avx512{}))
    return true;
  if (has_avx2() && f(attention_avx2{}))
    return true;
#endif
  return f(attention_plain{});
}

} // namespace planecast::inline v0::detail
