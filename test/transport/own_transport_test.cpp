// The transport that an example shows has to keep every promise that a transport makes.
#include "conformance.hpp"
#include "own_transport/unix_link.hpp"

namespace transport_own_transport_test {

using namespace transport_test;

TEST_CASE("own transport: conforms") {
  conforms([] { return unix_link::pair(); });
}

TEST_CASE("own transport: what was sent before an orderly end is still delivered") {
  auto [a, b] = unix_link::pair();
  {
    party p(std::move(a));
    for (pc::op_id id = 0; id < 20; ++id)
      REQUIRE(p.send(id % 2 == 0 ? pc::lane::data : pc::lane::control, message(1000, id), id).ok());
    while (p.done.size() < 20 && p.poll(30s) != 0) {
    }
    REQUIRE(p.done.size() == 20);
  }
  party q(std::move(b));
  for (pc::op_id id = 0; id < 20; ++id) {
    REQUIRE(q.receive(id % 2 == 0 ? pc::lane::data : pc::lane::control, 1000, id).ok());
    while (!q.done.contains(id) && q.poll(30s) != 0) {
    }
    REQUIRE(q.ok(id));
    CHECK(q.received(id) == message(1000, id));
  }
  CHECK(gone(q, 100));
}

} // namespace transport_own_transport_test
