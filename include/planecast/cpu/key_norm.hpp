// The length of every token's keys.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/cache/number.hpp"

#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace planecast::inline v0 {

/// Which keys are the important ones. The two papers' heuristics are opposed, so there is no default.
enum class key_norm_order : std::uint8_t {
  long_first, ///< SpectrumKV's fallback where there is no attention: a long key has much to give
  short_first ///< kvpress' Knorm (arXiv 2406.11430): tokens with short keys draw attention
};

namespace detail {

/// Adds one layer's key norms to `norms`, one number for each token of the view: the root of the sum of a
/// head's squares, meaned over the heads.
/// Preconditions: norms.size() == keys.tokens(); the view has the heads and the channels.
/// Errors: throws std::invalid_argument for a key that is not finite; norms may then be changed.
template <class Set>
void add_key_norms(const kv_view& keys, number dtype, std::uint32_t kv_heads, std::uint32_t dim,
                   std::span<float> norms) {
  constexpr std::uint32_t lanes = 8; // sums side by side: each alone would wait for its last addition
  const std::uint32_t padded = (dim + lanes - 1) / lanes * lanes;
  std::vector<std::uint16_t> row(dim);
  std::vector<float> values(padded);
  for (std::uint32_t t = 0; t < keys.tokens(); ++t) {
    float of_heads = 0;
    for (std::uint32_t head = 0; head < kv_heads; ++head) {
      keys.read(false, t, head, dim, row.data());
      if (!Set::widen(dtype, row.data(), dim, values.data()))
        throw std::invalid_argument("planecast: key norm: the key of token " + std::to_string(t) +
                                    " is not finite");
      float sums[lanes] = {};
      for (std::uint32_t c = 0; c < padded; c += lanes)
        for (std::uint32_t lane = 0; lane < lanes; ++lane)
          sums[lane] += values[c + lane] * values[c + lane];
      double sum = 0;
      for (const float s : sums)
        sum += double{s};
      of_heads += static_cast<float>(std::sqrt(sum));
    }
    norms[t] += of_heads / static_cast<float>(kv_heads);
  }
}

} // namespace detail
} // namespace planecast::inline v0
