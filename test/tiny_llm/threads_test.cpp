#include "fixtures.hpp"
#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/engine.hpp"

#include <atomic>
#include <cstring>
#include <doctest/doctest.h>
#include <thread>
#include <vector>

namespace tiny_llm_threads_test {

namespace {

using namespace tiny_test;

TEST_CASE("tiny: the number of threads changes nothing") {
  const auto m = tiny::embedded();
  const ids tokens = some_tokens(*m, 120, 21);
  const std::size_t vocab = m->config().vocab;
  std::vector<float> alone(tokens.size() * vocab), shared(alone.size());
  tiny::engine one(m, {.context = 200});
  one.forward(tokens, alone);
  const tiny::token_id next = one.step('a');
  for (const unsigned threads : {2u, 3u, 7u}) {
    CAPTURE(threads);
    tiny::engine e(m, {.context = 200, .threads = threads});
    e.forward(tokens, shared);
    CHECK(std::memcmp(alone.data(), shared.data(), alone.size() * sizeof(float)) == 0);
    CHECK(e.step('a') == next);
    CHECK(same_cache(one, e, 121));
    tiny::engine a(m, {.context = 200, .threads = threads}), b(m, {.context = 200});
    CHECK(a.prefill(tokens) == b.prefill(tokens));
    CHECK(std::vector(a.importance().begin(), a.importance().end()) ==
          std::vector(b.importance().begin(), b.importance().end()));
  }
}

TEST_CASE("tiny: engines on threads of their own share a model") {
  const auto m = tiny::embedded();
  const ids tokens = some_tokens(*m, 40, 22);
  const tiny::token_id want = tiny::engine(m, {.context = 64}).prefill(tokens);
  std::atomic<int> good = 0;
  std::vector<std::thread> all;
  for (int i = 0; i < 3; ++i)
    all.emplace_back(
        [&] { good += tiny::engine(m, {.context = 64, .threads = 2}).prefill(tokens) == want ? 1 : 0; });
  for (std::thread& t : all)
    t.join();
  CHECK(good == 3);
}

TEST_CASE("tiny: a pool runs each part once, time after time") {
  for (const unsigned threads : {1u, 2u, 5u}) {
    tiny::thread_pool pool(threads);
    CHECK(pool.size() == threads);
    std::vector<int> times(threads);
    for (int round = 0; round < 200; ++round)
      pool.run([&](unsigned part) { ++times[part]; });
    for (const int n : times)
      CHECK(n == 200);
  }
}

} // namespace

} // namespace tiny_llm_threads_test
