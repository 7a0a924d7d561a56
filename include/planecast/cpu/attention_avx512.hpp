// The arithmetic of attention mass for x86 with AVX-512, whatever the program is built for.
#pragma once

#include "planecast/cpu/attention_plain.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cstddef>
#include <immintrin.h>

#define PLANECAST_TARGET [[gnu::target("avx512f,avx512bw,avx512vl")]]

namespace planecast::inline v0::detail {

/// As attention_plain, which says what the members do.
struct attention_avx512 {
  static constexpr std::uint32_t lanes = 16;        ///< queries of a register
  static constexpr std::uint32_t panel = 2 * lanes; ///< queries of a tile
  static constexpr std::uint32_t rows = 8;          ///< 16 of 32 registers hold sums

  /// As attention_plain says.
  PLANECAST_TARGET static bool widen(number dtype, const std::uint16_t* in, std::uint32_t count,
                                     float* out) noexcept {
    if (dtype != number::fp16 && dtype != number::bf16)
      return attention_plain::widen(dtype, in, count, out);
    __m512 zero = _mm512_setzero_ps();
    std::uint32_t i = 0;
    for (; i + lanes <= count; i += lanes) {
      const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
      const __m512 x =
          dtype == number::fp16
              ? _mm512_maskz_cvtph_ps(all, half)
              : _mm512_castsi512_ps(_mm512_maskz_slli_epi32(all, _mm512_maskz_cvtepu16_epi32(all, half), 16));
      _mm512_storeu_ps(out + i, x);
      zero = _mm512_fmadd_ps(x, _mm512_setzero_ps(), zero);
    }
    return _mm512_cmp_ps_mask(zero, zero, _CMP_UNORD_Q) == 0 &&
           attention_plain::widen(dtype, in + i, count - i, out + i);
  }

  /// As attention_plain says.
  PLANECAST_TARGET static void logits(const float* queries, const float* keys, std::uint32_t dim,
                                      std::uint32_t tokens, float* tile) noexcept {
    for (std::uint32_t t = 0; t < tokens; t += rows, keys += std::size_t{rows} * dim, tile += rows * panel) {
      __m512 low[rows], high[rows];
      PLANECAST_UNROLL
      for (std::uint32_t r = 0; r < rows; ++r)
        low[r] = high[r] = _mm512_setzero_ps();
      for (std::uint32_t c = 0; c < dim; ++c) {
        const __m512 q = _mm512_loadu_ps(queries + std::size_t{c} * panel);
        const __m512 p = _mm512_loadu_ps(queries + std::size_t{c} * panel + lanes);
        PLANECAST_UNROLL
        for (std::uint32_t r = 0; r < rows; ++r) {
          const __m512 k = _mm512_set1_ps(keys[std::size_t{r} * dim + c]);
          low[r] = _mm512_fmadd_ps(k, q, low[r]);
          high[r] = _mm512_fmadd_ps(k, p, high[r]);
        }
      }
      PLANECAST_UNROLL
      for (std::uint32_t r = 0; r < rows; ++r) {
        _mm512_storeu_ps(tile + r * panel, low[r]);
        _mm512_storeu_ps(tile + r * panel + lanes, high[r]);
      }
    }
  }

  /// As attention_plain says.
  PLANECAST_TARGET static void maxima(const float* tile, std::uint32_t tokens, float* most) noexcept {
    for (std::uint32_t half = 0; half < panel; half += lanes) {
      __m512 m = _mm512_loadu_ps(most + half);
      for (std::uint32_t t = 0; t < tokens; ++t)
        m = _mm512_maskz_max_ps(all, _mm512_loadu_ps(tile + t * panel + half), m);
      _mm512_storeu_ps(most + half, m);
    }
  }

  /// As attention_plain says.
  PLANECAST_TARGET static void exponentials(float* tile, std::uint32_t tokens, const float* from,
                                            float* sums) noexcept {
    for (std::uint32_t half = 0; half < panel; half += lanes) {
      const __m512 reference = _mm512_loadu_ps(from + half);
      __m512 sum = _mm512_setzero_ps();
      for (std::uint32_t t = 0; t < tokens; ++t) {
        float* const at = tile + t * panel + half;
        const __m512 y = exp2(_mm512_sub_ps(_mm512_loadu_ps(at), reference));
        _mm512_storeu_ps(at, y);
        sum = _mm512_add_ps(sum, y);
      }
      _mm512_storeu_ps(sums + half, sum);
    }
  }

  /// As attention_plain says.
  PLANECAST_TARGET static void collect(const float* tile, const float* weights, std::uint32_t tokens,
                                       float* low, float* high) noexcept {
    const __m512 w = _mm512_loadu_ps(weights), v = _mm512_loadu_ps(weights + lanes);
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const __m512 x = _mm512_loadu_ps(tile + t * panel), y = _mm512_loadu_ps(tile + t * panel + lanes);
      _mm512_storeu_ps(low + t * lanes, _mm512_fmadd_ps(x, w, _mm512_loadu_ps(low + t * lanes)));
      _mm512_storeu_ps(high + t * lanes, _mm512_fmadd_ps(y, v, _mm512_loadu_ps(high + t * lanes)));
    }
  }

private:
  // What takes no mask leaves a register undefined in g++'s headers, and g++ 12 warns of it: bug 105593.
  static constexpr __mmask16 all = 0xFFFF;

  PLANECAST_TARGET static __m512 exp2(__m512 x) noexcept {
    const __mmask16 some = _mm512_cmp_ps_mask(x, _mm512_set1_ps(exp2_least), _CMP_NLT_UQ);
    x = _mm512_maskz_min_ps(all, _mm512_set1_ps(exp2_most), x); // of a NaN and a number, the second
    const __m512 rounded = _mm512_add_ps(x, _mm512_set1_ps(exp2_round));
    const __m512 rest = _mm512_sub_ps(x, _mm512_sub_ps(rounded, _mm512_set1_ps(exp2_round)));
    __m512 y = _mm512_set1_ps(exp2_polynomial[6]);
    PLANECAST_UNROLL
    for (int i = 5; i >= 0; --i)
      y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(exp2_polynomial[i]));
    const __m512i power = _mm512_maskz_slli_epi32(
        all, _mm512_add_epi32(_mm512_castps_si512(rounded), _mm512_set1_epi32(127)), 23);
    return _mm512_maskz_mul_ps(some, y, _mm512_castsi512_ps(power));
  }
};

} // namespace planecast::inline v0::detail

#undef PLANECAST_TARGET
#endif
