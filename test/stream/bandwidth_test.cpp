#include "planecast/stream/bandwidth.hpp"

#include "support/dice.hpp"

#include <deque>
#include <doctest/doctest.h>

namespace stream_bandwidth_test {

using namespace std::chrono_literals;
using planecast::detail::bandwidth_meter;

namespace {

// A link of some rate that takes frames one after the other, and a sender that keeps a window of them on it.
struct slow_link {
  double rate;
  bandwidth_meter meter = {};
  std::chrono::steady_clock::time_point now{};
  double free_at = 0; // when the last frame will have crossed, in seconds
  std::deque<std::pair<double, std::uint64_t>> under_way = {};

  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(now.time_since_epoch()).count();
  }
  void send(std::uint64_t bytes) {
    free_at = std::max(free_at, seconds()) + static_cast<double>(bytes) / rate;
    under_way.emplace_back(free_at, bytes);
    meter.sent(bytes, now);
  }
  void fill(std::size_t window, std::uint64_t frame) {
    while (under_way.size() < window)
      send(frame);
  }
  void look() {
    while (!under_way.empty() && under_way.front().first <= seconds()) {
      meter.done(under_way.front().second);
      under_way.pop_front();
    }
    meter.looked(now);
  }
  void pass(std::chrono::nanoseconds time) {
    now += std::chrono::duration_cast<decltype(now)::duration>(time);
  }
};

} // namespace

TEST_CASE("bandwidth: what crosses while there is always something to cross") {
  for (const double rate : {1e6, 1.25e8, 1e10}) {
    for (unsigned seed = 0; seed < 20; ++seed) {
      CAPTURE(rate);
      CAPTURE(seed);
      test::dice dice(seed);
      slow_link l{.rate = rate};
      CHECK(!l.meter.rate());
      const std::uint64_t frame = dice.between(20000, 500000);
      const double of_frame = static_cast<double>(frame) / rate;
      std::size_t looks = 0;
      for (; !l.meter.rate() && looks < 100000; ++looks) {
        l.fill(4, frame);
        l.pass(std::chrono::nanoseconds(static_cast<std::int64_t>(of_frame * 1e7 * dice.between(1, 150))));
        l.look();
      }
      REQUIRE(l.meter.rate());
      CHECK(static_cast<double>(frame) * static_cast<double>(looks) > 1e6); // not from one frame
      CHECK(*l.meter.rate() > 0.6 * rate);
      CHECK(*l.meter.rate() < 1.6 * rate);
    }
  }
}

TEST_CASE("bandwidth: time in which the link may have stood idle says nothing") {
  slow_link l{.rate = 1e9};
  for (int i = 0; i < 200; ++i) { // coding takes a second, the window is through in four milliseconds
    l.fill(4, 1000000);
    l.pass(1s);
    l.look();
  }
  CHECK(!l.meter.rate());
  for (int i = 0; i < 40; ++i) {
    l.fill(4, 1000000);
    l.pass(1ms);
    l.look();
  }
  REQUIRE(l.meter.rate());
  CHECK(*l.meter.rate() > 0.9e9);
  CHECK(*l.meter.rate() < 1.1e9);
}

TEST_CASE("bandwidth: a burst into a buffer, and a stall, do not move it for long") {
  slow_link l{.rate = 1e12};
  const auto go = [&](int looks) {
    for (int i = 0; i < looks; ++i) {
      l.fill(4, 1048576);
      l.pass(1ms);
      l.look();
    }
  };
  for (int i = 0; i < 3; ++i) { // a buffer swallows three samples at once
    l.fill(4, 1048576);
    l.pass(10us);
    l.look();
  }
  l.rate = 1048576.0 * 1000;
  l.under_way.clear();
  l = {l.rate, l.meter, l.now, 0, {}};
  go(40);
  REQUIRE(l.meter.rate());
  CHECK(*l.meter.rate() == doctest::Approx(l.rate).epsilon(0.2));
  l.free_at += 2; // nothing crosses for two seconds
  go(3000);
  CHECK(*l.meter.rate() == doctest::Approx(l.rate).epsilon(0.2));
}

TEST_CASE("bandwidth: looks that find nothing, and bytes that nobody sent, are no harm") {
  bandwidth_meter m;
  m.looked({});
  m.done(5);
  m.looked({});
  CHECK(!m.rate());
}

} // namespace stream_bandwidth_test
