#include "planecast/plan/layer_scores.hpp"
#include "planecast/plan/recency.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <stdexcept>
#include <vector>

namespace plan_recency_test {

using namespace planecast;

static_assert(layered_importance<recency_decay<given_layer_scores>>);
static_assert(!importance<recency_decay<given_layer_scores>>);
static_assert(!layered_importance<recency_decay<given_scores>>);

TEST_CASE("by_position: one end first, or the other") {
  constexpr pinned_tokens none{.sinks = 0, .recent = 0};
  CHECK(rank_tokens(by_position(position_order::recent_first), 4, none).tokens ==
        std::vector<std::uint32_t>{3, 2, 1, 0});
  CHECK(rank_tokens(by_position(position_order::early_first), 4, none).tokens ==
        std::vector<std::uint32_t>{0, 1, 2, 3});
  CHECK(rank_tokens(by_position(position_order::recent_first), 3, none, 1000).tokens ==
        std::vector<std::uint32_t>{1002, 1001, 1000});
}

TEST_CASE("recency_decay: I = A exp(-lambda (n - j)), for the whole sequence or a part") {
  const std::vector<float> mass = {4, 3, 2, 1, 0};
  const recency_decay by(given_scores(mass), 0.5, 5);
  std::vector<float> all(5), part(2);
  by.score(0, all);
  for (std::size_t j = 0; j < 5; ++j)
    CHECK(all[j] == doctest::Approx(mass[j] * std::exp(-0.5 * (5.0 - static_cast<double>(j)))));
  by.score(2, part);
  CHECK(part == std::vector<float>{all[2], all[3]});
  by.score(5, {});
  recency_decay(given_scores(mass), 0, 5).score(0, all);
  CHECK(all == mass);
}

TEST_CASE("recency_decay: layer by layer") {
  const std::vector<float> mass = {4, 3, 2, 1, 8, 8};
  const recency_decay by(given_layer_scores(mass, 3), 1, 3);
  CHECK(by.layers() == 2);
  std::vector<float> out(2);
  by.score(1, 1, out);
  CHECK(out[0] == doctest::Approx(8 * std::exp(-2.0)));
  CHECK(out[1] == doctest::Approx(8 * std::exp(-1.0)));
}

TEST_CASE("recency_decay: what it does not decay") {
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {-1.0f, inf, nan}) {
    const std::vector<float> mass = {1, bad};
    std::vector<float> out(2);
    CHECK_THROWS_AS(recency_decay(given_scores(mass), 1, 2).score(0, out), std::invalid_argument);
  }
  const given_scores none({});
  CHECK_THROWS_AS(recency_decay(none, -1, 2), std::invalid_argument);
  CHECK_THROWS_AS(recency_decay(none, double{nan}, 2), std::invalid_argument);
  CHECK_THROWS_AS(recency_decay(none, double{inf}, 2), std::invalid_argument);
}

} // namespace plan_recency_test
