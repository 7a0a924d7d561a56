#include "planecast/plan/budget.hpp"

#include <doctest/doctest.h>
#include <limits>

using namespace planecast;

TEST_CASE("budget: a share, a number of bytes, the base, everything") {
  CHECK(budget::of_raw(0.5).ceiling(1001, 10) == 500);
  CHECK(budget::of_raw(0).ceiling(1000, 10) == 0);
  CHECK(budget::of_raw(1e300).ceiling(1000, 10) == std::numeric_limits<std::uint64_t>::max());
  CHECK(budget::bytes(7).ceiling(1000, 10) == 7);
  CHECK(budget::base().ceiling(1000, 10) == 10);
  CHECK(budget::everything().ceiling(1000, 10) == std::numeric_limits<std::uint64_t>::max());
  CHECK_THROWS_AS(budget::of_raw(-0.1), std::invalid_argument);
  CHECK_THROWS_AS(budget::of_raw(std::numeric_limits<double>::quiet_NaN()), std::invalid_argument);
}
