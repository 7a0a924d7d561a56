#include "kernels.hpp"

#include "planecast/config.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// The loops are compiled twice, for vectors of 128 and of 256 bits. Neither has fused multiply-add, and
// CMakeLists.txt turns contraction off where a user's flags would bring it in.
#define TINY_SET baseline
#define TINY_BYTES 16
#define TINY_TARGET
// clang-format off
#include "kernel_loops.hpp"
#include "kernel_curves.hpp"
// clang-format on
#undef TINY_SET
#undef TINY_BYTES
#undef TINY_TARGET

#if defined(__x86_64__)
#define TINY_SET avx2
#define TINY_BYTES 32
#define TINY_TARGET __attribute__((target("avx2,f16c")))
// clang-format off
#include "kernel_loops.hpp"
#include "kernel_curves.hpp"
// clang-format on
#undef TINY_SET
#undef TINY_BYTES
#undef TINY_TARGET
#endif

namespace tiny {

bool has_vectors() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") !=
         0; // clang 14 cannot be asked for F16C; no processor has AVX2 without
#else
  return false;
#endif
}

const kernels& kernels_of_this_machine(bool vectors) {
#if defined(__x86_64__)
  if (vectors && has_vectors())
    return avx2::all;
#endif
  (void)vectors;
  return baseline::all;
}

} // namespace tiny
