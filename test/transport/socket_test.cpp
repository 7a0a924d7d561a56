#include "planecast/transport/shaped.hpp"
#include "planecast/transport/socket.hpp"

#include "conformance.hpp"

#include <csignal>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace transport_socket_test {

using namespace transport_test;
using pc::detail::greeting;
using tcp = asio::ip::tcp;

namespace {

std::string at(std::uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

std::pair<pc::socket, pc::socket> socket_pair(const pc::socket_options& options = {}) {
  pc::listener door(0, options);
  pc::socket a;
  std::thread caller([&] { a = pc::connect(at(door.port()), options, 30s); });
  pc::socket b = door.accept(30s);
  caller.join();
  return {std::move(a), std::move(b)};
}

pc::status failure(auto call) {
  try {
    call();
  } catch (const pc::error& e) {
    return e.status();
  }
  return {};
}

// A connection that says what a test wants it to say.
struct stranger {
  explicit stranger(std::uint16_t port) { s.connect({asio::ip::address_v4::loopback(), port}); }
  explicit stranger(tcp::acceptor& door) { door.accept(s); }
  void say(const auto& bytes_said) { asio::write(s, asio::buffer(bytes_said)); }
  bool hear(auto& room) { // false where the peer has closed instead
    asio::error_code e;
    asio::read(s, asio::buffer(room), e);
    return !e;
  }
  static inline asio::io_context io;
  tcp::socket s{io};
};

// A peer whose framing is written by hand: its greetings are right, what follows is the test's.
struct forged {
  explicit forged(pc::listener& door) : control(door.port()), data(door.port()) {
    control.say(greeting(0, 0, {1, 2}).encode());
    data.say(greeting(1, 0, {1, 2}).encode());
  }
  stranger control, data;
};

template <class T>
void finish(party<T>& p, std::size_t count) {
  const pc::deadline d = 30s;
  while (p.done.size() < count && p.poll(d) != 0) {
  }
  REQUIRE(p.done.size() == count);
}

} // namespace

TEST_CASE("socket: conforms") {
  conforms([] { return socket_pair(); });
}

TEST_CASE("socket: conforms with small buffers of the kernel's") {
  conforms([] { return socket_pair({.send_buffer = 16384, .receive_buffer = 16384}); });
}

TEST_CASE("socket: conforms when shaped") {
  conforms([] {
    auto [a, b] = socket_pair();
    return std::pair{pc::shaped(std::move(a), {.bytes_per_second = 2e9}), pc::shaped(std::move(b), {})};
  });
}

TEST_CASE("socket: the page that users read") {
  pc::listener door(0);
  const std::uint16_t port = door.port();
  std::thread decode([&] {
    pc::socket link = door.accept();
    std::byte room[64];
    REQUIRE(link.receive(pc::lane::data, room, 1).ok());
    pc::completion c;
    CHECK(link.poll({&c, 1}, 30s) == 1);
    CHECK(c.bytes == 5);
  });
  pc::socket link = pc::connect("localhost:" + std::to_string(port));
  const bytes hello = message(5, 1);
  const std::span<const std::byte> pieces[] = {hello};
  REQUIRE(link.send(pc::lane::data, pieces, 1).ok());
  pc::completion c;
  CHECK(link.poll({&c, 1}, 30s) == 1);
  decode.join();
}

TEST_CASE("socket: the peer may start later") {
  const std::uint16_t port = pc::listener(0).port(); // free again at once
  pc::socket a;
  std::thread caller([&] { a = pc::connect(at(port), {}, 30s); });
  std::this_thread::sleep_for(30ms);
  pc::socket b = pc::listen(port, {}, 30s);
  caller.join();
  party p(std::move(a)), q(std::move(b));
  REQUIRE(p.send(pc::lane::control, message(9, 9), 1).ok());
  REQUIRE(q.receive(pc::lane::control, 9, 1).ok());
  CHECK(run(p, q, [&](auto& x, auto& y) { return x.ok(1) && y.ok(1); }));
}

TEST_CASE("socket: without a peer, connecting and accepting end at their deadline") {
  const auto start = std::chrono::steady_clock::now();
  const std::uint16_t port = pc::listener(0).port();
  CHECK(failure([&] { (void)pc::connect(at(port), {}, 30ms); }) == pc::errc::timeout);
  CHECK(failure([] { (void)pc::listener(0).accept(30ms); }) == pc::errc::timeout);
  CHECK(failure([] { (void)pc::listen(0, {}, 30ms); }) == pc::errc::timeout);
  pc::listener silent(0); // the kernel answers for it, planecast does not
  CHECK(failure([&] { (void)pc::connect(at(silent.port()), {}, 30ms); }) == pc::errc::timeout);
  const auto waited = std::chrono::steady_clock::now() - start;
  CHECK(waited >= 120ms);
  CHECK(waited < 30s);
  CHECK(failure([&] { (void)silent.accept(30ms); }) == pc::errc::timeout); // whoever called has gone away
}

TEST_CASE("socket: stays on loopback, and takes no key yet") {
  CHECK(failure([] { (void)pc::connect("127.0.0.1:1", {.key = "k"}); }) == pc::errc::unsupported);
  CHECK(failure([] { pc::listener(0, {.key = "k"}); }) == pc::errc::unsupported);
  CHECK(failure([] { pc::listener(0, {.address = "0.0.0.0"}); }) == pc::errc::unsupported);
  CHECK(failure([] { pc::listener(0, {.address = "::"}); }) == pc::errc::unsupported);
  for (const char* elsewhere :
       {"192.0.2.1:7440", "decode-7:7440", "[::2]:7440", "0.0.0.0:7440", ":7440", "[::ffff:192.0.2.1]:7440"})
    CHECK(failure([&] { (void)pc::connect(elsewhere); }) == pc::errc::unsupported);
  try {
    (void)pc::connect("127.0.0.1:1", {.key = "k"});
  } catch (const pc::error& e) {
    const std::string says = e.what();
    CHECK(says.find("encryption is not there yet") != says.npos);
  }
}

TEST_CASE("socket: other machines are reached where it is said that nothing is encrypted") {
  pc::listener door(0, {.address = "0.0.0.0", .unencrypted = true});
  const std::string port = ':' + std::to_string(door.port());
  for (const char* host : {"127.0.0.1", "localhost", "127.9.8.7"}) {
    std::thread caller([&] { (void)pc::connect(host + port, {.unencrypted = true}, 30s); });
    (void)door.accept(30s);
    caller.join();
  }
  for (const char* nobody : {"decode-7:1", ":1", "[::1 ]:1"})
    CHECK(failure([&] { (void)pc::connect(nobody, {.unencrypted = true}); }) == pc::errc::unsupported);
  CHECK(failure([] { pc::listener(0, {.key = "k", .unencrypted = true}); }) == pc::errc::unsupported);
}

TEST_CASE("socket: an address without a port is a mistake of the caller's") {
  for (const char* wrong :
       {"", "localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:12x", "127.0.0.1:-1"})
    CHECK_THROWS_AS((void)pc::connect(wrong), std::invalid_argument);
}

TEST_CASE("socket: other loopback addresses") {
  pc::listener door(0, {.address = "127.3.2.1"});
  std::thread caller([&] { (void)pc::connect("127.3.2.1:" + std::to_string(door.port()), {}, 30s); });
  (void)door.accept(30s);
  caller.join();
  std::optional<pc::listener> six;
  try {
    six.emplace(std::uint16_t{0}, pc::socket_options{.address = "::1"});
  } catch (const pc::error& e) {
    MESSAGE("this machine has no IPv6: " << e.what());
    return;
  }
  std::thread caller6([&] { (void)pc::connect("[::1]:" + std::to_string(six->port()), {}, 30s); });
  (void)six->accept(30s);
  caller6.join();
}

TEST_CASE("socket: a taken port says so") {
  pc::listener door(0);
  CHECK(failure([&] { pc::listener second(door.port()); }) == pc::errc::closed);
}

TEST_CASE("socket: options reach the kernel") {
  CHECK(failure([] { pc::listener(0, {.congestion_control = "no such thing"}); }) == pc::errc::unsupported);
  auto [a, b] = socket_pair({.message_bytes = 1000, .operations = 3, .congestion_control = "reno"});
  CHECK(a.limits().message_bytes == 1000);
  CHECK(b.limits().operations == 3);
}

TEST_CASE("socket: strangers do not keep the peer out") {
  pc::listener door(0);
  std::deque<stranger> strangers;
  const auto stranger_says = [&](const auto& what) { strangers.emplace_back(door.port()).say(what); };
  greeting::bytes old = greeting(0, 0, {3, 4}).encode();
  pc::detail::store(&old[4], std::uint16_t{77});
  for (int i = 0; i < 3; ++i) {
    stranger_says(bytes{});             // nothing
    stranger_says(message(10, 1));      // too little
    stranger_says(message(24, 1));      // nonsense
    stranger_says(message(100'000, 1)); // much nonsense
    stranger_says(std::string("GET / HTTP/1.1\r\nHost: planecast\r\n\r\n"));
    stranger_says(greeting(0, 0, {3, 4}).encode()); // half of a link
    stranger_says(greeting(1, 0, {5, 6}).encode()); // another half
    stranger_says(greeting(2, 0, {3, 4}).encode()); // a lane that is not there
    stranger_says(greeting(1, 1, {3, 4}).encode()); // an answer where none was asked for
    stranger_says(old);                             // another version
    strangers.emplace_back(door.port()).s.close();  // one that hangs up
  }
  pc::socket a;
  std::thread caller([&] { a = pc::connect(at(door.port()), {}, 30s); });
  party q(door.accept(30s));
  caller.join();
  party p(std::move(a));
  REQUIRE(p.send(pc::lane::data, message(50, 1), 1).ok());
  REQUIRE(q.receive(pc::lane::data, 50, 1).ok());
  CHECK(run(p, q, [&](auto& x, auto& y) { return x.ok(1) && y.ok(1); }));
  CHECK(q.received(1) == message(50, 1));
}

TEST_CASE("socket: one listener takes several peers, in whatever order their connections come") {
  pc::listener first(0);
  pc::listener door = std::move(first);
  stranger c1(door.port()), d2(door.port()), d1(door.port()), c2(door.port());
  d2.say(greeting(1, 0, {2, 2}).encode());
  c1.say(greeting(0, 0, {1, 1}).encode());
  c2.say(greeting(0, 0, {2, 2}).encode());
  d1.say(greeting(1, 0, {1, 1}).encode());
  const pc::socket a = door.accept(30s), b = door.accept(30s);
  greeting::bytes answer;
  for (stranger* s : {&c1, &d1, &c2, &d2}) {
    REQUIRE(s->hear(answer));
    const greeting g(answer);
    CHECK(g.check(1).ok());
    CHECK(g.lane == (s == &d1 || s == &d2));
    CHECK(g.cookie[0] == (s == &c1 || s == &d1 ? 1 : 2));
  }
}

TEST_CASE("socket: peers of two versions tell each other") {
  tcp::acceptor door(stranger::io, {asio::ip::address_v4::loopback(), 0});
  std::thread other([&] {
    stranger control(door), data(door);
    greeting::bytes b;
    REQUIRE(control.hear(b));
    greeting g(b);
    g.version = 9, g.answer = 1;
    control.say(g.encode());
    (void)data.hear(b);
    (void)data.hear(b); // until it closes
  });
  const pc::status s = failure([&] { (void)pc::connect(at(door.local_endpoint().port()), {}, 30s); });
  CHECK(s == pc::errc::mismatch);
  CHECK(s.here == greeting::version_here);
  CHECK(s.there == 9);
  other.join();

  pc::listener mine(0); // and the other way round
  stranger old(mine.port());
  greeting said(0, 0, {1, 2});
  said.version = 9;
  old.say(said.encode());
  CHECK(failure([&] { (void)mine.accept(50ms); }) == pc::errc::timeout);
  greeting::bytes answer;
  REQUIRE(old.hear(answer));
  CHECK(greeting(answer).version == greeting::version_here);
}

TEST_CASE("socket: a server that is not planecast is not taken for a peer") {
  for (const bool echo : {true, false}) {
    CAPTURE(echo);
    tcp::acceptor door(stranger::io, {asio::ip::address_v4::loopback(), 0});
    std::thread other([&] {
      stranger control(door), data(door);
      greeting::bytes b;
      for (stranger* s : {&control, &data})
        if (s->hear(b))
          s->say(echo ? bytes(b.begin(), b.end()) : message(24, 3));
      (void)control.hear(b);
    });
    CHECK(failure([&] { (void)pc::connect(at(door.local_endpoint().port()), {}, 30s); }) ==
          pc::errc::corrupt);
    other.join();
  }
}

TEST_CASE("socket: what was sent before an orderly close is still delivered") {
  auto [a, b] = socket_pair();
  {
    party p(std::move(a));
    for (pc::op_id id = 0; id < 20; ++id)
      REQUIRE(p.send(id % 2 == 0 ? pc::lane::data : pc::lane::control, message(1000, id), id).ok());
    finish(p, 20);
  }
  party q(std::move(b));
  CHECK(q.poll(10ms) == 0);
  for (pc::op_id id = 0; id <= 20; id += 2) { // all of one lane, up to its end,
    REQUIRE(q.receive(pc::lane::data, 1000, id).ok());
    finish(q, id / 2 + 1);
  }
  for (pc::op_id id = 1; id < 20; id += 2) { // and the other lane's messages are there none the less
    REQUIRE(q.receive(pc::lane::control, 1000, id).ok());
    finish(q, 11 + id / 2 + 1);
  }
  for (pc::op_id id = 0; id < 20; ++id)
    CHECK(q.received(id) == message(1000, id));
  CHECK(q.done.at(20).result == pc::errc::closed);
  CHECK(gone(q, 100));
}

TEST_CASE("socket: sending to a peer that has gone raises no signal") {
  auto [a, b] = socket_pair();
  { pc::socket gone_now = std::move(b); }
  party p(std::move(a));
  pc::op_id id = 0;
  bool closed = false;
  while (!closed && id < 10'000) {
    if (!p.send(pc::lane::data, message(1000, id), id).ok())
      break;
    finish(p, ++id);
    closed = p.done.at(id - 1).result == pc::errc::closed;
  }
  CHECK(id < 10'000);
  CHECK(p.send(pc::lane::control, {}, 20'000) == pc::errc::closed);
}

TEST_CASE("socket: a peer that is killed closes everything, before any deadline") {
  pc::listener door(0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) { // the peer: sends one message, takes one, and then nothing
    try {
      pc::socket link = pc::connect(at(door.port()), {}, 30s);
      const bytes hello = message(1000, 1);
      bytes room(1 << 16);
      const std::span<const std::byte> piece[] = {hello};
      (void)link.send(pc::lane::control, piece, 1).ok();
      (void)link.receive(pc::lane::data, room, 2).ok();
      pc::completion out[4];
      const pc::deadline orphaned = 60s;
      while (!orphaned.has_passed())
        (void)link.poll(out, 1s);
    } catch (...) {
    }
    _exit(1);
  }
  party p(door.accept(30s));
  REQUIRE(p.receive(pc::lane::control, 1000, 1).ok());
  finish(p, 1);
  CHECK(p.received(1) == message(1000, 1));
  for (pc::op_id id = 10; id < 40; ++id) // more than the kernel takes: the peer has one slot
    REQUIRE(p.send(pc::lane::data, message(1 << 20, id), id).ok());
  for (pc::op_id id = 100; id < 110; ++id)
    REQUIRE(p.receive(id % 2 == 0 ? pc::lane::data : pc::lane::control, 100, id).ok());
  p.poll(50ms);
  kill(child, SIGKILL);
  finish(p, 1 + 30 + 10);
  for (pc::op_id id = 100; id < 110; ++id)
    CHECK(p.done.at(id).result == pc::errc::closed);
  CHECK(p.done.at(39).result == pc::errc::closed);
  CHECK(p.send(pc::lane::data, {}, 200) == pc::errc::closed);
  CHECK(gone(p, 201));
  int how = 0;
  CHECK(waitpid(child, &how, 0) == child);
  CHECK(WIFSIGNALED(how));
}

TEST_CASE("socket: a message comes together from single bytes") {
  pc::listener door(0);
  forged peer(door);
  party q(door.accept(30s));
  REQUIRE(q.receive(pc::lane::data, 9, 1).ok());
  bytes wire(4);
  pc::detail::store(wire.data(), std::uint32_t{9});
  const bytes body = message(9, 1);
  wire.insert(wire.end(), body.begin(), body.end());
  for (const std::byte b : wire) {
    CHECK(q.poll(1ms) == 0);
    peer.data.say(std::array{b});
  }
  CHECK(q.poll(30s) == 1);
  CHECK(q.received(1) == body);
}

TEST_CASE("socket: a length over the limit ends the link before anything is read") {
  pc::listener door(0, {.message_bytes = 1000});
  forged peer(door);
  party q(door.accept(30s));
  for (pc::op_id id = 0; id < 3; ++id)
    REQUIRE(q.receive(id == 0 ? pc::lane::data : pc::lane::control, 10'000, id).ok());
  peer.data.say(std::array<std::uint32_t, 2>{1001, 0});
  finish(q, 3);
  CHECK(q.done.at(0).result == pc::errc::corrupt);
  CHECK(q.done.at(1).result == pc::errc::closed);
  CHECK(q.done.at(2).result == pc::errc::closed);
  CHECK(q.send(pc::lane::control, {}, 5) == pc::errc::closed);
  CHECK(q.memory[0] == bytes(10'000, std::byte{0xEE}));
}

TEST_CASE("socket: a peer that stops in the middle of a message closes") {
  for (const std::size_t said : {2u, 4u, 50u}) {
    CAPTURE(said);
    pc::listener door(0);
    std::optional<forged> peer(std::in_place, door);
    party q(door.accept(30s));
    REQUIRE(q.receive(pc::lane::data, 100, 1).ok());
    bytes wire(said);
    const std::uint32_t length = 100;
    std::memcpy(wire.data(), &length, std::min<std::size_t>(said, 4));
    peer->data.say(wire);
    CHECK(q.poll(5ms) == 0);
    peer.reset();
    finish(q, 1);
    CHECK(q.done.at(1).result == pc::errc::closed);
  }
}

TEST_CASE("socket: random bytes end in a status") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    pc::listener door(0, {.message_bytes = seed % 2 == 0 ? 5000u : 0xFFFFFFFFu});
    std::optional<forged> peer(std::in_place, door);
    party q(door.accept(30s));
    for (pc::op_id id = 0; id < 40; ++id)
      REQUIRE(q.receive(id % 2 == 0 ? pc::lane::data : pc::lane::control, random() % 3000, id).ok());
    for (stranger* s : {&peer->control, &peer->data}) {
      bytes wire = message(random() % 20'000, random());
      for (std::size_t i = 0; i + 4 <= wire.size(); i += 4 + random() % 900) // lengths that make some sense
        pc::detail::store(&wire[i], static_cast<std::uint32_t>(random() % (random() % 9 == 0 ? 9000 : 900)));
      asio::error_code ignored; // the link may be over by then
      asio::write(s->s, asio::buffer(wire), ignored);
    }
    peer.reset();
    finish(q, 40);
    for (const auto& [id, c] : q.done)
      CHECK((c.result.ok() || c.result == pc::errc::limit || c.result == pc::errc::corrupt ||
             c.result == pc::errc::closed));
  }
}

TEST_CASE("socket: an end without a link is closed") {
  party p{pc::socket()};
  CHECK(p.send(pc::lane::data, bytes(1), 1) == pc::errc::closed);
  CHECK(p.receive(pc::lane::data, 1, 1) == pc::errc::closed);
  CHECK(p.poll(1ms) == 0);
  CHECK(p.end.limits().message_bytes == 0);
  p.end.abort();
}

} // namespace transport_socket_test
