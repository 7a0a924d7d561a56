// The engine's loops: where nearly all time goes. The order of every sum is fixed: eight partial sums, term i
// into the one numbered i % 8, then these in pairs; and no product is fused with a sum. So the results are
// the same, bit for bit, with AVX2 and without, from any compiler, for one token and for many at once.
#pragma once

#include "matrix.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tiny {

/// One way to run the loops.
struct kernels {
  /// Rows [first, last) of y = Wx, for each of the vectors. `room` is working space, kept between calls.
  void (*multiply)(const matrix& w, std::size_t first, std::size_t last, batch<const float> x, batch<float> y,
                   std::vector<float>& room);
  /// A row's weights, or a cache's values, as floats; exact.
  void (*widen)(weight_type type, const std::byte* from, std::size_t count, float* to);
  /// y = Σ share[t] · v[t] over n rows of `width` floats, a multiple of 8, summed in the order of t.
  void (*mix)(const float* shares, std::size_t n, const float* v, std::size_t width, float* y);
  /// Replaces n scores by e^(scale · score − the greatest), and returns their sum.
  float (*soften)(float* scores, std::size_t n, float scale);
  /// gate = gate / (1 + e^−gate) · up.
  void (*gate)(float* gate, const float* up, std::size_t n);
  /// y = x / √(mean of x² + eps) · weight.
  void (*normalize)(const float* x, const float* weight, float eps, std::size_t n, float* y);
};

/// With AVX2 and F16C where `vectors` says so and the machine has them, else what every x86-64 has, or plain
/// C++.
const kernels& kernels_of_this_machine(bool vectors = true);
/// Whether the machine has AVX2 and F16C.
bool has_vectors();

} // namespace tiny
