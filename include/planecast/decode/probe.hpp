// Which tiers a model tolerates, by trial: needles are hidden, and looked for on coarse caches.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/cache/kv_view.hpp"
#include "planecast/decode/coarse_cache.hpp"
#include "planecast/decode/engine.hpp"
#include "planecast/decode/engine_feeds.hpp"
#include "planecast/decode/probe_subject.hpp"
#include "planecast/decode/probe_verdict.hpp"
#include "planecast/plan/budget.hpp"
#include "planecast/policy/tier.hpp"
#include "planecast/stream/options.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// An engine of either kind, whose cache can be filled and is laid open.
///
///     prefill(prompt)        Feeds a prompt into the empty cache, as it would be served.
///     view(layer, tokens)    Where K and V of the first `tokens` positions are, to be read;
///     pages(layer, tokens)   and to be written.
///     geometry()             The cache's shape; never changes.
///
/// Preconditions: layer is below geometry().layers, tokens at most position(). What prefill returns is not
/// looked at.
/// Effects: views stay good until the engine is called again.
/// Errors: any of them may throw.
/// Example: examples/toy_engine/toy_engine.hpp.
// clang-format off
template <class E>
concept probed_engine = (engine<E> || logits_engine<E>) &&
  requires(E e, const E c, std::span<const token_id> prompt, std::uint32_t layer, std::uint32_t tokens) {
    e.prefill(prompt);
    { c.view(layer, tokens) } -> std::convertible_to<kv_view>;
    { e.pages(layer, tokens) } -> std::convertible_to<kv_pages>;
    { c.geometry() } -> std::convertible_to<geometry>;
  };
// clang-format on

/// One that also says which tokens matter: importance() is what it would plan by, a score for each token of
/// the prompt that it was prefilled with last. Without it what is pinned comes first, then the others in
/// their order.
template <class E>
concept scoring_engine = probed_engine<E> && requires(const E c) {
  { c.importance() } -> std::convertible_to<std::span<const float>>;
};

/// What makes trials: called with a place, it returns a prompt with a needle there. planecast knows no
/// tokenizer. A prompt need not have exactly that many tokens; two attempts should not have the same needle.
template <class M>
concept needle_maker = requires(M& make, const needle_place& at) {
  { make(at) } -> std::convertible_to<needle_trial>;
};

namespace detail {

/// Whether an engine that holds a trial's prompt says its answer, on K and V as they are: the last token is
/// fed again, so that the first choice too is made on them.
template <class E>
bool answers(E& e, const needle_trial& trial) {
  e.truncate(trial.prompt.size() - 1);
  token_id last = trial.prompt.back();
  std::vector<float> row;
  for (const token_id wanted : trial.answer) {
    if constexpr (engine<E>)
      last = e.step(last);
    else {
      row.resize(e.vocabulary());
      e.forward(std::span<const token_id>(&last, 1), row);
      last = greedy_of(row).token;
    }
    if (last != wanted)
      return false;
  }
  return true;
}

/// What the engine would plan by, if it says so.
template <class E>
std::vector<float> scores_of(const E& e) {
  std::vector<float> scores;
  if constexpr (scoring_engine<E>) {
    const std::span<const float> own = e.importance();
    scores.assign(own.begin(), own.end());
  }
  return scores;
}

/// One trial at every tier below lossless, the lowest first.
template <class Policy, class E>
void try_tiers(E& e, const needle_trial& trial, const std::vector<float>& scores,
               const probe_options& options, std::vector<probed_tier>& tiers) {
  using all = typename Policy::tiers;
  const auto tokens = static_cast<std::uint32_t>(trial.prompt.size());
  e.truncate(tokens);
  coarse_cache<Policy> cache(e, std::as_const(e).geometry(), tokens, tiers.size(), options.timeout);
  for (std::uint32_t i = 0; i < tiers.size(); ++i) {
    e.truncate(tokens);
    // The lowest as it would be met, with some tokens sharper; the others whole.
    const int until = static_cast<int>(all::bits(i == 0 ? all::count - 1 : i));
    const bool as_planned = cache.fill(e, i, i == 0 ? budget::of_raw(options.share) : budget::everything(),
                                       scores, {.until = until});
    tiers[i].trials += 1;
    tiers[i].passed += answers(e, trial) ? 1 : 0;
    tiers[i].base_alone += as_planned ? 0 : 1;
  }
}

} // namespace detail

/// Finds out by trial which tiers of a policy, and so which quantizers, a model tolerates. For each trial a
/// prompt is prefilled, its cache coded, planned, and read back into the engine's pages, as it is served: at
/// the lowest tier what crosses before first light under the budget, by the engine's importance; at each tier
/// above, every token at that tier. The prompt's last token is fed again, so that the answer's first is
/// chosen on the coarse cache too, and the answer must come token for token. What the model does not find on
/// its original cache, fed likewise, does not count, and another is asked for, up to options.attempts.
///
/// Where the budget is below the base, the base alone is tried, and the verdict says how often.
/// Preconditions: the options are valid(), trials are as needle_trial says (throws std::invalid_argument).
/// K and V lie where the processor reaches them.
/// Effects: the engine ends with an empty cache. Beside the cache, a trial takes memory for its code once for
/// each tier below lossless, about 0.75 of raw each, and for 0.55 of raw more.
/// Errors: throws `error` where the cache cannot be coded, or is not read back in time; what the engine and
/// the maker throw passes.
/// Example:
///
///     const auto hide = [&](const needle_place& at) -> needle_trial { // the tokenizer is yours
///       const std::string secret = secrets[at.number];
///       return {tokens_of(haystack(at.length, at.depth, secret) + "The secret is"), tokens_of(secret)};
///     };
///     const probe_verdict v = probe<policy>(engine, hide, {.model = name_fingerprint("Qwen2.5-7B")});
///     if (const auto tier = v.lowest())
///       text = speculate(engine, kv, {.first = t0, .draft_from = tier->index});
template <class Policy, probed_engine E, needle_maker M>
probe_verdict probe(E& e, M&& make, const probe_options& options = {}) {
  using all = typename Policy::tiers;
  probe_verdict v;
  v.subject = probe_subject::of<Policy>(std::as_const(e).geometry(), options);
  for (std::uint32_t i = 0; i < all::count; ++i)
    if (const std::uint32_t bits = all::bits(i); bits != static_cast<std::uint32_t>(lossless))
      v.tiers.push_back({.bits = bits});
  for (std::uint32_t number = 0; number < options.attempts && !v.conclusive(); ++number) {
    const needle_trial trial = make(options.place(number));
    if (trial.prompt.size() < 2 || trial.answer.empty() || std::ranges::min(trial.answer) < 0)
      throw std::invalid_argument("planecast: probe: a prompt of fewer than 2 tokens, or no answer");
    e.truncate(0);
    (void)e.prefill(std::span<const token_id>(trial.prompt));
    const std::vector<float> scores = detail::scores_of(std::as_const(e)); // before it is called again
    if (detail::answers(e, trial))
      detail::try_tiers<Policy>(e, trial, scores, options, v.tiers);
    else
      ++v.inconclusive;
  }
  e.truncate(0);
  return v;
}

} // namespace planecast::inline v0
