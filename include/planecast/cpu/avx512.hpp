// The code's definition on vectors of 512 bits.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/code/tail.hpp"
#include "planecast/cpu/detail/float_mode.hpp"
#include "planecast/cpu/plain.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#if PLANECAST_X86
// g++ 12 takes the undefined registers in its own AVX-512 intrinsics for mistakes.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include "planecast/cpu/detail/lanes_avx512.hpp"
#define PLANECAST_SET avx512
#define PLANECAST_TARGET                                                                                     \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,bmi,bmi2,popcnt")))
// clang-format off
#include "planecast/cpu/detail/vector_loops.hpp"
#include "planecast/cpu/detail/vector_backend.hpp"
// clang-format on
#undef PLANECAST_TARGET
#undef PLANECAST_SET
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

namespace planecast::inline v0 {

/// Codes on the calling thread, thirty-two values at a time; allocates nothing. Models `backend`, which says what
/// the three do.
/// Preconditions: supports(instruction_set::avx512); elsewhere it ends the program.
using avx512_cpu = detail::avx512::vector_cpu;

static_assert(backend<avx512_cpu>);

} // namespace planecast::inline v0

#endif
