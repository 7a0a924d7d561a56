#include "planecast/decode/speculation.hpp"

#include "code/rows.hpp"
#include "speculate_case.hpp"

#include <algorithm>
#include <chrono>
#include <doctest/doctest.h>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

namespace decode_speculation_test {

namespace {

namespace pc = planecast;
using namespace decode_test;
using namespace std::chrono_literals;
using pc::turn;
using planecast_test::rounds;
using text_on = pc::speculation<scripted_cache<>>;

static_assert(std::is_move_constructible_v<text_on> && !std::is_copy_constructible_v<text_on>);
static_assert(!std::is_copy_constructible_v<pc::speculation<scripted_cache<>&>>);
static_assert(!std::is_move_assignable_v<pc::speculation<scripted_cache<>&>>);

// A request as a scheduler has it: its sequence, and what decides for it.
template <bool Invariant>
struct request {
  hashing<Invariant> engine;
  witness seen;
  std::optional<text_on> text;

  request(std::uint64_t seed, const script& s, pc::speculate_options options)
      : engine(prompt_tokens, seed), seen() {
    options.first = first;
    options.on_token = std::ref(seen);
    text.emplace(scripted_cache<>(prompt_tokens, s,
                                  [this](std::uint32_t token, int tier) { engine.prompt[token] = tier; }),
                 options, prompt_tokens, Invariant);
  }
  request(const request&) = delete;

  void feed() {
    REQUIRE(text->position() <= engine.position());
    engine.truncate(text->position());
    if (text->is_step())
      text->next_tokens().front() = engine.step(text->run().front());
    else
      engine.verify(text->run(), text->next_tokens());
  }
  void took(const pc::pass_outcome& how = {}) {
    text->took(how);
    REQUIRE(text->run().empty());
    engine.truncate(text->held());
  }
  // Alone, to the end or so many tokens.
  turn decode(std::size_t tokens = never) {
    for (;;) {
      const turn now = text->next();
      if (now == turn::feed) {
        feed();
        pc::pass_outcome sure;
        if (text->asks_confidence())
          sure.confidence = 1;
        took(sure);
      }
      if (now != turn::feed || text->so_far().tokens.size() >= tokens)
        return now;
    }
  }
  void move() {
    const token_id *const run = text->run().data(), *const next = text->next_tokens().data();
    text_on elsewhere = std::move(*text);
    text.emplace(std::move(elsewhere));
    REQUIRE(text->run().data() == run);
    REQUIRE(text->next_tokens().data() == next);
  }
};

script base_then(std::size_t polls, int tier = 2) {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(polls, prompt_tokens, tier);
  s.first_light = 1;
  s.focused = polls;
  return s;
}

// Requests come at any time, get few tokens or none, are left out of passes that they asked for, and moved.
template <bool Invariant>
void any_schedule(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::size_t left_out = 0, cut = 0, mixed = 0;
  for (std::uint32_t trial = 0; trial < rounds(300, 30); ++trial) {
    CAPTURE(seed);
    CAPTURE(trial);
    std::list<request<Invariant>> requests;
    std::vector<std::size_t> admitted, lengths;
    for (std::size_t i = 1 + below(5); i > 0; --i) {
      lengths.push_back(1 + below(40));
      admitted.push_back(below(40));
      requests.emplace_back(random(), random_script(random),
                            pc::speculate_options{.max_tokens = lengths.back(),
                                                  .max_drafts = below(3) == 0 ? below(6) : never,
                                                  .max_run = below(3) == 0 ? 1 + below(6) : never,
                                                  .verify_every = 1 + below(20)});
    }
    std::size_t over = 0;
    for (std::size_t passes = 0; over < requests.size(); ++passes) {
      REQUIRE(passes < 5000);
      over = 0;
      std::size_t room = below(12), i = 0, steps = 0, runs = 0;
      for (auto& r : requests) {
        if (admitted[i++] > passes || below(8) == 0)
          continue;
        const turn now = r.text->next(room);
        over += now == turn::over ? 1 : 0;
        REQUIRE((now == turn::feed) == !r.text->run().empty());
        if (now != turn::feed)
          continue;
        REQUIRE(r.text->run().size() <= room);
        if (below(6) == 0) {
          ++left_out;
          if (below(2) == 0)
            REQUIRE(r.text->next(0) != turn::feed);
          continue;
        }
        cut += !r.text->is_step() && r.text->run().size() == room ? 1 : 0;
        ++(r.text->is_step() ? steps : runs);
        room -= r.text->run().size();
        r.feed();
        if (below(10) == 0)
          r.move();
      }
      mixed += steps > 0 && runs > 0 ? 1 : 0;
      for (auto& r : requests) // those too that were in no pass; what was forgotten is not taken
        if (r.text->run().empty() || r.text->next_tokens().front() != pc::no_token)
          r.took();
    }
    std::size_t i = 0;
    for (auto& r : requests) {
      const pc::speculated result = r.text->result();
      CHECK(result.status.ok());
      REQUIRE(result.tokens == sequential(r.engine.seed, 2, lengths[i++]));
      CHECK(std::ranges::all_of(result.tags, [](token_tag t) { return t == token_tag::verified; }));
      CHECK(r.seen.text == result.tokens);
      CHECK(r.seen.tags == result.tags);
      CHECK(r.engine.position() == prompt_tokens + result.tokens.size() - 1);
    }
  }
  CHECK(left_out > rounds(300, 30));
  CHECK(cut > rounds(300, 30));
  CHECK(mixed > rounds(300, 30));
}

ids up_to_stop(ids text, const ids& stops) {
  const auto end = std::ranges::find_first_of(text, stops);
  if (end != text.end())
    text.erase(end + 1, text.end());
  return text;
}

// The same with all that ends a text early, or makes it wait: what is verified is right, what is complete is
// whole, and the reason is said.
template <bool Invariant>
void any_end(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::size_t whole = 0, lost = 0, late = 0, cancelled = 0, stopped = 0, gone_on = 0;
  for (std::uint32_t trial = 0; trial < rounds(600, 60); ++trial) {
    CAPTURE(seed);
    CAPTURE(trial);
    const std::uint64_t text_seed = random();
    script s = random_script(random);
    if (below(3) == 0)
      s.lost = 1 + below(40);
    pc::speculate_options options{.first = first,
                                  .max_tokens = 1 + below(30),
                                  .max_drafts = below(2) == 0 ? below(6) : never,
                                  .max_run = below(3) == 0 ? 1 + below(6) : never,
                                  .verify_every = 1 + below(20),
                                  .draft_from = static_cast<std::uint32_t>(below(3)),
                                  .least_confidence = below(2) == 0 ? 0.5f : 0,
                                  .go_on = below(2) == 0};
    if (below(4) == 0)
      options.timeout = 0s; // late as soon as there is nothing to do but to wait
    ids expected = sequential(text_seed, 2, options.max_tokens);
    if (below(2) == 0)
      options.stop_tokens = {expected[below(expected.size())], 1000};
    expected = up_to_stop(expected, options.stop_tokens);
    const std::size_t hangs_up = below(5) == 0 ? below(40) : never;

    request<Invariant> r(text_seed, s, options);
    turn now = turn::wait;
    for (std::size_t passes = 0; now != turn::over; ++passes) {
      REQUIRE(passes < 5000);
      now = r.text->next(below(8));
      if (now == turn::feed && below(6) != 0) {
        r.feed();
        if (passes >= hangs_up)
          r.text->cancel();
        pc::pass_outcome how;
        if (r.text->asks_confidence())
          how.confidence = below(4) == 0 ? 0.1f : 0.9f;
        r.took(how);
      } else if (passes >= hangs_up)
        r.text->cancel();
    }
    const std::size_t held = r.text->held();
    const pc::speculated result = r.text->result();
    CHECK(r.engine.position() >= held);
    CHECK(r.seen.text == result.tokens);
    CHECK(r.seen.tags == result.tags);
    for (std::size_t i = 1; i < result.tokens.size(); ++i)
      if (result.tags[i] == token_tag::verified)
        REQUIRE(result.tokens[i] == expected.at(i));
    const bool ended = result.tokens.size() == options.max_tokens ||
                       std::ranges::count(options.stop_tokens, result.tokens.back()) > 0;
    switch (result.finish) {
    case pc::finish_reason::stop:
    case pc::finish_reason::length:
      CHECK(ended);
      CHECK((result.status.ok() || options.go_on));
      break;
    case pc::finish_reason::cancelled:
      CHECK(result.status == pc::errc::cancelled);
      CHECK(hangs_up != never);
      ++cancelled;
      break;
    case pc::finish_reason::lost:
      CHECK((result.status == pc::errc::closed || result.status == pc::errc::timeout));
      ++(result.status == pc::errc::closed ? lost : late);
    }
    if (result.status.ok()) {
      ++whole;
      REQUIRE(result.tokens == expected);
      CHECK(std::ranges::all_of(result.tags, [](token_tag t) { return t == token_tag::verified; }));
      CHECK(held == prompt_tokens + result.tokens.size() - 1);
      stopped += result.finish == pc::finish_reason::stop ? 1 : 0;
    } else if (result.finish != pc::finish_reason::cancelled && options.go_on)
      ++gone_on;
    if (s.lost == never && options.timeout > 0s && hangs_up == never) {
      CHECK(result.status.ok());
      options.least_confidence = 0;
      hashing<Invariant> alone(prompt_tokens, text_seed);
      scripted_cache<> kv(prompt_tokens, s,
                          [&](std::uint32_t token, int tier) { alone.prompt[token] = tier; });
      const pc::speculated as = pc::speculate(alone, kv, options);
      CHECK(as.tokens == result.tokens);
      CHECK(as.finish == result.finish);
    }
  }
  CHECK(whole > rounds(200, 20));
  for (const std::size_t count : {lost, late, cancelled, stopped, gone_on})
    CHECK(count > rounds(20, 2));
}

TEST_CASE("whatever ends a text, what is verified is right and the reason is said") {
  any_end<true>(63);
  any_end<false>(64);
}

TEST_CASE("whatever a scheduler does, the text is the original cache's") {
  any_schedule<true>(61);
  any_schedule<false>(62);
}

TEST_CASE("a verification that was not fed is still due, also where the link is lost since") {
  for (const std::size_t forgotten : {0u, 1u, 3u}) {
    script s = base_then(8, 1);
    s.focused = never;
    s.lost = 10;
    request<true> r(1, s, {.max_tokens = 30, .go_on = true});
    while (r.text->next() != turn::feed || r.text->is_step()) {
      r.feed();
      r.took();
    }
    CHECK(r.text->run().size() == r.text->so_far().tokens.size());
    CHECK(r.text->position() == prompt_tokens);
    for (std::size_t i = 0; i < forgotten; ++i) {
      CHECK(r.text->next(0) == turn::wait);
      CHECK(r.text->held() == prompt_tokens);
    }
    CHECK(r.decode() == turn::over);
    const pc::speculated result = r.text->result();
    CHECK(result.status == pc::errc::closed);
    CHECK(result.tokens == sequential(1, 1, 30));
  }
}

TEST_CASE("it owns its options and its cache, or borrows the cache") {
  struct told {
    explicit told(bool& f) : flag(&f) {}
    told(told&& other) noexcept : flag(std::exchange(other.flag, nullptr)) {}
    ~told() {
      if (flag != nullptr)
        *flag = true;
    }
    bool* flag;
  };
  struct cancelling : scripted_cache<> {
    cancelling(const script& s, bool& destroyed)
        : scripted_cache<>(prompt_tokens, s, [](auto, auto) {}), end(destroyed) {}
    told end;
  };
  static_assert(!std::is_copy_constructible_v<cancelling>);
  bool destroyed = false;
  auto events = std::make_shared<int>(0);
  {
    std::optional<pc::speculation<cancelling>> text;
    {
      pc::speculate_options options{
          .first = first, .stop_tokens = {7}, .on_token = [events](const pc::token_event&) { ++*events; }};
      pc::speculation made(cancelling(base_then(100), destroyed), options, prompt_tokens, true);
      text.emplace(std::move(made));
    }
    CHECK(*events == 1);
    REQUIRE(text->next() == turn::feed);
    text->next_tokens().front() = 7;
    text->took();
    CHECK(*events == 2);
    CHECK(text->cache().polls() > 1);
    CHECK(text->next() == turn::wait); // it is not verified
    CHECK_FALSE(destroyed);
  }
  CHECK(destroyed);
  CHECK(events.use_count() == 1);

  destroyed = false;
  cancelling kept(base_then(100), destroyed);
  {
    pc::speculation<cancelling&> text(kept, {.first = first}, prompt_tokens, true);
    CHECK(text.next() == turn::feed);
    CHECK(&text.cache() == &kept);
  }
  CHECK_FALSE(destroyed);
}

TEST_CASE("tokens that the pass did not write are noticed, and may be written later") {
  request<true> r(3, base_then(9), {.max_tokens = 20});
  r.decode(6);
  REQUIRE(r.text->next() == turn::feed);
  const auto before = r.text->so_far().tokens;
  CHECK_THROWS_AS(r.text->took(), std::invalid_argument);
  CHECK(r.text->so_far().tokens == before);
  r.feed();
  r.took();
  while (r.text->next() == turn::feed && r.text->run().size() == 1) {
    r.feed();
    r.took();
  }
  REQUIRE(r.text->run().size() > 2); // the verification, of which all but one token are there
  const token_id last = [&] {
    r.feed();
    return std::exchange(r.text->next_tokens().back(), pc::no_token);
  }();
  CHECK_THROWS_AS(r.text->took(), std::invalid_argument);
  r.text->next_tokens().back() = last;
  r.took();
  CHECK(r.decode() == turn::over);
  CHECK(r.text->result().tokens == sequential(3, 2, 20));
}

TEST_CASE(
    "cancelled while it is in a pass, before anything has come, from on_token, and when it is complete") {
  request<true> r(4, base_then(100), {.max_tokens = 20});
  r.decode(5);
  REQUIRE(r.text->next() == turn::feed);
  r.feed();
  r.text->cancel();
  r.took(); // of what was in the pass nothing follows
  CHECK(r.engine.position() == prompt_tokens + 4);
  CHECK(r.text->next_tokens().empty());
  CHECK(r.text->next() == turn::over);
  pc::speculated result = r.text->result();
  CHECK(result.finish == pc::finish_reason::cancelled);
  CHECK(result.status == pc::errc::cancelled);
  CHECK(result.tokens == sequential(4, 0, 5));
  CHECK(result.accepted == 4);
  CHECK(r.text->next() == turn::over);

  request<true> early(4, {}, {.max_tokens = 20});
  CHECK(early.text->next() == turn::wait);
  result = early.text->result();
  CHECK(result.finish == pc::finish_reason::cancelled);
  CHECK(result.tokens == ids{first});

  request<true> complete(4, base_then(1), {.max_tokens = 20});
  complete.decode(20);
  complete.text->cancel();
  result = complete.text->result();
  CHECK(result.finish == pc::finish_reason::length);
  CHECK(result.status.ok());

  hashing<true> engine(prompt_tokens, 5);
  std::optional<text_on> text;
  text.emplace(scripted_cache<>(prompt_tokens, base_then(100),
                                [&](std::uint32_t token, int tier) { engine.prompt[token] = tier; }),
               pc::speculate_options{.first = first,
                                     .on_token =
                                         [&](const pc::token_event& e) {
                                           if (e.index == 3)
                                             text->cancel();
                                         }},
               prompt_tokens, true);
  while (text->next() == turn::feed) {
    text->next_tokens().front() = engine.step(text->run().front());
    text->took();
    CHECK(engine.position() == text->held());
  }
  CHECK(text->result().tokens == sequential(5, 0, 4));
}

TEST_CASE("cancelled from on_token by its last token, a text is complete") {
  // Of steps that are sure, and of a verification: the pages are whole before the text is.
  std::uint64_t seed = 5;
  while (sequential(seed, 0, 8) != sequential(seed, 2, 8))
    ++seed; // one pass verifies all
  for (const bool steps : {true, false})
    for (std::size_t at = 1; at < 8; ++at) {
      CAPTURE(steps);
      CAPTURE(at);
      hashing<true> engine(prompt_tokens, seed);
      std::optional<text_on> text;
      std::size_t told = 0;
      const std::size_t length = 8;
      const auto verified = [&] {
        return text && text->so_far().tags.size() == length &&
               std::ranges::all_of(text->so_far().tags, [](token_tag t) { return t == token_tag::verified; });
      };
      text.emplace(scripted_cache<>(prompt_tokens, base_then(steps ? 1 : 100),
                                    [&](std::uint32_t token, int tier) { engine.prompt[token] = tier; }),
                   pc::speculate_options{.first = first,
                                         .max_tokens = length,
                                         .on_token =
                                             [&](const pc::token_event& e) {
                                               told += e.tag == token_tag::verified ? 1 : 0;
                                               if (e.tag == token_tag::verified && e.index == at)
                                                 text->cancel();
                                             }},
                   prompt_tokens, true);
      for (turn now = text->next(); now != turn::over; now = text->next())
        if (now == turn::feed) {
          engine.truncate(text->position());
          engine.verify(text->run(), text->next_tokens());
          text->took();
          CHECK(text->held() == prompt_tokens + text->so_far().tokens.size() - 1);
          engine.truncate(text->held());
        }
      const bool whole = verified();
      CHECK(whole == (!steps || at + 1 == length));
      const pc::speculated result = text->result();
      CHECK(result.status.ok() == whole);
      CHECK(result.finish == (whole ? pc::finish_reason::length : pc::finish_reason::cancelled));
      CHECK(result.tokens == sequential(seed, 2, steps ? at + 1 : length));
      CHECK(told >= result.tokens.size() - 1);
    }
}

TEST_CASE("confidence is asked for where it matters, and a doubtful draft is the last before the next tier") {
  script s = base_then(40);
  s.whole(20, prompt_tokens, 1);
  request<true> r(6, s, {.max_tokens = 40, .least_confidence = 0.5f});
  for (const float confidence : {0.9f, 0.5f, 0.4f}) {
    REQUIRE(r.text->next() == turn::feed);
    CHECK(r.text->asks_confidence());
    r.feed();
    CHECK_THROWS_AS(r.took(), std::invalid_argument);
    r.took({.confidence = confidence});
  }
  turn now = r.text->next();
  std::size_t waited = 0;
  for (; now == turn::wait; now = r.text->next())
    ++waited;
  CHECK(waited > 10);
  REQUIRE(now == turn::feed);
  CHECK(r.text->run().size() == 4);
  CHECK_FALSE(r.text->asks_confidence());
  CHECK(r.decode() == turn::over);
  CHECK(r.text->result().tokens == sequential(6, 2, 40));
}

TEST_CASE("how long a pass took decides whether a draft is worth it, where it is told") {
  struct near : scripted_cache<> {
    using scripted_cache<>::scripted_cache;
    std::optional<pc::deadline::clock::duration> expected(pc::event) const { return 3s; }
  };
  const auto drafts = [](const pc::pass_outcome& how, pc::speculate_options options = {}) {
    options.first = first;
    options.max_tokens = 12;
    pc::speculation text(near(prompt_tokens, base_then(1000), [](auto, auto) {}), options, prompt_tokens,
                         true);
    std::size_t count = 0;
    for (; text.next() == turn::feed && count < 11; ++count) {
      text.next_tokens().front() = 1;
      text.took(how);
    }
    return count;
  };
  CHECK(drafts({}) == 11);
  CHECK(drafts({.time = 2s}) == 2); // after two steps
  CHECK(drafts({.time = 1ms}) == 11);
  CHECK(drafts({}, {.step_time = 2s}) == 0);
  CHECK(drafts({}, {.step_time = 1ms}) == 11);
}

TEST_CASE("wait() ends when there is something to do, or it is over, and is no longer than may be waited") {
  script s = base_then(1500, 1);
  s.focused = never; // the next tier is no event that a cache could be waited for
  request<true> r(7, s, {.max_tokens = 4});
  CHECK(r.decode() == turn::wait);
  r.text->wait(1h);
  CHECK(r.text->cache().tier() == 1);
  CHECK(r.text->next() == turn::feed);

  request<true> whole(7, base_then(1500), {.max_tokens = 4});
  while (whole.decode() == turn::wait)
    whole.text->wait(1h);
  CHECK(whole.text->result().tokens == sequential(7, 2, 4));

  request<true> never_light(7, {}, {.max_tokens = 4, .timeout = 5ms});
  CHECK(never_light.text->next() == turn::wait);
  never_light.text->wait(1h);
  CHECK(never_light.text->next() == turn::over);
  CHECK(never_light.text->result().status == pc::errc::timeout);

  std::stop_source source;
  request<true> stopped(7, {}, {.max_tokens = 4, .cancel = source.get_token()});
  CHECK(stopped.text->next() == turn::wait);
  source.request_stop();
  stopped.text->wait(1h);
  CHECK(stopped.text->next() == turn::over);
  CHECK(stopped.text->result().finish == pc::finish_reason::cancelled);
}

TEST_CASE("wait() ends at once where there is something to do without it") {
  request<true> r(7, base_then(1000), {.max_tokens = 20});
  CHECK(r.text->next(0) == turn::wait);
  const std::size_t polls = r.text->cache().polls();
  r.text->wait(1h); // a draft is due
  CHECK(r.text->cache().polls() == polls);

  request<true> ended(7, base_then(100000), {.max_tokens = 2});
  CHECK(ended.decode() == turn::wait);
  ended.text->cancel();
  ended.text->wait(1h);
  CHECK(ended.text->next() == turn::over);

  struct nearing : scripted_cache<> {
    using scripted_cache<>::scripted_cache;
    std::optional<pc::deadline::clock::duration> expected(pc::event) const {
      return polls() < 2000 ? 3s : 3h; // it was so near, and then the link stands still
    }
  };
  script s = base_then(never);
  s.focused = never;
  pc::speculation text(nearing(prompt_tokens, s, [](auto, auto) {}),
                       {.first = first, .max_tokens = 12, .step_time = 2s}, prompt_tokens, true);
  CHECK(text.next() == turn::wait);
  text.wait(1h);
  CHECK(text.next() == turn::feed);
}

TEST_CASE("time without room in the pass is not waiting for the cache") {
  request<true> r(8, base_then(1000), {.max_tokens = 10, .timeout = 20ms, .max_drafts = 1});
  CHECK(r.text->next(0) == turn::wait);
  std::this_thread::sleep_for(40ms);
  CHECK(r.text->next(1) == turn::feed);
  r.feed();
  r.took();
  CHECK(r.text->next(1) == turn::wait); // for the next tier, for the first time
}

TEST_CASE("options that make no sense") {
  const auto made_of = [](const pc::speculate_options& options) {
    (void)text_on(scripted_cache<>(prompt_tokens, {}, {}), options, prompt_tokens, true);
  };
  CHECK_NOTHROW(made_of({}));
  CHECK_THROWS_AS(made_of({.max_tokens = 0}), std::invalid_argument);
  CHECK_THROWS_AS(made_of({.max_run = 0}), std::invalid_argument);
  CHECK_THROWS_AS(made_of({.verify_every = 0}), std::invalid_argument);
  CHECK_THROWS_AS(made_of({.draft_from = 3}), std::invalid_argument);
}

} // namespace

} // namespace decode_speculation_test
