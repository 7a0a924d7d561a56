#include "planecast/plan/layered_ranking.hpp"

#include "support/dice.hpp"
#include "support/layered_scores.hpp"

#include <doctest/doctest.h>
#include <limits>

namespace plan_layered_ranking_test {

using namespace planecast;

TEST_CASE("list_items: pinned ones first, by position and then by layer") {
  const item_map map{2, 6, 1};
  const std::vector<float> scores = {1, 2, 3, 4, 5, 11, 12, 13, 14, 15};
  const scored_items all = list_items(map, scores, {.sinks = 2, .recent = 1});
  CHECK(all.pinned == 4);
  CHECK(all.items == std::vector<std::uint32_t>{1, 7, 5, 11, 2, 8, 3, 9, 4, 10});
  CHECK(all.scores == std::vector<float>{1, 11, 5, 15, 2, 12, 3, 13, 4, 14});
  CHECK(rank_items(all).tokens == std::vector<std::uint32_t>{1, 7, 5, 11, 10, 9, 8, 4, 3, 2});
  CHECK(rank_items(all).pinned == 4);
}

TEST_CASE("list_items: a NaN, another number of scores, and more items than 32 bits number are refused") {
  const item_map map{2, 3, 1};
  CHECK_THROWS_AS(list_items(map, std::vector<float>{1, 2, 3}), std::invalid_argument);
  CHECK_THROWS_AS(list_items(map, std::vector<float>(5)), std::invalid_argument);
  CHECK_THROWS_AS(list_items(map, std::vector<float>{1, 2, std::numeric_limits<float>::quiet_NaN(), 4}),
                  std::invalid_argument);
  constexpr float inf = std::numeric_limits<float>::infinity();
  CHECK(rank_items(list_items(map, std::vector<float>{-inf, 2, inf, 4}, {0, 0})).tokens ==
        std::vector<std::uint32_t>{4, 5, 2, 1});
  CHECK_THROWS_AS(list_items({65536, 65536, 65535}, std::vector<float>(65536)), std::invalid_argument);
}

TEST_CASE("rank_items: of one layer, what rank_tokens says") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const std::uint32_t tokens = dice.between(1, 120), first = dice.below(tokens);
    std::vector<float> scores(tokens - first);
    for (float& s : scores)
      s = dice.one_in(3) ? dice.gaussian() : static_cast<float>(dice.below(9));
    const pinned_tokens pins{dice.below(150), dice.one_in(9) ? 0xFFFFFFFFu : dice.below(150)};
    const ranking a = rank_tokens(scores, pins, first),
                  b = rank_items(list_items({1, tokens, first}, scores, pins));
    REQUIRE(a.tokens == b.tokens);
    REQUIRE(a.pinned == b.pinned);
  }
}

TEST_CASE("scores_of: layer by layer where layers are told apart") {
  test::dice dice(5);
  const test::layered_scores by(3, 9, dice);
  const item_map map{3, 9, 4};
  const std::vector<float> scores = detail::scores_of(by, map);
  REQUIRE(scores.size() == 15);
  for (std::uint32_t layer = 0; layer < 3; ++layer)
    for (std::uint32_t t = 4; t < 9; ++t)
      CHECK(scores[map.index(map.item(layer, t))] == by.of[layer][t]);
  CHECK(detail::scores_of(given_scores(by.of[1]), {1, 9, 4}) ==
        std::vector<float>(by.of[1].begin() + 4, by.of[1].end()));
}

} // namespace plan_layered_ranking_test
