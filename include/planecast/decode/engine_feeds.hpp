// An engine of either kind, fed tokens one by one or in runs.
#pragma once

#include "planecast/decode/engine.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace planecast::inline v0::detail {

struct greedy_choice {
  token_id token = -1; // none: no logit of the row can be chosen
  float margin = 0;    // best less second-best
};

// The greatest logit, of equal ones the first. NaN and −∞ cannot be chosen.
inline greedy_choice greedy_of(std::span<const float> row) noexcept {
  constexpr float least = -std::numeric_limits<float>::infinity();
  greedy_choice best;
  float first = least, second = least;
  for (std::size_t i = 0; i < row.size(); ++i)
    if (row[i] > first) {
      second = first;
      first = row[i];
      best.token = static_cast<token_id>(i);
    } else if (row[i] > second)
      second = row[i];
  best.margin = first == second ? 0.0f : first - second; // not the NaN that is ∞ − ∞
  return best;
}

/// What an engine said after each token of a text.
struct engine_answers {
  std::vector<token_id> choices;
  std::vector<float> logits; ///< a row for each, if the engine hands them out
};

/// An engine of either kind, fed one by one or in runs; what it says of run goes to `out` from `at` on.
template <class E>
class choosing_feed {
public:
  static constexpr const char *one = "step()", *many = "verify()";
  choosing_feed(E& e, std::size_t vocabulary) : engine_(e), vocabulary_(vocabulary) {
    if constexpr (logits_engine<E>)
      vocabulary_ = e.vocabulary();
  }
  [[nodiscard]] std::size_t vocabulary() const { return vocabulary_; }
  [[nodiscard]] std::size_t row() const { return 0; }
  void feed(std::span<const token_id> run, bool in_steps, engine_answers& out, std::size_t at) {
    const auto next = std::span(out.choices).subspan(at, run.size());
    std::ranges::fill(next, token_id{-1}); // what is left unwritten shows
    if (!in_steps)
      return engine_.verify(run, next);
    for (std::size_t i = 0; i < run.size(); ++i)
      next[i] = engine_.step(run[i]);
  }

private:
  E& engine_;
  std::size_t vocabulary_;
};

template <class E>
class logits_feed {
public:
  static constexpr const char *one = "forward() of one token", *many = "forward()";
  logits_feed(E& e, std::size_t) : engine_(e) {}
  [[nodiscard]] std::size_t vocabulary() const { return engine_.vocabulary(); }
  [[nodiscard]] std::size_t row() const { return engine_.vocabulary(); }
  void feed(std::span<const token_id> run, bool in_steps, engine_answers& out, std::size_t at) {
    const std::size_t width = vocabulary();
    const auto rows = std::span(out.logits).subspan(at * width, run.size() * width);
    std::ranges::fill(rows, std::numeric_limits<float>::quiet_NaN()); // likewise
    for (std::size_t i = 0; in_steps && i < run.size(); ++i)
      engine_.forward(run.subspan(i, 1), rows.subspan(i * width, width));
    if (!in_steps)
      engine_.forward(run, rows);
    for (std::size_t i = 0; i < run.size(); ++i)
      out.choices[at + i] = greedy_of(rows.subspan(i * width, width)).token;
  }

private:
  E& engine_;
};

} // namespace planecast::inline v0::detail
