// The embedded model's cache from one process to another over TCP, in dozens of ways: equal text and cache.
#include "code/rows.hpp"
#include "decode/two_processes.hpp"
#include "support/dice.hpp"
#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/engine.hpp"
#include "tiny_llm/random_prompt.hpp"

#include <chrono>
#include <cstdint>
#include <doctest/doctest.h>
#include <optional>
#include <utility>
#include <vector>

namespace tiny_llm_two_processes_test {

namespace {

using namespace decode_test;
using planecast_test::rounds;

// A budget, an order, and frames that are damaged, change places or come late.
delivery random_delivery(test::dice& dice, const scene<tiny::engine>& s, std::uint64_t seed) {
  delivery how{.bytes_per_second = raw_in(s, 0.001 * dice.between(50, 300))};
  how.share = dice.one_in(2) ? 0 : 0.01 * dice.between(20, 80);
  how.plan.order = dice.one_in(3) ? pc::plan_order::worth : pc::plan_order::greedy;
  how.drafts = dice.between(1, 15);
  how.faults.seed = seed;
  how.faults.reorder_window = dice.one_in(2) ? dice.between(2, 4) : 0;
  for (std::uint64_t message = 0; message < 40; ++message) {
    if (dice.one_in(16))
      how.faults.faults.push_back({.message = message, .what = pc::fault::flip, .amount = dice.below(30000)});
    if (dice.one_in(16))
      how.faults.faults.push_back(
          {.message = message, .what = pc::fault::stall, .time = std::chrono::milliseconds(dice.below(30))});
  }
  return how;
}

TEST_CASE("the embedded model's text and cache are the original's in another process") {
  constexpr std::uint64_t cases = rounds(40, 8), cases_of_a_prompt = 4;
  const auto model = tiny::embedded();
  const tiny::engine_options options{.context = 320};
  std::optional<scene<tiny::engine>> s;
  std::size_t drafted = 0, taken_back = 0;
  for (std::uint64_t seed = 0; seed < cases; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    if (seed % cases_of_a_prompt == 0) {
      tiny::engine prefill(model, options);
      const pc::geometry shape = prefill.geometry();
      s.emplace(std::move(prefill), shape, tiny_llm_test::random_prompt(dice), 20);
    }
    tiny::engine decode(model, options);
    const pc::speculated said = hand_over(*s, decode, random_delivery(dice, *s, seed));
    drafted += said.drafted > 0 ? 1 : 0;
    taken_back += said.accepted < said.drafted ? 1 : 0;
  }
  MESSAGE("of ", cases, ": ", drafted, " drafted, ", taken_back, " took something back");
  CHECK(drafted > 0);
}

} // namespace

} // namespace tiny_llm_two_processes_test
