// How far a text has come that is decoded on an arriving cache, and what is due of it.
#pragma once

#include "planecast/decode/speculated.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// What a request has to do besides waiting.
enum class work : std::uint8_t { none, step, verification };

/// What a course knows of its text and of the pages, as they were when it last looked.
struct course_state {
  bool invariant = false; // the engine is
  std::size_t sure = 1;   // so many tokens, from the first, were decided on the pages as they are
  std::size_t held = 0;   // the engine holds K and V of so many tokens of the text
  int tier = -1;
  bool last = false;     // nothing more will come
  bool lost = false;     // nothing more is waited for, and less came than was planned
  bool stale = false;    // some of the text was decided on other pages than what they are
  bool doubtful = false; // the last draft was

  /// Whether there is something to verify against: a tier above the lowest, or all that will ever come.
  [[nodiscard]] bool settled() const noexcept { return tier > 0 || last; }
  [[nodiscard]] bool steps_are_sure() const noexcept { return invariant && settled(); }
  [[nodiscard]] std::size_t most_ahead(const speculate_options& options) const noexcept {
    return settled() ? std::min(options.max_drafts, options.verify_every) : options.max_drafts;
  }

  /// The pages have risen to another tier: of the text only its first token is known.
  void begin_anew(std::size_t size) noexcept {
    sure = 1;
    held = 0;
    stale = size > 1;
    doubtful = false;
  }

  /// Of a text of `size` tokens. waiting_is_better() says whether a draft would be wasted.
  template <class Waiting>
  [[nodiscard]] work due(const speculate_options& options, std::size_t size, bool finished,
                         Waiting&& waiting_is_better) const {
    const std::size_t ahead = size - sure;
    if (held + 1 < size) // a run was too long for one pass
      return work::verification;
    if (finished)
      return settled() && ahead > 0 ? work::verification : work::none;
    if (last || lost || !waiting_is_better()) {
      if (steps_are_sure() || (lost && !settled()) || ahead < most_ahead(options))
        return work::step;
      if (settled())
        return work::verification;
    }
    return work::none;
  }
};

} // namespace planecast::inline v0::detail
