#include "planecast/decode/speculate.hpp"

#include "speculate_case.hpp"

#include <algorithm>
#include <chrono>
#include <doctest/doctest.h>
#include <optional>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

namespace decode_speculate_test {

namespace {

namespace pc = planecast;
using namespace decode_test;
using namespace std::chrono_literals;

struct outcome {
  pc::speculated result;
  std::size_t position, steps, polls, taken_back;
};

template <bool Invariant = true, class Policy = three_tiers>
outcome decode(std::uint64_t seed, const script& s, pc::speculate_options options) {
  hashing<Invariant> e(prompt_tokens, seed);
  e.exact = static_cast<int>(Policy::tiers::count) - 1;
  scripted_cache<Policy> kv(prompt_tokens, s, [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
  witness seen;
  options.first = first;
  options.on_token = std::ref(seen);
  pc::speculated r = pc::speculate(e, kv, options);
  CHECK(seen.text == r.tokens);
  CHECK(seen.tags == r.tags);
  CHECK(r.drafted == seen.drafts);
  CHECK(r.accepted + seen.drafts_taken_back == r.drafted);
  CHECK(r.wasted <= seen.taken_back);
  CHECK(r.wasted <= e.steps);
  CHECK((r.rounds > 0) == (e.fed_to_verify > 0));
  CHECK(r.diverged <= (Invariant ? 0 : r.rounds));
  CHECK(r.tags.at(0) == token_tag::verified);
  CHECK(r.degraded() == !r.status.ok());
  // All but the last token are held, and nothing else.
  const std::size_t position = e.position();
  CHECK(position == prompt_tokens + r.tokens.size() - 1);
  return {std::move(r), position, e.steps, kv.polls(), seen.taken_back};
}

bool all(const pc::speculated& r, token_tag tag) {
  return std::all_of(r.tags.begin() + 1, r.tags.end(), [&](token_tag t) { return t == tag; });
}

TEST_CASE("after the lossless tier the text is the original cache's, whatever the order of arrival") {
  std::mt19937_64 random(1);
  std::size_t taken_back = 0, by_int8 = 0;
  const int trials = sanitized ? 300 : 3000;
  for (int trial = 0; trial < trials; ++trial) {
    const std::uint64_t seed = random();
    const script s = random_script(random);
    pc::speculate_options options{.max_tokens = 1 + static_cast<std::size_t>(random() % 40)};
    if (random() % 3 == 0)
      options.max_drafts = static_cast<std::size_t>(random() % 6);
    const bool invariant = random() % 2 == 0;
    const outcome o = invariant ? decode<true>(seed, s, options) : decode<false>(seed, s, options);
    CHECK(o.result.status.ok());
    REQUIRE(o.result.tokens == sequential(seed, 2, options.max_tokens));
    CHECK(all(o.result, token_tag::verified));
    taken_back += o.taken_back;
    by_int8 += o.result.first_verified_int8 ? 1 : 0;
    if (options.max_tokens > 1) {
      CHECK(o.result.first_light.has_value());
      CHECK(o.result.first_verified.has_value());
      CHECK(o.result.focused >= o.result.first_light);
      CHECK(o.result.first_verified >= o.result.focused);
    }
  }
  CHECK(taken_back > static_cast<std::size_t>(trials)); // else the schedules tried nothing
  CHECK(by_int8 > static_cast<std::size_t>(trials / 4));
}

TEST_CASE("a plan that ends at int8 gives the int8 cache's text, verified at int8") {
  std::mt19937_64 random(2);
  for (int trial = 0; trial < 300; ++trial) {
    const std::uint64_t seed = random();
    const script s = random_script(random, 1);
    const outcome o = trial % 2 == 0 ? decode<true>(seed, s, {.max_tokens = 24})
                                     : decode<false>(seed, s, {.max_tokens = 24});
    CHECK(o.result.status.ok());
    REQUIRE(o.result.tokens == sequential(seed, 1, 24));
    CHECK(all(o.result, token_tag::verified_int8));
    CHECK(!o.result.first_verified);
    CHECK(o.result.focused.has_value());
  }
}

TEST_CASE("a plan that sharpens some tokens only gives the final cache's text, still drafted") {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 200; ++trial) {
    const std::uint64_t seed = random();
    script s;
    std::vector<int> tiers(prompt_tokens, 0);
    s.whole(1, prompt_tokens, 0);
    for (std::uint32_t t = 1; t < prompt_tokens; t += 2) {
      tiers[t] = 1 + static_cast<int>(random() % 2);
      s.arrivals.push_back({2 + static_cast<std::size_t>(random() % 15), t, tiers[t]});
    }
    s.first_light = 1;
    s.focused = 17;
    const outcome o = trial % 2 == 0 ? decode<true>(seed, s, {.max_tokens = 24})
                                     : decode<false>(seed, s, {.max_tokens = 24});
    CHECK(o.result.status.ok());
    REQUIRE(o.result.tokens == sequential(seed, tiers, 24));
    CHECK(all(o.result, token_tag::drafted));
  }
}

TEST_CASE("a cache that lacks tokens gives its own text, of which nothing is verified") {
  std::mt19937_64 random(31);
  for (int trial = 0; trial < 300; ++trial) {
    const std::uint64_t seed = random();
    script s;
    const int tier = static_cast<int>(random() % 3);
    if (random() % 2 == 0) { // all at once, as such requests come
      for (int t = 0; t <= tier; ++t)
        s.whole(2, prompt_tokens, t);
      s.first_light = s.focused = 2;
    } else
      s = random_script(random, tier);
    s.drops_tokens = true;
    const bool invariant = random() % 2 == 0;
    const outcome o =
        invariant ? decode<true>(seed, s, {.max_tokens = 20}) : decode<false>(seed, s, {.max_tokens = 20});
    CHECK(o.result.status.ok());
    CHECK(o.result.tokens == sequential(seed, tier, 20));
    CHECK(all(o.result, token_tag::drafted));
    CHECK_FALSE(o.result.first_verified);
    CHECK_FALSE(o.result.first_verified_int8);
  }
}

TEST_CASE("a cache that is whole at first light needs no verification") {
  script s;
  s.whole(1, prompt_tokens, 2);
  s.first_light = s.focused = 1;
  const outcome o = decode(9, s, {.max_tokens = 20});
  CHECK(o.result.tokens == sequential(9, 2, 20));
  CHECK(all(o.result, token_tag::verified));
  CHECK(o.result.rounds == 0);
  CHECK(o.result.drafted == 0);
  CHECK(o.steps == 19);
  CHECK(!o.result.first_drafted);

  const outcome careful = decode<false>(9, s, {.max_tokens = 20});
  CHECK(careful.result.tokens == o.result.tokens);
  CHECK(careful.result.rounds > 0);
  CHECK(careful.result.rounds < 20);
}

TEST_CASE("int8 is skipped when lossless comes before it is noticed") {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(10, prompt_tokens, 1);
  s.whole(10, prompt_tokens, 2);
  s.first_light = 1;
  s.focused = 10;
  const outcome o = decode(11, s, {.max_tokens = 40});
  CHECK(o.result.tokens == sequential(11, 2, 40));
  CHECK(!o.result.first_verified_int8);
  CHECK(o.result.rounds == 1);
  CHECK(o.result.first_drafted < o.result.first_verified);
}

TEST_CASE("the stages come one after the other, each with a pass of its own") {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(8, prompt_tokens, 1);
  s.whole(16, prompt_tokens, 2);
  s.first_light = 1;
  s.focused = 16;
  const outcome o = decode(12, s, {.max_tokens = 40});
  CHECK(o.result.rounds == 2);
  CHECK(o.result.first_drafted < o.result.first_verified_int8);
  CHECK(o.result.first_verified_int8 < o.result.first_verified);
  CHECK(o.result.first_light <= o.result.first_drafted);
  CHECK(o.result.drafted >= 6);
  CHECK(o.result.drafted <= 7);
}

TEST_CASE("a policy without a lossless tier, and one of a single tier") {
  using two = pc::precision_policy<pc::tiers<4, 8>, pc::keys<pc::per_channel<64>>, pc::values<pc::per_token>>;
  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(9, prompt_tokens, 1);
  s.first_light = 1;
  s.focused = 12;
  const outcome o = decode<true, two>(13, s, {.max_tokens = 20});
  CHECK(o.result.status.ok());
  CHECK(o.result.tokens.size() == 20);
  CHECK(all(o.result, token_tag::verified_int8));
  CHECK(o.result.rounds == 1);

  using one = pc::precision_policy<pc::tiers<8>, pc::keys<pc::per_channel<64>>, pc::values<pc::per_token>>;
  script once;
  once.whole(1, prompt_tokens, 0);
  once.first_light = once.focused = 1;
  const outcome p = decode<true, one>(13, once, {.max_tokens = 20});
  CHECK(p.result.status.ok());
  CHECK(all(p.result, token_tag::drafted));
}

TEST_CASE("one token needs no cache") {
  const outcome o = decode(14, {}, {.max_tokens = 1});
  CHECK(o.result.status.ok());
  CHECK(o.result.tokens == ids{first});
  CHECK(o.polls == 0);
  CHECK_THROWS_AS((void)decode(14, {}, {.max_tokens = 0}), std::invalid_argument);
}

TEST_CASE("the text ends with the end token, in the exact text and not in a draft of it") {
  std::mt19937_64 random(4);
  std::size_t shorter = 0;
  for (int trial = 0; trial < 300; ++trial) {
    const std::uint64_t seed = random();
    const ids exact = sequential(seed, 2, 30), draft = sequential(seed, 0, 30);
    const token_id end = (trial % 2 == 0 ? exact : draft)[1 + static_cast<std::size_t>(random() % 29)];
    ids expected = exact;
    if (const auto at = std::ranges::find(expected, end); at != expected.end())
      expected.erase(at + 1, expected.end());
    shorter += expected.size() < 30 ? 1 : 0;
    pc::speculate_options options{.max_tokens = 30, .stop_tokens = {end}};
    const script s = random_script(random);
    const outcome o = trial % 3 == 0 ? decode<false>(seed, s, options) : decode<true>(seed, s, options);
    REQUIRE(o.result.tokens == expected);
    CHECK(all(o.result, token_tag::verified));
  }
  CHECK(shorter > 100);
}

TEST_CASE("max_drafts bounds what is ahead of verification") {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(200, prompt_tokens, 2);
  s.first_light = 1;
  s.focused = 200;
  const outcome o = decode(15, s, {.max_tokens = 40, .max_drafts = 6});
  CHECK(o.result.drafted == 6);
  CHECK(o.result.tokens == sequential(15, 2, 40));
  const outcome none = decode(15, s, {.max_tokens = 40, .max_drafts = 0});
  CHECK(none.result.drafted == 0);
  CHECK(none.result.tokens == o.result.tokens);
}

TEST_CASE("without first light there is the first token, and the reason") {
  script s;
  const outcome late = decode(16, s, {.max_tokens = 10, .timeout = 5ms});
  CHECK(late.result.status == pc::errc::timeout);
  CHECK(late.result.tokens == ids{first});
  s.lost = 3;
  const outcome lost = decode(16, s, {.max_tokens = 10});
  CHECK(lost.result.status == pc::errc::closed);
  CHECK(lost.result.degraded());
  CHECK(!lost.result.first_light);
}

TEST_CASE("focus that never comes ends at the deadline; tokens keep their best tag") {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.first_light = 1;
  const auto before = std::chrono::steady_clock::now();
  const outcome o = decode(17, s, {.max_tokens = 10, .timeout = 20ms});
  const auto took = std::chrono::steady_clock::now() - before;
  CHECK(o.result.status == pc::errc::timeout);
  CHECK(took >= 20ms);
  CHECK(took < 5s);
  CHECK(o.result.tokens == sequential(17, 0, 10));
  CHECK(all(o.result, token_tag::drafted));

  s.whole(5, prompt_tokens, 1);
  const outcome half = decode(17, s, {.max_tokens = 10, .timeout = 20ms});
  CHECK(half.result.status == pc::errc::timeout);
  CHECK(half.result.tokens == sequential(17, 1, 10));
  CHECK(all(half.result, token_tag::verified_int8));
  const outcome careful = decode<false>(17, s, {.max_tokens = 10, .timeout = 20ms});
  CHECK(careful.result.tokens == half.result.tokens);
  CHECK(all(careful.result, token_tag::verified_int8));

  const outcome bounded = decode(17, s, {.max_tokens = 10, .timeout = 200ms, .max_drafts = 2});
  CHECK(bounded.result.tokens == half.result.tokens);
}

TEST_CASE("a link lost after first light ends decoding, or the precision at hand goes on") {
  std::mt19937_64 random(5);
  std::size_t degraded = 0;
  for (int trial = 0; trial < 300; ++trial) {
    const std::uint64_t seed = random();
    script s = random_script(random);
    s.lost = std::max<std::size_t>(s.first_light, 1) + 1 + static_cast<std::size_t>(random() % 20);
    const bool go_on = trial % 2 == 0, invariant = trial % 4 < 2;
    const pc::speculate_options options{.max_tokens = 24, .go_on = go_on};
    const outcome o = invariant ? decode<true>(seed, s, options) : decode<false>(seed, s, options);
    if (!o.result.degraded()) { // everything had come
      CHECK(o.result.tokens == sequential(seed, 2, 24));
      continue;
    }
    ++degraded;
    CHECK(o.result.status == pc::errc::closed);
    CHECK(!o.result.first_verified);
    if (go_on)
      CHECK(o.result.tokens.size() == 24);
    else
      CHECK(o.result.tokens.size() <= o.polls + 2);
    const bool at_int8 = o.result.first_verified_int8.has_value();
    if (at_int8 && go_on)
      CHECK(all(o.result, token_tag::verified_int8));
  }
  CHECK(degraded > 60);
}

TEST_CASE("a link that is lost once everything is there does no harm") {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(9, prompt_tokens, 2);
  s.first_light = 1;
  s.focused = s.lost = 9;
  const outcome o = decode(19, s, {.max_tokens = 30});
  CHECK(o.result.status.ok());
  CHECK(o.result.tokens == sequential(19, 2, 30));
  CHECK(o.polls == 9);

  const outcome waiting = decode(19, s, {.max_tokens = 3}); // nothing to draft any more when it happens
  CHECK(waiting.result.status.ok());
  CHECK(waiting.result.tokens == sequential(19, 2, 3));
}

TEST_CASE("go_on after the deadline") {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.first_light = 1;
  const outcome o = decode(18, s, {.max_tokens = 30, .timeout = 5ms, .max_drafts = 4, .go_on = true});
  CHECK(o.result.status == pc::errc::timeout);
  CHECK(o.result.tokens == sequential(18, 0, 30));
}

TEST_CASE("go_on after the deadline, and then it comes all the same") {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(12, prompt_tokens, 1);
  s.whole(20, prompt_tokens, 2);
  s.first_light = 1;
  s.focused = 20;
  const pc::speculate_options options{
      .max_tokens = 40, .timeout = std::chrono::seconds(0), .max_drafts = 0, .go_on = true};
  const outcome o = decode(18, s, options);
  CHECK(o.result.status.ok());
  CHECK(o.result.tokens == sequential(18, 2, 40));
  CHECK(all(o.result, token_tag::verified));
  s.focused = never;
  s.arrivals.resize(2 * prompt_tokens);
  const outcome half = decode(18, s, options);
  CHECK(half.result.status == pc::errc::timeout);
  CHECK(half.result.tokens == sequential(18, 1, 40));
  CHECK(all(half.result, token_tag::verified_int8));
}

TEST_CASE("the engine's exceptions pass") {
  struct broken : hashing<true> {
    using hashing<true>::hashing;
    token_id step(token_id t) {
      if (steps == 3)
        throw std::runtime_error("device lost");
      return hashing<true>::step(t);
    }
  };
  broken e(prompt_tokens, 1);
  script s;
  s.whole(1, prompt_tokens, 0);
  s.first_light = 1;
  scripted_cache<> kv(prompt_tokens, s, [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
  CHECK_THROWS_WITH((void)pc::speculate(e, kv, {.first = first}), "device lost");
}

TEST_CASE("the reason why a text ended") {
  script s;
  s.whole(1, prompt_tokens, 2);
  s.first_light = s.focused = 1;
  const outcome o = decode(20, s, {.max_tokens = 10});
  CHECK(o.result.finish == pc::finish_reason::length);
  const outcome stopped =
      decode(20, s, {.max_tokens = 10, .stop_tokens = {-7, o.result.tokens[4], o.result.tokens[6]}});
  CHECK(stopped.result.finish == pc::finish_reason::stop);
  CHECK(stopped.result.tokens.size() <= 5);
  CHECK(stopped.result.status.ok());
  s.first_light = s.focused = never;
  s.lost = 1;
  const outcome lost = decode(20, s, {.max_tokens = 10});
  CHECK(lost.result.finish == pc::finish_reason::lost);
}

TEST_CASE("a text is cancelled from on_token, and before anything has come") {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.first_light = 1;
  std::stop_source source;
  hashing<true> e(prompt_tokens, 21);
  scripted_cache<> kv(prompt_tokens, s, [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
  const pc::speculated r = pc::speculate(e, kv,
                                         {.first = first,
                                          .max_tokens = 50,
                                          .on_token =
                                              [&](const pc::token_event& event) {
                                                if (event.index == 7)
                                                  source.request_stop();
                                              },
                                          .cancel = source.get_token()});
  CHECK(r.status == pc::errc::cancelled);
  CHECK(r.finish == pc::finish_reason::cancelled);
  CHECK(r.tokens.size() == 8);
  CHECK(r.tokens == sequential(21, 0, 8));
  CHECK(e.position() == prompt_tokens + 7);

  const outcome at_once = decode(21, {}, {.max_tokens = 10, .cancel = source.get_token()});
  CHECK(at_once.result.status == pc::errc::cancelled);
  CHECK(at_once.result.tokens == ids{first});
  CHECK(at_once.polls == 0);
}

TEST_CASE("a text that waits is cancelled from another thread") {
  std::stop_source source;
  std::thread other([&] { source.request_stop(); });
  const outcome o = decode(21, {}, {.max_tokens = 10, .cancel = source.get_token()}); // nothing ever comes
  other.join();
  CHECK(o.result.status == pc::errc::cancelled);
}

TEST_CASE("drafting begins at the tier that is asked for") {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(20, prompt_tokens, 1);
  s.first_light = 1;
  s.focused = 20;
  const outcome int8 = decode(22, s, {.max_tokens = 40, .draft_from = 1});
  CHECK(int8.result.tokens == sequential(22, 1, 40));
  CHECK(int8.result.drafted == 0);
  CHECK(int8.result.rounds == 0);
  CHECK(all(int8.result, token_tag::verified_int8));
  s.whole(30, prompt_tokens, 2);
  s.focused = 30;
  const outcome exact = decode(22, s, {.max_tokens = 40, .draft_from = 2});
  CHECK(exact.result.tokens == sequential(22, 2, 40));
  CHECK(!exact.result.first_drafted);
  CHECK(!exact.result.first_verified_int8);
  CHECK(exact.result.rounds == 0);
  CHECK_THROWS_AS((void)decode(22, s, {.max_tokens = 4, .draft_from = 3}), std::invalid_argument);

  s.arrivals.clear(); // a plan that ends below goes on as it is
  s.whole(1, prompt_tokens, 0);
  const outcome below = decode(22, s, {.max_tokens = 10, .draft_from = 1});
  CHECK(below.result.status.ok());
  CHECK(below.result.tokens == sequential(22, 0, 10));
}

TEST_CASE("confidence is asked of engines that have it only") {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.first_light = 1;
  CHECK_THROWS_AS((void)decode(23, s, {.max_tokens = 4, .least_confidence = 0.5f}), std::invalid_argument);
}

TEST_CASE("where the rest is near, it is waited for") {
  struct foreseen : scripted_cache<> {
    using scripted_cache<>::scripted_cache;
    std::optional<std::chrono::nanoseconds> rest;
    std::optional<pc::deadline::clock::duration> expected(pc::event) const { return rest; }
  };
  static_assert(pc::foreseeing_cache<foreseen> && !pc::foreseeing_cache<scripted_cache<>>);
  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(40, prompt_tokens, 2);
  s.first_light = 1;
  s.focused = 40;
  const auto drafted = [&](std::optional<std::chrono::nanoseconds> rest,
                           std::optional<std::chrono::nanoseconds> step) {
    hashing<true> e(prompt_tokens, 24);
    foreseen kv(prompt_tokens, s, [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
    kv.rest = rest;
    const pc::speculated r = pc::speculate(e, kv, {.first = first, .max_tokens = 30, .step_time = step});
    CHECK(r.tokens == sequential(24, 2, 30));
    CHECK(r.status.ok());
    return r.drafted;
  };
  CHECK(drafted({}, 1h) > 20);  // not known
  CHECK(drafted(2h, {}) > 20);  // far
  CHECK(drafted(4h, 1h) > 20);  // two steps and a verification take three hours, and less once measured
  CHECK(drafted(2h, 1h) == 0);  // near
  CHECK(drafted(0ns, {}) == 2); // two steps tell how long they take
}

// An engine whose steps differ from its passes now and then, as by rounding.
TEST_CASE("an engine that is not batch-invariant verifies as it goes, and takes little back") {
  struct near_ties : hashing<false> {
    using hashing<false>::hashing;
    token_id step(token_id t) {
      const token_id right = feed(t, 0);
      return ++steps % 50 == 0 ? (right + 1) % 1000 : right;
    }
  };
  script s;
  s.whole(1, prompt_tokens, 2);
  s.first_light = s.focused = 1;
  for (const std::size_t every : {1u, 5u, 16u, 40u}) {
    CAPTURE(every);
    near_ties e(prompt_tokens, 30);
    scripted_cache<> kv(prompt_tokens, s, [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
    const pc::speculated r = pc::speculate(e, kv, {.first = first, .max_tokens = 600, .verify_every = every});
    CHECK(r.tokens == sequential(30, 2, 600));
    CHECK(all(r, token_tag::verified));
    CHECK(e.steps < 600 + 15 * every); // twelve ties, each of which costs no more than a run
    CHECK(e.fed_to_verify < 1400);
    CHECK(r.diverged == e.steps / 50);
  }
}

TEST_CASE("what sharper pages change is no divergence") {
  struct steady : hashing<false> { // whose steps are as its passes, though it does not say so
    using hashing<false>::hashing;
    token_id step(token_id t) { return feed(t, 0); }
  };
  std::mt19937_64 random(37);
  std::size_t taken_back = 0;
  for (int trial = 0; trial < 300; ++trial) {
    CAPTURE(trial);
    const std::uint64_t seed = random();
    script s = random_script(random, 1 + trial % 2);
    if (trial % 3 == 0)
      s.lost = std::max<std::size_t>(s.first_light, 1) + 1 + static_cast<std::size_t>(random() % 20);
    steady e(prompt_tokens, seed);
    scripted_cache<> kv(prompt_tokens, s, [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
    witness seen;
    const pc::speculated r = pc::speculate(e, kv,
                                           {.first = first,
                                            .max_tokens = 30,
                                            .on_token = std::ref(seen),
                                            .max_run = 1 + static_cast<std::size_t>(random() % 20),
                                            .verify_every = 1 + static_cast<std::size_t>(random() % 9),
                                            .go_on = true});
    CHECK(r.tokens.size() == 30);
    CHECK(r.diverged == 0);
    taken_back += seen.taken_back;
  }
  CHECK(taken_back > 300);
}

TEST_CASE("no pass takes more tokens than max_run, and the text is the same") {
  std::mt19937_64 random(32);
  for (int trial = 0; trial < 400; ++trial) {
    CAPTURE(trial);
    struct limited : hashing<true> {
      using hashing<true>::hashing;
      std::size_t most = 0;
      void verify(std::span<const token_id> run, std::span<token_id> next) {
        most = std::max(most, run.size());
        hashing<true>::verify(run, next);
      }
    };
    const std::uint64_t seed = random();
    limited e(prompt_tokens, seed);
    scripted_cache<> kv(prompt_tokens, random_script(random),
                        [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
    const std::size_t most = 1 + static_cast<std::size_t>(random() % 6);
    witness seen;
    const pc::speculated r =
        pc::speculate(e, kv, {.first = first, .max_tokens = 40, .on_token = std::ref(seen), .max_run = most});
    REQUIRE(r.tokens == sequential(seed, 2, 40));
    CHECK(all(r, token_tag::verified));
    CHECK(seen.text == r.tokens);
    CHECK(seen.tags == r.tags);
    CHECK(e.most <= most);
    CHECK(e.position() == prompt_tokens + 39);
  }
}

TEST_CASE("go_on where the link is lost before first light, but the base is there") {
  script s;
  s.whole(1, prompt_tokens, 0);
  s.lost = 3;
  const outcome o = decode(33, s, {.max_tokens = 12, .go_on = true});
  CHECK(o.result.status == pc::errc::closed);
  CHECK(o.result.tokens == sequential(33, 0, 12));
  CHECK(all(o.result, token_tag::drafted));
  const outcome strict = decode(33, s, {.max_tokens = 12});
  CHECK(strict.result.tokens == ids{first});
  script nothing;
  nothing.lost = 3;
  CHECK(decode(33, nothing, {.max_tokens = 12, .go_on = true}).result.tokens == ids{first});
}

TEST_CASE("time that an engine takes is not time that is waited") {
  struct slow : hashing<true> {
    using hashing<true>::hashing;
    token_id step(token_id t) {
      std::this_thread::sleep_for(2ms);
      return hashing<true>::step(t);
    }
  };
  slow e(prompt_tokens, 34);
  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(60, prompt_tokens, 2);
  s.first_light = 1;
  s.focused = 60;
  scripted_cache<> kv(prompt_tokens, s, [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
  const pc::speculated r = pc::speculate(e, kv, {.first = first, .max_tokens = 50, .timeout = 40ms});
  CHECK(r.status.ok()); // 98 ms and more of steps
  CHECK(r.tokens == sequential(34, 2, 50));
}

TEST_CASE("a text that is complete when it is cancelled is complete") {
  script s;
  s.whole(1, prompt_tokens, 2);
  s.first_light = s.focused = 1;
  std::stop_source source;
  hashing<true> e(prompt_tokens, 35);
  scripted_cache<> kv(prompt_tokens, s, [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
  const pc::speculated r = pc::speculate(e, kv,
                                         {.first = first,
                                          .max_tokens = 8,
                                          .on_token =
                                              [&](const pc::token_event& event) {
                                                if (event.index == 7)
                                                  source.request_stop();
                                              },
                                          .cancel = source.get_token()});
  CHECK(r.status.ok());
  CHECK(r.finish == pc::finish_reason::length);
}

TEST_CASE("a tier of fewer than 8 bits is no verification at int8") {
  using four = pc::precision_policy<pc::tiers<2, 4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(6, prompt_tokens, 1);
  s.first_light = 1;
  s.focused = 6;
  const outcome o = decode<true, four>(36, s, {.max_tokens = 20});
  CHECK(o.result.status.ok());
  CHECK(all(o.result, token_tag::drafted));
  s.whole(12, prompt_tokens, 2);
  s.focused = 12;
  CHECK(all(decode<true, four>(36, s, {.max_tokens = 20}).result, token_tag::verified_int8));
}

} // namespace

} // namespace decode_speculate_test
