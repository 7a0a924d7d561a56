#include "planecast/transport/faulty.hpp"
#include "planecast/transport/loopback.hpp"
#include "planecast/transport/shaped.hpp"

#include "conformance.hpp"
#include "fake_clock.hpp"

#include <bit>
#include <numeric>

namespace transport_faulty_test {

using namespace transport_test;

namespace {

template <class Clock = std::chrono::steady_clock>
auto with(pc::faulty_options options) {
  auto [a, b] = pc::loopback::pair();
  return std::pair{party(pc::faulty<pc::loopback, Clock>(std::move(a), std::move(options))),
                   party(std::move(b))};
}

// Sends `count` messages of `length` bytes into slots that are there, and gives the order of their arrival.
template <class A, class B>
std::vector<std::uint64_t> arrivals(A& a, B& b, pc::lane l, std::uint64_t count, std::size_t length = 16) {
  std::vector<bytes> sent;
  for (std::uint64_t i = 0; i < count; ++i) {
    sent.push_back(message(length, i));
    REQUIRE(b.receive(l, length, i).ok());
    REQUIRE(a.send(l, sent.back(), i).ok());
  }
  REQUIRE(run(a, b, [&](auto& x, auto& y) { return x.done.size() == count && y.done.size() == count; }));
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 0; i < count; ++i) {
    CHECK(a.ok(i));
    const auto which = std::find(sent.begin(), sent.end(), b.received(i));
    order.push_back(static_cast<std::uint64_t>(which - sent.begin()));
  }
  return order;
}

std::size_t bits_between(const bytes& x, const bytes& y) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    n += static_cast<std::size_t>(std::popcount(static_cast<unsigned>(x[i] ^ y[i])));
  return n;
}

} // namespace

TEST_CASE("faulty: conforms where no fault is asked for") {
  conforms([] {
    auto [a, b] = pc::loopback::pair();
    return std::pair{pc::faulty(std::move(a), {}), pc::faulty(std::move(b), {})};
  });
}

TEST_CASE("faulty: flips the bit that is named, of the message that is named") {
  for (const pc::lane l : both_lanes) {
    auto [a, b] = with({.faults = {{.lane = l, .message = 2, .what = pc::fault::flip, .amount = 43},
                                   {.lane = l, .message = 3, .what = pc::fault::flip, .amount = 80 + 5},
                                   {.lane = l, .message = 4, .what = pc::fault::flip, .amount = 1},
                                   {.lane = l, .message = 4, .what = pc::fault::flip, .amount = 2}}});
    for (pc::op_id id = 0; id < 5; ++id) {
      REQUIRE(b.receive(l, 10, id).ok());
      REQUIRE(a.send(l, message(10, id), id).ok());
    }
    REQUIRE(run(a, b, [&](auto& x, auto& y) { return x.done.size() == 5 && y.done.size() == 5; }));
    const std::size_t flipped[] = {0, 0, 1, 1, 2};
    for (pc::op_id id = 0; id < 5; ++id) {
      CHECK(a.ok(id));
      CHECK(a.memory[id] == message(10, id)); // the caller's bytes are left as they are
      CHECK(bits_between(b.received(id), message(10, id)) == flipped[id]);
    }
    CHECK((b.received(2)[5] ^ message(10, 2)[5]) == std::byte{8});
    CHECK((b.received(3)[0] ^ message(10, 3)[0]) == std::byte{32}); // round and round
    CHECK(a.end.messages(l) == 5);
  }
}

TEST_CASE("faulty: truncates, and the sender does not learn of it") {
  auto [a, b] = with({.faults = {{.message = 0, .what = pc::fault::truncate, .amount = 3},
                                 {.message = 1, .what = pc::fault::truncate, .amount = 0},
                                 {.message = 2, .what = pc::fault::truncate, .amount = 1000},
                                 {.message = 3, .what = pc::fault::flip, .amount = 7}}});
  for (pc::op_id id = 0; id < 4; ++id) {
    REQUIRE(b.receive(pc::lane::data, 10, id).ok());
    REQUIRE(a.send(pc::lane::data, id == 3 ? bytes{} : message(10, id), id).ok());
  }
  REQUIRE(run(a, b, [&](auto& x, auto& y) { return x.done.size() == 4 && y.done.size() == 4; }));
  const std::size_t lengths[] = {3, 0, 10, 0}; // nothing to flip in nothing
  for (pc::op_id id = 0; id < 4; ++id) {
    CHECK(b.done.at(id).bytes == lengths[id]);
    CHECK(a.ok(id));
    CHECK(a.done.at(id).bytes == (id == 3 ? 0 : 10));
  }
  const bytes whole = message(10, 0);
  CHECK(b.received(0) == bytes(whole.begin(), whole.begin() + 3));
}

TEST_CASE("faulty: a killed link is lost to both ends") {
  auto [a, b] = with({.faults = {{.message = 2, .what = pc::fault::kill}}});
  for (pc::op_id id = 0; id < 5; ++id) {
    REQUIRE(b.receive(pc::lane::data, 10, id).ok());
    REQUIRE(a.receive(pc::lane::control, 10, 100 + id).ok());
    REQUIRE(a.send(pc::lane::data, message(10, id), id).ok());
  }
  REQUIRE(run(a, b, [&](auto& x, auto& y) { return x.done.size() == 10 && y.done.size() == 5; }));
  for (pc::op_id id = 0; id < 5; ++id) {
    CHECK(b.done.at(id).result.ok() == (id < 2));
    if (id >= 2)
      CHECK(a.done.at(id).result == pc::errc::closed);
    if (id >= 2)
      CHECK(b.done.at(id).result == pc::errc::closed);
    CHECK(a.done.at(100 + id).result == pc::errc::closed);
  }
  CHECK(a.send(pc::lane::control, {}, 200) == pc::errc::closed);
  CHECK(a.receive(pc::lane::control, 1, 201) == pc::errc::closed);
}

TEST_CASE("faulty: a message is held until others have gone first") {
  using order = std::vector<std::uint64_t>;
  for (const pc::lane l : both_lanes) {
    auto [a, b] = with({.faults = {{.lane = l, .message = 1, .what = pc::fault::hold, .amount = 2},
                                   {.lane = l, .message = 2, .what = pc::fault::hold, .amount = 1}}});
    CHECK(arrivals(a, b, l, 6) == order{0, 3, 1, 2, 4, 5});
  }
}

TEST_CASE("faulty: a held message goes when no further one comes") {
  SUBCASE("in a poll that waits") {
    auto [a, b] = with({.faults = {{.message = 0, .what = pc::fault::hold, .amount = 9}}});
    REQUIRE(b.receive(pc::lane::data, 10, 1).ok());
    REQUIRE(a.send(pc::lane::data, message(10, 1), 1).ok());
    CHECK(a.poll(30s) == 1);
  }
  SUBCASE("in polls that only look") {
    auto [a, b] = with({.faults = {{.message = 0, .what = pc::fault::hold, .amount = 9}}});
    REQUIRE(b.receive(pc::lane::data, 10, 1).ok());
    REQUIRE(a.send(pc::lane::data, message(10, 1), 1).ok());
    CHECK(a.poll() == 0);
    CHECK(a.poll() == 1);
  }
  SUBCASE("but not while sends come between polls") {
    auto [a, b] = with({.faults = {{.message = 0, .what = pc::fault::hold, .amount = 3}}});
    for (pc::op_id id = 0; id < 4; ++id) {
      REQUIRE(b.receive(pc::lane::data, 10, id).ok());
      REQUIRE(a.send(pc::lane::data, message(10, id), id).ok());
      CHECK(a.poll() == (id == 0 ? 0 : id == 3 ? 2 : 1));
    }
    CHECK(a.order == std::vector<pc::op_id>{1, 2, 3, 0});
  }
}

TEST_CASE("faulty: a stall holds its lane up, for its time and no other lane") {
  using clock = fake_clock<struct stall>;
  auto [a, b] = with<clock>({.faults = {{.message = 1, .what = pc::fault::stall, .time = 10ms}}});
  for (pc::op_id id = 0; id < 3; ++id) {
    REQUIRE(b.receive(pc::lane::data, 10, id).ok());
    REQUIRE(a.send(pc::lane::data, message(10, id), id).ok());
  }
  REQUIRE(b.receive(pc::lane::control, 10, 100).ok());
  REQUIRE(a.send(pc::lane::control, message(10, 100), 100).ok());
  CHECK(a.poll() == 2);
  CHECK(a.ok(0));
  CHECK(a.ok(100));
  CHECK(a.poll(5ms) == 0); // the clock stands still
  clock::current += 10ms - 1ns;
  CHECK(a.poll() == 0);
  clock::current += 1ns;
  CHECK(a.poll() == 2);
  CHECK(b.poll() == 4);
}

TEST_CASE("faulty: a waiting poll outlasts a stall") {
  auto [a, b] = with({.faults = {{.message = 0, .what = pc::fault::stall, .time = 10ms}}});
  REQUIRE(b.receive(pc::lane::data, 10, 1).ok());
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(a.send(pc::lane::data, message(10, 1), 1).ok());
  CHECK(a.poll(30s) == 1);
  CHECK(std::chrono::steady_clock::now() - start >= 10ms);
}

TEST_CASE("faulty: reordering stays in its window, loses nothing, and follows the seed") {
  for (const std::size_t window : {2u, 5u, 16u})
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
      CAPTURE(window);
      CAPTURE(seed);
      const pc::faulty_options options{.reorder_window = window, .seed = seed};
      auto [a, b] = with(options);
      auto [c, d] = with(options);
      const auto order = arrivals(a, b, pc::lane::data, 200);
      REQUIRE(*std::max_element(order.begin(), order.end()) < 200);
      CHECK(order == arrivals(c, d, pc::lane::data, 200));
      CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
      std::vector<bool> seen(order.size());
      for (std::size_t place = 0; place < order.size(); ++place) {
        seen[order[place]] = true;
        CHECK(place + window > order[place]); // no earlier than the window allows,
        CHECK(place < order[place] + window); // and no later
      }
      CHECK(std::count(seen.begin(), seen.end(), true) == 200);
      auto [e, f] = with(options);
      const auto control = arrivals(e, f, pc::lane::control, 50);
      CHECK(std::is_sorted(control.begin(), control.end()));
    }
}

TEST_CASE("faulty: other seeds, other orders") {
  auto [a, b] = with({.reorder_window = 8, .seed = 1});
  auto [c, d] = with({.reorder_window = 8, .seed = 2});
  CHECK(arrivals(a, b, pc::lane::data, 100) != arrivals(c, d, pc::lane::data, 100));
}

TEST_CASE("faulty: a changed copy outlives the end's move and dies after the end") {
  auto [a, b] = with({.faults = {{.message = 0, .what = pc::fault::flip, .amount = 0}}});
  auto [c, d] = with({.faults = {{.message = 0, .what = pc::fault::flip, .amount = 0}}});
  for (auto* p : {&a, &c}) {
    REQUIRE(p->send(pc::lane::data, message(1000, 1), 1).ok());
    REQUIRE(p->poll() == 0); // now with the inner transport, which borrows it
  }
  a.end = std::move(c.end);
  CHECK(gone(b, 10)); // the end that was assigned to is over, and its copy with it
  REQUIRE(d.receive(pc::lane::data, 1000, 1).ok());
  CHECK(d.poll(10s) == 1);
  CHECK(bits_between(d.received(1), message(1000, 1)) == 1);
}

TEST_CASE("faulty: what is held completes when the link ends") {
  auto [a, b] = with({.faults = {{.message = 0, .what = pc::fault::hold, .amount = 9},
                                 {.message = 1, .what = pc::fault::stall, .time = 1h}}});
  for (pc::op_id id = 0; id < 3; ++id)
    REQUIRE(a.send(pc::lane::data, message(10, id), id).ok());
  REQUIRE(a.poll() == 0);
  a.end.abort();
  CHECK(a.poll(10s) == 3);
  for (const auto& [id, c] : a.done)
    CHECK(c.result == pc::errc::cancelled);
}

TEST_CASE("faulty: faults and shapes lie one over the other") {
  auto [a, b] = pc::loopback::pair();
  party p(pc::faulty(pc::shaped(std::move(a), {.bytes_per_second = 1e9}), {.reorder_window = 4}));
  party q(std::move(b));
  auto order = arrivals(p, q, pc::lane::data, 100);
  CHECK(p.end.inner().bytes_forwarded() == 1600);
  CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
}

} // namespace transport_faulty_test
