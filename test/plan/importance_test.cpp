#include "planecast/plan/importance.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <limits>

using namespace planecast;

TEST_CASE("rank: sinks and recent tokens first, then by falling score, ties by position") {
  const std::vector<float> scores = {0, 5, 1, 9, 9, 2, 7, 3};
  const ranking r = rank_tokens(scores, {.sinks = 2, .recent = 1});
  CHECK(r.pinned == 3);
  CHECK(r.tokens == std::vector<std::uint32_t>{0, 1, 7, 3, 4, 6, 5, 2});
}

TEST_CASE("rank: more pins than tokens pin every token once") {
  const std::vector<float> scores(5);
  CHECK(rank_tokens(scores, {.sinks = 4, .recent = 32}).pinned == 5);
  CHECK(rank_tokens(scores, {.sinks = 9, .recent = 9}).tokens == std::vector<std::uint32_t>{0, 1, 2, 3, 4});
  CHECK(rank_tokens(std::vector<float>{}).tokens.empty());
}

TEST_CASE("rank: a NaN score is an error, an infinite one is not") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS(rank_tokens(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}),
                  std::invalid_argument);
  CHECK(rank_tokens(std::vector<float>{1, inf, -inf, 2}, {.sinks = 0, .recent = 0}).tokens ==
        std::vector<std::uint32_t>{1, 3, 0, 2});
}

TEST_CASE("rank: always a permutation, falling behind the pins") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    std::vector<float> scores(dice.below(300));
    for (float& s : scores)
      s = static_cast<float>(dice.below(50));
    const pinned_tokens pins{dice.below(10), dice.below(80)};
    const ranking r = rank_tokens(scores, pins);
    std::vector<std::uint32_t> sorted = r.tokens;
    std::sort(sorted.begin(), sorted.end());
    for (std::uint32_t i = 0; i < sorted.size(); ++i)
      REQUIRE(sorted[i] == i);
    for (std::size_t i = r.pinned + 1; i < r.tokens.size(); ++i) {
      const auto a = r.tokens[i - 1], b = r.tokens[i];
      REQUIRE((scores[a] > scores[b] || (scores[a] == scores[b] && a < b)));
    }
  }
}
