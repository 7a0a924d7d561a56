// Decoding on a cache that is still arriving: draft on what is there, verify when more is.
#pragma once

#include "planecast/decode/arriving_cache.hpp"
#include "planecast/decode/course.hpp"
#include "planecast/decode/engine.hpp"
#include "planecast/decode/sampled.hpp"
#include "planecast/decode/speculated.hpp"
#include "planecast/decode/speculation.hpp"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <limits>
#include <stdexcept>

namespace planecast::inline v0 {

namespace detail {

// While the next tier is awaited, so often is looked whether it is there.
inline constexpr auto speculation_glance = std::chrono::milliseconds(1);

template <engine E, class K>
void feed(E& e, speculation<K>& text) {
  if (text.is_step())
    text.next_tokens().front() = e.step(text.run().front());
  else
    e.verify(text.run(), text.next_tokens());
}
template <logits_engine E, class K>
void feed(sampled<E, rejection>& e, course<K, rejection_judge>& text) {
  e.forward(text.run(), text.rows());
}

template <class E>
void truncate_to(E& e, std::size_t position) {
  if (e.position() != position)
    e.truncate(position);
}

template <class E>
inline constexpr bool says_confidence = requires(E e) {
  { e.confidence() } -> std::convertible_to<float>;
};

template <class E, class Text>
speculated speculate_by(E& e, Text text) {
  constexpr std::size_t any = std::numeric_limits<std::size_t>::max();
  for (;;)
    switch (text.next(any)) {
    case turn::over:
      return text.result();
    case turn::wait:
      text.wait(speculation_glance);
      break;
    case turn::feed:
      const auto begun = deadline::clock::now();
      truncate_to(e, text.position());
      feed(e, text);
      pass_outcome how{.time = deadline::clock::now() - begun};
      if constexpr (says_confidence<E>)
        if (text.asks_confidence())
          how.confidence = e.confidence();
      text.took(how);
      truncate_to(e, text.held());
      break;
    }
}

template <class E>
void refuse_confidence(const speculate_options& options) {
  if (options.least_confidence > 0 && !says_confidence<E>)
    throw std::invalid_argument("planecast: speculate: least_confidence, but the engine has no confidence()");
}

} // namespace detail

/// Decodes while the cache arrives: drafts by step() on the pages as they are, and polls before every step.
/// When every token of the cache has risen to a higher tier, verifies in one pass all that was decoded since
/// first light, writes their K and V anew, takes back what differs and goes on from there. When there is
/// nothing left to draft, or the rest of the cache is so close that a draft would be wasted, waits for the
/// next tier; until the cache is lossless, or all that was planned is there. A tier that is overtaken before
/// it is noticed is skipped. A step on a tier above the lowest is as good as verified if the engine is
/// batch-invariant; else a pass confirms it in the end.
///
/// The text after the lossless tier is the one that sequential decoding on the original cache gives, greedy
/// or by shared noise (sampled.hpp), token for token, if the engine is batch-invariant. If not, it is that
/// but for near ties: each token is the choice of a verify() on the original cache, in the runs that were
/// made, and runs hang on what arrived when; steps on a higher tier are verified every verify_every tokens.
/// By rejection the text is distributed as sequential decoding's. After a plan that ends below, it is the
/// same on the cache that is there then. On a cache that lacks tokens, of which some were dropped, it is the
/// same too, and all of it but `first` stays drafted: nothing of it is verified, for the original might have
/// said something else.
/// Preconditions: the engine is at the end of the prompt, whose pages kv fills; max_tokens is at least 1,
/// draft_from is a tier, and least_confidence is 0 unless the engine has a confidence() that tells how
/// probable the token of the last step was (throws std::invalid_argument).
/// Effects: the engine's position is that of the last token of the text, which is not fed.
/// Errors: waits for first light, too, until the timeout; if it does not come, the text is `first` alone.
/// Focus that is late or lost ends decoding, or with go_on all waiting; the result is degraded, with the
/// reason in its status, unless all came before the end after all; and so it is when it was cancelled.
/// Exceptions of the engine and of on_token pass; the cache is then as it was, and the engine where they
/// left it.
/// Example: `auto text = speculate(engine, kv, {.first = t0, .max_tokens = 256, .on_token = show});`
template <engine E, arriving_cache K>
speculated speculate(E& e, K& kv, const speculate_options& options) {
  detail::refuse_confidence<E>(options);
  return detail::speculate_by(e, speculation<K&>(kv, options, e.position(), E::batch_invariant));
}
/// The same with an engine that is sampled by rejection: it has no confidence().
template <logits_engine E, arriving_cache K>
speculated speculate(sampled<E, rejection>& e, K& kv, const speculate_options& options) {
  detail::refuse_confidence<sampled<E, rejection>>(options);
  return detail::speculate_by(e, detail::course<K&, detail::rejection_judge>(kv, options, e.position(),
                                                                             E::batch_invariant, e.judge()));
}

} // namespace planecast::inline v0
