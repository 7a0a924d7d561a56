#include "planecast/plan/budget.hpp"

#include <doctest/doctest.h>
#include <limits>

namespace plan_budget_test {

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

TEST_CASE("budget: a time at a rate, with what was sent and what goes before") {
  using namespace std::chrono_literals;
  const budget b = budget::within(20ms, 1e6); // 20,000 bytes
  CHECK(!b.needs_rate());
  CHECK(b.ceiling(1, 1) == 20000);
  CHECK(b.ceiling(1, 1, {.bytes_per_second = 5}) == 20000); // the rate that was said counts
  CHECK(b.ceiling(1, 1, {.ahead = 5000}) == 15000);
  CHECK(b.ceiling(1, 1, {.ahead = 5000, .sent = 7000}) == 22000);
  CHECK(b.ceiling(1, 1, {.ahead = 50000, .sent = 7000}) == 0);
  CHECK(budget::within(0s, 1e9).ceiling(1, 1, {.sent = 3}) == 3);
  CHECK(budget::within(std::chrono::duration<double>(std::numeric_limits<double>::infinity()), 1e9)
            .ceiling(1, 1, {.ahead = 9, .sent = 7}) == std::numeric_limits<std::uint64_t>::max());
  CHECK(budget::within(std::chrono::duration<double>(std::numeric_limits<double>::infinity()), 0)
            .ceiling(1, 1, {.sent = 7}) == 7);
  CHECK_THROWS_AS(budget::within(-1ms, 1e9), std::invalid_argument);
  CHECK_THROWS_AS(budget::within(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())),
                  std::invalid_argument);
  for (const double rate :
       {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    CHECK_THROWS_AS(budget::within(1ms, rate), std::invalid_argument);
}

TEST_CASE("budget: a time at the measured rate") {
  using namespace std::chrono_literals;
  const budget b = budget::within(20ms);
  CHECK(b.needs_rate());
  CHECK(b.ceiling(1, 1, {.bytes_per_second = 1e6, .ahead = 500}) == 19500);
  CHECK(b.ceiling(1, 1) == 0); // not known
  CHECK_THROWS_AS(budget::within(-20ms), std::invalid_argument);
  CHECK(!budget::base().needs_rate());
  CHECK(!budget::of_raw(1).needs_rate());
}

} // namespace plan_budget_test
