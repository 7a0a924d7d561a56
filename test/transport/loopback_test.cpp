#include "planecast/transport/loopback.hpp"

#include "conformance.hpp"

namespace transport_loopback_test {

using namespace transport_test;

TEST_CASE("loopback: conforms") {
  conforms([] { return pc::loopback::pair(); });
}

TEST_CASE("loopback: limits are the caller's") {
  auto [a, b] = pc::loopback::pair({.message_bytes = 100, .pieces = 2, .operations = 3});
  CHECK(b.limits().operations == 3);
  party p(std::move(a));
  CHECK(p.send(pc::lane::data, bytes(101), 1) == pc::errc::limit);
  for (pc::op_id id = 0; id < 3; ++id)
    CHECK(p.send(pc::lane::data, bytes(100), id).ok());
  CHECK(p.send(pc::lane::data, bytes(100), 3) == pc::errc::limit);
}

TEST_CASE("loopback: an operation counts until poll has told of it") {
  auto [a, b] = pc::loopback::pair({.message_bytes = 100, .pieces = 2, .operations = 1});
  party p(std::move(a)), q(std::move(b));
  REQUIRE(q.receive(pc::lane::data, 1, 1).ok());
  REQUIRE(p.send(pc::lane::data, bytes(1), 1).ok());
  CHECK(p.send(pc::lane::data, bytes(1), 2) == pc::errc::limit);
  REQUIRE(p.poll() == 1);
  CHECK(p.send(pc::lane::data, bytes(1), 2).ok());
}

TEST_CASE("loopback: a send is under way until a slot has its bytes") {
  auto [a, b] = pc::loopback::pair();
  party p(std::move(a)), q(std::move(b));
  REQUIRE(p.send(pc::lane::data, message(10, 1), 1).ok());
  CHECK(p.poll(1ms) == 0);
  std::ranges::copy(message(10, 2), p.memory[1].begin()); // the bytes are borrowed, not copied
  REQUIRE(q.receive(pc::lane::data, 10, 1).ok());
  CHECK(p.poll(1ms) == 1);
  CHECK(q.poll(1ms) == 1);
  CHECK(q.received(1) == message(10, 2));
}

TEST_CASE("loopback: an end without a link is closed") {
  pc::loopback none;
  party p(std::move(none));
  CHECK(p.send(pc::lane::data, bytes(1), 1) == pc::errc::closed);
  CHECK(p.receive(pc::lane::data, 1, 1) == pc::errc::closed);
  CHECK(p.poll(1ms) == 0);
  CHECK(p.end.limits().message_bytes == 0);
  p.end.abort();
}

TEST_CASE("loopback: a waiting poll is woken by the other thread") {
  auto [a, b] = pc::loopback::pair();
  party p(std::move(a)), q(std::move(b));
  REQUIRE(q.receive(pc::lane::control, 8, 1).ok());
  std::thread sender([&] {
    std::this_thread::sleep_for(10ms);
    (void)p.send(pc::lane::control, message(8, 1), 1);
  });
  CHECK(q.poll(30s) == 1);
  sender.join();
  CHECK(q.received(1) == message(8, 1));
}

} // namespace transport_loopback_test
