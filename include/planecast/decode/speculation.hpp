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
/// Judge says what becomes of the outcome, a row for each token of a run. rows(n) is where they go;
/// draw(index) the token of text that follows from a step's one row; judge(index, drafts, out) writes what is
/// in the text from index on, where drafts are, and returns how many tokens that is. Each draft has a row,
/// and one more may be behind them.
template <arriving_cache K, class Judge, bool Invariant>
class speculation {
  using tiers = typename K::policy::tiers;
  using clock = deadline::clock;

public:
  /// `start` is the engine's position. Options are borrowed. It does not move.
  speculation(K& kv, const speculate_options& options, std::size_t start, Judge judge)
      : kv_(kv), options_(options), judge_(std::move(judge)), begun_(clock::now()), start_(start),
        step_time_(options.step_time), text_(options, begun_) {
    check(options);
    text_.append(options.first, token_tag::verified, {});
  }
  speculation(const speculation&) = delete;
  /// Errors: throws std::invalid_argument for options that make no sense.
  static void check(const speculate_options& options) {
    if (options.max_tokens == 0 || options.max_run == 0 || options.verify_every == 0)
      throw std::invalid_argument(
          "planecast: speculate needs max_tokens, max_run, verify_every of at least 1");
    if (options.draft_from >= tiers::count)
      throw std::invalid_argument("planecast: speculate: draft_from is beyond the last tier");
  }

  /// One thing at a time, and before each a look at what has arrived.
  turn next() {
    const turn now = decide();
    if (now != turn::wait && waiting_since_)
      waited_for_ += clock::now() - *std::exchange(waiting_since_, std::nullopt);
    else if (now == turn::wait && !waiting_since_)
      waiting_since_ = clock::now();
    return now;
  }

  /// Drives the cache's link until what is awaited has come, but no longer than for `limit`.
  void wait(clock::duration limit) {
    waited_ = kv_.wait(out_.first_light ? focused : first_light, deadline(std::min(limit, time_left())));
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

  /// The rows are filled. Tells what follows. `timed`: the pass was of runs like this one alone.
  void take(float confidence = 1, bool timed = true) {
    const clock::duration took = clock::now() - fed_;
    if (stepping_) {
      if (timed) // a slow one among others says little
        step_time_ = steps_++ == 0 || !step_time_ ? took : std::min(took, 2 * *step_time_);
      take_step();
      doubtful_ = !last_ && confidence < options_.least_confidence;
    } else {
      verify_time_ = took;
      take_verified();
    }
  }

  /// How many tokens the engine holds K and V of that are right.
  [[nodiscard]] std::size_t held() const noexcept { return start_ + held_; }

  /// Once it is over. No other call after it.
  [[nodiscard]] speculated result() {
    if (out_.finish == finish_reason::length && stops(out_.tokens.back()))
      out_.finish = finish_reason::stop;
    return text_.result();
  }

private:
  turn decide() {
    while (!over_) {
      if (complete())
        over_ = true;
      else if (options_.cancel.stop_requested())
        end({errc::cancelled, "by the caller of speculate"}, finish_reason::cancelled);
      else if (!out_.first_light) {
        const bool come = kv_.reached(first_light);
        if (!come && (waited_.ok() || (waited_ == errc::timeout && time_left().count() > 0)))
          return turn::wait;
        if (!come && !(options_.go_on && kv_.tier() >= 0)) { // not even the base, or it is not wanted
          end(waited_, finish_reason::lost);
          break;
        }
        out_.first_light = clock::now() - begun_;
        look();
        if (!come)
          (void)give_up(waited_);
      } else if (const std::optional<turn> what = advance())
        return *what;
    }
    return turn::over;
  }
  [[nodiscard]] bool complete() const { // `first` alone needs no cache
    const std::size_t size = out_.tokens.size();
    return finished() && (size == 1 || ((last_ || lost_) && (!settled() || sure_ == size)));
  }
  [[nodiscard]] clock::duration time_left() const {
    const auto now = waiting_since_ ? clock::now() - *waiting_since_ : clock::duration{};
    return std::max(options_.timeout - waited_for_ - now, clock::duration{});
  }

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
    const std::size_t size = out_.tokens.size(), ahead = size - sure_;
    if (held_ + 1 < size) // a run was too long for one pass
      return verify();
    if (finished()) {
      if (settled() && ahead > 0)
        return verify();
    } else if (last_ || lost_ || !waiting_is_better()) {
      if (steps_are_sure() || (lost_ && !settled()) || ahead < most_ahead())
        return step();
      if (settled())
        return verify();
    }
    if (time_left().count() == 0)
      return give_up({errc::timeout, "the focus did not come in time"});
    return turn::wait;
  }
  [[nodiscard]] std::size_t most_ahead() const {
    return settled() ? std::min(options_.max_drafts, options_.verify_every) : options_.max_drafts;
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
      if (step_time_ && (options_.step_time || steps_ > 1))
        if (const auto rest = kv_.expected(focused)) {
          const std::chrono::duration<double> step = *step_time_, whole = verify_time_.value_or(*step_time_);
          return *rest < 2 * step + whole;
        }
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
  // Decides anew, in one pass, the tokens after those that are sure. Their K and V are written anew too.
  turn verify() {
    const std::size_t to = out_.tokens.size() - (finished() ? 1 : 0); // what follows the end is not wanted
    return feed(false, sure_ - 1, std::min(to, sure_ - 1 + options_.max_run));
  }

  void take_step() {
    const token_id next = judge_.draw(out_.tokens.size());
    const bool sure = steps_are_sure();
    text_.append(next, sure ? tag() : token_tag::drafted,
                 {.step = true, .drafted = !sure || tag() == token_tag::drafted});
    held_ = to_;
    if (sure)
      sure_ = out_.tokens.size();
  }
  void take_verified() {
    ++out_.rounds;
    const std::size_t drafts = std::min(out_.tokens.size() - from_ - 1, to_ - from_);
    output_.resize(drafts + 1);
    const std::size_t count =
        judge_.judge(from_ + 1, std::span<const token_id>(out_.tokens).subspan(from_ + 1, drafts), output_);
    text_.replace(from_ + 1, std::span<const token_id>(output_).first(count), tag());
    held_ = from_ + count;
    sure_ = held_ + 1;
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
    const std::uint32_t bits = tiers::bits(static_cast<std::uint32_t>(tier_));
    return bits == static_cast<std::uint32_t>(lossless) ? token_tag::verified
           : bits >= 8                                  ? token_tag::verified_int8
                                                        : token_tag::drafted;
  }

  K& kv_;
  const speculate_options& options_;
  Judge judge_;
  clock::time_point begun_, fed_;
  std::optional<clock::time_point> waiting_since_;
  clock::duration waited_for_{}; // before
  status waited_;
  std::size_t start_;             // position of `first`
  std::size_t from_ = 0, to_ = 0; // of the text, what is fed
  std::size_t sure_ = 1;          // so many tokens, from the first, were decided on the pages as they are
  std::size_t held_ = 0;          // the engine holds K and V of so many tokens of the text
  std::size_t steps_ = 0;         // that were timed
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
