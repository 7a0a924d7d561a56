// Which tokens matter most.
#pragma once

#include "planecast/config.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

namespace planecast::inline v0 {

/// Tokens that come first whatever their score: the first ones, which attention sinks into, and the last.
struct pinned_tokens {
  std::uint32_t sinks = 4;
  std::uint32_t recent = 32;
};

/// Tokens from the most to the least important. The first `pinned` of them are pinned.
struct ranking {
  std::vector<std::uint32_t> tokens;
  std::uint32_t pinned = 0;
};

/// Ranks tokens by score: pinned ones first, in the order of position, then by falling score, equal scores by
/// position.
/// Precondition: no score is NaN (throws std::invalid_argument); infinities are fine.
inline ranking rank_tokens(std::span<const float> scores, pinned_tokens pins = {}) {
  if (std::any_of(scores.begin(), scores.end(), [](float s) { return std::isnan(s); }))
    throw std::invalid_argument("planecast: an importance score is NaN");
  const std::size_t count = scores.size();
  const std::size_t sinks = std::min<std::size_t>(pins.sinks, count);
  const std::size_t recent = std::min<std::size_t>(pins.recent, count - sinks);

  ranking r;
  r.pinned = static_cast<std::uint32_t>(sinks + recent);
  r.tokens.resize(count);
  std::iota(r.tokens.begin(), r.tokens.end(), 0u);
  // Sinks, then recent ones, then the rest: a rotation of what lies between the two.
  std::rotate(r.tokens.begin() + static_cast<std::ptrdiff_t>(sinks),
              r.tokens.end() - static_cast<std::ptrdiff_t>(recent), r.tokens.end());
  std::stable_sort(r.tokens.begin() + r.pinned, r.tokens.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
  return r;
}

} // namespace planecast::inline v0
