// An engine of many sequences that chooses tokens out of another's logits.
#pragma once

#include "planecast/decode/batch_engine.hpp"
#include "planecast/decode/engine.hpp"
#include "planecast/decode/sampled.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <stdexcept>
#include <vector>

namespace planecast::inline v0 {

/// A batch_engine made of one that hands out logits, and of a way to choose for each sequence: greedy,
/// shared_noise, or any type with their choose(). Sequences with shared_noise have seeds of their own, or
/// streams. Each text is the one that `sampled` gives alone. It is not for rejection, which needs more than
/// tokens of a pass: that is speculate()'s, one request at a time. Borrows the engine. It holds the logits of
/// a pass, a row of floats for each token: speculate_batch() limits them by max_pass_tokens.
/// Errors: throws std::invalid_argument for a vocabulary of nothing, and for a sequence in a pass that was
/// not told how to choose; std::runtime_error where no token can be chosen.
/// Example: `sampled_batch<my_engine, shared_noise> chooser(engine); chooser.choose(4, {.seed = 7}); …`
template <batch_logits_engine E, class How>
class sampled_batch {
public:
  static constexpr bool batch_invariant = E::batch_invariant; ///< as the engine's

  /// `e` must outlive it.
  explicit sampled_batch(E& e) : engine_(&e) {
    if (e.vocabulary() == 0)
      throw std::invalid_argument("planecast: sampled_batch: the engine has no vocabulary");
  }

  /// How tokens of a sequence are chosen from now on: to be said where a request gets its sequence.
  void choose(std::size_t sequence, How how) { how_.insert_or_assign(sequence, how); }
  /// The sequence's request is over: nothing says any more how its tokens are chosen.
  void forget(std::size_t sequence) {
    how_.erase(sequence);
    last_.erase(sequence);
  }

  /// As a batch_engine's.
  void forward(std::span<const sequence_run> runs) {
    const std::size_t vocab = engine_->vocabulary();
    std::size_t rows = 0;
    for (const sequence_run& r : runs) {
      if (!how_.contains(r.sequence))
        throw std::invalid_argument("planecast: sampled_batch: nothing says how to choose for a sequence");
      rows += r.run.size();
    }
    last_.clear();
    logits_.resize(rows * vocab);
    passed_.clear();
    std::size_t at = 0;
    for (const sequence_run& r : runs) {
      const std::size_t size = r.run.size() * vocab;
      passed_.push_back({r.sequence, r.run, std::span(logits_).subspan(at, size)});
      at += size;
    }
    engine_->forward(passed_);
    std::size_t ended = 0; // numbers of the rows so far
    for (std::size_t k = 0; k < runs.size(); ++k) {
      const sequence_run& r = runs[k];
      const std::size_t begin = engine_->position(r.sequence) - r.run.size();
      for (std::size_t i = 0; i < r.run.size(); ++i) {
        const std::span<const float> row = passed_[k].logits.subspan(i * vocab, vocab);
        r.next[i] = detail::chosen(how_.at(r.sequence).choose(row, begin + i + 1));
      }
      ended += r.run.size() * vocab;
      last_.insert_or_assign(r.sequence, choice{ended - vocab, r.next.back()});
    }
  }
  /// As a batch_engine's.
  void truncate(std::size_t sequence, std::size_t n) { engine_->truncate(sequence, n); }
  /// As a batch_engine's.
  [[nodiscard]] std::size_t position(std::size_t sequence) const { return engine_->position(sequence); }

  /// The probability of the last token that the last pass chose for a sequence, at its temperature; greedy:
  /// at 1. 0 for a sequence that was not in it.
  [[nodiscard]] float confidence(std::size_t sequence) const {
    const auto found = last_.find(sequence);
    if (found == last_.end())
      return 0;
    const auto from = std::span(logits_).subspan(found->second.row, engine_->vocabulary());
    std::vector<float> row(from.begin(), from.end());
    detail::probabilities_of(row, detail::told_temperature(how_.at(sequence)));
    return row[static_cast<std::size_t>(found->second.token)];
  }

private:
  struct choice {
    std::size_t row = 0; // where it begins in logits_
    token_id token = no_token;
  };

  E* engine_;
  std::map<std::size_t, How> how_; // by sequence, as last_ is
  std::map<std::size_t, choice> last_;
  std::vector<float> logits_;
  std::vector<sequence_rows> passed_;
};

} // namespace planecast::inline v0
