// Whether an engine keeps what the concept promises: for those who write one.
#pragma once

#include "planecast/decode/engine.hpp"
#include "planecast/decode/engine_feeds.hpp"
#include "planecast/decode/engine_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

namespace detail {

template <class E, class Feed>
class engine_check {
public:
  engine_check(E& e, const check_engine_options& options, engine_report& report)
      : engine_(e), feed_(e, options.vocabulary), options_(options), report_(report), dice_(options.seed),
        start_(e.position()) {
    if (options.tokens < 3)
      throw std::invalid_argument("planecast: check_engine needs texts of at least 3 tokens");
    if (options.others.empty() && feed_.vocabulary() == 0)
      throw std::invalid_argument("planecast: check_engine needs tokens to feed: others, or the vocabulary");
  }

  void run() {
    for (round_ = 0; round_ < options_.rounds; ++round_)
      if (!one_text())
        break; // what follows would mean nothing
    if (engine_.position() > start_)
      engine_.truncate(start_);
  }

private:
  struct piece {
    std::size_t begin = 0, end = 0;
    bool in_steps = true;
  };

  // False where the engine does not stand where it should, or chose no token.
  bool one_text() {
    engine_answers stepped = blank(), again = blank(), whole = blank(), in_runs = blank();
    if (!truncate(0) || !grow(stepped))
      return false;
    const std::vector<piece> steps = {{0, options_.tokens, true}};
    const std::vector<piece> runs = divided();
    if (!replay(steps, false, whole) || !replay(cut_up(steps), true, again) || !replay(runs, false, in_runs))
      return false;
    same(stepped, whole, "one by one");
    same(stepped, again, "one by one, with other tokens fed and dropped in between,");
    compare(stepped, in_runs, runs);
    if (!replay(runs, true, again))
      return false;
    same(in_runs, again, "in the same runs, with other tokens fed and dropped in between,");
    return true;
  }

  // A text that the engine chooses, but for some tokens of which it is told. Its last third is all its own:
  // there K and V that were written wrongly show.
  bool grow(engine_answers& out) {
    text_.clear();
    for (std::size_t i = 0; i < options_.tokens; ++i) {
      text_.push_back(i == 0 || (i < body() && below(4) == 0) ? other() : out.choices[i - 1]);
      if (!feed({i, i + 1, true}, out))
        return false;
      const token_id next = out.choices[i];
      const std::size_t vocabulary = feed_.vocabulary();
      if (next < 0 || (vocabulary != 0 && static_cast<std::size_t>(next) >= vocabulary))
        return fail(engine_promise::choice,
                    std::string(Feed::one) + " chose " + std::to_string(next) + ", which is no token", i);
    }
    return true;
  }

  // Feeds the text once more. If disturbed, other tokens come and go before pieces, and some pieces are taken
  // back and fed again, as where drafts are rejected.
  bool replay(const std::vector<piece>& pieces, bool disturbed, engine_answers& out) {
    if (!truncate(0))
      return false;
    for (std::size_t i = 0, back = 3; i < pieces.size();) {
      const std::size_t at = pieces[i].begin, room = options_.tokens - at;
      if (disturbed && (i == 0 || below(2) == 0) &&
          !(feed_others(at, i == 0 ? room : 1 + below(std::min<std::size_t>(room, 4))) && truncate(at)))
        return false;
      if (!feed(pieces[i], out))
        return false;
      ++i;
      if (disturbed && back > 0 && below(4) == 0) {
        --back;
        i = below(i);
        if (!truncate(pieces[i].begin))
          return false;
      }
    }
    return true;
  }

  bool feed(const piece& p, engine_answers& out) {
    feed_.feed(std::span(text_).subspan(p.begin, p.end - p.begin), p.in_steps, out, p.begin);
    return stands(p.end, p.in_steps ? Feed::one : Feed::many);
  }
  bool feed_others(std::size_t at, std::size_t count) {
    std::vector<token_id> junk(count);
    std::ranges::generate(junk, [&] { return other(); });
    if (count > 1) // the text itself at first, as a draft is right at first
      std::copy_n(text_.begin() + static_cast<std::ptrdiff_t>(at), below(count), junk.begin());
    engine_answers unread = blank();
    const bool in_steps = below(2) == 0;
    feed_.feed(junk, in_steps, unread, 0);
    return stands(at + count, in_steps ? Feed::one : Feed::many);
  }
  bool truncate(std::size_t at) {
    engine_.truncate(start_ + at);
    return stands(at, "truncate()");
  }
  bool stands(std::size_t at, const char* after) {
    const std::size_t position = engine_.position();
    return position == start_ + at || fail(engine_promise::position,
                                           "position() is " + std::to_string(position) + " after " + after +
                                               ", not " + std::to_string(start_ + at),
                                           at - (at > 0 ? 1 : 0));
  }

  // What was fed the same way must give the same.
  void same(const engine_answers& a, const engine_answers& b, const char* how) {
    for (std::size_t i = 0; i < options_.tokens; ++i)
      if (a.choices[i] != b.choices[i] || !same_logits(a, b, i)) {
        fail(engine_promise::truncate,
             std::string("fed again ") + how + " the text gives " +
                 (a.choices[i] == b.choices[i]
                      ? std::string("other logits")
                      : std::to_string(b.choices[i]) + ", not " + std::to_string(a.choices[i])) +
                 ": truncate() left something behind, or the engine does not repeat itself",
             i);
        return;
      }
  }

  // What was fed in another way must give the same too, if the engine says so.
  void compare(const engine_answers& stepped, const engine_answers& in_runs,
               const std::vector<piece>& pieces) {
    for (const piece& p : pieces)
      for (std::size_t i = p.begin; i < p.end; ++i) {
        ++report_.compared;
        const float margin = measure(stepped, in_runs, i);
        const token_id a = stepped.choices[i], b = in_runs.choices[i];
        if (a != b)
          report_.divergences.push_back(
              {round_, start_ + i, a, b, feed_.row() != 0 ? std::optional(margin) : std::nullopt});
        if (E::batch_invariant && (a != b || !same_logits(stepped, in_runs, i)))
          fail(engine_promise::batch_invariance,
               (p.in_steps ? std::string(Feed::one) + ", behind runs,"
                           : std::string(Feed::many) + ", in a run of " + std::to_string(p.end - p.begin) +
                                 " tokens,") +
                   " gives " + (a == b ? "other logits" : std::to_string(b)) + " where " + Feed::one +
                   " throughout gives " + (a == b ? "the same choice" : std::to_string(a)) +
                   ", and the engine says that it is batch-invariant",
               i);
      }
  }
  [[nodiscard]] bool same_logits(const engine_answers& a, const engine_answers& b, std::size_t i) const {
    const std::size_t n = feed_.row();
    return n == 0 || std::memcmp(&a.logits[i * n], &b.logits[i * n], n * sizeof(float)) == 0;
  }
  // Notes how far the logits are apart; returns the first's margin.
  float measure(const engine_answers& a, const engine_answers& b, std::size_t i) {
    const std::size_t n = feed_.row();
    if (n == 0)
      return 0;
    float& most =
        report_.logit_difference ? *report_.logit_difference : report_.logit_difference.emplace(0.0f);
    for (std::size_t j = i * n; j < (i + 1) * n; ++j)
      if (const float x = a.logits[j], y = b.logits[j]; std::memcmp(&x, &y, sizeof x) != 0)
        most = std::max(most, std::isfinite(x) && std::isfinite(y) ? std::abs(x - y)
                                                                   : std::numeric_limits<float>::infinity());
    return greedy_of(std::span(a.logits).subspan(i * n, n)).margin;
  }

  bool fail(engine_promise promise, std::string what, std::size_t at) {
    if (std::ranges::find(report_.failures, promise, &engine_failure::promise) == report_.failures.end())
      report_.failures.push_back({promise, std::move(what), round_, start_ + at});
    return false;
  }

  // The body in runs: all of it at once in the first text, one by one in the second, then at random. What
  // follows it is fed in steps.
  [[nodiscard]] std::vector<piece> divided() {
    std::vector<piece> pieces;
    for (std::size_t at = 0; at < body(); at = pieces.back().end) {
      const std::size_t left = body() - at;
      const std::size_t length = round_ == 0 ? left : round_ == 1 ? 1 : 1 + below(1 + below(left));
      pieces.push_back({at, at + length, round_ > 1 && below(4) == 0});
    }
    pieces.push_back({body(), options_.tokens, true});
    return pieces;
  }
  [[nodiscard]] static std::vector<piece> cut_up(const std::vector<piece>& steps) {
    std::vector<piece> single;
    for (const piece& p : steps)
      for (std::size_t i = p.begin; i < p.end; ++i)
        single.push_back({i, i + 1, true});
    return single;
  }

  [[nodiscard]] engine_answers blank() const {
    return {std::vector<token_id>(options_.tokens), std::vector<float>(options_.tokens * feed_.row())};
  }
  [[nodiscard]] std::size_t body() const { return options_.tokens - options_.tokens / 3; }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(dice_() % n); }
  token_id other() {
    return options_.others.empty() ? static_cast<token_id>(below(feed_.vocabulary()))
                                   : options_.others[below(options_.others.size())];
  }

  E& engine_;
  Feed feed_;
  const check_engine_options& options_;
  engine_report& report_;
  std::mt19937_64 dice_;
  std::size_t start_, round_ = 0;
  std::vector<token_id> text_;
};

} // namespace detail

/// Whether an engine keeps its promises, for its own tests: position() after every call; that truncate()
/// leaves nothing behind; and, if it says that it is batch_invariant, that runs give what steps give, bit for
/// bit where it hands out logits. From where it stands it is fed texts of its own choice, with other tokens
/// here and there: in steps, in runs, in both, and with tokens in between that are dropped again, as rejected
/// drafts are. K and V that are wrong show in what the engine chooses after them, so the more its choices
/// hang on all that it holds, the more is found: take a real prompt. Of an engine that is not batch-invariant
/// the report says how often choices differ, and by which margin; that is no failure.
///
/// It cannot see that K and V of the prompt are read anew in every call, for nobody sharpens them here; nor
/// entries that are written once and never again, by no way of feeding: then all ways give the same.
/// Preconditions: the engine, of one kind or of both, stands at the end of a prompt and has room for
/// options.tokens more, of which there are at least 3. `others` are tokens; either they or the vocabulary are
/// given (throws std::invalid_argument for none, and for too few tokens to a text).
/// Effects: the engine stands in the end where it stood, if it can truncate. About twelve times rounds ×
/// tokens are fed. Where position() is wrong, or a choice is no token, it ends there.
/// Errors: what the engine throws passes, and leaves it where it is.
/// Example:
///
///     engine.prefill(prompt);
///     const engine_report report = check_engine(engine, {.vocabulary = 32000});
///     INFO(report.message());
///     CHECK(report.ok());
template <class E>
requires(engine<E> || logits_engine<E>) //
    engine_report check_engine(E& e, const check_engine_options& options = {}) {
  engine_report report;
  if constexpr (engine<E>)
    detail::engine_check<E, detail::choosing_feed<E>>(e, options, report).run();
  if constexpr (logits_engine<E>)
    detail::engine_check<E, detail::logits_feed<E>>(e, options, report).run();
  return report;
}

} // namespace planecast::inline v0
