// What the vector loops need of AVX2: sixteen 16-bit lanes at a time.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/cpu/instruction_set.hpp"

#if PLANECAST_X86

#include <bit>
#include <cstdint>
#include <immintrin.h>
#include <type_traits>

#define PLANECAST_TARGET __attribute__((target("avx2,fma,f16c,bmi,bmi2,popcnt")))
#define PLANECAST_LANES PLANECAST_TARGET __attribute__((always_inline)) inline

// Sixteen 16-bit numbers fill a register, their floats two: `lo` those of lanes 0–3 and 8–11, `hi` the others,
// as unpacking and packing within 128 bits have them. An array of floats "in lane order" holds them like that,
// block by block.
namespace planecast::inline v0::detail::avx2 {

inline constexpr std::uint32_t lanes = 16;

using ints = __m256i;
using floats = __m256;

struct two_floats {
  floats lo, hi;
};

PLANECAST_LANES ints load(const void* from) noexcept {
  return _mm256_loadu_si256(static_cast<const ints*>(from));
}
PLANECAST_LANES void store(void* to, ints x) noexcept { _mm256_storeu_si256(static_cast<ints*>(to), x); }
// Past the cache; aligned.
PLANECAST_LANES void stream(void* to, ints x) noexcept { _mm256_stream_si256(static_cast<ints*>(to), x); }
PLANECAST_LANES ints load_codes(const std::uint8_t* from) noexcept {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
PLANECAST_LANES void store_codes(std::uint8_t* to, ints x) noexcept { // each below 256
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
}
PLANECAST_LANES two_floats load_floats(const float* from) noexcept {
  return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + lanes / 2)};
}
PLANECAST_LANES void store_floats(float* to, two_floats x) noexcept {
  _mm256_storeu_ps(to, x.lo);
  _mm256_storeu_ps(to + lanes / 2, x.hi);
}
PLANECAST_LANES two_floats splat(float x) noexcept { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
PLANECAST_LANES ints splat_int(int x) noexcept { return _mm256_set1_epi16(static_cast<short>(x)); }

PLANECAST_LANES ints add(ints a, ints b) noexcept { return _mm256_add_epi16(a, b); }
PLANECAST_LANES ints sub(ints a, ints b) noexcept { return _mm256_sub_epi16(a, b); }
PLANECAST_LANES ints bit_or(ints a, ints b) noexcept { return _mm256_or_si256(a, b); }
PLANECAST_LANES ints bit_and(ints a, ints b) noexcept { return _mm256_and_si256(a, b); }
PLANECAST_LANES ints least(ints a, ints b) noexcept { return _mm256_min_epi16(a, b); }
PLANECAST_LANES ints greatest(ints a, ints b) noexcept { return _mm256_max_epi16(a, b); }
// All ones where equal, and where a lane is unsigned below or at another.
PLANECAST_LANES ints equal(ints a, ints b) noexcept { return _mm256_cmpeq_epi16(a, b); }
PLANECAST_LANES ints not_above(ints a, ints b) noexcept { return equal(_mm256_min_epu16(a, b), a); }
PLANECAST_LANES ints bit_not(ints a) noexcept { return _mm256_xor_si256(a, _mm256_set1_epi16(-1)); }
PLANECAST_LANES ints without(ints a, ints mask) noexcept { return _mm256_andnot_si256(mask, a); }
PLANECAST_LANES bool any(ints mask) noexcept { return _mm256_testz_si256(mask, mask) == 0; }

PLANECAST_LANES int least_of(ints a) noexcept {
  const __m128i half = _mm_min_epi16(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  const __m128i offset = _mm_set1_epi16(-0x8000);
  return static_cast<std::int16_t>(_mm_extract_epi16(_mm_minpos_epu16(_mm_xor_si128(half, offset)), 0) ^ 0x8000);
}
PLANECAST_LANES int greatest_of(ints a) noexcept { return ~least_of(bit_not(a)); }

// A pattern's order as a signed number, and back: order_of() less 0x8000.
PLANECAST_LANES ints signed_orders(ints p) noexcept {
  return _mm256_xor_si256(p, _mm256_srli_epi16(_mm256_srai_epi16(p, 15), 1));
}
// The least number of the form 2^n − 1 that is not below a lane.
PLANECAST_LANES ints filled(ints d) noexcept {
  d = bit_or(d, _mm256_srli_epi16(d, 1));
  d = bit_or(d, _mm256_srli_epi16(d, 2));
  d = bit_or(d, _mm256_srli_epi16(d, 4));
  return bit_or(d, _mm256_srli_epi16(d, 8));
}

PLANECAST_LANES two_floats to_floats(ints a) noexcept { // lanes of 0 … 32767
  const ints zero = _mm256_setzero_si256();
  return {_mm256_cvtepi32_ps(_mm256_unpacklo_epi16(a, zero)), _mm256_cvtepi32_ps(_mm256_unpackhi_epi16(a, zero))};
}
// Twice a code's place, less two: 2 · code + extra, for codes below 256.
PLANECAST_LANES two_floats doubled(ints code, float extra) noexcept {
  const ints twice = add(code, code), two_to_23 = _mm256_set1_epi16(0x4B00);
  const floats off = _mm256_set1_ps(extra - 0x1p23f);
  return {_mm256_add_ps(_mm256_castsi256_ps(_mm256_unpacklo_epi16(twice, two_to_23)), off),
          _mm256_add_ps(_mm256_castsi256_ps(_mm256_unpackhi_epi16(twice, two_to_23)), off)};
}

template <class Number>
PLANECAST_LANES two_floats widen(ints p) noexcept {
  if constexpr (Number::id == number::bf16) {
    const ints zero = _mm256_setzero_si256();
    return {_mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, p)),
            _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, p))};
  } else {
    const ints turned = _mm256_permute4x64_epi64(p, 0xD8);
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(turned)),
            _mm256_cvtph_ps(_mm256_extracti128_si256(turned, 1))};
  }
}

// The finite patterns nearest to what is not too great for the format.
PLANECAST_LANES ints upper_half_nearest(floats f) noexcept {
  const ints bits = _mm256_castps_si256(f);
  const ints odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  return _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd), 16);
}
template <class Number>
PLANECAST_LANES ints nearest(two_floats x) noexcept {
  if constexpr (Number::id == number::bf16) {
    return _mm256_packus_epi32(upper_half_nearest(x.lo), upper_half_nearest(x.hi));
  } else {
    constexpr int even = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    const ints halves = _mm256_set_m128i(_mm256_cvtps_ph(x.hi, even), _mm256_cvtps_ph(x.lo, even));
    return _mm256_permute4x64_epi64(halves, 0xD8);
  }
}

// The complement of the signed order of the boundary low + k · step. The boundary is found negated, rounded
// down: so one that is zero is −0 without being asked for.
PLANECAST_LANES ints upper_half_floor(floats f) noexcept { // the order's upper half
  const ints bits = _mm256_castps_si256(f), sign = _mm256_srai_epi32(bits, 31);
  const ints order = _mm256_xor_si256(bits, _mm256_srli_epi32(sign, 1));
  return _mm256_srai_epi32(_mm256_sub_epi32(order, _mm256_srli_epi32(sign, 16)), 16);
}
template <class Number>
PLANECAST_LANES ints boundary(two_floats k, two_floats low, two_floats step) noexcept {
  const floats lo = _mm256_fnmsub_ps(k.lo, step.lo, low.lo), hi = _mm256_fnmsub_ps(k.hi, step.hi, low.hi);
  if constexpr (Number::id == number::bf16) {
    return _mm256_packs_epi32(upper_half_floor(lo), upper_half_floor(hi));
  } else {
    constexpr int down = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
    const ints halves = _mm256_set_m128i(_mm256_cvtps_ph(hi, down), _mm256_cvtps_ph(lo, down));
    return signed_orders(_mm256_permute4x64_epi64(halves, 0xD8));
  }
}

// Which cell a value is in, less one: a quotient that is guessed a little low, and one comparison.
PLANECAST_LANES ints cell_below(floats x, floats low, floats step, floats inverse) noexcept {
  const floats guess = _mm256_fmadd_ps(_mm256_sub_ps(x, low), inverse, _mm256_set1_ps(-0.0625f));
  const ints cell = _mm256_cvttps_epi32(guess);
  const floats next = _mm256_add_ps(_mm256_cvtepi32_ps(cell), _mm256_set1_ps(1));
  const floats reached = _mm256_cmp_ps(x, _mm256_fmadd_ps(next, step, low), _CMP_GE_OQ);
  return _mm256_sub_epi32(cell, _mm256_castps_si256(reached));
}
PLANECAST_LANES ints cells_below(two_floats x, two_floats low, two_floats step, two_floats inverse) noexcept {
  return _mm256_packs_epi32(cell_below(x.lo, low.lo, step.lo, inverse.lo),
                            cell_below(x.hi, low.hi, step.hi, inverse.hi));
}

// Steps as bf16 patterns, for rows from the least value to the greatest, where they differ: cells::fit.
PLANECAST_LANES ints fitted_step(floats lowest, floats highest, float steps, float per_step,
                                 std::uint32_t least_step) noexcept {
  const floats exact = _mm256_mul_ps(_mm256_sub_ps(highest, lowest), _mm256_set1_ps(per_step));
  ints bits = _mm256_srli_epi32(_mm256_add_epi32(_mm256_castps_si256(exact), _mm256_set1_epi32(0xFFFF)), 16);
  bits = _mm256_max_epi32(bits, _mm256_set1_epi32(static_cast<int>(least_step)));
  const floats width = _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
  const floats beyond = _mm256_cmp_ps(_mm256_fmadd_ps(_mm256_set1_ps(steps), width, lowest), highest, _CMP_GT_OQ);
  return _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_castps_si256(beyond)), _mm256_set1_epi32(1));
}
PLANECAST_LANES ints fitted_steps(two_floats lowest, two_floats highest, float steps, float per_step,
                                  std::uint32_t least_step) noexcept {
  return _mm256_packus_epi32(fitted_step(lowest.lo, highest.lo, steps, per_step, least_step),
                             fitted_step(lowest.hi, highest.hi, steps, per_step, least_step));
}

PLANECAST_LANES two_floats inverses(two_floats x) noexcept { // 0 for what is not above 0
  const floats one = _mm256_set1_ps(1), zero = _mm256_setzero_ps();
  return {_mm256_and_ps(_mm256_div_ps(one, x.lo), _mm256_cmp_ps(x.lo, zero, _CMP_GT_OQ)),
          _mm256_and_ps(_mm256_div_ps(one, x.hi), _mm256_cmp_ps(x.hi, zero, _CMP_GT_OQ))};
}
PLANECAST_LANES two_floats fused(two_floats a, two_floats b, two_floats c) noexcept {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
PLANECAST_LANES two_floats plus(two_floats a, float b) noexcept {
  return {_mm256_add_ps(a.lo, _mm256_set1_ps(b)), _mm256_add_ps(a.hi, _mm256_set1_ps(b))};
}
PLANECAST_LANES two_floats times(two_floats a, float b) noexcept {
  return {_mm256_mul_ps(a.lo, _mm256_set1_ps(b)), _mm256_mul_ps(a.hi, _mm256_set1_ps(b))};
}
// Whether |low| + 256 · step reaches a bound anywhere.
PLANECAST_LANES bool reaches(two_floats low, two_floats step, float bound) noexcept {
  const floats sign = _mm256_set1_ps(-0.0f), cells = _mm256_set1_ps(256), most = _mm256_set1_ps(bound);
  const floats lo = _mm256_fmadd_ps(cells, step.lo, _mm256_andnot_ps(sign, low.lo));
  const floats hi = _mm256_fmadd_ps(cells, step.hi, _mm256_andnot_ps(sign, low.hi));
  return _mm256_movemask_ps(_mm256_or_ps(_mm256_cmp_ps(lo, most, _CMP_GE_OQ), _mm256_cmp_ps(hi, most, _CMP_GE_OQ))) !=
         0;
}

} // namespace planecast::inline v0::detail::avx2

#undef PLANECAST_LANES
#undef PLANECAST_TARGET

#endif
