#include "planecast/stream/outlook.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <optional>

namespace stream_outlook_test {

namespace {

namespace pc = planecast;
using namespace std::chrono_literals;
using planes = pc::planes<4, 4, pc::tail>;
using outlook = pc::detail::outlook<planes>;

double seconds(const std::optional<pc::deadline::clock::duration>& d) {
  REQUIRE(d.has_value());
  return std::chrono::duration<double>(*d).count();
}

TEST_CASE("the rest is what is planned less what came, at the rate so far") {
  outlook o;
  const outlook::time begun{};
  CHECK(o.left(0, begun) == 0ns);   // nothing is planned
  o.plan(1, 100, 100 * 1000, 16);   // 250 bytes each by the width
  o.plan(2, 100, 100 * 1000, 16);   // 500 at most
  CHECK(!o.left(5000, begun + 1s)); // has not begun
  o.begin(5000, begun);
  CHECK(!o.left(5000, begun + 1s));                                 // nothing came
  CHECK(!o.left(6000, begun));                                      // in no time
  CHECK(seconds(o.left(6000, begun + 1s)) == doctest::Approx(75));  // 75 000 bytes at 1000 a second
  CHECK(seconds(o.left(6000, begun + 2s)) == doctest::Approx(150)); // it stands still
  o.came(1, 50, 50 * 260);                                          // so an upgrade has 260 bytes
  CHECK(seconds(o.left(18000, begun + 13s)) == doctest::Approx(63));
  o.came(1, 50, 50 * 240);
  o.came(2, 50, 50 * 200);
  CHECK(seconds(o.left(45000, begun + 4s)) == doctest::Approx(1)); // tails are shorter than was thought
  o.came(2, 50, 50 * 200);
  CHECK(o.left(45000, begun + 4s) == 0ns);
}

TEST_CASE("several runs of a plane, eight-bit numbers, times beyond what a clock can count") {
  pc::detail::outlook<pc::planes<4, pc::tail>> o;
  const outlook::time begun{};
  o.plan(1, 10, 10 * 64, 8); // 32 bytes each
  o.plan(1, 10, 10 * 64, 8);
  o.begin(0, begun);
  CHECK(seconds(o.left(64, begun + 1s)) == doctest::Approx(10));
  CHECK(*o.left(1, begun + std::chrono::hours(1'000'000)) > std::chrono::hours(24));
}

} // namespace

} // namespace stream_outlook_test
