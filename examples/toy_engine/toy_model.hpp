// The toy engine's shape and weights.
#pragma once

#include "planecast/cache/geometry.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

namespace toy {

struct config {
  std::uint32_t layers = 4;
  std::uint32_t query_heads = 4;
  std::uint32_t kv_heads = 2;
  std::uint32_t head_dim = 64; // a multiple of 32, as is width
  std::uint32_t width = 128;
  std::uint32_t vocab = 256;
  std::uint32_t context = 4096;  // longest sequence
  std::uint32_t block_size = 16; // tokens of a block of the cache
  planecast::number dtype = planecast::number::bf16;
  float attention = 0.1f;    // what attention adds to the residual: the more, the more precision matters
  float sharpness = 1.5f;    // of attention: about the standard deviation of its scores
  float salience = 0.7f;     // how unequal tokens are in what attention they draw
  std::uint32_t window = 32; // queries whose attention makes the importance
  std::uint64_t seed = 1;

  [[nodiscard]] planecast::geometry geometry() const { return {dtype, layers, kv_heads, head_dim, head_dim}; }
};

/// Numbers that are the same everywhere.
class random {
public:
  explicit random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits() { // splitmix64
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(bits() % n); }
  float normal() { // nearly: mean 0, variance 1
    const std::uint64_t b = bits();
    const auto sum =
        static_cast<std::int32_t>((b & 0xFFFF) + (b >> 16 & 0xFFFF) + (b >> 32 & 0xFFFF) + (b >> 48));
    return static_cast<float>(sum - 131070) * (1.0f / 37837.0f);
  }

private:
  std::uint64_t state_;
};

// Sanitizers that look at every step of the loops that do nearly all of the work make tests wait. What those
// loops read and write is arrays of their callers', of the lengths that these have given them.
#if defined(__clang__)
#define TOY_UNWATCHED [[clang::no_sanitize("address", "undefined")]]
#else
#define TOY_UNWATCHED
#endif

constexpr std::uint32_t lanes = 32;     // outputs of a matrix, or channels, that are computed side by side
constexpr std::uint32_t key_lanes = 16; // keys whose scores are computed side by side

/// y = xW, W stored in strips of 32 outputs.
struct matrix {
  std::uint32_t inputs = 0, outputs = 0;
  std::vector<float> strips;

  matrix() = default;
  matrix(std::uint32_t in, std::uint32_t out, random& r)
      : inputs(in), outputs(out), strips(std::size_t{in} * out) {
    const float scale = 1.0f / std::sqrt(static_cast<float>(in));
    for (float& w : strips)
      w = scale * r.normal();
  }
  float& at(std::uint32_t in, std::uint32_t out) {
    return strips[(std::size_t{out / lanes} * inputs + in) * lanes + out % lanes];
  }
  TOY_UNWATCHED void apply(const float* x, float* y) const {
    const float* w = strips.data();
    for (std::uint32_t strip = 0; strip < outputs; strip += lanes, y += lanes) {
      float sum[lanes] = {};
      for (std::uint32_t i = 0; i < inputs; ++i, w += lanes)
        for (std::uint32_t j = 0; j < lanes; ++j)
          sum[j] += x[i] * w[j];
      std::copy_n(sum, lanes, y);
    }
  }
};

/// The weights; engines share them.
struct model {
  struct layer {
    matrix query, key, value, out;
    std::vector<float> key_bias, query_bias; // both by channel of the keys
  };
  config shape;
  std::vector<float> tokens, places; // embeddings
  std::vector<layer> layers;
  matrix head;

  explicit model(config c) : shape(c) {
    if (c.width % lanes != 0 || c.head_dim % lanes != 0 || c.vocab % lanes != 0 ||
        c.query_heads % c.kv_heads != 0)
      throw std::invalid_argument("toy: widths are multiples of 32, query heads of KV heads");
    random r(c.seed), places_of(c.seed + 1'000'000); // the weights do not hang on the context
    tokens.resize(std::size_t{c.vocab} * c.width);
    places.resize(std::size_t{c.context} * c.width);
    for (float& x : tokens)
      x = r.normal();
    for (float& x : places)
      x = places_of.normal();
    for (std::uint32_t l = 0; l < c.layers; ++l) {
      const std::uint32_t queries = c.query_heads * c.head_dim, keys = c.kv_heads * c.head_dim;
      layer w{matrix(c.width, queries, r), matrix(c.width, keys, r), matrix(c.width, keys, r),
              matrix(queries, c.width, r), std::vector<float>(keys), std::vector<float>(keys)};
      // As in real models, some channels of the keys are large and far from zero, and queries pay them little
      // attention.
      for (std::uint32_t channel = 0; channel < keys; ++channel)
        if (r.below(16) == 0) {
          w.key_bias[channel] = r.below(2) == 0 ? -12.0f : 12.0f;
          for (std::uint32_t i = 0; i < c.width; ++i)
            w.key.at(i, channel) *= 3.0f;
          for (std::uint32_t g = 0; g < c.query_heads / c.kv_heads; ++g) {
            const std::uint32_t head_of_query = channel / c.head_dim * (c.query_heads / c.kv_heads) + g;
            for (std::uint32_t i = 0; i < c.width; ++i)
              w.query.at(i, head_of_query * c.head_dim + channel % c.head_dim) *= 0.25f;
          }
        }
      // Some tokens draw every query's attention: those whose first channel points along the queries' bias.
      for (std::uint32_t channel = 0; channel < keys; ++channel) {
        w.query_bias[channel] = 0.5f * r.normal();
        w.key.at(0, channel) += c.salience * w.query_bias[channel];
      }
      layers.push_back(std::move(w));
    }
    head = matrix(c.width, c.vocab, r);
  }
};

} // namespace toy
