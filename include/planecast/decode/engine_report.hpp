// What check_engine() may be told, and what it says.
#pragma once

#include "planecast/decode/engine.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace planecast::inline v0 {

/// What may be chosen for check_engine(). Of `others` and `vocabulary` one must be given, but for a
/// logits_engine, which knows its vocabulary.
struct check_engine_options {
  std::vector<token_id> others = {}; ///< tokens to feed beside those that the engine chooses; empty: any
  std::size_t vocabulary = 0;        ///< how many tokens there are; 0: not known
  std::size_t rounds = 6;            ///< so many texts
  std::size_t tokens = 32;           ///< of a text; at least 3
  std::uint64_t seed = 1;            ///< decides what is fed, and how it is divided
};

/// What an engine promises, as far as check_engine() looks at it.
enum class engine_promise : std::uint8_t {
  position,         ///< position() is how many tokens are held
  choice,           ///< what is chosen is a token
  truncate,         ///< what is dropped leaves nothing behind, and what is fed again gives the same again
  batch_invariance, ///< how a text is divided into runs makes no difference
};

/// A promise that was not kept, at the first place where that showed.
struct engine_failure {
  engine_promise promise = engine_promise::position; ///< which one
  std::string what;                                  ///< in plain words
  std::size_t round = 0;                             ///< the text's number
  std::size_t position = 0;                          ///< of the token after which it showed
};

/// A place where run and steps chose differently after the same text.
struct engine_divergence {
  std::size_t round = 0;       ///< the text's number
  std::size_t position = 0;    ///< of the token after which they chose
  token_id stepped = 0;        ///< the choice where tokens are fed one by one
  token_id verified = 0;       ///< the choice where they are fed in runs
  std::optional<float> margin; ///< of a logits_engine: best less second-best logit, where fed one by one
};

/// What check_engine() found.
struct engine_report {
  std::vector<engine_failure> failures; ///< the first of each promise
  std::vector<engine_divergence>
      divergences;          ///< all; no failure where the engine says that there may be some
  std::size_t compared = 0; ///< choices that were made both ways
  /// Of a logits_engine: the greatest difference of a logit, run against steps; infinite where only one of
  /// the two is a finite number.
  std::optional<float> logit_difference;

  /// Whether all promises were kept.
  [[nodiscard]] bool ok() const noexcept { return failures.empty(); }
  /// The widest margin at which run and steps chose differently; empty where that is not known.
  [[nodiscard]] std::optional<float> widest_margin() const noexcept {
    std::optional<float> widest;
    for (const engine_divergence& d : divergences)
      if (d.margin)
        widest = widest ? std::max(*widest, *d.margin) : *d.margin;
    return widest;
  }
  /// A few lines for people: what failed and where, then the counts.
  [[nodiscard]] std::string message() const {
    std::string text;
    for (const engine_failure& f : failures)
      text += f.what + " (after position " + std::to_string(f.position) + ", text " +
              std::to_string(f.round) + ")\n";
    text += (ok() ? "ok: " : "not ok: ") + std::to_string(compared) +
            " choices compared, run against steps, " + std::to_string(divergences.size()) + " differ";
    if (logit_difference)
      text += "; logits differ by " + number(*logit_difference) + " at most";
    if (const auto widest = widest_margin())
      text += "; the widest margin where choices differ is " + number(*widest);
    return text;
  }

private:
  static std::string number(float x) {
    char digits[32];
    return {digits,
            static_cast<std::size_t>(std::snprintf(digits, sizeof digits, "%g", static_cast<double>(x)))};
  }
};

} // namespace planecast::inline v0
