#include "planecast/decode/sampled_batch.hpp"
#include "planecast/decode/speculate_batch.hpp"

#include "code/rows.hpp"
#include "hashed_logits.hpp"
#include "speculate_case.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <doctest/doctest.h>
#include <random>
#include <span>
#include <stdexcept>
#include <vector>

namespace decode_sampled_batch_test {

namespace {

namespace pc = planecast;
using namespace decode_test;
using planecast_test::rounds;

struct many_logits {
  static constexpr bool batch_invariant = true;
  std::deque<hashed_logits<>> sequences;
  std::size_t passes = 0;

  void forward(std::span<const pc::sequence_rows> runs) {
    ++passes;
    for (const pc::sequence_rows& r : runs)
      sequences.at(r.sequence).forward(r.run, r.logits);
  }
  void truncate(std::size_t sequence, std::size_t n) { sequences.at(sequence).truncate(n); }
  std::size_t position(std::size_t sequence) const { return sequences.at(sequence).position(); }
  std::size_t vocabulary() const { return 5; }
};
static_assert(pc::batch_logits_engine<many_logits> && !pc::batch_engine<many_logits>);
static_assert(pc::batch_engine<pc::sampled_batch<many_logits, pc::greedy>>);
static_assert(pc::batch_engine<pc::sampled_batch<many_logits, pc::shared_noise>>);

struct nameless : many_logits {
  std::size_t vocabulary(int) const;
};
static_assert(!pc::batch_logits_engine<nameless>);

template <class How>
ids alone(std::uint64_t seed, How how, std::size_t max_tokens) {
  hashed_logits<> e(prompt_tokens, seed);
  e.prompt.assign(prompt_tokens, 2);
  pc::sampled chooser(e, how);
  ids text = {1};
  while (text.size() < max_tokens)
    text.push_back(chooser.step(text.back()));
  return text;
}

// Each way to choose is its sequence's own.
template <class How, class Draw>
void each_as_alone(std::uint64_t seed, const Draw& draw) {
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (std::uint32_t trial = 0; trial < rounds(100, 15); ++trial) {
    CAPTURE(trial);
    const std::size_t count = 1 + static_cast<std::size_t>(random() % 4);
    many_logits engine;
    pc::sampled_batch<many_logits, How> chooser(engine);
    std::deque<scripted_cache<>> caches;
    std::vector<pc::batch_request<scripted_cache<>>> requests;
    std::vector<ids> expected;
    for (std::size_t i = 0; i < count; ++i) {
      auto& sequence = engine.sequences.emplace_back(prompt_tokens, random());
      const How how = draw(random);
      chooser.choose(i, draw(random));
      chooser.choose(i, how); // the last word
      caches.emplace_back(prompt_tokens, random_script(random),
                          [&sequence](std::uint32_t token, int tier) { sequence.prompt[token] = tier; });
      const std::size_t max = 1 + static_cast<std::size_t>(random() % 25);
      requests.push_back({&caches[i], i, {.first = 1, .max_tokens = max}});
      expected.push_back(alone(sequence.seed, how, max));
    }
    const auto results = pc::speculate_batch(chooser, requests);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(results[i].status.ok());
      CHECK(results[i].tokens == expected[i]);
    }
  }
}

TEST_CASE("sampled by shared noise, and greedily, each request of a batch has the text that it has alone") {
  each_as_alone<pc::shared_noise>(71, [](auto& random) {
    return pc::shared_noise{.seed = random(), .temperature = random() % 4 == 0 ? 0.0f : 0.9f};
  });
  each_as_alone<pc::greedy>(72, [](auto&) { return pc::greedy(); });
}

TEST_CASE("confidence is of a sequence's last token, and drafting stops where it is small") {
  many_logits engine;
  for (const std::uint64_t seed : {3u, 4u})
    engine.sequences.emplace_back(prompt_tokens, seed).prompt.assign(prompt_tokens, 2);
  pc::sampled_batch<many_logits, pc::shared_noise> chooser(engine);
  chooser.choose(0, {.seed = 2, .temperature = 0.5f});
  chooser.choose(1, {.seed = 3, .temperature = 0});
  CHECK(chooser.confidence(1) == 0);
  const ids run = {1, 4, 2}, one = {1};
  ids next(3), other(1);
  chooser.forward(std::vector<pc::sequence_run>{{1, run, next}, {0, one, other}});
  hashed_logits<> e(prompt_tokens, 3), f(prompt_tokens, 4);
  e.prompt = f.prompt = engine.sequences[0].prompt;
  pc::sampled first_alone(e, pc::shared_noise{.seed = 2, .temperature = 0.5f});
  pc::sampled second_alone(f, pc::shared_noise{.seed = 3, .temperature = 0});
  CHECK(other.front() == first_alone.step(1));
  CHECK(chooser.confidence(0) == first_alone.confidence());
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(next[i] == second_alone.step(run[i]));
  CHECK(chooser.confidence(1) == second_alone.confidence());
  CHECK(chooser.confidence(0) == first_alone.confidence()); // however often it is asked
  const auto copy = chooser;
  const float before = copy.confidence(0);
  chooser.forward(std::vector<pc::sequence_run>{{0, run, next}});
  CHECK(chooser.confidence(1) == 0);
  CHECK(copy.confidence(0) == before);
  chooser.forget(0);
  CHECK(chooser.confidence(0) == 0);
  CHECK_THROWS_AS(chooser.forward(std::vector<pc::sequence_run>{{0, run, next}}), std::invalid_argument);

  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(40, prompt_tokens, 1);
  s.whole(80, prompt_tokens, 2);
  s.first_light = 1;
  s.focused = 80;
  many_logits fresh;
  pc::sampled_batch<many_logits, pc::greedy> greedily(fresh);
  std::deque<scripted_cache<>> caches;
  std::vector<pc::batch_request<scripted_cache<>>> requests;
  for (std::size_t i = 0; i < 2; ++i) {
    auto& sequence = fresh.sequences.emplace_back(prompt_tokens, 3);
    greedily.choose(i, {});
    caches.emplace_back(prompt_tokens, s,
                        [&sequence](std::uint32_t token, int tier) { sequence.prompt[token] = tier; });
    requests.push_back({&caches[i], i, {.first = 1, .max_tokens = 30}});
  }
  requests[1].options.least_confidence = 0.99f;
  const auto results = pc::speculate_batch(greedily, requests);
  CHECK(results[0].tokens == results[1].tokens);
  CHECK(results[0].drafted > 20);
  CHECK(results[1].drafted == 1); // the one that told
}

TEST_CASE("a sequence of which nobody said how to choose, and a vocabulary of nothing") {
  many_logits engine;
  engine.sequences.emplace_back(prompt_tokens, 1);
  pc::sampled_batch<many_logits, pc::greedy> chooser(engine);
  const ids one = {1};
  ids next(1);
  CHECK_THROWS_AS(chooser.forward(std::vector<pc::sequence_run>{{0, one, next}}), std::invalid_argument);
  CHECK(engine.passes == 0);
  struct empty : many_logits {
    std::size_t vocabulary() const { return 0; }
  } nothing;
  CHECK_THROWS_AS((pc::sampled_batch<empty, pc::greedy>(nothing)), std::invalid_argument);
}

} // namespace

} // namespace decode_sampled_batch_test
