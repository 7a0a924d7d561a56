#include "planecast/transport/loopback.hpp"
#include "planecast/transport/shaped.hpp"

#include "conformance.hpp"
#include "fake_clock.hpp"

#include <cmath>

namespace transport_shaped_test {

using namespace transport_test;

namespace {

auto shaped_pair(pc::link_shape shape) {
  auto [a, b] = pc::loopback::pair();
  return std::pair{pc::shaped(std::move(a), shape), pc::shaped(std::move(b), shape)};
}

// Two ends of which the first is shaped by a clock of the test's own.
template <class Clock>
auto on(pc::link_shape shape) {
  auto [a, b] = pc::loopback::pair();
  return std::pair{party(pc::shaped<pc::loopback, Clock>(std::move(a), shape)), party(std::move(b))};
}

} // namespace

TEST_CASE("shaped: conforms with no shape at all") {
  conforms([] { return shaped_pair({}); });
}

TEST_CASE("shaped: conforms over a slower link") {
  conforms([] { return shaped_pair({.bytes_per_second = 1e9, .latency = 50us}); });
}

TEST_CASE("shaped: a rate is above zero, a latency not below it") {
  CHECK_THROWS_AS(shaped_pair({.bytes_per_second = 0}), std::invalid_argument);
  CHECK_THROWS_AS(shaped_pair({.bytes_per_second = -1}), std::invalid_argument);
  CHECK_THROWS_AS(shaped_pair({.bytes_per_second = std::nan("")}), std::invalid_argument);
  CHECK_THROWS_AS(shaped_pair({.latency = -1ns}), std::invalid_argument);
}

TEST_CASE("shaped: data leaves at the rate, arrives a latency later, and not a tick before") {
  using clock = fake_clock<struct rate>;
  auto [a, b] = on<clock>({.bytes_per_second = 1000, .latency = 100ms});
  for (pc::op_id id = 0; id < 3; ++id) {
    REQUIRE(a.send(pc::lane::data, message(500, id), id).ok());
    REQUIRE(b.receive(pc::lane::data, 500, id).ok());
  }
  for (pc::op_id id = 0; id < 3; ++id) { // at 0.6 s, 1.1 s and 1.6 s
    clock::current += id == 0 ? 600ms - 1ns : 500ms - 1ns;
    CHECK(a.poll() == 0);
    CHECK(b.poll() == 0);
    CHECK(a.end.bytes_forwarded() == 500 * id);
    clock::current += 1ns;
    CHECK(a.poll() == 1);
    CHECK(b.poll() == 1);
    CHECK(b.received(id) == message(500, id));
    CHECK(a.end.bytes_forwarded() == 500 * (id + 1));
  }
  clock::current += 1h; // what was not sent then cannot be made up for now
  for (pc::op_id id = 3; id < 5; ++id) {
    REQUIRE(a.send(pc::lane::data, message(1000, id), id).ok());
    REQUIRE(b.receive(pc::lane::data, 1000, id).ok());
  }
  clock::current += 1100ms;
  CHECK(a.poll() == 1);
  clock::current += 1s - 1ns;
  CHECK(a.poll() == 0);
  clock::current += 1ns;
  CHECK(a.poll() == 1);
}

TEST_CASE("shaped: control has the latency alone, and passes data by") {
  using clock = fake_clock<struct control>;
  auto [a, b] = on<clock>({.bytes_per_second = 10, .latency = 5ms});
  REQUIRE(a.send(pc::lane::data, message(1000, 0), 0).ok());
  for (pc::op_id id = 1; id < 4; ++id) {
    REQUIRE(a.send(pc::lane::control, message(1000, id), id).ok());
    REQUIRE(b.receive(pc::lane::control, 1000, id).ok());
  }
  clock::current += 5ms - 1ns;
  CHECK(a.poll() == 0);
  clock::current += 1ns;
  CHECK(a.poll() == 3);
  CHECK(b.poll() == 3);
  CHECK(b.order == std::vector<pc::op_id>{1, 2, 3});
  CHECK(a.end.bytes_forwarded() == 0);
}

TEST_CASE("shaped: over random messages and pauses the rate is the one asked for") {
  using clock = fake_clock<struct random>;
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u}) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const double rate = 1e6 * static_cast<double>(1 + random() % 5000);
    const auto latency = std::chrono::nanoseconds(random() % 3'000'000);
    auto [a, b] = on<clock>({.bytes_per_second = rate, .latency = latency});
    double free_at = 0; // in nanoseconds since the start, by the plain formula
    const auto start = clock::current;
    std::deque<std::pair<double, pc::op_id>> due;
    for (pc::op_id id = 0; id < 300; ++id) {
      const std::size_t length = random() % 100'000;
      const double now = static_cast<double>((clock::current - start).count());
      free_at = std::max(free_at, now) + static_cast<double>(length) / rate * 1e9;
      due.emplace_back(free_at + static_cast<double>(latency.count()), id);
      REQUIRE(a.send(pc::lane::data, bytes(length), id).ok());
      REQUIRE(b.receive(pc::lane::data, length, id).ok());
      clock::current += std::chrono::nanoseconds(random() % 60'000);
      while (a.poll() + b.poll() != 0) {
      }
      const double later = static_cast<double>((clock::current - start).count());
      for (const auto& [at, which] : due) {
        if (at > later) // each message rounds its time up to the clock's next tick
          CHECK_FALSE(b.done.contains(which));
        else if (at + 301 <= later)
          CHECK(b.done.contains(which));
      }
    }
  }
}

TEST_CASE("shaped: a rate so low that a message never arrives overflows nothing") {
  using clock = fake_clock<struct slow>;
  auto [a, b] = on<clock>({.bytes_per_second = 1e-300, .latency = 1h});
  for (pc::op_id id = 0; id < 20; ++id)
    REQUIRE(a.send(pc::lane::data, bytes(1000), id).ok());
  clock::current += 1000h;
  CHECK(a.poll() == 0);
  CHECK(a.poll(5ms) == 0);
}

TEST_CASE("shaped: a poll keeps its deadline although the clock stands still") {
  using clock = fake_clock<struct still>;
  auto [a, b] = on<clock>({.bytes_per_second = 1e6});
  REQUIRE(a.send(pc::lane::data, bytes(1000), 1).ok());
  const auto start = std::chrono::steady_clock::now();
  CHECK(a.poll(20ms) == 0);
  CHECK(std::chrono::steady_clock::now() - start >= 20ms);
}

TEST_CASE("shaped: a waiting poll sends what falls due meanwhile") {
  auto [a, b] = shaped_pair({.bytes_per_second = 1e6, .latency = 1ms});
  party p(std::move(a)), q(std::move(b));
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(q.receive(pc::lane::data, 10'000, 1).ok());
  REQUIRE(p.send(pc::lane::data, bytes(10'000), 1).ok());
  CHECK(p.poll(30s) == 1);
  CHECK(std::chrono::steady_clock::now() - start >= 11ms);
  CHECK(p.end.bytes_forwarded() == 10'000);
}

TEST_CASE("shaped: what is held completes when the link ends") {
  using clock = fake_clock<struct lost>;
  SUBCASE("by an abort") {
    auto [a, b] = on<clock>({.bytes_per_second = 1, .latency = 1h});
    for (pc::op_id id = 0; id < 10; ++id)
      REQUIRE(a.send(id % 2 == 0 ? pc::lane::data : pc::lane::control, bytes(100), id).ok());
    a.end.abort();
    CHECK(a.poll(1s, 20) == 10);
    for (const auto& [id, c] : a.done)
      CHECK(c.result == pc::errc::cancelled);
  }
  SUBCASE("by the peer, as soon as one operation shows it") {
    auto [a, b] = on<clock>({.bytes_per_second = 1, .latency = 1h});
    REQUIRE(a.receive(pc::lane::control, 10, 100).ok());
    for (pc::op_id id = 0; id < 10; ++id)
      REQUIRE(a.send(pc::lane::data, bytes(100), id).ok());
    b.end.abort();
    while (a.done.size() < 11 && a.poll(10s) != 0) {
    }
    CHECK(a.done.size() == 11);
    for (const auto& [id, c] : a.done)
      CHECK(c.result == pc::errc::closed);
    CHECK(a.send(pc::lane::data, bytes(1), 200) == pc::errc::closed);
  }
  SUBCASE("by the peer, when the first one's time has come") {
    auto [a, b] = on<clock>({.bytes_per_second = 1, .latency = 1h});
    for (pc::op_id id = 0; id < 10; ++id)
      REQUIRE(a.send(pc::lane::data, bytes(100), id).ok());
    b.end.abort();
    CHECK(a.poll() == 0);
    clock::current += 2h;
    while (a.done.size() < 10 && a.poll(10s) != 0) {
    }
    CHECK(a.done.size() == 10);
  }
}

} // namespace transport_shaped_test
