// The arithmetic of attention mass for x86 with AVX2, FMA and F16C, whatever the program is built for.
#pragma once

#include "planecast/cpu/attention_plain.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cstddef>
#include <immintrin.h>

#define PLANECAST_TARGET [[gnu::target("avx2,fma,f16c")]]

namespace planecast::inline v0::detail {

/// As attention_plain, which says what the members do.
struct attention_avx2 {
  static constexpr std::uint32_t lanes = 8;         ///< queries of a register
  static constexpr std::uint32_t panel = 2 * lanes; ///< queries of a tile
  static constexpr std::uint32_t rows = 6;          ///< 12 of 16 registers hold sums

  /// As attention_plain says.
  PLANECAST_TARGET static bool widen(number dtype, const std::uint16_t* in, std::uint32_t count,
                                     float* out) noexcept {
    if (dtype != number::fp16 && dtype != number::bf16)
      return attention_plain::widen(dtype, in, count, out);
    __m256 zero = _mm256_setzero_ps();
    std::uint32_t i = 0;
    for (; i + lanes <= count; i += lanes) {
      const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i));
      const __m256 x = dtype == number::fp16
                           ? _mm256_cvtph_ps(half)
                           : _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
      _mm256_storeu_ps(out + i, x);
      zero = _mm256_fmadd_ps(x, _mm256_setzero_ps(), zero);
    }
    return _mm256_movemask_ps(_mm256_cmp_ps(zero, zero, _CMP_UNORD_Q)) == 0 &&
           attention_plain::widen(dtype, in + i, count - i, out + i);
  }

  /// As attention_plain says.
  PLANECAST_TARGET static void logits(const float* queries, const float* keys, std::uint32_t dim,
                                      std::uint32_t tokens, float* tile) noexcept {
    for (std::uint32_t t = 0; t < tokens; t += rows, keys += std::size_t{rows} * dim, tile += rows * panel) {
      __m256 low[rows], high[rows];
      PLANECAST_UNROLL
      for (std::uint32_t r = 0; r < rows; ++r)
        low[r] = high[r] = _mm256_setzero_ps();
      for (std::uint32_t c = 0; c < dim; ++c) {
        const __m256 q = _mm256_loadu_ps(queries + std::size_t{c} * panel);
        const __m256 p = _mm256_loadu_ps(queries + std::size_t{c} * panel + lanes);
        PLANECAST_UNROLL
        for (std::uint32_t r = 0; r < rows; ++r) {
          const __m256 k = _mm256_broadcast_ss(keys + std::size_t{r} * dim + c);
          low[r] = _mm256_fmadd_ps(k, q, low[r]);
          high[r] = _mm256_fmadd_ps(k, p, high[r]);
        }
      }
      PLANECAST_UNROLL
      for (std::uint32_t r = 0; r < rows; ++r) {
        _mm256_storeu_ps(tile + r * panel, low[r]);
        _mm256_storeu_ps(tile + r * panel + lanes, high[r]);
      }
    }
  }

  /// As attention_plain says.
  PLANECAST_TARGET static void maxima(const float* tile, std::uint32_t tokens, float* most) noexcept {
    for (std::uint32_t half = 0; half < panel; half += lanes) {
      __m256 m = _mm256_loadu_ps(most + half);
      for (std::uint32_t t = 0; t < tokens; ++t)
        m = _mm256_max_ps(_mm256_loadu_ps(tile + t * panel + half), m);
      _mm256_storeu_ps(most + half, m);
    }
  }

  /// As attention_plain says.
  PLANECAST_TARGET static void exponentials(float* tile, std::uint32_t tokens, const float* from,
                                            float* sums) noexcept {
    for (std::uint32_t half = 0; half < panel; half += lanes) {
      const __m256 reference = _mm256_loadu_ps(from + half);
      __m256 sum = _mm256_setzero_ps();
      for (std::uint32_t t = 0; t < tokens; ++t) {
        float* const at = tile + t * panel + half;
        const __m256 y = exp2(_mm256_sub_ps(_mm256_loadu_ps(at), reference));
        _mm256_storeu_ps(at, y);
        sum = _mm256_add_ps(sum, y);
      }
      _mm256_storeu_ps(sums + half, sum);
    }
  }

  /// As attention_plain says.
  PLANECAST_TARGET static void collect(const float* tile, const float* weights, std::uint32_t tokens,
                                       float* low, float* high) noexcept {
    const __m256 w = _mm256_loadu_ps(weights), v = _mm256_loadu_ps(weights + lanes);
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const __m256 x = _mm256_loadu_ps(tile + t * panel), y = _mm256_loadu_ps(tile + t * panel + lanes);
      _mm256_storeu_ps(low + t * lanes, _mm256_fmadd_ps(x, w, _mm256_loadu_ps(low + t * lanes)));
      _mm256_storeu_ps(high + t * lanes, _mm256_fmadd_ps(y, v, _mm256_loadu_ps(high + t * lanes)));
    }
  }

private:
  PLANECAST_TARGET static __m256 exp2(__m256 x) noexcept {
    const __m256 some = _mm256_cmp_ps(x, _mm256_set1_ps(exp2_least), _CMP_NLT_UQ);
    x = _mm256_min_ps(_mm256_set1_ps(exp2_most), x); // of a NaN and a number, the second
    const __m256 rounded = _mm256_add_ps(x, _mm256_set1_ps(exp2_round));
    const __m256 rest = _mm256_sub_ps(x, _mm256_sub_ps(rounded, _mm256_set1_ps(exp2_round)));
    __m256 y = _mm256_set1_ps(exp2_polynomial[6]);
    PLANECAST_UNROLL
    for (int i = 5; i >= 0; --i)
      y = _mm256_fmadd_ps(y, rest, _mm256_set1_ps(exp2_polynomial[i]));
    const __m256i power =
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_castps_si256(rounded), _mm256_set1_epi32(127)), 23);
    return _mm256_and_ps(some, _mm256_mul_ps(y, _mm256_castsi256_ps(power)));
  }
};

} // namespace planecast::inline v0::detail

#undef PLANECAST_TARGET
#endif
