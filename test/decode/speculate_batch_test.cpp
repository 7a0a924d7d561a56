#include "planecast/decode/speculate_batch.hpp"

#include "speculate_case.hpp"

#include <deque>
#include <doctest/doctest.h>
#include <functional>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <vector>

namespace decode_speculate_batch_test {

namespace {

namespace pc = planecast;
using namespace decode_test;

// Many sequences, each by the arithmetic of verify; counts its passes.
template <bool Invariant = true>
struct many {
  static constexpr bool batch_invariant = Invariant;
  std::deque<hashing<true>> sequences;
  std::size_t passes = 0, fed = 0, most = never, full = 0;

  void forward(std::span<const pc::sequence_run> runs) {
    REQUIRE(!runs.empty());
    ++passes;
    std::size_t tokens = 0;
    for (const pc::sequence_run& r : runs)
      tokens += r.run.size();
    CHECK(tokens <= most);
    full += tokens == most ? 1 : 0;
    std::vector<bool> seen(sequences.size());
    for (const pc::sequence_run& r : runs) {
      REQUIRE_FALSE(seen.at(r.sequence));
      seen[r.sequence] = true;
      sequences[r.sequence].verify(r.run, r.next);
      fed += r.run.size();
    }
  }
  void truncate(std::size_t sequence, std::size_t n) { sequences.at(sequence).truncate(n); }
  std::size_t position(std::size_t sequence) const { return sequences.at(sequence).position(); }
};
static_assert(pc::batch_engine<many<>>);

struct no_sequence : many<> {
  std::size_t position() const;
};
struct takes_one : many<> {
  void forward(const pc::sequence_run&);
};
static_assert(!pc::batch_engine<no_sequence> && !pc::batch_engine<takes_one>);

template <bool Invariant>
void each_as_alone(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::size_t passes = 0, texts = 0, full = 0; // tokens of all texts
  const int trials = sanitized ? 30 : 300;
  for (int trial = 0; trial < trials; ++trial) {
    CAPTURE(trial);
    const std::size_t count = 1 + static_cast<std::size_t>(random() % 5);
    many<Invariant> engine;
    std::deque<scripted_cache<>> caches;
    std::deque<witness> witnesses(count);
    std::vector<pc::batch_request<scripted_cache<>>> requests;
    std::vector<ids> expected;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t text_seed = random();
      engine.sequences.emplace_back(prompt_tokens, text_seed);
      auto& sequence = engine.sequences.back();
      caches.emplace_back(prompt_tokens, random_script(random),
                          [&sequence](std::uint32_t token, int tier) { sequence.prompt[token] = tier; });
    }
    for (std::size_t i = 0; i < count; ++i) { // sequences in another order than requests
      const std::size_t which = count - 1 - i, max = 1 + static_cast<std::size_t>(random() % 30);
      requests.push_back(
          {&caches[which], which, {.first = first, .max_tokens = max, .on_token = std::ref(witnesses[i])}});
      expected.push_back(sequential(engine.sequences[which].seed, 2, max));
      texts += max;
    }
    if (trial % 2 == 0)
      engine.most = 1 + static_cast<std::size_t>(random() % 12);
    const std::vector<pc::speculated> results = pc::speculate_batch(engine, requests, engine.most);
    REQUIRE(results.size() == count);
    full += engine.full;
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(results[i].status.ok());
      REQUIRE(results[i].tokens == expected[i]);
      CHECK(std::all_of(results[i].tags.begin(), results[i].tags.end(),
                        [](token_tag t) { return t == token_tag::verified; }));
      CHECK(witnesses[i].text == results[i].tokens);
      CHECK(engine.position(requests[i].sequence) == prompt_tokens + expected[i].size() - 1);
    }
    passes += trial % 2 == 0 ? 0 : engine.passes;
  }
  CHECK(full > static_cast<std::size_t>(trials));
  CHECK(passes < texts / 2); // many at a time, though tokens are decoded twice or three times
}

TEST_CASE("each request of a batch has the text that it has alone") {
  each_as_alone<true>(51);
  each_as_alone<false>(52);
}

TEST_CASE("one request is lost, one cancelled, one never has first light: the others go on") {
  many<> engine;
  for (std::uint64_t i = 0; i < 4; ++i)
    engine.sequences.emplace_back(prompt_tokens, i);
  std::deque<scripted_cache<>> caches;
  script good, lost, never_light;
  good.whole(1, prompt_tokens, 0);
  good.whole(20, prompt_tokens, 2);
  good.first_light = 1;
  good.focused = 20;
  lost = good;
  lost.lost = 9;
  for (const script& s : {good, lost, never_light, good}) {
    auto& sequence = engine.sequences[caches.size()];
    caches.emplace_back(prompt_tokens, s,
                        [&sequence](std::uint32_t token, int tier) { sequence.prompt[token] = tier; });
  }
  std::stop_source source;
  const auto options = [](auto timeout) {
    return pc::speculate_options{.first = first, .max_tokens = 30, .timeout = timeout};
  };
  std::vector<pc::batch_request<scripted_cache<>>> requests;
  for (std::size_t i = 0; i < 4; ++i)
    requests.push_back({&caches[i], i, options(std::chrono::seconds(30))});
  requests[2].options.timeout = std::chrono::milliseconds(5);
  requests[3].options.cancel = source.get_token();
  requests[3].options.on_token = [&](const pc::token_event& e) {
    if (e.index == 5)
      source.request_stop();
  };
  const auto results = pc::speculate_batch(engine, requests);
  CHECK(results[0].tokens == sequential(0, 2, 30));
  CHECK(results[0].status.ok());
  CHECK(results[1].status == pc::errc::closed);
  CHECK(results[1].finish == pc::finish_reason::lost);
  CHECK(results[2].status == pc::errc::timeout);
  CHECK(results[2].tokens == ids{first});
  CHECK(results[3].finish == pc::finish_reason::cancelled);
  CHECK(results[3].tokens.size() == 6);
}

TEST_CASE("a batch of nothing, and batches that make no sense") {
  many<> engine;
  CHECK(pc::speculate_batch(engine, std::vector<pc::batch_request<scripted_cache<>>>{}).empty());
  engine.sequences.emplace_back(prompt_tokens, 1);
  engine.sequences.emplace_back(prompt_tokens, 2);
  scripted_cache<> a(prompt_tokens, {}, {}), b(prompt_tokens, {}, {});
  using requests = std::vector<pc::batch_request<scripted_cache<>>>;
  CHECK_THROWS_AS((void)pc::speculate_batch(engine, requests{{nullptr, 0, {}}}), std::invalid_argument);
  CHECK_THROWS_AS((void)pc::speculate_batch(engine, requests{{&a, 0, {}}, {&b, 0, {}}}),
                  std::invalid_argument);
  CHECK_THROWS_AS((void)pc::speculate_batch(engine, requests{{&a, 0, {}}, {&a, 1, {}}}),
                  std::invalid_argument);
  CHECK_THROWS_AS((void)pc::speculate_batch(engine, requests{{&a, 0, {.least_confidence = 0.5f}}}),
                  std::invalid_argument);
  CHECK_THROWS_AS((void)pc::speculate_batch(engine, requests{{&a, 0, {}}}, 0), std::invalid_argument);
}

TEST_CASE("where a pass has no room for all drafts, all get on") {
  many<> engine;
  std::deque<scripted_cache<>> caches;
  std::vector<pc::batch_request<scripted_cache<>>> requests;
  script s;
  s.whole(1, prompt_tokens, 0);
  s.first_light = 1;
  s.focused = 31;
  s.whole(31, prompt_tokens, 2);
  std::vector<std::size_t> told(5);
  for (std::size_t i = 0; i < 5; ++i)
    engine.sequences.emplace_back(prompt_tokens, i);
  for (std::size_t i = 0; i < 5; ++i) {
    caches.emplace_back(prompt_tokens, s, [&engine, i](std::uint32_t token, int tier) {
      engine.sequences[i].prompt[token] = tier;
    });
    requests.push_back(
        {&caches[i], i, {.first = first, .max_tokens = 60, .on_token = [&told, i](const auto& e) {
                           told[i] += e.tag == token_tag::drafted ? 1 : 0;
                         }}});
  }
  engine.most = 2;
  const auto results = pc::speculate_batch(engine, requests, 2);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(told[i] >= 3);
    CHECK(told[i] + 2 >= told[0]);
    CHECK(told[0] + 2 >= told[i]);
    CHECK(results[i].tokens == sequential(i, 2, 60));
  }
}

} // namespace

} // namespace decode_speculate_batch_test
