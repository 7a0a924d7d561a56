// What attention mass is made of, on either backend.
#pragma once

#include "planecast/config.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// How several scores of a token become one.
enum class score_reduction : std::uint8_t { mean, sum };
/// How a token's neighbours count. Tokens before the window are pooled with others before it alone, as SnapKV
/// pools them, which takes the window's own whatever their scores; those have scores here too, pooled with
/// others of the window alone. At the ends of either avg divides by kernel_size all the same, as if there
/// were zeros beyond, and max leaves out what is not there: both as torch's avg_pool1d and max_pool1d do when
/// padded by kernel_size / 2.
enum class score_pooling : std::uint8_t { avg, max };

/// What attention mass is made of.
struct attention_options {
  std::uint32_t window_size = 32; ///< queries: those of the last so many tokens, or of all if there are fewer
  float scale = 0;                ///< of the products of queries and keys; 0: 1/√dim
  score_reduction head_reduction = score_reduction::mean;   ///< over all query heads
  score_reduction window_reduction = score_reduction::mean; ///< over the window's queries
  score_reduction layer_reduction = score_reduction::mean;  ///< over layers, where they are not kept apart
  std::uint32_t kernel_size = 0; ///< tokens that are pooled, the token in their middle: odd; 0 or 1: none
  score_pooling pooling = score_pooling::avg; ///< of a query head's tokens, before heads are reduced
};

namespace detail {

/// The tokens from `first` on, up to `end`, that one is pooled with, itself among them.
struct pooled_tokens {
  std::uint32_t first, end;
};
/// Of a token of the sequence, whose last `window` tokens are the window.
PLANECAST_HOST_DEVICE constexpr pooled_tokens pooled_with(std::uint32_t token, std::uint32_t tokens,
                                                          std::uint32_t window,
                                                          std::uint32_t kernel_size) noexcept {
  const std::uint32_t reach = kernel_size / 2, border = tokens - min(window, tokens),
                      from = token < border ? 0 : border, to = token < border ? border : tokens;
  return {token - from < reach ? from : token - reach, to - token <= reach ? to : token + reach + 1};
}

} // namespace detail
} // namespace planecast::inline v0
