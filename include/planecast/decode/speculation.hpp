// One text that is decoded on an arriving cache: what its engine should do next, and what follows from it.
#pragma once

#include "planecast/decode/arriving_cache.hpp"
#include "planecast/decode/engine.hpp"
#include "planecast/decode/speculated.hpp"
#include "planecast/decode/told_text.hpp"
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
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

/// What a speculation needs now.
enum class turn : std::uint8_t {
  feed, ///< the engine to take run() at position()
  wait, ///< more of the cache
  over, ///< nothing
};

/// Decides what is drafted, verified and awaited, and keeps the text. It never calls an engine: whoever
/// drives it does, for one speculation or for a batch of them, in this way:
///
///     while (s.next() != turn::over)
///       if it is wait: s.wait(…)
///       else: truncate the engine to s.position(); feed it s.run(), whose outcome goes to s.rows();
///             s.take(); truncate the engine to s.held()
///
/// Judge says what becomes of an engine's outcome: a row for each token of a run.
///
///     rows(n)                   Where n rows go.
///     draw(index)               The token of text that follows from the one row of a step.
///     judge(index, drafts, out) What is in the text from index on, where drafts are: returns how many
///                               tokens of out that is. There is a row for each draft, and perhaps one more.
template <arriving_cache K, class Judge, bool Invariant>
class speculation {
  using tiers = typename K::policy::tiers;
  using clock = deadline::clock;

public:
  /// `start` is the engine's position. Options are borrowed. It does not move.
  speculation(K& kv, const speculate_options& options, std::size_t start, Judge judge)
      : kv_(kv), options_(options), judge_(std::move(judge)), begun_(clock::now()), until_(options.timeout),
        start_(start), step_time_(options.step_time), text_(options, begun_) {
    if (options.max_tokens == 0)
      throw std::invalid_argument("planecast: speculate needs max_tokens of at least 1");
    if (options.draft_from >= tiers::count)
      throw std::invalid_argument("planecast: speculate: draft_from is beyond the last tier");
    text_.append(options.first, token_tag::verified, {});
  }

  /// One thing at a time, and before each a look at what has arrived.
  turn next() {
    while (!over_) {
      if (options_.cancel.stop_requested())
        end({errc::cancelled, "by the caller of speculate"}, finish_reason::cancelled);
      else if (!out_.first_light) {
        if (finished())
          over_ = true; // `first` is all, and needs no cache
        else if (kv_.reached(first_light)) {
          out_.first_light = clock::now() - begun_;
          look();
        } else if (!waited_.ok() && (waited_ != errc::timeout || until_.has_passed()))
          end(waited_, finish_reason::lost);
        else
          return turn::wait;
      } else if (const std::optional<turn> what = advance())
        return *what;
    }
    return turn::over;
  }

  /// Drives the cache's link until what is awaited has come, but no longer than for `limit`.
  void wait(clock::duration limit) {
    waited_ = kv_.wait(out_.first_light ? focused : first_light, deadline(limit).sooner(until_));
    // Of focus the next poll says the same.
  }

  /// Whether the run is a single draft, by the arithmetic of steps.
  [[nodiscard]] bool is_step() const noexcept { return stepping_; }
  /// The tokens to feed, and where the first of them stands.
  [[nodiscard]] std::span<const token_id> run() const noexcept {
    return std::span<const token_id>(out_.tokens).subspan(from_, to_ - from_);
  }
  [[nodiscard]] std::size_t position() const noexcept { return start_ + from_; } ///< see run()
  /// Where the run's outcome goes.
  [[nodiscard]] auto rows() { return judge_.rows(to_ - from_); }
  /// Whether take() wants to know how probable a step's token was.
  [[nodiscard]] bool asks_confidence() const noexcept {
    return stepping_ && !last_ && options_.least_confidence > 0;
  }

  /// The rows are filled. Tells what follows.
  void take(float confidence = 1) {
    const clock::duration took = clock::now() - fed_;
    if (stepping_) {
      step_time_ = took;
      take_step();
      doubtful_ = !last_ && confidence < options_.least_confidence;
    } else {
      verify_time_ = took;
      take_verified();
    }
  }

  /// How many tokens the engine holds K and V of that are right: all of the text but its last.
  [[nodiscard]] std::size_t held() const noexcept { return start_ + out_.tokens.size() - 1; }

  /// Once it is over. No other call after it.
  [[nodiscard]] speculated result() {
    if (out_.finish == finish_reason::length && stops(out_.tokens.back()))
      out_.finish = finish_reason::stop;
    return text_.result();
  }

  speculation(const speculation&) = delete;
  speculation& operator=(const speculation&) = delete;

private:
  // What is to be done since first light; empty: something has changed, and is to be looked at again.
  std::optional<turn> advance() {
    if (!last_ && !lost_) {
      const status polled = kv_.poll();
      if (look()) { // K and V of all that was decoded so far are from a coarser cache; only `first` is known
        sure_ = 1;
        doubtful_ = false;
        return out_.tokens.size() > 1 ? std::optional(verify()) : std::nullopt;
      }
      if (!polled)
        return give_up(polled);
    }
    const bool all_known = last_ || lost_;
    if (finished()) {
      if (settled() && sure_ < out_.tokens.size())
        return verify();
      if (all_known) {
        over_ = true;
        return {};
      }
    } else if (all_known || !waiting_is_better()) {
      if (steps_are_sure() || lost_ || out_.tokens.size() - sure_ < options_.max_drafts)
        return step();
      if (settled())
        return verify();
    }
    if (until_.has_passed())
      return give_up({errc::timeout, "the focus did not come in time"});
    return turn::wait;
  }

  // Whether the pages hold more than when last looked at.
  bool look() {
    const int tier = std::max(kv_.tier(), 0);
    const bool last = kv_.reached(focused) || static_cast<std::uint32_t>(tier) + 1 == tiers::count;
    const bool sharper = tier > tier_ || (last && !last_);
    tier_ = tier;
    last_ = last;
    if (last && !out_.focused)
      out_.focused = clock::now() - begun_;
    return sharper;
  }

  // A draft now would be taken back, or would come no sooner than the token itself.
  [[nodiscard]] bool waiting_is_better() const {
    if (doubtful_ || tier_ < static_cast<int>(options_.draft_from))
      return true;
    if constexpr (foreseeing_cache<K>)
      if (step_time_)
        if (const auto rest = kv_.expected(focused))
          return *rest < 2 * *step_time_ + verify_time_.value_or(*step_time_);
    return false;
  }

  std::optional<turn> give_up(status why) {
    out_.status = why;
    lost_ = true;
    if (!options_.go_on)
      end(why, finish_reason::lost);
    return {};
  }
  void end(status why, finish_reason reason) {
    out_.status = why;
    out_.finish = reason;
    over_ = true;
  }

  turn feed(bool step, std::size_t from, std::size_t to) {
    stepping_ = step;
    from_ = from;
    to_ = to;
    fed_ = clock::now();
    return turn::feed;
  }
  turn step() { return feed(true, out_.tokens.size() - 1, out_.tokens.size()); }
  // Decides anew, in one pass, every token after those that are sure. Their K and V are written anew too.
  turn verify() {
    return feed(false, sure_ - 1,
                out_.tokens.size() - (finished() ? 1 : 0)); // what follows the end is not wanted
  }

  void take_step() {
    const token_id next = judge_.draw(out_.tokens.size());
    const bool sure = steps_are_sure();
    text_.append(next, sure ? tag() : token_tag::drafted,
                 {.step = true, .drafted = !sure || tag() == token_tag::drafted});
    if (sure)
      sure_ = out_.tokens.size();
  }
  void take_verified() {
    ++out_.rounds;
    const auto drafts = std::span<const token_id>(out_.tokens).subspan(from_ + 1);
    output_.resize(drafts.size() + 1);
    const std::size_t count = judge_.judge(from_ + 1, drafts, output_);
    text_.replace(from_ + 1, std::span<const token_id>(output_).first(count), tag());
    sure_ = out_.tokens.size();
  }

  // Whether there is something to verify against: a tier above the lowest, or all that will ever come.
  [[nodiscard]] bool settled() const { return tier_ > 0 || last_; }
  [[nodiscard]] bool steps_are_sure() const { return Invariant && settled(); }
  [[nodiscard]] bool stops(token_id id) const {
    return std::ranges::find(options_.stop_tokens, id) != options_.stop_tokens.end();
  }
  [[nodiscard]] bool finished() const {
    return out_.tokens.size() >= options_.max_tokens || stops(out_.tokens.back());
  }
  [[nodiscard]] token_tag tag() const { // what a decision on the pages as they are is worth
    if (tier_ <= 0 || !kv_.whole())
      return token_tag::drafted;
    const bool exact = tiers::bits(static_cast<std::uint32_t>(tier_)) == static_cast<std::uint32_t>(lossless);
    return exact ? token_tag::verified : token_tag::verified_int8;
  }

  K& kv_;
  const speculate_options& options_;
  Judge judge_;
  clock::time_point begun_, fed_;
  deadline until_;
  status waited_;
  std::size_t start_;             // position of `first`
  std::size_t from_ = 0, to_ = 0; // of the text, what is fed
  std::size_t sure_ = 1;          // so many tokens, from the first, were decided on the pages as they are
  int tier_ = -1;
  bool stepping_ = false;
  bool last_ = false;     // nothing more will come
  bool lost_ = false;     // nothing more will come, and less came than was planned
  bool doubtful_ = false; // the last draft was
  bool over_ = false;
  std::optional<clock::duration> step_time_, verify_time_;
  told_text text_;
  speculated& out_ = text_.out;
  std::vector<token_id> output_;
};

} // namespace planecast::inline v0::detail
