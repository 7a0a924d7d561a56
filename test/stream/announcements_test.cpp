#include "planecast/stream/announcements.hpp"

#include <doctest/doctest.h>

namespace stream_announcements_test {

using planecast::detail::announcements;

TEST_CASE("announcements: what was announced is there when it is expected, once") {
  announcements a(2);
  CHECK(a.add(7, {70, 3, 1}));
  CHECK(a.add(7, {71, 4, 2, 9})); // the last counts
  const auto known = a.expect(7);
  REQUIRE(known);
  CHECK(known->tokens == 71);
  CHECK(known->first == 4);
  CHECK(known->opening == 2);
  CHECK(known->kept == 9);
  CHECK_FALSE(a.expect(7));
}

TEST_CASE("announcements: no more than the limit, and room again after a withdrawal") {
  announcements a(2);
  CHECK(a.add(1, {}));
  CHECK(a.add(2, {}));
  CHECK_FALSE(a.add(3, {}));
  CHECK(a.add(2, {5, 5})); // known already
  a.withdraw(1);
  CHECK(a.add(3, {}));
  CHECK_FALSE(a.expect(1));
}

TEST_CASE("announcements: an id that was given up is told so once, unless it is expected or withdrawn") {
  announcements a(2);
  a.give_up(1);
  CHECK(a.was_given_up(1));
  CHECK_FALSE(a.was_given_up(1));
  a.give_up(2);
  CHECK_FALSE(a.expect(2));
  CHECK_FALSE(a.was_given_up(2));
  a.give_up(3);
  a.withdraw(3);
  CHECK_FALSE(a.was_given_up(3));
  a.give_up(4), a.give_up(5), a.give_up(6); // the third is one too many
  CHECK_FALSE(a.was_given_up(6));
}

} // namespace stream_announcements_test
