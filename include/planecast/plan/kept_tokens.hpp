// Which tokens are sent at all, where not all are.
#pragma once

#include "planecast/cache/fingerprint.hpp"
#include "planecast/plan/importance.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// The tokens of a sequence that are sent, where the others are dropped: their positions, rising. What is
/// sent is then a shorter sequence, which both ends see through views of these tokens alone:
/// token_slots::only(), kv_view::only(). The decoder has to know the positions, for the rotation of queries
/// and for its masks; both ends get the list from whoever scheduled the request, and the stream compares its
/// fingerprint.
/// Example: `auto kept = keep_most(rank_tokens(scores), 2048); out.open(request::keeping(7, kept));`
class kept_tokens {
public:
  /// None, of a sequence of none.
  kept_tokens() = default;
  /// These positions, in any order, of a sequence of so many tokens.
  /// Preconditions: each is below `of` and comes once (throws std::invalid_argument).
  kept_tokens(std::vector<std::uint32_t> positions, std::uint32_t of)
      : positions_(std::move(positions)), of_(of) {
    std::ranges::sort(positions_);
    if (std::ranges::adjacent_find(positions_) != positions_.end())
      throw std::invalid_argument("planecast: kept tokens: a position comes twice");
    if (!positions_.empty() && positions_.back() >= of)
      throw std::invalid_argument("planecast: kept tokens: position " + std::to_string(positions_.back()) +
                                  " of a sequence of " + std::to_string(of) + " tokens");
  }

  /// Where the tokens that are sent stand in the whole sequence, the lowest first.
  [[nodiscard]] std::span<const std::uint32_t> positions() const noexcept { return positions_; }
  /// How many are sent.
  [[nodiscard]] std::uint32_t tokens() const noexcept {
    return static_cast<std::uint32_t>(positions_.size());
  }
  /// Tokens of the whole sequence.
  [[nodiscard]] std::uint32_t of() const noexcept { return of_; }
  /// How many are not sent.
  [[nodiscard]] std::uint32_t dropped() const noexcept { return of_ - tokens(); }
  /// Equal for equal lists, and 0 for one that drops nothing: that is a request as any other. It is of the
  /// length of the whole, then the positions.
  [[nodiscard]] std::uint64_t fingerprint() const noexcept {
    if (dropped() == 0)
      return 0;
    planecast::fingerprint f;
    f.add(of_);
    for (const std::uint32_t position : positions_)
      f.add(position);
    return std::max<std::uint64_t>(f.value(), 1);
  }
  /// Of one value for each token of the whole sequence, those of the tokens that are sent: scores, for
  /// example, which a plan takes one for each token that is sent.
  /// Preconditions: one for each (throws std::invalid_argument).
  [[nodiscard]] std::vector<float> only(std::span<const float> of_all) const {
    if (of_all.size() != of_)
      throw std::invalid_argument("planecast: kept tokens: one value for each token of the whole is needed");
    std::vector<float> some;
    some.reserve(positions_.size());
    for (const std::uint32_t position : positions_)
      some.push_back(of_all[position]);
    return some;
  }
  friend bool operator==(const kept_tokens&, const kept_tokens&) = default;

private:
  std::vector<std::uint32_t> positions_;
  std::uint32_t of_ = 0;
};

/// Keeps the `count` tokens that matter most, or all if there are fewer: pinned ones, then the others in the
/// ranking's order.
/// Preconditions: the ranking is of a whole sequence, from position 0 on (throws std::invalid_argument).
/// Example: `keep_most(rank_tokens(scores, {.sinks = 4, .recent = 32}), 2048)`
inline kept_tokens keep_most(const ranking& r, std::uint32_t count) {
  const auto end =
      r.tokens.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(count, r.tokens.size()));
  return {{r.tokens.begin(), end}, static_cast<std::uint32_t>(r.tokens.size())};
}

/// Keeps as many as fit: most_bytes(n) is what n tokens, whichever they are, take at most. Where it falls
/// as n rises, as small steps of a code's scalars might, what is kept fits, but more might have.
/// Effects: none is kept where not one fits.
/// Example: see stream_sender::keep_within, which knows what a stream takes.
template <class MostBytes>
kept_tokens keep_within(const ranking& r, std::uint64_t ceiling, const MostBytes& most_bytes) {
  std::uint32_t fits = 0;
  for (auto end = static_cast<std::uint32_t>(r.tokens.size()); fits < end;) { // what is above `end` does not
    const std::uint32_t middle = end - (end - fits) / 2;
    if (most_bytes(middle) <= ceiling)
      fits = middle;
    else
      end = middle - 1;
  }
  return keep_most(r, fits);
}

} // namespace planecast::inline v0
