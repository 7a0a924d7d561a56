// Which tokens matter most.
#pragma once

#include "planecast/config.hpp"
#include "planecast/plan/falling_order.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

namespace planecast::inline v0 {

/// An importance says how much each token of one sequence matters, so that the tokens which matter most are
/// sharpened first.
///
///     score(first, out)  Writes the score of token first + k to out[k]. Higher is more important; what the
///                        numbers mean is the importance's own affair, for they are only compared.
///
/// Called when a request is planned, from one thread at a time, for all its tokens at once or for parts of
/// them, in any order.
/// Preconditions: first + out.size() is at most the number of the sequence's tokens. `out` may be empty.
/// Effects: const, and pure: a token has the same score in every call. No score is NaN; infinities are fine.
/// `out` is not kept.
/// Errors: may throw; what plans lets it through, and nothing was planned then.
/// Example: given_scores.
template <class I>
concept importance = requires(const I i, std::uint32_t first, std::span<float> out) {
  { i.score(first, out) } -> std::same_as<void>;
};

/// Scores that the engine has at hand: one per token of the sequence, attention mass for example. Borrows
/// them. That none is NaN is looked at where they are used.
/// Errors: score() throws std::invalid_argument when asked for a token that has none.
/// Example: `rank_tokens(given_scores(mass), tokens)`
class given_scores {
public:
  /// Borrows the scores, of which the first is position 0's.
  explicit given_scores(std::span<const float> scores) noexcept : scores_(scores) {}

  /// As `importance` says.
  void score(std::uint32_t first, std::span<float> out) const {
    if (first > scores_.size() || out.size() > scores_.size() - first)
      throw std::invalid_argument("planecast: fewer importance scores than tokens");
    std::ranges::copy(scores_.subspan(first, out.size()), out.begin());
  }

private:
  std::span<const float> scores_;
};

/// Every token matters as much as any other: what is pinned goes first, the rest by position.
struct equal_scores {
  /// As `importance` says.
  void score(std::uint32_t, std::span<float> out) const noexcept { std::ranges::fill(out, 0.0f); }
};

static_assert(importance<given_scores>);
static_assert(importance<equal_scores>);

/// Tokens that come first whatever their score: the first ones, which attention sinks into, and the last.
struct pinned_tokens {
  std::uint32_t sinks = 4;   ///< the first of the sequence
  std::uint32_t recent = 32; ///< the last of it
};

/// Tokens from the most to the least important.
struct ranking {
  std::vector<std::uint32_t> tokens; ///< by their positions
  std::uint32_t pinned = 0;          ///< so many of them, the first, are pinned
};

/// Ranks the last tokens of a sequence, from position `first` on: pinned ones in the order of position, then
/// the others by falling score, equal scores by position. scores[k] is that of token first + k. Sinks are
/// counted from the beginning of the sequence, whether or not it is ranked; recent tokens from its end.
/// Preconditions: no score is NaN, positions are below 2^32 (throws std::invalid_argument); infinities are
/// fine.
/// Example: `rank_tokens(scores, {.sinks = 4, .recent = 32})`
inline ranking rank_tokens(std::span<const float> scores, pinned_tokens pins = {}, std::uint32_t first = 0) {
  const std::size_t count = scores.size();
  if (count > std::numeric_limits<std::uint32_t>::max() - first)
    throw std::invalid_argument("planecast: more tokens to rank than positions");
  if (std::ranges::any_of(scores, [](float s) { return std::isnan(s); }))
    throw std::invalid_argument("planecast: an importance score is NaN");
  const std::size_t sinks = std::min<std::size_t>(pins.sinks > first ? pins.sinks - first : 0, count);
  const std::size_t recent = std::min<std::size_t>(pins.recent, count - sinks);

  ranking r;
  r.pinned = static_cast<std::uint32_t>(sinks + recent);
  r.tokens.resize(count);
  std::iota(r.tokens.begin(), r.tokens.end(), first);
  // Sinks, then recent ones, then the rest: a rotation of what lies between the two.
  std::rotate(r.tokens.begin() + static_cast<std::ptrdiff_t>(sinks),
              r.tokens.end() - static_cast<std::ptrdiff_t>(recent), r.tokens.end());
  std::vector<detail::keyed_item> others(count - r.pinned);
  for (std::size_t k = 0; k < others.size(); ++k)
    others[k] = {detail::falling_key(scores[sinks + k]), first + static_cast<std::uint32_t>(sinks + k)};
  detail::radix_sort(others);
  std::ranges::transform(others, r.tokens.begin() + r.pinned, &detail::keyed_item::item);
  return r;
}

/// The same for scores that an importance gives: ranks the `count` tokens from position `first` on.
/// Errors: those of the importance, too.
template <importance I>
ranking rank_tokens(const I& i, std::uint32_t count, pinned_tokens pins = {}, std::uint32_t first = 0) {
  std::vector<float> scores(count);
  i.score(first, scores);
  return rank_tokens(scores, pins, first);
}

} // namespace planecast::inline v0
