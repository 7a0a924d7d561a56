// Attention mass: how much of their attention a sequence's last queries give to each of its tokens.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/cache/number.hpp"
#include "planecast/cache/query_view.hpp"
#include "planecast/cpu/attention_options.hpp"
#include "planecast/cpu/attention_pass.hpp"
#include "planecast/cpu/attention_sets.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

namespace planecast::inline v0 {

namespace detail {

/// Throws std::invalid_argument for options that mean nothing.
inline void check(const attention_options& how) {
  if (how.window_size == 0)
    throw std::invalid_argument("planecast: attention: a window without queries");
  if (!(how.scale >= 0) || std::isinf(how.scale))
    throw std::invalid_argument("planecast: attention: the scale is negative or not finite");
  if (how.kernel_size != 0 && how.kernel_size % 2 == 0)
    throw std::invalid_argument("planecast: attention: kernel_size is even");
}

/// to[t] += factor · the pooled from[t].
inline void add_pooled(std::span<const float> from, std::uint32_t window, std::uint32_t kernel_size,
                       score_pooling how, float factor, std::span<float> to) {
  const auto n = static_cast<std::uint32_t>(from.size());
  for (std::uint32_t t = 0; t < n; ++t) {
    const pooled_tokens near = pooled_with(t, n, window, kernel_size);
    float sum = 0, most = 0; // no mass is below 0
    for (const float x : from.subspan(near.first, near.end - near.first)) {
      sum += x;
      most = std::max(most, x);
    }
    to[t] +=
        factor * (how == score_pooling::max ? most : sum / static_cast<float>(std::max(kernel_size, 1u)));
  }
}

/// Adds one layer's attention mass to `mass`, one number for each token of the view. Softmax is over all
/// tokens that a query sees: those up to its own. The exponentials of one KV head are kept until their sums
/// are known, 4 bytes each; if they take more than most_bytes the queries are done in parts. Keys are read
/// once for each part. With softmax_lse nothing is kept, and keys are read once whatever the size.
/// Preconditions: mass.size() == keys.tokens(); the view has the heads, and keys of queries.dim() channels.
/// Errors: throws std::invalid_argument for options, shapes and numbers that do not fit; mass may then be
/// changed.
template <class Set>
void add_attention_mass(const kv_view& keys, number dtype, std::uint32_t kv_heads, const query_view& queries,
                        const attention_options& how, std::span<float> mass,
                        std::size_t most_bytes = std::size_t{64} << 20) {
  check(how);
  const std::uint32_t tokens = keys.tokens();
  const std::uint32_t window = std::min(how.window_size, tokens);
  if (queries.rows() < window || queries.rows() > tokens)
    throw std::invalid_argument(
        "planecast: attention: fewer queries than the window has, or more than tokens");
  if (kv_heads == 0 || queries.heads() == 0 || queries.heads() % kv_heads != 0 || queries.dim() == 0)
    throw std::invalid_argument("planecast: attention: query heads are no multiple of the KV heads");
  if (tokens == 0)
    return;

  const bool apart = how.pooling == score_pooling::max && how.kernel_size > 1; // the maximum is not linear
  const float scale = how.scale > 0 ? how.scale : 1 / std::sqrt(static_cast<float>(queries.dim()));
  attention_pass<Set> pass(keys, dtype, queries, window, queries.heads() / kv_heads, scale, apart,
                           most_bytes);
  const float factor =
      (how.head_reduction == score_reduction::mean ? 1 / static_cast<float>(queries.heads()) : 1.0f) *
      (how.window_reduction == score_reduction::mean ? 1 / static_cast<float>(window) : 1.0f);
  std::vector<float> together(apart ? 0 : tokens);
  for (std::uint32_t head = 0; head < kv_heads; ++head)
    for (const std::span<const float> column : pass.run(head)) {
      if (apart)
        add_pooled(column, window, how.kernel_size, how.pooling, factor, mass);
      else
        for (std::uint32_t t = 0; t < tokens; ++t)
          together[t] += column[t];
    }
  if (!apart)
    add_pooled(together, window, how.kernel_size, how.pooling, factor, mass);
}

} // namespace detail
} // namespace planecast::inline v0
