// The course of one text that is decoded on an arriving cache: what its engine should do next, and what
// follows from it.
#pragma once

#include "planecast/decode/arriving_cache.hpp"
#include "planecast/decode/course_state.hpp"
#include "planecast/decode/engine.hpp"
#include "planecast/decode/pace.hpp"
#include "planecast/decode/speculated.hpp"
#include "planecast/decode/told_text.hpp"
#include "planecast/decode/turn.hpp"
#include "planecast/policy/tier.hpp"
#include "planecast/status.hpp"
#include "planecast/stream/event.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

/// Decides what is drafted, verified and awaited, and keeps the text. K is an arriving cache, or a reference
/// to one. How it is driven is told where `speculation` is (speculation.hpp), which is one for engines that
/// say tokens.
///
/// Judge says what becomes of the outcome, a row for each token of a run. rows(n) is where they go;
/// draw(index) the token of text that follows from a step's one row; judge(index, drafts, out) writes what is
/// in the text from index on, where drafts are, and returns how many tokens that is. Each draft has a row,
/// and one more may be behind them.
template <class K, class Judge>
class course {
  using cache_type = std::remove_reference_t<K>;
  using tiers = typename cache_type::policy::tiers;
  using clock = deadline::clock;

public:
  /// `start` is the engine's position, `invariant` whether it is batch-invariant.
  course(K kv, speculate_options options, std::size_t start, bool invariant, Judge judge)
      : kv_(std::forward<K>(kv)), judge_(std::move(judge)), begun_(clock::now()), patience_(options.timeout),
        pace_(options.step_time), start_(start), at_{.invariant = invariant},
        text_(std::move(options), begun_) {
    check_options<tiers>(text_.options);
    text_.append(text_.options.first, token_tag::verified, {});
  }
  course(const course&) = delete;
  course(course&&) = default;

  /// One thing at a time, of at most so many tokens, and before each a look at what has arrived.
  turn next(std::size_t most) {
    to_ = from_; // a run that nobody took is forgotten
    most_ = most;
    const turn now = decide();
    patience_.waits(now == turn::wait);
    if (now != turn::feed)
      return now;
    (void)judge_.rows(to_ - from_);
    return to_ == from_ ? turn::wait : now; // there is no room for it
  }

  /// Drives the cache's link until there is something else to do, but no longer than for `limit`.
  void wait(clock::duration limit) {
    const deadline until(std::min(limit, patience_.left()));
    while (nothing_to_do() &&
           kv_.wait(text_.out.first_light ? focused : first_light, until.sooner(deadline(glance))) ==
               errc::timeout &&
           !until.has_passed()) {
    } // what else it says the next look says again
  }
  /// No longer: a tier that has come is no event that could be waited for.
  static constexpr auto glance = std::chrono::milliseconds(1);

  /// Whether the run is a single draft, by the arithmetic of steps.
  [[nodiscard]] bool is_step() const noexcept { return stepping_; }
  /// The tokens to feed, and where the first of them stands.
  [[nodiscard]] std::span<const token_id> run() const noexcept {
    return std::span<const token_id>(text_.out.tokens).subspan(from_, to_ - from_);
  }
  [[nodiscard]] std::size_t position() const noexcept { return start_ + from_; } ///< see run()
  /// Where the run's outcome goes; it stays where it is until another run is taken.
  [[nodiscard]] auto rows() { return to_ == from_ ? decltype(judge_.rows(0))() : judge_.rows(to_ - from_); }
  /// Whether took() wants to know how probable a step's token was.
  [[nodiscard]] bool asks_confidence() const noexcept {
    return stepping_ && !at_.last && text_.options.least_confidence > 0;
  }

  /// The rows are filled. Tells what follows. Without a run it does nothing.
  /// Errors: throws std::invalid_argument for a confidence that is asked for and missing; it may be told
  /// again.
  void took(const pass_outcome& how) {
    if (to_ == from_)
      return;
    const bool asked = asks_confidence();
    if (asked && !how.confidence)
      throw std::invalid_argument("planecast: took(): least_confidence is set, but confidence is not told");
    if (how.time)
      pace_.took(stepping_, *how.time);
    telling_ = true;
    if (stepping_) {
      take_step();
      at_.doubtful = asked && *how.confidence < text_.options.least_confidence;
    } else
      take_verified();
    telling_ = false;
    to_ = from_;
    settle_cancel();
  }

  /// How many tokens the engine holds K and V of that are right.
  [[nodiscard]] std::size_t held() const noexcept { return start_ + at_.held; }

  /// Ends the text as it is, or as it is when took() returns; one that is complete then stays so.
  void cancel() {
    if (to_ != from_ && !telling_) // what a pass has written over is not told any more
      at_.held = std::min(at_.held, from_);
    to_ = from_;
    cancelled_ = true;
    if (!telling_)
      settle_cancel();
  }
  [[nodiscard]] const speculated& so_far() const noexcept { return text_.out; }
  [[nodiscard]] cache_type& cache() noexcept { return kv_; }
  /// At the end. No other call after it.
  [[nodiscard]] speculated result() {
    cancel();
    over_ = true;
    return text_.result();
  }

private:
  turn decide() {
    while (!over_) {
      if (complete())
        over_ = true;
      else if (text_.options.cancel.stop_requested())
        end({errc::cancelled, "by the caller of speculate"}, finish_reason::cancelled);
      else if (!text_.out.first_light) {
        const status come = kv_.wait(first_light, deadline::passed());
        if (come == errc::timeout && patience_.left().count() > 0)
          return turn::wait;
        if (!come && !(text_.options.go_on && kv_.tier() >= 0)) { // not even the base, or it is not wanted
          end(come, finish_reason::lost);
          break;
        }
        text_.out.first_light = clock::now() - begun_;
        look();
        if (!come)
          (void)give_up(come);
      } else if (const std::optional<turn> what = advance())
        return *what;
    }
    return turn::over;
  }
  [[nodiscard]] bool complete() const { // `first` alone needs no cache
    const std::size_t size = text_.out.tokens.size();
    return text_.finished() &&
           (size == 1 || ((at_.last || at_.lost) && (!at_.settled() || at_.sure == size)));
  }

  // What is to be done since first light; empty: something has changed, and is to be looked at again.
  std::optional<turn> advance() {
    if (!at_.last && (!at_.lost || late())) {
      const status polled = kv_.poll();
      if (look()) { // K and V of all that was decoded so far are from a coarser cache; only `first` is known
        if (at_.last && at_.lost) { // it was only late
          at_.lost = false;
          text_.out.status = {};
        }
        at_.begin_anew(text_.out.tokens.size());
        return text_.out.tokens.size() > 1 ? std::optional(verify()) : std::nullopt;
      }
      if (!polled)
        return give_up(polled);
    }
    if (const work now = due(); now != work::none)
      return now == work::step ? step() : verify();
    if (patience_.left().count() == 0)
      return give_up({errc::timeout, "the focus did not come in time"});
    return turn::wait;
  }
  [[nodiscard]] work due() const {
    return at_.due(text_.options, text_.out.tokens.size(), text_.finished(),
                   [&] { return waiting_is_better(); });
  }
  // Nothing but to wait, as far as can be seen without a look.
  [[nodiscard]] bool nothing_to_do() const {
    return !over_ && !text_.options.cancel.stop_requested() &&
           (!text_.out.first_light || (kv_.tier() <= at_.tier && due() == work::none));
  }
  // Whether the pages hold more than when last looked at.
  bool look() {
    const int tier = std::max(kv_.tier(), 0);
    const bool last = kv_.reached(focused) || static_cast<std::uint32_t>(tier) + 1 == tiers::count;
    const bool sharper = tier > at_.tier || (last && !at_.last);
    at_.tier = tier;
    at_.last = last;
    if (last && !text_.out.focused)
      text_.out.focused = clock::now() - begun_;
    return sharper;
  }

  // A draft now would be taken back, or would come no sooner than the token itself.
  [[nodiscard]] bool waiting_is_better() const {
    if (at_.doubtful || at_.tier < static_cast<int>(text_.options.draft_from))
      return true;
    if constexpr (foreseeing_cache<cache_type>)
      if (const auto rest = kv_.expected(focused))
        return pace_.outlasts(*rest);
    return false;
  }

  // Not waited for any more, but it may come yet, and its frames do not stay on the link.
  [[nodiscard]] bool late() const { return at_.lost && text_.out.status == errc::timeout; }
  std::optional<turn> give_up(status why) {
    text_.out.status = why;
    at_.lost = true;
    at_.stale = text_.out.tokens.size() > 1;
    if (!text_.options.go_on)
      end(why, finish_reason::lost);
    return {};
  }
  // While a pass is told, the text is not what it will be.
  void settle_cancel() {
    if (cancelled_ && !over_ && !complete())
      end({errc::cancelled, "by cancel()"}, finish_reason::cancelled);
  }
  void end(status why, finish_reason reason) {
    text_.out.status = why;
    text_.out.finish = reason;
    over_ = true;
  }

  turn feed(bool step, std::size_t from, std::size_t to) {
    stepping_ = step;
    from_ = from;
    to_ = from + std::min({to - from, most_, text_.options.max_run});
    return turn::feed;
  }
  turn step() { return feed(true, text_.out.tokens.size() - 1, text_.out.tokens.size()); }
  // Decides anew, in one pass, the tokens after those that are sure. Their K and V are written anew too.
  turn verify() {
    const std::size_t to =
        text_.out.tokens.size() - (text_.finished() ? 1 : 0); // what follows the end is not wanted
    return feed(false, at_.sure - 1, to);
  }

  void take_step() {
    const token_id next = judge_.draw(text_.out.tokens.size());
    const bool sure = at_.steps_are_sure();
    text_.append(next, sure ? tag() : token_tag::drafted,
                 {.step = true, .drafted = !sure || tag() == token_tag::drafted});
    at_.held = from_ + 1;
    if (sure)
      at_.sure = text_.out.tokens.size();
  }
  void take_verified() {
    ++text_.out.rounds;
    const std::size_t drafts = std::min(text_.out.tokens.size() - from_ - 1, to_ - from_);
    output_.resize(drafts + 1);
    const std::size_t count = judge_.judge(
        from_ + 1, std::span<const token_id>(text_.out.tokens).subspan(from_ + 1, drafts), output_);
    if ((at_.last || (at_.lost && !late())) && !at_.stale && count <= drafts &&
        output_[count - 1] != text_.out.tokens[from_ + count])
      ++text_.out.diverged;
    text_.replace(from_ + 1, std::span<const token_id>(output_).first(count), tag());
    at_.held = from_ + count;
    at_.sure = at_.held + 1;
    at_.stale = at_.stale && at_.sure < text_.out.tokens.size();
  }

  [[nodiscard]] token_tag tag() const { // what a decision on the pages as they are is worth
    return kv_.whole() ? tag_at<tiers>(at_.tier) : token_tag::drafted;
  }

  K kv_;
  Judge judge_;
  clock::time_point begun_;
  patience patience_;
  pace pace_;
  std::size_t start_;             // position of `first`
  std::size_t from_ = 0, to_ = 0; // of the text, what is fed
  course_state at_;
  std::size_t most_ = 0; // so many tokens may be fed
  bool stepping_ = false;
  bool telling_ = false; // took() is under way
  bool cancelled_ = false;
  bool over_ = false;
  told_text text_;
  std::vector<token_id> output_;
};

} // namespace planecast::inline v0::detail
