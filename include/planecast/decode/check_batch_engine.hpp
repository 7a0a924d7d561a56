// Whether an engine of many sequences keeps what its concept promises: for those who write one.
#pragma once

#include "planecast/decode/accept.hpp"
#include "planecast/decode/batch_engine.hpp"
#include "planecast/decode/check_engine.hpp"
#include "planecast/decode/engine.hpp"
#include "planecast/decode/engine_feeds.hpp"
#include "planecast/decode/engine_report.hpp"

#include <algorithm>
#include <cstddef>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace planecast::inline v0 {

namespace detail {

/// One sequence of a batch engine, as an engine: alone in step(), and in company in verify(). The same run at
/// the same place has the same company, for an engine that is not batch-invariant repeats itself only then.
template <batch_engine E>
class one_of_batch {
public:
  static constexpr bool batch_invariant = E::batch_invariant;

  one_of_batch(E& e, std::span<const std::size_t> sequences, std::size_t which,
               const check_engine_options& options)
      : engine_(e), sequences_(sequences), which_(which), options_(options) {
    for (const std::size_t s : sequences)
      starts_.push_back(e.position(s));
  }

  token_id step(token_id t) {
    token_id next = no_token;
    const sequence_run alone{sequences_[which_], {&t, 1}, {&next, 1}};
    engine_.forward({&alone, 1});
    return next;
  }
  void verify(std::span<const token_id> run, std::span<token_id> next) {
    std::mt19937_64 dice(options_.seed + position() * 1009 + run.size());
    std::vector<std::vector<token_id>> fed(sequences_.size()), said(sequences_.size());
    std::vector<sequence_run> runs;
    for (std::size_t i = 0; i < sequences_.size(); ++i) {
      if (i != which_) { // some are not in the pass
        fed[i].resize(static_cast<std::size_t>(dice() % 5));
        std::ranges::generate(fed[i], [&] { return any(dice); });
        said[i].resize(fed[i].size());
      }
      if (i == which_)
        runs.push_back({sequences_[i], run, next});
      else if (!fed[i].empty())
        runs.push_back({sequences_[i], fed[i], said[i]});
    }
    std::ranges::shuffle(runs, dice);
    engine_.forward(runs);
    for (std::size_t i = 0; i < sequences_.size(); ++i)
      if (i != which_) {
        stands(i, starts_[i] + fed[i].size(), "forward()");
        engine_.truncate(sequences_[i], starts_[i]);
        stands(i, starts_[i], "truncate()");
      }
  }
  void truncate(std::size_t n) { engine_.truncate(sequences_[which_], n); }
  [[nodiscard]] std::size_t position() const { return engine_.position(sequences_[which_]); }

  /// What was wrong with the company; empty: nothing.
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

private:
  token_id any(std::mt19937_64& dice) const {
    return options_.others.empty()
               ? static_cast<token_id>(dice() % options_.vocabulary)
               : options_.others[static_cast<std::size_t>(dice() % options_.others.size())];
  }
  void stands(std::size_t i, std::size_t at, const char* after) {
    if (const std::size_t p = engine_.position(sequences_[i]); p != at && wrong_.empty())
      wrong_ = "position(" + std::to_string(sequences_[i]) + ") is " + std::to_string(p) + " after " + after +
               ", not " + std::to_string(at);
  }

  E& engine_;
  std::span<const std::size_t> sequences_;
  std::size_t which_;
  const check_engine_options& options_;
  std::vector<std::size_t> starts_;
  std::string wrong_;
};

template <class E>
class batch_feed : public choosing_feed<E> {
public:
  static constexpr const char *one = "a pass of its own, of one token,", *many = "a pass with others";
  using choosing_feed<E>::choosing_feed;
};

} // namespace detail

/// The same of an engine of many sequences, of those that are named, each in turn: position(), that
/// truncate() leaves nothing behind, and, if it says that it is batch_invariant, that a sequence's tokens
/// hang neither on how it is divided into runs nor on what else is in the pass. Others of the sequences are
/// in it with tokens that are dropped again. A failure names its sequence.
/// Preconditions: as of one sequence, of each. They differ, and there are at least two, for one alone would
/// have no company (throws std::invalid_argument).
/// Effects: as of one sequence, of each.
/// Errors: as of one sequence.
/// Example: `check_engine(engine, std::vector<std::size_t>{0, 3, 4}, {.vocabulary = 32000})`
template <batch_engine E>
engine_report check_engine(E& e, std::span<const std::size_t> sequences,
                           const check_engine_options& options = {}) {
  for (std::size_t i = 0; i < sequences.size(); ++i)
    if (std::ranges::count(sequences, sequences[i]) > 1)
      throw std::invalid_argument("planecast: check_engine: a sequence is named twice");
  if (sequences.size() < 2)
    throw std::invalid_argument("planecast: check_engine needs at least two sequences of a batch");
  engine_report report;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    detail::one_of_batch<E> one(e, sequences, i, options);
    const std::size_t known = report.failures.size(), start = one.position();
    detail::engine_check<detail::one_of_batch<E>, detail::batch_feed<detail::one_of_batch<E>>>(one, options,
                                                                                               report)
        .run();
    if (!one.wrong().empty() && std::ranges::find(report.failures, engine_promise::position,
                                                  &engine_failure::promise) == report.failures.end())
      report.failures.push_back({engine_promise::position, one.wrong(), 0, start});
    for (std::size_t k = known; k < report.failures.size(); ++k)
      report.failures[k].what.insert(0, "sequence " + std::to_string(sequences[i]) + ": ");
  }
  return report;
}

} // namespace planecast::inline v0
