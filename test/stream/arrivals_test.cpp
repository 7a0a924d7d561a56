#include "planecast/stream/arrivals.hpp"

#include <doctest/doctest.h>
#include <vector>

namespace stream_arrivals_test {

using planecast::detail::arrivals;

TEST_CASE("arrivals: in order, nothing is ever missing") {
  arrivals a;
  for (std::uint64_t n = 0; n < 10000; ++n) {
    REQUIRE(a.see(n));
    REQUIRE(a.take(n));
    REQUIRE(a.missing().empty());
    REQUIRE_FALSE(a.take(n)); // twice
  }
}

TEST_CASE("arrivals: a gap is missing until it is filled") {
  arrivals a;
  CHECK(a.see(3));
  CHECK(a.take(3));
  CHECK(a.missing() == std::set<std::uint64_t>{0, 1, 2});
  CHECK(a.see(1));
  CHECK(a.take(1));
  CHECK(a.missing() == std::set<std::uint64_t>{0, 2});
}

TEST_CASE("arrivals: an unreadable frame is the next one, or one that is missing") {
  arrivals a;
  CHECK(a.see(0));
  CHECK(a.take(0));
  CHECK(a.see_unreadable()); // 1
  CHECK(a.see(2));
  CHECK(a.take(2));
  CHECK(a.missing() == std::set<std::uint64_t>{1});
  CHECK(a.see_unreadable()); // 3, or 1 again
  CHECK(a.missing() == std::set<std::uint64_t>{1, 3});
}

TEST_CASE("arrivals: a number that is forgotten is missing again, until it comes again") {
  arrivals a;
  for (std::uint64_t n = 0; n < 5; ++n) {
    CHECK(a.see(n));
    CHECK(a.take(n));
  }
  CHECK(a.forget(3));
  CHECK(a.forget(1));
  CHECK(a.forget(1)); // once is enough
  CHECK(a.missing() == std::set<std::uint64_t>{1, 3});
  CHECK(a.see(3)); // it comes again, under its number
  CHECK(a.take(3));
  CHECK_FALSE(a.take(3));
  CHECK(a.missing() == std::set<std::uint64_t>{1});
  CHECK(a.see(5)); // numbers run on
  CHECK(a.take(5));
  CHECK(a.missing() == std::set<std::uint64_t>{1});
  CHECK(a.take(1));
  CHECK(a.missing().empty());
}

TEST_CASE("arrivals: no more are forgotten than may be missing") {
  arrivals a;
  for (std::uint64_t n = 0; n <= arrivals::most_missing; ++n) {
    CHECK(a.see(n));
    CHECK(a.take(n));
  }
  for (std::uint64_t n = 0; n < arrivals::most_missing; ++n)
    CHECK(a.forget(n));
  CHECK_FALSE(a.see(arrivals::most_missing + 1)); // all room is taken
  CHECK_FALSE(a.forget(arrivals::most_missing));
}

TEST_CASE("arrivals: a number far ahead, or too many missing, is refused") {
  arrivals a;
  CHECK_FALSE(a.see(~std::uint64_t{0}));
  CHECK_FALSE(a.see(arrivals::most_missing));
  CHECK(a.missing().empty());
  CHECK(a.see(arrivals::most_missing - 1));
  CHECK(a.missing().size() == arrivals::most_missing);
  CHECK_FALSE(a.see(arrivals::most_missing));
  CHECK(a.see(7)); // what was seen still may come
  CHECK(a.take(7));
  CHECK(a.see_unreadable());
  CHECK_FALSE(a.see_unreadable());
}

} // namespace stream_arrivals_test
