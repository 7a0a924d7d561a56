// What the vector loops need of AVX2: sixteen 16-bit lanes at a time.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/cpu/instruction_set.hpp"

#if PLANECAST_X86

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#define PLANECAST_TARGET __attribute__((target("avx2,fma,f16c,bmi,bmi2,popcnt")))
#define PLANECAST_LANES PLANECAST_TARGET __attribute__((always_inline)) inline

// Sixteen 16-bit numbers fill a register, their floats two: `lo` those of the even lanes, `hi` of the odd ones, so
// that masks and single shifts take them apart and a blend puts them together. An array of floats "in lane order"
// holds them like that, block by block. Shifts and shuffles have half as many ports as the rest: they are spared.
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
PLANECAST_LANES void stream(void* to, ints x) noexcept { // past the cache; aligned
  _mm256_stream_si256(static_cast<ints*>(to), x);
}
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
PLANECAST_LANES ints greatest_unsigned(ints a, ints b) noexcept { return _mm256_max_epu16(a, b); }
// All ones in the lanes where it is so, else zeros.
PLANECAST_LANES ints equal(ints a, ints b) noexcept { return _mm256_cmpeq_epi16(a, b); }
PLANECAST_LANES ints not_above(ints a, ints b) noexcept { // unsigned
  return _mm256_cmpeq_epi16(_mm256_min_epu16(a, b), a);
}
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
  const ints negative = _mm256_cmpgt_epi16(_mm256_setzero_si256(), p);
  return _mm256_xor_si256(p, bit_and(negative, _mm256_set1_epi16(0x7FFF)));
}
// The least number of the form 2^n − 1 that is not below a lane.
PLANECAST_LANES ints filled(ints d) noexcept {
  d = bit_or(d, _mm256_srli_epi16(d, 1));
  d = bit_or(d, _mm256_srli_epi16(d, 2));
  d = bit_or(d, _mm256_srli_epi16(d, 4));
  return bit_or(d, _mm256_srli_epi16(d, 8));
}

// 32-bit results of the even and the odd lanes, put together: their lower halves, or their upper ones.
PLANECAST_LANES ints lower_halves(ints even, ints odd) noexcept {
  return _mm256_blend_epi16(even, _mm256_slli_epi32(odd, 16), 0xAA);
}
PLANECAST_LANES ints upper_halves(ints even, ints odd) noexcept {
  return _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, 0xAA);
}

PLANECAST_LANES two_floats to_floats(ints a) noexcept { // of 0 … 65535
  return {_mm256_cvtepi32_ps(_mm256_and_si256(a, _mm256_set1_epi32(0xFFFF))),
          _mm256_cvtepi32_ps(_mm256_srli_epi32(a, 16))};
}
// 2 · code + extra, for codes below 256: their bits become the last of 2²³'s.
PLANECAST_LANES two_floats doubled(ints code, float extra) noexcept {
  const ints twice = add(code, code), two_to_23 = _mm256_set1_epi32(0x4B000000);
  const floats off = _mm256_set1_ps(extra - 0x1p23f);
  return {_mm256_add_ps(_mm256_castsi256_ps(_mm256_blend_epi16(twice, two_to_23, 0xAA)), off),
          _mm256_add_ps(_mm256_castsi256_ps(_mm256_or_si256(_mm256_srli_epi32(twice, 16), two_to_23)), off)};
}

template <class Number>
PLANECAST_LANES two_floats widen(ints p) noexcept {
  if constexpr (Number::id == number::bf16)
    return {_mm256_castsi256_ps(_mm256_slli_epi32(p, 16)),
            _mm256_castsi256_ps(_mm256_and_si256(p, _mm256_set1_epi32(-0x10000)))};
  else {
    const ints apart = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, //
                                        0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    const ints turned = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(p, apart), 0xD8);
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(turned)),
            _mm256_cvtph_ps(_mm256_extracti128_si256(turned, 1))};
  }
}
// Rounded as Mode says.
template <int Mode>
PLANECAST_LANES ints to_fp16(two_floats x) noexcept {
  const __m128i even = _mm256_cvtps_ph(x.lo, Mode | _MM_FROUND_NO_EXC);
  const __m128i odd = _mm256_cvtps_ph(x.hi, Mode | _MM_FROUND_NO_EXC);
  return _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
}

// The finite patterns nearest to what is not too great for the format, ties to even.
PLANECAST_LANES ints rounded(floats f) noexcept { // in the upper half
  const ints bits = _mm256_castps_si256(f), unit = _mm256_set1_epi32(0x10000);
  const ints odd = _mm256_cmpeq_epi32(_mm256_and_si256(bits, unit), unit);
  return _mm256_sub_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
}
template <class Number>
PLANECAST_LANES ints nearest(two_floats x) noexcept {
  if constexpr (Number::id == number::bf16)
    return upper_halves(rounded(x.lo), rounded(x.hi));
  else
    return to_fp16<_MM_FROUND_TO_NEAREST_INT>(x);
}

// The complement of the signed order of the boundary low + k · step. The boundary is found negated, rounded
// down: so one that is zero is −0 without being asked for.
PLANECAST_LANES ints rounded_down(floats f) noexcept { // in the upper half
  const ints bits = _mm256_castps_si256(f), negative = _mm256_cmpgt_epi32(_mm256_setzero_si256(), bits);
  return _mm256_add_epi32(bits, _mm256_and_si256(negative, _mm256_set1_epi32(0xFFFF)));
}
template <class Number>
PLANECAST_LANES ints boundary(two_floats k, two_floats low, two_floats step) noexcept {
  const floats even = _mm256_fnmsub_ps(k.lo, step.lo, low.lo), odd = _mm256_fnmsub_ps(k.hi, step.hi, low.hi);
  if constexpr (Number::id == number::bf16)
    return signed_orders(upper_halves(rounded_down(even), rounded_down(odd)));
  else
    return signed_orders(to_fp16<_MM_FROUND_TO_NEG_INF>({even, odd}));
}

// Which cell a value is in, less one, in floats: a quotient that is guessed a little low, and one comparison.
PLANECAST_LANES floats cell_below(floats x, floats low, floats step, floats inverse) noexcept {
  const floats one = _mm256_set1_ps(1);
  const floats guess = _mm256_fmadd_ps(_mm256_sub_ps(x, low), inverse, _mm256_set1_ps(-0.0625f));
  const floats cell = _mm256_round_ps(guess, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  const floats next = _mm256_fmadd_ps(_mm256_add_ps(cell, one), step, low);
  return _mm256_add_ps(cell, _mm256_and_ps(_mm256_cmp_ps(x, next, _CMP_GE_OQ), one));
}
PLANECAST_LANES two_floats cells_below(two_floats x, two_floats low, two_floats step, two_floats inverse) noexcept {
  return {cell_below(x.lo, low.lo, step.lo, inverse.lo), cell_below(x.hi, low.hi, step.hi, inverse.hi)};
}
PLANECAST_LANES ints to_ints(two_floats x) noexcept { // of whole numbers from 0 to 65535
  return lower_halves(_mm256_cvttps_epi32(x.lo), _mm256_cvttps_epi32(x.hi));
}

// Steps as bf16 patterns, for rows from the least value to the greatest, where they differ: cells::fit.
PLANECAST_LANES ints fitted_step(floats lowest, floats highest, float steps, float per_step,
                                 std::uint32_t least_step) noexcept {
  const floats exact = _mm256_mul_ps(_mm256_sub_ps(highest, lowest), _mm256_set1_ps(per_step));
  ints bits = _mm256_srli_epi32(_mm256_add_epi32(_mm256_castps_si256(exact), _mm256_set1_epi32(0xFFFF)), 16);
  bits = _mm256_max_epi32(bits, _mm256_set1_epi32(static_cast<int>(least_step)));
  const floats width = _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
  const floats end = _mm256_fmadd_ps(_mm256_set1_ps(steps), width, lowest);
  const ints beyond = _mm256_castps_si256(_mm256_cmp_ps(end, highest, _CMP_GT_OQ));
  return _mm256_add_epi32(_mm256_add_epi32(bits, beyond), _mm256_set1_epi32(1));
}
PLANECAST_LANES ints fitted_steps(two_floats lowest, two_floats highest, float steps, float per_step,
                                  std::uint32_t least_step) noexcept {
  return lower_halves(fitted_step(lowest.lo, highest.lo, steps, per_step, least_step),
                      fitted_step(lowest.hi, highest.hi, steps, per_step, least_step));
}

PLANECAST_LANES floats inverse(floats x) noexcept { // 0 for what is not above 0
  return _mm256_and_ps(_mm256_div_ps(_mm256_set1_ps(1), x), _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ));
}
PLANECAST_LANES two_floats inverses(two_floats x) noexcept { return {inverse(x.lo), inverse(x.hi)}; }
PLANECAST_LANES two_floats fused(two_floats a, two_floats b, two_floats c) noexcept {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
PLANECAST_LANES two_floats plus(two_floats a, float b) noexcept {
  return {_mm256_add_ps(a.lo, _mm256_set1_ps(b)), _mm256_add_ps(a.hi, _mm256_set1_ps(b))};
}
PLANECAST_LANES two_floats times(two_floats a, float b) noexcept {
  return {_mm256_mul_ps(a.lo, _mm256_set1_ps(b)), _mm256_mul_ps(a.hi, _mm256_set1_ps(b))};
}
// Whether |low| + 512 · step reaches a bound anywhere.
PLANECAST_LANES bool reach(floats low, floats step, float bound) noexcept {
  const floats size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), low);
  const floats sum = _mm256_fmadd_ps(_mm256_set1_ps(512), step, size);
  return _mm256_movemask_ps(_mm256_cmp_ps(sum, _mm256_set1_ps(bound), _CMP_GE_OQ)) != 0;
}
PLANECAST_LANES bool reach(two_floats low, two_floats step, float bound) noexcept {
  return reach(low.lo, step.lo, bound) || reach(low.hi, step.hi, bound);
}

// Sixteen values, by a code of four bits: what a row of one pair of scalars can show on its first plane.
struct table {
  ints low, high; // bytes, in both halves
};
PLANECAST_LANES table table_of(ints values) noexcept {
  const ints mask = _mm256_set1_epi16(0xFF);
  const ints both = _mm256_permute4x64_epi64(
      _mm256_packus_epi16(bit_and(values, mask), _mm256_srli_epi16(values, 8)), 0xD8); // low bytes | high bytes
  return {_mm256_permute4x64_epi64(both, 0x44), _mm256_permute4x64_epi64(both, 0xEE)};
}
// What thirty-two codes in sixteen bytes show.
struct shown_32 {
  ints block[2];
};
PLANECAST_LANES shown_32 look_up(const table& t, const std::byte* from) noexcept {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)), mask = _mm_set1_epi8(15);
  const __m128i even = _mm_and_si128(bytes, mask), odd = _mm_and_si128(_mm_srli_epi16(bytes, 4), mask);
  // Codes 0–7 and 16–23 in the lower parts of the halves, so that unpacking leaves them in order.
  const ints codes = _mm256_set_m128i(_mm_unpackhi_epi8(even, odd), _mm_unpacklo_epi8(even, odd));
  const ints low = _mm256_shuffle_epi8(t.low, codes), high = _mm256_shuffle_epi8(t.high, codes);
  const ints first = _mm256_unpacklo_epi8(low, high), second = _mm256_unpackhi_epi8(low, high);
  return {{_mm256_permute2x128_si256(first, second, 0x20), _mm256_permute2x128_si256(first, second, 0x31)}};
}

} // namespace planecast::inline v0::detail::avx2

#undef PLANECAST_LANES
#undef PLANECAST_TARGET

#endif
