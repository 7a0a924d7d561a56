// What a ranking of tokens is made of in device memory, and where it goes.
#pragma once

#include "planecast/plan/importance.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// The tokens at positions first … first + count − 1. Borrows device memory.
/// Preconditions: first + count fits 32 bits, count 31.
/// Example: `device_ranking{.scores = s, .count = tokens, .ranked = r, .not_a_number = flag}`
struct device_ranking {
  const float* scores = nullptr;   ///< scores[k] is that of token first + k
  std::uint32_t count = 0;         ///< of tokens
  pinned_tokens pins;              ///< which come first
  std::uint32_t first = 0;         ///< the position of the sequence's first that is ranked
  std::uint32_t* ranked = nullptr; ///< has room for them all
  /// Becomes 1 where a score is NaN; then the order of tokens that are not pinned means nothing. It is not
  /// cleared; or null.
  std::uint32_t* not_a_number = nullptr;
};

} // namespace planecast::inline v0
