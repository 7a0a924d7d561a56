// Host code that nvcc passes on to the host's compiler is what that compiler makes of it by itself: vectors
// of the compiler's own kind, above all.
#include "planecast/planecast.hpp"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace pc = planecast;

namespace {

constexpr std::uint32_t tokens = 100, window = 8, heads = 3, dim = 24;

// The attention that the last queries give to each token, as it is defined.
std::vector<double> attention(const std::vector<std::uint16_t>& k, const std::vector<std::uint16_t>& q) {
  std::vector<double> mass(tokens), x(tokens);
  for (std::uint32_t row = 0; row < window; ++row)
    for (std::uint32_t h = 0; h < heads; ++h) {
      const std::uint32_t seen = tokens - window + row + 1;
      double sum = 0;
      for (std::uint32_t t = 0; t < seen; ++t) {
        double product = 0;
        for (std::uint32_t c = 0; c < dim; ++c)
          product +=
              double{pc::bf16::value(k[t * dim + c])} * pc::bf16::value(q[(row * heads + h) * dim + c]);
        sum += x[t] = std::exp(product / std::sqrt(double{dim}));
      }
      for (std::uint32_t t = 0; t < seen; ++t)
        mass[t] += x[t] / sum / (heads * window);
    }
  return mass;
}

} // namespace

int main() {
  std::uint32_t state = 1;
  const auto some = [&](std::size_t count) {
    std::vector<std::uint16_t> values(count);
    for (std::uint16_t& v : values)
      v = pc::bf16::nearest(static_cast<float>((state = state * 1664525 + 1013904223) >> 8) * 0x1p-22f - 2);
    return values;
  };
  const auto k = some(tokens * dim), q = some(window * heads * dim);
  const auto strides = pc::kv_strides::nhd(1, dim);
  const pc::kv_view keys(k.data(), strides, k.data(), strides, tokens);
  const pc::query_view queries(pc::number::bf16, q.data(), {.rows = window, .heads = heads, .dim = dim});
  const auto expected = attention(k, q);
  bool good = true;
  pc::detail::any_attention_set([&]<class Set>(Set) { // each that this machine has
    std::vector<float> mass(tokens);
    pc::detail::add_attention_mass<Set>(keys, pc::number::bf16, 1, queries, {.window_size = window}, mass);
    for (std::uint32_t t = 0; t < tokens && good; ++t)
      if (!(std::abs(mass[t] - expected[t]) <= 1e-4 * expected[t])) {
        std::printf("token %u: %g instead of %g\n", t, mass[t], expected[t]);
        good = false;
      }
    return false;
  });
  if (!good)
    return 1;
  if (const pc::status s = pc::self_test(); !s.ok()) {
    std::printf("%s\n", s.message().c_str());
    return 1;
  }
  return 0;
}
