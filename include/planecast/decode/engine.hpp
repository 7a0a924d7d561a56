// What decodes tokens: the user's inference engine.
#pragma once

#include "planecast/config.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace planecast::inline v0 {

/// A token of the vocabulary. Negative: none (padding).
using token_id = std::int32_t;

/// An engine decodes one sequence greedily on the cache that is resident. It holds K and V of the tokens at
/// positions 0 … position() − 1; those of the prompt may be sharpened by others between its calls.
///
///     step(t)            Feeds t at position(), appends its K and V; returns the greedy next token.
///     verify(run, next)  Feeds the tokens of run one after the other, in one pass; next[i] becomes the
///                        greedy token after run[i].
///     truncate(n)        Drops K and V from position n on.
///     position()         Tokens held so far.
///     batch_invariant    A constant: true if verify(run) gives the tokens, and writes the K and V, that
///                        step() would, bit for bit, however long the run is.
///
/// speculate() calls it, on the thread that it was called on, and nobody else meanwhile.
/// Preconditions: t and the tokens of run are of the vocabulary. run and next have the same length, at least
/// 1, and do not overlap. n ≤ position().
/// Effects: as above; nothing of run and next is kept. K and V of the prompt are read anew in every call, for
/// they may have been sharpened since the one before.
/// Errors: any of them may throw; what is called with an engine lets its exceptions through.
/// Example: examples/toy_engine/toy_engine.hpp.
// clang-format off
template <class E>
concept engine = requires(E e, const E c, token_id t, std::span<const token_id> run, std::span<token_id> next,
                          std::size_t n) {
  { e.step(t) } -> std::same_as<token_id>;
  { e.verify(run, next) } -> std::same_as<void>;
  { e.truncate(n) } -> std::same_as<void>;
  { c.position() } -> std::same_as<std::size_t>;
  { std::bool_constant<E::batch_invariant>() };
};
// clang-format on

/// An engine that hands out its logits, so that others choose: sampled() makes an engine of it.
///
///     forward(run, logits)  Feeds the tokens of run at position(), one after the other, in one pass; row i
///                           of logits [run.size(), vocabulary()] becomes what the model says of the token
///                           after run[i]. They are floats: widen what an lm head gives in 16 bits.
///     truncate(n)           As an engine's, position() too.
///     vocabulary()          How many tokens there are; never changes.
///     batch_invariant       A constant: true if a row, and the K and V written, are the same bit for bit
///                           however the tokens are divided into runs.
///
/// Preconditions: the tokens of run are of the vocabulary; run is not empty; logits is as large as said.
/// Effects: as an engine's. A logit that is NaN or −∞ is a token that cannot be chosen.
/// Errors: any of them may throw.
/// Example: examples/tiny_llm/engine.hpp.
// clang-format off
template <class E>
concept logits_engine = requires(E e, const E c, std::span<const token_id> run, std::span<float> logits,
                                 std::size_t n) {
  { e.forward(run, logits) } -> std::same_as<void>;
  { e.truncate(n) } -> std::same_as<void>;
  { c.position() } -> std::same_as<std::size_t>;
  { c.vocabulary() } -> std::same_as<std::size_t>;
  { std::bool_constant<E::batch_invariant>() };
};
// clang-format on

} // namespace planecast::inline v0
