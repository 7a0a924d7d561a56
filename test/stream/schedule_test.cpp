#include "planecast/stream/schedule.hpp"

#include "support/dice.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace stream_schedule_test {

using namespace planecast;
using namespace planecast::detail;

namespace {

pending_frame frame(std::uint64_t request, std::uint32_t first, bool before_cut,
                    std::optional<std::uint64_t> again = {}) {
  return {{.kind = frame_kind::base, .request = request, .first = first}, before_cut, again};
}

std::vector<std::uint32_t> emptied(schedule& s) {
  std::vector<std::uint32_t> order;
  for (; !s.empty(); s.pop())
    order.push_back(s.front().header.first);
  return order;
}

} // namespace

TEST_CASE("schedule: repeats, then first light, then focus; within each the first comes first") {
  schedule s;
  CHECK(s.empty());
  s.add(frame(1, 10, false));
  s.add(frame(1, 11, false));
  s.add(frame(2, 20, true)); // a new request overtakes the focus of an old one
  s.add(frame(1, 12, true));
  s.add(frame(1, 30, false, 7));
  s.add(frame(2, 31, true, 5)); // repeats of either phase wait in one line
  CHECK(!s.empty());
  CHECK(emptied(s) == std::vector<std::uint32_t>{30, 31, 20, 12, 10, 11});
}

TEST_CASE("schedule: what comes in between is put where it belongs") {
  schedule s;
  s.add(frame(1, 1, false));
  s.add(frame(1, 2, false));
  CHECK(s.front().header.first == 1);
  s.pop();
  s.add(frame(2, 3, true));
  CHECK(s.front().header.first == 3);
  s.pop();
  CHECK(s.front().header.first == 2);
}

TEST_CASE("schedule: a frame asked for twice before its turn goes once") {
  schedule s;
  for (int i = 0; i < 1000; ++i) {
    s.add(frame(1, 1, true, 7));
    s.add(frame(1, 2, true, 8));
  }
  CHECK(emptied(s) == std::vector<std::uint32_t>{1, 2});
  s.add(frame(1, 1, true, 7)); // asked for once more
  CHECK(emptied(s) == std::vector<std::uint32_t>{1});
}

TEST_CASE("schedule: drop takes out all of one request and nothing else") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    schedule s, without;
    for (std::uint32_t i = 0; i < 60; ++i) {
      pending_frame f = frame(dice.below(3), i, dice.one_in(2));
      if (dice.one_in(4))
        f.again = i;
      s.add(f);
      if (f.header.request != 1)
        without.add(f);
    }
    s.drop(1);
    s.drop(9); // nobody's
    CHECK(emptied(s) == emptied(without));
  }
}

TEST_CASE("sent_frames: found by number until their request is over, and numbers run on") {
  sent_frames sent;
  CHECK(sent.next() == 0);
  CHECK(sent.find(0) == nullptr);
  for (std::uint32_t i = 0; i < 6; ++i)
    sent.add(frame(i % 2, i, true));
  CHECK(sent.next() == 6);
  REQUIRE(sent.find(3) != nullptr);
  CHECK(sent.find(3)->header.first == 3);
  CHECK(sent.find(6) == nullptr);
  CHECK(sent.find(~std::uint64_t{0}) == nullptr);
  sent.drop(1);
  CHECK(sent.find(3) == nullptr);
  CHECK(sent.find(2)->header.first == 2);
  sent.add(frame(1, 6, true)); // the same id, another request
  sent.drop(0);
  CHECK(sent.find(0) == nullptr);
  CHECK(sent.find(5) == nullptr);
  CHECK(sent.find(6)->header.first == 6);
  CHECK(sent.next() == 7);
  sent.drop(1);
  CHECK(sent.next() == 7);
  CHECK(sent.find(6) == nullptr);
}

} // namespace stream_schedule_test
