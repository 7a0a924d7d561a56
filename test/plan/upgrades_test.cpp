#include "planecast/plan/upgrades.hpp"

#include <doctest/doctest.h>

namespace plan_upgrades_test {

using namespace planecast;

TEST_CASE("greedy_order: pinned tokens to lossless, then every refine, then every tail") {
  const ranking r{{3, 0, 1, 2, 4}, 2};
  const upgrade_order order = greedy_order(r, 1, 3);
  CHECK(order.items == r.tokens);
  CHECK(!order.per_layer);
  CHECK(order.runs == std::vector<upgrade_run>{{1, 0, 2}, {2, 0, 2}, {1, 2, 3}, {2, 2, 3}});
}

TEST_CASE("greedy_order: nothing beyond the last plane wanted, no empty runs") {
  CHECK(greedy_order({{0, 1, 2}, 0}, 1, 2).runs == std::vector<upgrade_run>{{1, 0, 3}});
  CHECK(greedy_order({{0, 1, 2}, 3}, 1, 2).runs == std::vector<upgrade_run>{{1, 0, 3}});
  CHECK(greedy_order({{0, 1, 2}, 1}, 1, 1).runs.empty());
  CHECK(greedy_order({{0, 1, 2}, 1}, 1, 1).items.empty());
  CHECK(greedy_order({{}, 0}, 1, 3).runs.empty());
}

} // namespace plan_upgrades_test
