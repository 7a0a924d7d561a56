// What decodes tokens of many sequences in one pass.
#pragma once

#include "planecast/decode/engine.hpp"

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace planecast::inline v0 {

/// What one sequence takes in a pass.
struct sequence_run {
  std::size_t sequence = 0;           ///< its number, as the engine counts them
  std::span<const token_id> run = {}; ///< fed one after the other, from the sequence's position on
  std::span<token_id> next = {};      ///< as long; [i] becomes the token after run[i]
};

/// An engine that decodes many sequences at a time, each by its number.
///
///     forward(runs)          Feeds each sequence its run, all in one pass; appends K and V, writes `next`.
///     truncate(sequence, n)  Drops its K and V from position n on.
///     position(sequence)     Tokens held of it so far.
///     batch_invariant        A constant: true if a token, and the K and V written, are the same bit for bit
///                            however its sequence is divided into runs, and whatever else is in the pass.
///
/// One that can tell how probable the token is that it chose after a sequence's last run has confidence(n),
/// n being the sequence's number, too; it is asked before the next pass, and before truncate().
/// Preconditions: sequences of a pass differ; runs are not empty.
/// Effects: as an engine's. K and V of the prompts are read anew in every call.
/// Errors: any of them may throw.
/// Example: test/decode/speculate_batch_test.cpp.
// clang-format off
template <class E>
concept batch_engine = requires(E e, const E c, std::span<const sequence_run> runs, std::size_t n) {
  { e.forward(runs) } -> std::same_as<void>;
  { e.truncate(n, n) } -> std::same_as<void>;
  { c.position(n) } -> std::same_as<std::size_t>;
  { std::bool_constant<E::batch_invariant>() };
};
// clang-format on

/// What one sequence takes in a pass of an engine that hands out its logits.
struct sequence_rows {
  std::size_t sequence = 0;           ///< its number, as the engine counts them
  std::span<const token_id> run = {}; ///< fed one after the other, from the sequence's position on
  std::span<float> logits = {};       ///< [run.size(), vocabulary()]; row i is of the token after run[i]
};

/// An engine of many sequences that hands out its logits, so that others choose: sampled_batch makes a
/// batch_engine of it.
///
///     forward(runs)  Feeds each sequence its run, all in one pass; appends K and V, writes the logits.
///     vocabulary()   How many tokens there are; never changes.
///
/// Preconditions: as a batch_engine's, whose other members it has.
/// Effects: as a batch_engine's. A logit that is NaN or −∞ is a token that cannot be chosen.
/// Errors: any of them may throw.
/// Example: test/decode/sampled_batch_test.cpp.
// clang-format off
template <class E>
concept batch_logits_engine = requires(E e, const E c, std::span<const sequence_rows> runs, std::size_t n) {
  { e.forward(runs) } -> std::same_as<void>;
  { e.truncate(n, n) } -> std::same_as<void>;
  { c.position(n) } -> std::same_as<std::size_t>;
  { c.vocabulary() } -> std::same_as<std::size_t>;
  { std::bool_constant<E::batch_invariant>() };
};
// clang-format on

namespace detail {
template <class E>
inline constexpr bool says_confidence_of = requires(E e, std::size_t n) {
  { e.confidence(n) } -> std::convertible_to<float>;
};
} // namespace detail

} // namespace planecast::inline v0
