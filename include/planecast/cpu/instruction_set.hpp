// Which vector instructions this machine has.
#pragma once

#include "planecast/config.hpp"

#include <cstdint>

// Where the vector loops are built: functions with targets of their own, so that users need no -march. With
// PLANECAST_PLAIN there are none, which compiles sooner; define it for the whole program or not at all.
#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__)) &&                 \
    !defined(PLANECAST_PLAIN)
/// 1 where the vector loops are built, else 0.
#define PLANECAST_X86 1
#else
/// 1 where the vector loops are built, else 0.
#define PLANECAST_X86 0
#endif

namespace planecast::inline v0 {

/// What the CPU backend may use: plain C++, or vectors of 256 or 512 bits. The bytes are the same.
enum class instruction_set : std::uint8_t {
  plain,  ///< whatever the compiler is told
  avx2,   ///< AVX2, FMA, F16C, BMI2: x86 since 2013
  avx512, ///< AVX-512 F, BW, VL, DQ as well
};

/// Whether this machine, and its operating system, have a set.
[[nodiscard]] inline bool supports(instruction_set set) noexcept {
#if PLANECAST_X86
  if (set != instruction_set::plain &&
      !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
        __builtin_cpu_supports("popcnt"))) // clang 14 cannot be asked for F16C; no processor has AVX2 without
    return false;
  return set != instruction_set::avx512 ||
         (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"));
#else
  return set == instruction_set::plain;
#endif
}

/// The widest set that this machine has.
[[nodiscard]] inline instruction_set widest() noexcept {
  static const instruction_set found = supports(instruction_set::avx512) ? instruction_set::avx512
                                       : supports(instruction_set::avx2) ? instruction_set::avx2
                                                                         : instruction_set::plain;
  return found;
}

} // namespace planecast::inline v0
