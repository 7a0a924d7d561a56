// What attention mass is made of in device memory, and where it goes.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/config.hpp"
#include "planecast/cpu/attention_options.hpp"
#include "planecast/cuda/device_queries.hpp"
#include "planecast/cuda/device_rows.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// One layer's keys and queries. Borrows them.
/// Preconditions: the keys have all tokens; query heads are a multiple of the KV heads, none of
/// them 0; queries and keys have the same number of channels, a multiple of 8; queries.rows is at least the
/// smaller of window_size and tokens, and at most tokens; window_size ≥ 1, the scale is finite and not
/// negative, kernel_size 0 or odd. Keys are of the queries' dtype, or fp8, whose k_scale is a factor of the
/// scale; beside fp32 queries they are of any.
/// Example: examples/device_calls.cu.
struct device_attention {
  number dtype = number::bf16;       ///< of the keys
  std::uint32_t tokens = 0;          ///< of the sequence
  std::uint32_t kv_heads = 0;        ///< of the layer
  device_rows<const std::byte> keys; ///< of all tokens
  device_queries queries;            ///< of the last
  attention_options how;             ///< as on the CPU; layers are reduced by what device_scores says
  /// Becomes 1, in device memory, if the queries' attention does not add up to about one each, taken
  /// together: a softmax_lse to another base, or of other keys. It is not cleared; or null. (FlashInfer's
  /// logarithms are to the base 2: multiply them by ln 2.)
  std::uint32_t* not_one = nullptr;
};

/// One score for each token, in device memory. Layers add up in the order of the calls, each token's by one
/// thread: the same calls give the same bits.
/// Example: `device_scores{.scores = s, .weight = 1.0f / layers, .add = layer > 0, .not_finite = flag}`
struct device_scores {
  float* scores = nullptr; ///< of token 0 on
  float weight = 1;        ///< that a layer's scores are multiplied by: 1 / layers for their mean
  bool add = false;        ///< to what is there; otherwise that is written over
  /// Becomes 1 if a score is an infinity or NaN, or what it is made of: a key, a query, a product of them or
  /// a softmax_lse. It is not cleared; or null.
  std::uint32_t* not_finite = nullptr;
};

namespace detail {

/// Queries that count.
constexpr std::uint32_t window_of(const device_attention& of) noexcept {
  return min(of.how.window_size, of.tokens);
}
/// What products are multiplied by for exponents to the base 2.
inline float exponent_factor(const device_attention& of) noexcept {
  const float scale = of.how.scale > 0 ? of.how.scale : 1 / std::sqrt(static_cast<float>(of.queries.dim));
  return scale * 1.44269504f;
}
/// What sums over heads and the window are multiplied by.
inline float score_factor(const device_attention& of, float weight) noexcept {
  return weight *
         (of.how.head_reduction == score_reduction::mean ? 1 / static_cast<float>(of.queries.heads) : 1.0f) *
         (of.how.window_reduction == score_reduction::mean ? 1 / static_cast<float>(window_of(of)) : 1.0f);
}
/// Whether query heads are summed apart: the maximum is not linear.
constexpr bool heads_apart(const attention_options& how) noexcept {
  return how.pooling == score_pooling::max && how.kernel_size > 1;
}
/// As of device_rows.
inline bool whole_groups(const device_queries& of) noexcept {
  const auto lies_at = of.fp32 != nullptr ? reinterpret_cast<std::uintptr_t>(of.fp32)
                                          : reinterpret_cast<std::uintptr_t>(of.first);
  return lies_at % 16 == 0 && of.row_step() % 8 == 0 && of.head_step() % 8 == 0;
}
/// How many 16-bit numbers a query's number is the sum of: those of fp32 of three of bf16 or two of fp16, as
/// keys are.
constexpr std::uint32_t parts_of(const device_attention& of) noexcept {
  return of.queries.fp32 == nullptr ? 1 : of.dtype == number::fp16 ? 2 : 3;
}

} // namespace detail
} // namespace planecast::inline v0
