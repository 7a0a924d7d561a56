// The products of kernels.hpp for one width of vectors. Included by kernels.cpp for each: TINY_SET names it,
// TINY_BYTES are a vector's, TINY_TARGET what the compiler may use.
#ifndef TINY_SET
#error "kernels.cpp includes this"
#endif

#define TINY_INLINE TINY_TARGET __attribute__((always_inline)) inline

namespace tiny::TINY_SET {

constexpr std::size_t lanes = 8, wide = TINY_BYTES / 4, parts = lanes / wide;

using floats = float __attribute__((vector_size(TINY_BYTES)));
using ints = std::int32_t __attribute__((vector_size(TINY_BYTES)));
using bits = std::uint32_t __attribute__((vector_size(TINY_BYTES)));
using halves = std::uint16_t __attribute__((vector_size(TINY_BYTES / 2)));

TINY_INLINE floats splat(float x) {
  return x - floats{}; // x − 0 is x, of either sign
}
template <class V>
TINY_INLINE V load(const void* from) { // unaligned
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
TINY_INLINE void store(float* to, floats v) {
  __builtin_memcpy(to, &v, sizeof v);
}
TINY_INLINE floats as_floats(bits b) {
  floats f;
  __builtin_memcpy(&f, &b, sizeof f);
  return f;
}

TINY_INLINE bits widened(const std::byte* from) { // numbers of 16 bits
#if TINY_BYTES == 32
  const __m256i b = _mm256_cvtepu16_epi32(load<__m128i>(from)); // g++ 12 makes two of the other
  return load<bits>(&b);
#else
  return __builtin_convertvector(load<halves>(from), bits);
#endif
}

struct f32 {
  static constexpr std::size_t bytes = 4;
  TINY_INLINE static floats load(const std::byte* from) { return TINY_SET::load<floats>(from); }
};
struct bf16 {
  static constexpr std::size_t bytes = 2;
  TINY_INLINE static floats load(const std::byte* from) { return as_floats(widened(from) << 16); }
};
struct f16 {
  static constexpr std::size_t bytes = 2;
  TINY_INLINE static floats load(const std::byte* from) {
#if TINY_BYTES == 32
    return _mm256_cvtph_ps(TINY_SET::load<__m128i>(from));
#else
    // The exponent is set right by an exact product, that of subnormals, too.
    const bits b = widened(from);
    const floats size = as_floats((b & 0x7FFFu) << 13) * splat(0x1p112f);
    bits all;
    __builtin_memcpy(&all, &size, sizeof all);
    const ints beyond = (b & 0x7C00u) == 0x7C00u; // an infinity or a NaN
    return as_floats(all | (__builtin_convertvector(beyond, bits) & 0x7F800000u) | (b & 0x8000u) << 16);
#endif
  }
};
template <class W>
TINY_INLINE float one(const std::byte* from) {
  std::byte padded[lanes * 4] = {};
  __builtin_memcpy(padded, from, W::bytes);
  return W::load(padded)[0];
}

// Eight partial sums, in pairs: 0 and 4, 2 and 6, 1 and 5, 3 and 7; then these in pairs.
TINY_INLINE float in_pairs(const floats (&s)[parts]) {
  using four = float __attribute__((vector_size(16)));
#if TINY_BYTES == 32
  const four pairs =
      __builtin_shufflevector(s[0], s[0], 0, 1, 2, 3) + __builtin_shufflevector(s[0], s[0], 4, 5, 6, 7);
#else
  const four pairs = s[0] + s[1];
#endif
  const four two = pairs + __builtin_shufflevector(pairs, pairs, 2, 3, 2, 3);
  return two[0] + two[1];
}

// Some rows times some vectors, eight terms of each sum. Each sum by itself goes in the same order.
template <class W, std::size_t Rows, std::size_t Tokens>
TINY_INLINE void eight_terms(floats (&sums)[Rows][Tokens][parts], const std::byte* const (&rows)[Rows],
                             const float* const (&x)[Tokens], std::size_t i) {
  PLANECAST_UNROLL
  for (std::size_t p = 0; p < parts; ++p) {
    floats w[Rows];
    PLANECAST_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
      w[r] = W::load(rows[r] + (i + p * wide) * W::bytes);
    PLANECAST_UNROLL
    for (std::size_t t = 0; t < Tokens; ++t) {
      const floats v = load<floats>(x[t] + i + p * wide);
      PLANECAST_UNROLL
      for (std::size_t r = 0; r < Rows; ++r)
        sums[r][t][p] += w[r] * v;
    }
  }
}
template <class W, std::size_t Rows, std::size_t Tokens>
TINY_INLINE void tile(const std::byte* const* all_rows, std::size_t n, batch<const float> x,
                      std::size_t token, batch<float> y, std::size_t row) {
  floats sums[Rows][Tokens][parts] = {};
  const std::byte* rows[Rows];
  PLANECAST_UNROLL
  for (std::size_t r = 0; r < Rows; ++r)
    rows[r] = all_rows[r];
  const float* xs[Tokens];
  PLANECAST_UNROLL
  for (std::size_t t = 0; t < Tokens; ++t)
    xs[t] = x[token + t];
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    eight_terms<W>(sums, rows, xs, i);
  if (i < n) { // the last few, with zeros behind them
    std::byte last_rows[Rows][lanes * W::bytes] = {};
    float last_xs[Tokens][lanes] = {};
    const std::byte* row_ends[Rows];
    const float* x_ends[Tokens];
    for (std::size_t r = 0; r < Rows; ++r)
      std::copy(rows[r] + i * W::bytes, rows[r] + n * W::bytes, last_rows[r]), row_ends[r] = last_rows[r];
    for (std::size_t t = 0; t < Tokens; ++t)
      std::copy(xs[t] + i, xs[t] + n, last_xs[t]), x_ends[t] = last_xs[t];
    eight_terms<W>(sums, row_ends, x_ends, 0);
  }
  PLANECAST_UNROLL
  for (std::size_t t = 0; t < Tokens; ++t) {
    PLANECAST_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
      y[token + t][row + r] = in_pairs(sums[r][t]);
  }
}

template <class W, std::size_t Rows>
TINY_TARGET void few_rows(const std::byte* const* rows, std::size_t n, batch<const float> x, batch<float> y,
                          std::size_t row) {
  std::size_t t = 0;
  for (; t + 3 <= x.count; t += 3)
    tile<W, Rows, 3>(rows, n, x, t, y, row);
  if (t + 2 == x.count)
    tile<W, Rows, 2>(rows, n, x, t, y, row);
  else if (t + 1 == x.count)
    tile<W, Rows, 1>(rows, n, x, t, y, row);
}

template <class W>
TINY_INLINE void widen_row(const std::byte* from, std::size_t n, float* to) {
  std::size_t i = 0;
  for (; i + wide <= n; i += wide)
    store(to + i, W::load(from + i * W::bytes));
  for (; i < n; ++i)
    to[i] = one<W>(from + i * W::bytes);
}

template <class W>
TINY_TARGET void multiply_as(const matrix& m, std::size_t first, std::size_t last, batch<const float> x,
                             batch<float> y, std::vector<float>& room) {
  constexpr std::size_t at_once = 4;
  const std::size_t n = m.columns;
  const bool widened = W::bytes != 4 && x.count > 6; // then the weights are made floats once for all vectors
  if (widened && room.size() < at_once * n)
    room.resize(at_once * n);
  std::size_t row = first;
  if (x.count == 1) // more rows at once: their weights come from as many places of memory
    for (; row + 2 * at_once <= last; row += 2 * at_once) {
      const std::byte* rows[2 * at_once];
      for (std::size_t r = 0; r < 2 * at_once; ++r)
        rows[r] = m.row(row + r);
      tile<W, 2 * at_once, 1>(rows, n, x, 0, y, row);
    }
  for (; row < last; row += at_once) {
    const std::size_t count = std::min(at_once, last - row);
    const std::byte* rows[at_once];
    for (std::size_t r = 0; r < count; ++r) {
      rows[r] = m.row(row + r);
      if (widened) {
        widen_row<W>(rows[r], n, room.data() + r * n);
        rows[r] = reinterpret_cast<const std::byte*>(room.data() + r * n);
      }
    }
    if (count == at_once)
      widened ? few_rows<f32, at_once>(rows, n, x, y, row) : few_rows<W, at_once>(rows, n, x, y, row);
    else
      for (std::size_t r = 0; r < count; ++r)
        widened ? few_rows<f32, 1>(rows + r, n, x, y, row + r) : few_rows<W, 1>(rows + r, n, x, y, row + r);
  }
}

TINY_TARGET inline void multiply(const matrix& m, std::size_t first, std::size_t last, batch<const float> x,
                                 batch<float> y, std::vector<float>& room) {
  switch (m.type) {
  case weight_type::f32:
    return multiply_as<f32>(m, first, last, x, y, room);
  case weight_type::f16:
    return multiply_as<f16>(m, first, last, x, y, room);
  case weight_type::bf16:
    return multiply_as<bf16>(m, first, last, x, y, room);
  }
}

TINY_TARGET inline void widen(weight_type type, const std::byte* from, std::size_t n, float* to) {
  switch (type) {
  case weight_type::f32:
    return widen_row<f32>(from, n, to);
  case weight_type::f16:
    return widen_row<f16>(from, n, to);
  case weight_type::bf16:
    return widen_row<bf16>(from, n, to);
  }
}

} // namespace tiny::TINY_SET
