// Decoding on a cache that is still arriving: draft on what is there, verify when more is.
#pragma once

#include "planecast/decode/accept.hpp"
#include "planecast/decode/arriving_cache.hpp"
#include "planecast/decode/engine.hpp"
#include "planecast/policy/tier.hpp"
#include "planecast/status.hpp"
#include "planecast/stream/event.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

namespace planecast::inline v0 {

/// How sure a token is.
enum class token_tag : std::uint8_t {
  drafted,       ///< decoded on the cache at hand
  verified_int8, ///< the choice on a cache of which every token held a tier between the lowest and lossless
  verified,      ///< the choice on the original cache
  retracted,     ///< a later verification chose another: this token and all after it are taken back
};

/// A token came, became surer, or was taken back. Index 0 is the first token, which prefill computed.
struct token_event {
  std::size_t index = 0;              ///< in the text
  token_id id = 0;                    ///< what it is, or was
  token_tag tag = token_tag::drafted; ///< how sure it is now
};

/// What may be chosen for decoding on an arriving cache; `first` must be.
struct speculate_options {
  token_id first = 0;           ///< the first generated token, known from prefill and not yet fed
  std::size_t max_tokens = 256; ///< of the whole text, `first` among them; at least 1
  std::function<void(const token_event&)> on_token = {};            ///< called from within speculate()
  deadline::clock::duration timeout = std::chrono::seconds(30);     ///< for all waiting, from the call on
  std::size_t max_drafts = std::numeric_limits<std::size_t>::max(); ///< at most so many ahead of the verified
  std::optional<token_id> end = {};                                 ///< the text ends with this token
  bool go_on = false; ///< when focus is late or lost, decode on to the end at the precision at hand
};

/// What became of it.
struct speculated {
  using duration = deadline::clock::duration; ///< since the call

  std::vector<token_id> tokens; ///< begins with `first`
  std::vector<token_tag> tags;  ///< one for each; never `retracted`
  planecast::status status;     ///< why the text is degraded, if it is

  std::size_t drafted = 0;  ///< tokens that were shown as drafted
  std::size_t accepted = 0; ///< of these, how many are in `tokens`
  std::size_t wasted = 0;   ///< steps whose token was taken back
  std::size_t rounds = 0;   ///< verification passes

  /// When so much of the cache was there, or the first token after `first` had the tag; empty if never. @{
  std::optional<duration> first_light, first_drafted, first_verified_int8, first_verified, focused; /// @}

  /// Less came than was planned; tokens keep the best tag that they had.
  [[nodiscard]] bool degraded() const noexcept { return !status.ok(); }
};

namespace detail {

template <engine E, arriving_cache K>
class speculation {
  using tiers = typename K::policy::tiers;
  using clock = deadline::clock;
  // While the next tier is awaited, so often is looked whether it is there.
  static constexpr auto glance = std::chrono::milliseconds(1);

public:
  speculation(E& e, K& kv, const speculate_options& options)
      : engine_(e), kv_(kv), options_(options), begun_(clock::now()), until_(options.timeout),
        start_(e.position()) {
    if (options.max_tokens == 0)
      throw std::invalid_argument("planecast: speculate needs max_tokens of at least 1");
  }

  speculated run() {
    append(options_.first, token_tag::verified, {});
    if (!finished() && first_light_came())
      while (advance()) {
      }
    out_.accepted = static_cast<std::size_t>(std::ranges::count_if(origins_, &origin::drafted));
    return std::move(out_);
  }

private:
  struct origin {
    bool step = false, drafted = false;
  };

  bool first_light_came() {
    if (!kv_.reached(first_light))
      out_.status = kv_.wait(first_light, until_);
    if (out_.status.ok()) {
      out_.first_light = clock::now() - begun_;
      look();
    }
    return out_.status.ok();
  }

  // One thing at a time, and before each a look at what has arrived. False when there is nothing left to do.
  bool advance() {
    if (!last_ && !lost_) {
      const status polled = kv_.poll();
      if (look()) { // K and V of all that was decoded so far are from a coarser cache; only `first` is known
        sure_ = 1;
        if (out_.tokens.size() > 1)
          verify();
        return true;
      }
      if (!polled)
        return give_up(polled);
    }
    if (!finished() && (steps_are_sure() || lost_ || out_.tokens.size() - sure_ < options_.max_drafts)) {
      step();
      return true;
    }
    if (settled() && (!finished() || sure_ < out_.tokens.size())) {
      verify();
      return true;
    }
    if (last_ || lost_)
      return false;
    if (until_.has_passed())
      return give_up({errc::timeout, "the focus did not come in time"});
    (void)kv_.wait(focused,
                   deadline(glance).sooner(until_)); // if the link is lost, the next poll says so too
    return true;
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

  bool give_up(status why) {
    out_.status = why;
    lost_ = true;
    return options_.go_on;
  }

  void step() {
    const token_id next = engine_.step(out_.tokens.back());
    const bool sure = steps_are_sure();
    append(next, sure ? tag() : token_tag::drafted,
           {.step = true, .drafted = !sure || tag() == token_tag::drafted});
    if (sure)
      sure_ = out_.tokens.size();
  }

  // Decides anew, in one pass, every token after those that are sure. Their K and V are written anew too.
  void verify() {
    const std::size_t from = sure_ - 1;
    const std::size_t to = out_.tokens.size() - (finished() ? 1 : 0); // what follows the end is not wanted
    const auto run = std::span<const token_id>(out_.tokens).subspan(from, to - from);
    target_.resize(run.size());
    output_.resize(run.size());
    engine_.truncate(start_ + from);
    engine_.verify(run, target_);
    ++out_.rounds;
    const std::size_t accepted = accept_greedy(run.subspan(1), target_, output_);
    engine_.truncate(start_ + from + 1 + accepted);
    replace(from + 1, std::span<const token_id>(output_).first(accepted + 1));
    sure_ = out_.tokens.size();
  }

  // From `at` on the text is `fresh`: takes back what differs, the newest first, then tells what is sure.
  void replace(std::size_t at, std::span<const token_id> fresh) {
    const auto same = std::ranges::mismatch(std::span(out_.tokens).subspan(at), fresh).in2 - fresh.begin();
    const std::size_t kept = at + static_cast<std::size_t>(same);
    while (out_.tokens.size() > kept) {
      const token_id id = out_.tokens.back();
      out_.wasted += origins_.back().step ? 1 : 0;
      out_.tokens.pop_back();
      out_.tags.pop_back();
      origins_.pop_back();
      tell(out_.tokens.size(), id, token_tag::retracted);
    }
    for (std::size_t i = at; i < kept; ++i)
      if (out_.tags[i] != tag()) {
        out_.tags[i] = tag();
        tell(i, out_.tokens[i], tag());
      }
    for (const token_id id : fresh.subspan(kept - at))
      append(id, tag(), {.drafted = tag() == token_tag::drafted});
  }

  void append(token_id id, token_tag tag, origin from) {
    out_.tokens.push_back(id);
    out_.tags.push_back(tag);
    origins_.push_back(from);
    out_.drafted += from.drafted ? 1 : 0;
    tell(out_.tokens.size() - 1, id, tag);
  }

  void tell(std::size_t index, token_id id, token_tag tag) {
    auto* const first = tag == token_tag::drafted         ? &out_.first_drafted
                        : tag == token_tag::verified_int8 ? &out_.first_verified_int8
                        : tag == token_tag::verified      ? &out_.first_verified
                                                          : nullptr;
    if (index > 0 && first != nullptr && !*first)
      *first = clock::now() - begun_;
    if (options_.on_token)
      options_.on_token({index, id, tag});
  }

  // Whether there is something to verify against: a tier above the lowest, or all that will ever come.
  [[nodiscard]] bool settled() const { return tier_ > 0 || last_; }
  [[nodiscard]] bool steps_are_sure() const { return E::batch_invariant && settled(); }
  [[nodiscard]] bool finished() const {
    return out_.tokens.size() >= options_.max_tokens || (options_.end && out_.tokens.back() == *options_.end);
  }
  [[nodiscard]] token_tag tag() const { // what a decision on the pages as they are is worth
    if (tier_ <= 0 || !kv_.whole())
      return token_tag::drafted;
    const bool exact = tiers::bits(static_cast<std::uint32_t>(tier_)) == static_cast<std::uint32_t>(lossless);
    return exact ? token_tag::verified : token_tag::verified_int8;
  }

  E& engine_;
  K& kv_;
  const speculate_options& options_;
  clock::time_point begun_;
  deadline until_;
  std::size_t start_;    // position of `first`
  std::size_t sure_ = 1; // so many tokens, from the first, were decided on the pages as they are
  int tier_ = -1;
  bool last_ = false; // nothing more will come
  bool lost_ = false; // nothing more will come, and less came than was planned
  speculated out_;
  std::vector<origin> origins_; // one for each token
  std::vector<token_id> target_, output_;
};

} // namespace detail

/// Decodes greedily while the cache arrives: drafts by step() on the pages as they are, and polls before
/// every step. When every token of the cache has risen to a higher tier, verifies in one pass all that was
/// decoded since first light, writes their K and V anew, takes back what differs and goes on from there. When
/// there is nothing left to draft, waits for the next tier; until the cache is lossless, or all that was
/// planned is there. A tier that is overtaken before it is noticed is skipped. A step on a tier above the
/// lowest is as good as verified if the engine is batch-invariant; else a pass confirms it in the end.
///
/// The text after the lossless tier is the one that sequential greedy decoding on the original cache gives,
/// with step()'s arithmetic if the engine is batch-invariant, else with verify()'s. After a plan that ends
/// below, it is the same on the cache that is there then. On a cache that lacks tokens, of which some were
/// dropped, it is the same too, and all of it but `first` stays drafted: nothing of it is verified, for the
/// original might have said something else.
/// Preconditions: the engine is at the end of the prompt, whose pages kv fills; max_tokens is at least 1
/// (throws std::invalid_argument).
/// Effects: the engine's position is that of the last token of the text, which is not fed.
/// Errors: waits for first light, too, until the timeout; if it does not come, the text is `first` alone.
/// Focus that is late or lost ends decoding, or with go_on its verification; either way the result is
/// degraded, with the reason in its status. Exceptions of the engine and of on_token pass; the cache is then
/// as it was, and the engine where they left it.
/// Example: `auto text = speculate(engine, kv, {.first = t0, .max_tokens = 256, .on_token = show});`
template <engine E, arriving_cache K>
speculated speculate(E& e, K& kv, const speculate_options& options) {
  return detail::speculation<E, K>(e, kv, options).run();
}

} // namespace planecast::inline v0
