// The code's definition on vectors of 256 bits.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/code/tail.hpp"
#include "planecast/cpu/detail/float_mode.hpp"
#include "planecast/cpu/detail/lanes_avx2.hpp"
#include "planecast/cpu/plain.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#if PLANECAST_X86
#define PLANECAST_SET avx2
#define PLANECAST_TARGET __attribute__((target("avx2,fma,f16c,bmi,bmi2,popcnt")))
// clang-format off
#include "planecast/cpu/detail/vector_loops.hpp"
#include "planecast/cpu/detail/vector_backend.hpp"
// clang-format on
#undef PLANECAST_TARGET
#undef PLANECAST_SET

namespace planecast::inline v0 {

/// Codes on the calling thread, sixteen values at a time; allocates nothing. Models `backend`, which says what
/// the three do.
/// Preconditions: supports(instruction_set::avx2); elsewhere it ends the program.
using avx2_cpu = detail::avx2::vector_cpu;

static_assert(backend<avx2_cpu>);

} // namespace planecast::inline v0

#endif
