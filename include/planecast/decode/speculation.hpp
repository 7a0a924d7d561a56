// One request that decodes on an arriving cache, for engines that have a scheduler of their own.
#pragma once

#include "planecast/decode/arriving_cache.hpp"
#include "planecast/decode/course.hpp"
#include "planecast/decode/engine.hpp"
#include "planecast/decode/sampled.hpp"
#include "planecast/decode/speculated.hpp"
#include "planecast/decode/turn.hpp"
#include "planecast/status.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace planecast::inline v0 {

/// What a request feeds next while its cache arrives, for a scheduler that batches requests as it sees fit:
/// it admits and retires them between passes, and mixes them with others that are none of planecast's. A
/// speculation decides what is drafted, verified and awaited, and keeps the text. It never calls an engine.
/// speculate() and speculate_batch() are loops around it; what they promise of the text, and of when it
/// drafts and when it waits, is so here. Between two passes each request is asked:
///
///     switch (text.next(room)) {         // for at most so many tokens
///     case turn::feed:                   // The pass takes text.run(), from text.position() on, over K and V
///                                        // that stand there, and fills text.next_tokens().
///     case turn::wait:                   // Nothing in this pass.
///     case turn::over: text.result();    // Its blocks are free once this object is gone.
///     }
///
/// After the pass those that were in it are told: text.took(). K and V from text.held() on are then worth
/// nothing, and blocks behind it may go.
///
/// K is the type of an arriving cache, which it then owns; or a reference to one, which it borrows. It owns
/// the options. It may be moved, also while its run is in a pass, for run() and next_tokens() stay where they
/// are; the moved-from can only be destroyed. It cannot be assigned: keep requests in a list or a map.
///
/// A request may be left out of a pass that it asked for, be it for want of room or of blocks: next() forgets
/// a run that was not taken, and decides anew. Ask all of them before every pass, those too that can get
/// nothing, with next(0): it drives the link, where frames that one request has not taken stand in the way of
/// others. If all wait, wait() does it without spinning; over one link it is enough to call it of one, for
/// few milliseconds at a time: what comes of the others meanwhile is taken by their next().
///
/// To end a text early, cancel() it, also while its run is in a pass, of which then nothing follows; or
/// destroy the object, which cancels the transfer if it owns the cache. While its run is in a pass, it is not
/// destroyed, and next(), took() and wait() are not called: the pass writes to next_tokens().
///
/// Preconditions: the cache fills the pages of the prompt, which every pass reads anew. It is used from one
/// thread at a time. next() and wait() write into these pages: no pass that has this request runs meanwhile
/// (others may). Until the text is over, what stands in its blocks changes: they stay where they are, and are
/// shared with no other request.
/// Errors: the constructor throws std::invalid_argument for options that make no sense. Exceptions of
/// on_token, which the constructor and took() call, pass; then it can only be destroyed.
/// Example: examples/own_scheduler.cpp.
template <class K>
requires arriving_cache<std::remove_reference_t<K>>
class speculation {
public:
  /// `position` is the number of the prompt's tokens. `batch_invariant` is as in batch_engine: whether a
  /// token, and the K and V written, are the same bit for bit however the sequence is divided into runs, and
  /// whatever else is in the pass. If not, steps on a higher tier are verified every verify_every tokens.
  speculation(K cache, speculate_options options, std::size_t position, bool batch_invariant)
      : course_(std::forward<K>(cache), std::move(options), position, batch_invariant, {}) {}

  /// Drives the cache's link without waiting, writes what has come into the pages, and says what the request
  /// needs. A turn to feed has at least 1 and at most `most` tokens; for none there is no turn to feed. How
  /// many it would take is run().size() without a limit; a verification that is cut goes on in the next pass.
  [[nodiscard]] turn next(std::size_t most = std::numeric_limits<std::size_t>::max()) {
    const turn now = course_.next(most);
    if (now == turn::feed)
      std::ranges::fill(course_.rows(), no_token); // so that took() can see what is missing
    return now;
  }

  /// The tokens to feed, one after the other; empty but between turn::feed and took().
  [[nodiscard]] std::span<const token_id> run() const noexcept { return course_.run(); }
  /// Where run() goes in the sequence. What the engine holds from there on is dropped, or written over.
  [[nodiscard]] std::size_t position() const noexcept { return course_.position(); }
  /// To be filled by the pass, in the host's memory: [i] is the token that follows run()[i], greedily or by
  /// the noise of its position (shared_noise).
  [[nodiscard]] std::span<token_id> next_tokens() { return course_.rows(); }
  /// Whether run() is a draft, one token: by the arithmetic of steps, if that is another than that of
  /// verifications. Where a pass has no room for all, verifications are worth more.
  [[nodiscard]] bool is_step() const noexcept { return course_.is_step(); }
  /// Whether took() wants the step's confidence: least_confidence is set, and nothing else makes it sure.
  [[nodiscard]] bool asks_confidence() const noexcept { return course_.asks_confidence(); }

  /// The pass has run: tells on_token what follows of it. Without a run it does nothing, so it may be called
  /// of all requests, and of those that were cancelled while they were in the pass.
  ///
  /// Only by what it is told of the time, or by options.step_time, does it know when the rest of the cache is
  /// so close that a draft would be wasted. Without either it drafts.
  /// Preconditions: next_tokens() is filled, and how.confidence is there if asks_confidence() (throws
  /// std::invalid_argument for a token that is none, and without; it may then be told again).
  void took(const pass_outcome& how = {}) {
    if (std::ranges::any_of(course_.rows(), [](token_id t) { return t < 0; }))
      throw std::invalid_argument("planecast: speculation: took() before all of next_tokens() was filled");
    course_.took(how);
  }
  /// So many tokens of the sequence, the prompt's among them, have K and V that count.
  [[nodiscard]] std::size_t held() const noexcept { return course_.held(); }

  /// Drives the cache's link until next() may have something else to say than turn::wait, but no longer than
  /// `limit`, or than options.timeout allows.
  void wait(deadline::clock::duration limit) { course_.wait(limit); }

  /// Ends the text as it is: from now on next() says over, and the result that it was cancelled. A text that
  /// is complete stays so. May be called from on_token: what took() has to tell is told to its end, and if
  /// the text is complete then, it stays so.
  void cancel() { course_.cancel(); }

  /// The text as it is now; `accepted` is counted in the end.
  [[nodiscard]] const speculated& so_far() const noexcept { return course_.so_far(); }
  /// The text; if it was not over, it is cancelled. Nothing else may be called after it, but cache().
  [[nodiscard]] speculated result() { return course_.result(); }

  /// The cache: for what it counts, or to wait for the rest of one whose text has ended before.
  [[nodiscard]] std::remove_reference_t<K>& cache() noexcept { return course_.cache(); }

private:
  detail::course<K, detail::token_judge> course_;
};

} // namespace planecast::inline v0
