#include "planecast/status.hpp"

#include <doctest/doctest.h>
#include <limits>

using namespace planecast;
using namespace std::chrono_literals;

TEST_CASE("status: says what it is about, and both values") {
  CHECK(status{}.ok());
  CHECK(status{}.message() == "ok");
  CHECK(status{errc::timeout, "waiting"}.message() == "timeout: waiting");
  CHECK(status{errc::mismatch, "layers", 32, 28}.message() == "mismatch: layers (here 32, peer 28)");
  CHECK(status{errc::infeasible, "budget", 5, 9}.message() == "infeasible: budget (asked 5, the least is 9)");
  CHECK(status{errc::limit, "slots", 5, 9}.message() == "limit: slots (limit 5, asked 9)");
}

TEST_CASE("status: check throws what is not ok") {
  CHECK_NOTHROW(check({}));
  CHECK_THROWS_WITH_AS(check({errc::closed, "the peer is gone"}), "planecast: closed: the peer is gone",
                       error);
}

TEST_CASE("deadline: a duration from now, the past, and the end of time") {
  CHECK_FALSE(deadline(1h).has_passed());
  CHECK(deadline(-1s).has_passed());
  CHECK(deadline(0s).has_passed());
  CHECK(deadline::passed().has_passed());
  CHECK_FALSE(deadline(std::chrono::hours::max()).has_passed());
  CHECK_FALSE(deadline(std::chrono::seconds::max()).has_passed());
  CHECK_FALSE(deadline(std::chrono::nanoseconds::max()).has_passed());
  CHECK_FALSE(deadline(std::chrono::duration<double>(std::numeric_limits<double>::infinity())).has_passed());
  CHECK(deadline(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())).has_passed());
  CHECK(deadline(std::chrono::hours::min()).has_passed());
  CHECK(deadline(1h).sooner(1s).at() < deadline(1min).at());
}
