// More of what kernel_loops.hpp begins: attention's sums and softmax, the MLP's gate, norms. Included by
// kernels.cpp behind it, for each width of vectors.
#ifndef TINY_SET
#error "kernels.cpp includes this"
#endif

namespace tiny::TINY_SET {

template <std::size_t Vectors>
TINY_INLINE void mix_strip(const float* shares, std::size_t n, const float* v, std::size_t width, float* y) {
  floats sums[Vectors] = {};
  for (std::size_t t = 0; t < n; ++t, v += width) {
    const floats share = splat(shares[t]);
    PLANECAST_UNROLL
    for (std::size_t i = 0; i < Vectors; ++i)
      sums[i] += share * load<floats>(v + i * wide);
  }
  for (std::size_t i = 0; i < Vectors; ++i)
    store(y + i * wide, sums[i]);
}
TINY_TARGET inline void mix(const float* shares, std::size_t n, const float* v, std::size_t width, float* y) {
  std::size_t at = 0;
  for (; at + 8 * wide <= width; at += 8 * wide)
    mix_strip<8>(shares, n, v + at, width, y + at);
  for (; at + 2 * wide <= width; at += 2 * wide)
    mix_strip<2>(shares, n, v + at, width, y + at);
  for (; at < width; at += wide)
    mix_strip<1>(shares, n, v + at, width, y + at);
}

// eˣ: 2ⁿ times a polynomial, to about a float's precision. Below −87 it is nearly 0, above 88 nearly 2¹²⁷.
TINY_INLINE floats exponential(floats x) {
  x = x < splat(-87.0f) ? splat(-87.0f) : x;
  x = x > splat(88.0f) ? splat(88.0f) : x;
  const ints n = __builtin_convertvector(x * splat(1.44269504f) + splat(127.5f), ints) - 127; // it truncates
  const floats whole = __builtin_convertvector(n, floats);
  const floats f = (x - whole * splat(0.693359375f)) - whole * splat(-2.12194440e-4f); // the first is exact
  floats p = splat(1.0f / 5040);
  p = p * f + splat(1.0f / 720);
  p = p * f + splat(1.0f / 120);
  p = p * f + splat(1.0f / 24);
  p = p * f + splat(1.0f / 6);
  p = p * f + splat(0.5f);
  p = p * f + splat(1.0f);
  p = p * f + splat(1.0f);
  return p * as_floats(__builtin_convertvector(n + 127, bits) << 23);
}

TINY_TARGET inline float soften(float* scores, std::size_t n, float scale) {
  float most = scores[0];
  for (std::size_t i = 0; i < n; ++i) {
    scores[i] *= scale;
    most = i == 0 || scores[i] > most ? scores[i] : most;
  }
  floats sums[parts] = {};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (std::size_t p = 0; p < parts; ++p) {
      const floats e = exponential(load<floats>(scores + i + p * wide) - splat(most));
      store(scores + i + p * wide, e);
      sums[p] += e;
    }
  if (i < n) {
    float last[lanes] = {};
    std::copy(scores + i, scores + n, last);
    for (std::size_t p = 0; p < parts; ++p)
      store(last + p * wide, exponential(load<floats>(last + p * wide) - splat(most)));
    std::copy(last, last + (n - i), scores + i);
    std::fill(last + (n - i), last + lanes, 0.0f);
    for (std::size_t p = 0; p < parts; ++p)
      sums[p] += load<floats>(last + p * wide);
  }
  return in_pairs(sums);
}

TINY_INLINE floats gated(floats gate, floats up) {
  return gate / (splat(1.0f) + exponential(-gate)) * up;
}
TINY_TARGET inline void gate(float* gate, const float* up, std::size_t n) {
  std::size_t i = 0;
  for (; i + wide <= n; i += wide)
    store(gate + i, gated(load<floats>(gate + i), load<floats>(up + i)));
  for (; i < n; ++i)
    gate[i] = gated(splat(gate[i]), splat(up[i]))[0];
}

TINY_TARGET inline void normalize(const float* x, const float* weight, float eps, std::size_t n, float* y) {
  const batch<const float> one_x{x, n, 1};
  const std::byte* const row = reinterpret_cast<const std::byte*>(x);
  float sum = 0;
  tile<f32, 1, 1>(&row, n, one_x, 0, {&sum, 1, 1}, 0);
  const float scale = 1.0f / std::sqrt(sum / static_cast<float>(n) + eps);
  for (std::size_t j = 0; j < n; ++j)
    y[j] = x[j] * scale * weight[j];
}

constexpr kernels all = {multiply, widen, mix, soften, gate, normalize};

} // namespace tiny::TINY_SET

#undef TINY_INLINE
