#include "planecast/decode/sampled.hpp"
#include "planecast/decode/speculate.hpp"

#include "hashed_logits.hpp"
#include "speculate_case.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace decode_sampled_test {

namespace {

namespace pc = planecast;
using namespace decode_test;

static_assert(pc::logits_engine<hashed_logits<>>);
static_assert(pc::engine<pc::sampled<hashed_logits<>, pc::greedy>>);
static_assert(pc::engine<pc::sampled<hashed_logits<>, pc::shared_noise>>);
static_assert(!pc::engine<pc::sampled<hashed_logits<>, pc::rejection>>);
static_assert(!pc::engine<hashed_logits<>>); // nobody says how to choose

template <class How, bool Invariant = true>
pc::speculated decode(std::uint64_t seed, const script& s, How how, pc::speculate_options options) {
  hashed_logits<Invariant> e(prompt_tokens, seed);
  scripted_cache<> kv(prompt_tokens, s, [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
  pc::sampled chooser(e, how);
  witness seen;
  options.first = 1;
  options.on_token = std::ref(seen);
  pc::speculated r = pc::speculate(chooser, kv, options);
  CHECK(seen.text == r.tokens);
  CHECK(seen.tags == r.tags);
  CHECK(e.position() == prompt_tokens + r.tokens.size() - 1);
  return r;
}

// One token after the other on a cache of one tier.
template <class How>
ids sequential(std::uint64_t seed, int tier, How how, std::size_t max_tokens) {
  hashed_logits<> e(prompt_tokens, seed);
  e.prompt.assign(prompt_tokens, tier);
  pc::sampled chooser(e, how);
  ids text = {1};
  while (text.size() < max_tokens)
    text.push_back(chooser.step(text.back()));
  return text;
}

TEST_CASE("greedy and shared noise: the text is fixed, however the cache arrives") {
  std::mt19937_64 random(41);
  std::size_t coarse_differs = 0, taken_back = 0;
  const int trials = sanitized ? 100 : 1000;
  for (int trial = 0; trial < trials; ++trial) {
    CAPTURE(trial);
    const std::uint64_t seed = random();
    const script s = random_script(random);
    const std::size_t max = 1 + static_cast<std::size_t>(random() % 30);
    if (trial % 4 == 0) {
      const pc::speculated r = decode(seed, s, pc::greedy{}, {.max_tokens = max});
      REQUIRE(r.tokens == sequential(seed, 2, pc::greedy{}, max));
      continue;
    }
    const pc::shared_noise how{.seed = random(), .temperature = trial % 4 == 1 ? 0.0f : 0.7f, .stream = 3};
    const pc::speculated r = trial % 2 == 0
                                 ? decode<pc::shared_noise, false>(seed, s, how, {.max_tokens = max})
                                 : decode(seed, s, how, {.max_tokens = max});
    const ids exact = sequential(seed, 2, how, max);
    REQUIRE(r.tokens == exact);
    CHECK(r.status.ok());
    coarse_differs += sequential(seed, 0, how, max) != exact ? 1 : 0;
    taken_back += r.drafted - r.accepted;
  }
  CHECK(coarse_differs > static_cast<std::size_t>(trials / 10)); // else nothing was tried
  CHECK(taken_back > static_cast<std::size_t>(trials / 10));
}

TEST_CASE(
    "noise goes by the position in the sequence, so the prefill node's first token is of the same kind") {
  hashed_logits<> e(prompt_tokens, 7);
  e.prompt.assign(prompt_tokens, 2);
  const pc::shared_noise how{.seed = 9, .temperature = 0.9f};
  pc::sampled chooser(e, how);
  const token_id second = chooser.step(1), third = chooser.step(second);
  hashed_logits<> f = hashed_logits<>(prompt_tokens, 7);
  f.prompt.assign(prompt_tokens, 2);
  std::vector<float> rows(2 * f.vocab);
  f.forward(ids{1, second}, rows);
  CHECK(how.choose(std::span(rows).first(f.vocab), prompt_tokens + 1) == second);
  CHECK(how.choose(std::span(rows).subspan(f.vocab), prompt_tokens + 2) == third);
}

// Of all texts of four tokens after the first, the probability by the exact engine's logits.
std::map<ids, double> distribution(std::uint64_t seed, int tier, float temperature, std::size_t vocab,
                                   std::size_t length) {
  std::map<ids, double> all{{{1}, 1.0}};
  for (std::size_t i = 1; i < length; ++i) {
    std::map<ids, double> longer;
    for (const auto& entry : all) {
      hashed_logits<> e(prompt_tokens, seed);
      e.vocab = vocab;
      e.prompt.assign(prompt_tokens, tier);
      std::vector<float> rows(entry.first.size() * vocab);
      e.forward(entry.first, rows);
      const float* const last = &rows[rows.size() - vocab];
      double sum = 0;
      for (std::size_t t = 0; t < vocab; ++t)
        sum += std::exp(static_cast<double>(last[t]) / static_cast<double>(temperature));
      for (std::size_t t = 0; t < vocab; ++t) {
        ids text = entry.first;
        text.push_back(static_cast<token_id>(t));
        longer[text] =
            entry.second * std::exp(static_cast<double>(last[t]) / static_cast<double>(temperature)) / sum;
      }
    }
    all = longer;
  }
  return all;
}

double chi_square(const std::map<ids, double>& expected, const std::map<ids, int>& seen, int samples) {
  double sum = 0;
  for (const auto& entry : expected) {
    const auto found = seen.find(entry.first);
    const double n = found == seen.end() ? 0 : found->second, mean = entry.second * samples;
    sum += (n - mean) * (n - mean) / mean;
  }
  return sum;
}

TEST_CASE("by rejection the text is distributed as the exact model's, however the cache arrives") {
  // 27 texts, so 26 degrees of freedom: 77.7 is passed once in 1 000 000 times by a right distribution. Seeds
  // are fixed, so the outcome is too. The drafts' own distribution is far off, so that the test can fail.
  std::mt19937_64 random(43);
  const int samples = sanitized ? 2000 : 20000;
  for (const std::uint64_t seed : {5u, 6u, 7u}) {
    CAPTURE(seed);
    std::map<ids, int> seen;
    std::size_t accepted = 0, drafted = 0;
    for (int i = 0; i < samples; ++i) {
      const script s = random_script(random);
      hashed_logits<> e(prompt_tokens, seed);
      e.vocab = 3;
      scripted_cache<> kv(prompt_tokens, s, [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
      pc::sampled chooser(e, pc::rejection{.seed = random(), .temperature = 0.8f});
      const pc::speculated r = pc::speculate(
          chooser, kv, {.first = 1, .max_tokens = 4, .max_run = 1 + static_cast<std::size_t>(i % 4)});
      REQUIRE(r.tokens.size() == 4);
      ++seen[r.tokens];
      accepted += r.accepted;
      drafted += r.drafted;
    }
    const auto exact = distribution(seed, 2, 0.8f, 3, 4);
    CHECK(chi_square(exact, seen, samples) < 77.7);
    CHECK(chi_square(distribution(seed, 0, 0.8f, 3, 4), seen, samples) > 77.7);
    CHECK(drafted > accepted);
    CHECK(accepted > drafted / 2);
  }
}

TEST_CASE("rejection: greedy where the temperature says so, a stop token, a bound on drafts") {
  std::mt19937_64 random(44);
  for (int trial = 0; trial < 100; ++trial) {
    const std::uint64_t seed = random();
    const script s = random_script(random);
    const pc::speculated cold =
        decode(seed, s, pc::rejection{.seed = random(), .temperature = 0}, {.max_tokens = 12});
    CHECK(cold.tokens == sequential(seed, 2, pc::greedy{}, 12));
    const pc::speculated stopped = decode<pc::rejection, false>(
        seed, s, {.seed = random(), .temperature = 1},
        {.max_tokens = 40, .stop_tokens = {2, 3}, .max_drafts = static_cast<std::size_t>(random() % 4)});
    CHECK(stopped.status.ok());
    for (std::size_t i = 1; i + 1 < stopped.tokens.size(); ++i)
      CHECK((stopped.tokens[i] != 2 && stopped.tokens[i] != 3));
    CHECK((stopped.finish == pc::finish_reason::stop) == (stopped.tokens.size() < 40));
  }
}

TEST_CASE("a row of which no token can be chosen, and a vocabulary of nothing") {
  struct dumb : hashed_logits<> {
    using hashed_logits<>::hashed_logits;
    void forward(std::span<const token_id> run, std::span<float> logits) {
      hashed_logits<>::forward(run, logits);
      std::ranges::fill(logits, -std::numeric_limits<float>::infinity());
    }
  };
  script s;
  s.whole(1, prompt_tokens, 0);
  s.first_light = 1;
  const auto ends = [&](auto how) {
    dumb e(prompt_tokens, 1);
    scripted_cache<> kv(prompt_tokens, s, [&](std::uint32_t token, int tier) { e.prompt[token] = tier; });
    pc::sampled chooser(e, how);
    CHECK_THROWS_AS((void)pc::speculate(chooser, kv, {.first = 1}), std::runtime_error);
  };
  ends(pc::greedy{});
  ends(pc::shared_noise{.seed = 1});
  ends(pc::rejection{.seed = 1});
  dumb empty(prompt_tokens, 1);
  empty.vocab = 0;
  CHECK_THROWS_AS(pc::sampled(empty, pc::greedy{}), std::invalid_argument);
  CHECK_THROWS_AS(pc::sampled(empty, pc::rejection{}), std::invalid_argument);
}

TEST_CASE("confidence is the probability of the last step's token, and drafting stops where it is small") {
  hashed_logits<> e(prompt_tokens, 3);
  e.prompt.assign(prompt_tokens, 2);
  pc::sampled chooser(e, pc::shared_noise{.seed = 2, .temperature = 0.5f});
  CHECK(chooser.confidence() == 0);
  const token_id next = chooser.step(1);
  const auto all = distribution(3, 2, 0.5f, e.vocab, 2);
  CHECK(chooser.confidence() == doctest::Approx(all.at({1, next})).epsilon(1e-5));
  CHECK(chooser.confidence() ==
        doctest::Approx(all.at({1, next})).epsilon(1e-5)); // however often it is asked

  script s;
  s.whole(1, prompt_tokens, 0);
  s.whole(40, prompt_tokens, 1);
  s.whole(80, prompt_tokens, 2);
  s.first_light = 1;
  s.focused = 80;
  const pc::speculated bold = decode(3, s, pc::greedy{}, {.max_tokens = 30});
  const pc::speculated shy = decode(3, s, pc::greedy{}, {.max_tokens = 30, .least_confidence = 0.99f});
  CHECK(shy.tokens == bold.tokens);
  CHECK(bold.drafted > 20);
  CHECK(shy.drafted == 1); // the one that told
  CHECK(shy.status.ok());
  CHECK_THROWS_AS((void)decode(3, s, pc::rejection{}, {.max_tokens = 30, .least_confidence = 0.5f}),
                  std::invalid_argument);
}

} // namespace

} // namespace decode_sampled_test
