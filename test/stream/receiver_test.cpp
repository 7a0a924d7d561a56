#include "planecast/stream/receiver.hpp"

#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <doctest/doctest.h>
#include <optional>
#include <string>
#include <thread>

namespace stream_receiver_test {

using namespace planecast;
using namespace std::chrono_literals;

namespace {

const geometry small{number::fp16, 2, 2, 16, 24};

struct caches {
  std::uint32_t tokens;
  test::dice dice{2};
  test::cache_memory source, target;

  explicit caches(std::uint32_t n) : tokens(n), source(small, n, dice), target(small, n, dice) {
    test::fill(source, small.dtype, dice);
  }
  auto send(test::stream_pair<>& streams, std::uint64_t id, budget b = budget::base()) {
    auto shot = streams.out.open({.id = id, .tokens = tokens});
    for (std::uint32_t l = 0; l < small.layers; ++l)
      (void)shot.put(l, source.view<kv_view>(l));
    CHECK(shot.plan(b).ok());
    return shot;
  }
};

} // namespace

TEST_CASE("receiver: what callers do wrong throws") {
  test::stream_pair streams(small, {}, {.code_bytes = 100000});
  caches c(70), big(20000);
  auto pages = c.target.pages();
  CHECK_THROWS_AS(streams.in.expect({.id = 1, .tokens = 71}, pages), std::invalid_argument);
  for (const std::uint32_t tokens : {0u, 0x1000'0000u, 0xFFFF'FFFFu}) { // none, or more than can be numbered
    const std::vector<kv_pages> endless(small.layers, kv_pages(nullptr, {}, nullptr, {}, tokens));
    CHECK_THROWS_AS(streams.in.expect({.id = 1, .tokens = tokens}, endless), std::invalid_argument);
  }
  pages.pop_back();
  CHECK_THROWS_AS(streams.in.expect({.id = 1, .tokens = 70}, pages), std::invalid_argument);
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
  CHECK_THROWS_AS(streams.in.expect({.id = 1, .tokens = 70}, c.target.pages()), std::invalid_argument);
  CHECK_THROWS_AS(streams.in.expect({.id = 2, .tokens = 20000}, big.target.pages()), error);
}

TEST_CASE("receiver: only poll and wait change the pages") {
  test::stream_pair streams(small);
  caches c(70);
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
  auto shot = c.send(streams, 1);
  const auto before = c.target.values();
  streams.settle();
  CHECK(kv.metrics().data_bytes > 0); // it has come
  CHECK(c.target.values() == before); // and nothing moved
  CHECK(kv.tier() == -1);
  CHECK(kv.poll().ok());
  CHECK(c.target.values() != before);
}

TEST_CASE("receiver: an engine that does not poll stops the link, not the machine") {
  test::stream_pair streams(small, {.chunk_bytes = 8192}, {.slots = 2, .staged_frames = 3});
  caches c(1000);
  auto kv = streams.in.expect({.id = 1, .tokens = 1000}, c.target.pages());
  auto shot = c.send(streams, 1);
  streams.run([] { return false; }, 200);
  CHECK(kv.metrics().data_bytes <= 3 * (8192 + frame_header_bytes));
  CHECK(streams.run(kv, [&] { return kv.reached(focused); }));
  CHECK(c.target.values() == c.source.values());
}

TEST_CASE("receiver: a request of another length is refused at both ends with both numbers") {
  for (const bool expected_first : {true, false}) {
    test::stream_pair streams(small);
    caches c(70), longer(71);
    std::optional<decltype(streams.in.expect({}, {}))> kv;
    if (expected_first)
      kv.emplace(streams.in.expect({.id = 1, .tokens = 71}, longer.target.pages()));
    auto shot = streams.out.open({.id = 1, .tokens = 70});
    streams.settle();
    if (!expected_first)
      kv.emplace(streams.in.expect({.id = 1, .tokens = 71}, longer.target.pages()));
    streams.settle();
    CHECK(shot.status() == errc::mismatch);
    CHECK(shot.status().here == 70);
    CHECK(shot.status().there == 71);
    CHECK(kv->status() == errc::mismatch);
    CHECK(streams.out.progress(deadline::passed()).ok()); // the connection is as it was
  }
}

TEST_CASE("receiver: more requests than it cares to remember are refused") {
  test::stream_pair streams(small, {}, {.unexpected_requests = 2});
  caches c(70);
  auto one = streams.out.open({.id = 1, .tokens = 70});
  auto two = streams.out.open({.id = 2, .tokens = 70});
  auto three = streams.out.open({.id = 3, .tokens = 70});
  streams.settle();
  CHECK(one.status().ok());
  CHECK(two.status().ok());
  CHECK(three.status() == errc::limit);
}

TEST_CASE("receiver: a dropped handle cancels; the pages are not touched any more") {
  test::stream_pair streams(small);
  caches c(300);
  auto shot = streams.out.open({.id = 1, .tokens = 300});
  {
    auto kv = streams.in.expect({.id = 1, .tokens = 300}, c.target.pages());
    CHECK(shot.put(0, c.source.view<kv_view>(0)).ok());
    streams.settle();
    CHECK(kv.poll().ok());
  }
  const auto before = c.target.values();
  CHECK(streams.run([&] { return !shot.status().ok(); }));
  CHECK(shot.status() == errc::cancelled);
  streams.settle();
  CHECK(c.target.values() == before);
}

TEST_CASE("receiver: what was given up before it was opened is answered with cancel, once") {
  test::stream_pair streams(small);
  caches c(70);
  streams.settle();
  {
    auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
    kv.cancel();
    CHECK(kv.status() == errc::cancelled);
    CHECK(kv.reached(quiesced));
  }
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  auto other = streams.out.open({.id = 2, .tokens = 70});
  streams.settle();
  CHECK(shot.status() == errc::cancelled);
  CHECK(other.status().ok());
  // Opened again: that nobody gave up.
  auto again = c.send(streams, 1);
  streams.settle();
  CHECK(again.status().ok());
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
  CHECK(streams.run(kv, [&] { return kv.reached(focused) && again.reached(focused); }));
  CHECK(c.target.values() == c.source.values());
}

TEST_CASE("receiver: what was given up and is expected again is taken when it is opened") {
  test::stream_pair streams(small);
  caches c(70), before(70);
  auto given_up = streams.in.expect({.id = 1, .tokens = 70}, before.target.pages());
  given_up.cancel();
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
  given_up.cancel(); // over long ago
  auto shot = c.send(streams, 1);
  CHECK(streams.run(kv, [&] { return kv.reached(focused) && shot.reached(focused); }));
  CHECK(c.target.values() == c.source.values());
  CHECK(before.target.untouched_values() == before.target.all_values());
}

TEST_CASE("receiver: no more that was given up is remembered than it cares to") {
  test::stream_pair streams(small, {}, {.unexpected_requests = 2});
  caches c(70);
  for (std::uint64_t id = 1; id <= 3; ++id)
    streams.in.expect({.id = id, .tokens = 70}, c.target.pages()).cancel();
  std::vector<status> seen;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    auto shot = streams.out.open({.id = id, .tokens = 70});
    streams.settle();
    seen.push_back(shot.status());
  }
  CHECK(seen[0] == errc::cancelled);
  CHECK(seen[1] == errc::cancelled);
  CHECK(seen[2].ok()); // one that nobody expects yet
}

TEST_CASE("receiver: a peer that vanishes leaves what came, marked, within the deadline") {
  auto streams = std::make_optional<test::stream_pair<>>(small);
  caches c(200);
  auto kv = streams->in.expect({.id = 1, .tokens = 200}, c.target.pages());
  auto shot = streams->out.open({.id = 1, .tokens = 200});
  for (std::uint32_t l = 0; l < small.layers; ++l)
    (void)shot.put(l, c.source.view<kv_view>(l));
  CHECK(shot.plan(budget::base()).ok());
  REQUIRE(streams->run(kv, [&] {
    streams->door->allowed = 5;
    return kv.reached(first_light) || streams->door->data.size() > 5;
  }));
  streams->settle();
  CHECK(kv.poll().ok());
  CHECK(kv.wait(focused, 5ms) == errc::timeout); // late: it goes on
  CHECK(kv.status().ok());
  { auto gone = std::move(streams->out); }
  CHECK(kv.wait(focused, 1h) == errc::closed); // lost
  CHECK_FALSE(kv.reached(focused));
  CHECK_FALSE(kv.unsharp().empty());
}

TEST_CASE("receiver: a corrupt request ends alone") {
  // A base whose scalars cannot be: signed properly, so only the request is at fault.
  auto [a, b] = loopback::pair();
  plane_stream<test::default_policy, loopback>::receiver in(std::move(b), small);
  struct liar {
    void on_ready() {}
    void on_sent() {}
    void on_nothing() {}
    void on_control(const frame_header& h, std::span<const std::byte>) { last = h; }
    void on_data(const frame_header&, const detail::buffer&) {}
    frame_header last;
  } says;
  detail::connection<loopback> link(
      std::move(a), {role::sender, 65536, small, {}, 64, 3, test::default_policy::fingerprint()});
  caches c(70), d(70);
  auto kv = in.expect({.id = 1, .tokens = 70}, c.target.pages());
  auto other = in.expect({.id = 2, .tokens = 70}, d.target.pages());
  const auto turn = [&] {
    for (int i = 0; i < 5; ++i) {
      link.progress(says, deadline::passed());
      (void)kv.poll();
    }
  };
  turn();
  link.send_control({.kind = frame_kind::open, .request = 1, .count = 70, .opening = 9});
  turn();
  CHECK(says.last.kind == frame_kind::accept);
  auto memory = link.take_data_buffer();
  frame_writer w(memory.room());
  w.add(std::vector<std::byte>(1000, std::byte{0xEE}));
  const std::size_t length =
      w.finish({.kind = frame_kind::base, .request = 1, .count = 1, .layer_count = 1, .opening = 9}).size();
  REQUIRE(link.send_data(memory, length).ok());
  turn();
  CHECK(kv.status() == errc::corrupt);
  CHECK(kv.reached(quiesced));
  CHECK(says.last.kind == frame_kind::cancel);
  CHECK(other.status().ok());
}

TEST_CASE("receiver: an engine that does not poll one request does not keep another from its first light") {
  test::stream_pair streams(small, {.chunk_bytes = 8192},
                            {.slots = 2, .staged_frames = 4, .unattended = 0ms});
  caches big(3000), little(70);
  auto idle = streams.in.expect({.id = 1, .tokens = 3000}, big.target.pages());
  auto kv = streams.in.expect({.id = 2, .tokens = 70}, little.target.pages());
  auto first = big.send(streams, 1);
  streams.run([] { return false; }, 50); // the idle one's frames take all the room
  auto second = little.send(streams, 2);
  CHECK(streams.run([&] { return kv.wait(first_light, 0ms).ok(); }));
  CHECK(streams.run([&] { return kv.wait(focused, 0ms).ok(); }));
  CHECK(little.target.values() == little.source.values());
  // The idle one's frames were given up; they come again when it is looked at.
  CHECK(streams.run(idle, [&] { return idle.reached(focused); }));
  CHECK(big.target.values() == big.source.values());
}

TEST_CASE("receiver: one that is waited for takes no room from those that are polled now and then") {
  for (const bool opened : {false, true}) { // where it is not, nothing could come of it
    test::stream_pair streams(
        small, {.chunk_bytes = 8192},
        {.slots = 2, .staged_frames = 4, .unattended = opened ? std::chrono::milliseconds(1h) : 0ms});
    caches big(3000), little(70);
    auto kv = streams.in.expect({.id = 1, .tokens = 3000}, big.target.pages());
    auto late = streams.in.expect({.id = 2, .tokens = 70}, little.target.pages());
    auto shot = big.send(streams, 1);
    std::optional<decltype(streams.out.open({}))> other;
    if (opened)
      other.emplace(streams.out.open({.id = 2, .tokens = 70}));
    for (int i = 0; i < 2000 && !kv.reached(focused); ++i) {
      streams.settle();
      for (int looks = 0; looks < 10; ++looks)
        CHECK(late.wait(first_light, 0ms) == errc::timeout);
      CHECK(kv.poll().ok());
    }
    CHECK(kv.reached(focused));
    CHECK(big.target.values() == big.source.values());
    CHECK(streams.out.metrics().sent_again == 0);
  }
}

TEST_CASE("receiver: a wait in which nothing can come notices that another is unattended") {
  test::stream_pair streams(small, {.chunk_bytes = 8192},
                            {.slots = 2, .staged_frames = 4, .unattended = 20ms});
  caches big(3000), little(70);
  auto idle = streams.in.expect({.id = 1, .tokens = 3000}, big.target.pages());
  auto kv = streams.in.expect({.id = 2, .tokens = 70}, little.target.pages());
  auto first = big.send(streams, 1);
  streams.run([] { return false; }, 50); // all the room is taken
  auto second = little.send(streams, 2);
  std::thread sender([&] {
    while (!second.reached(focused) && streams.out.progress(1ms).ok()) {
    }
  });
  CHECK(kv.wait(focused, 60s).ok());
  sender.join();
  CHECK(little.target.values() == little.source.values());
}

TEST_CASE("receiver: what arrived before the sender went away is not lost") {
  auto streams =
      std::make_optional<test::stream_pair<>>(small, sender_options{}, receiver_options{.slots = 64});
  caches c(200);
  auto kv = streams->in.expect({.id = 1, .tokens = 200}, c.target.pages());
  auto shot = c.send(*streams, 1);
  streams->run([&] { return kv.metrics().data_bytes == shot.metrics().data_bytes; }, 200);
  streams->settle();
  { auto gone = std::move(streams->out); }
  CHECK(kv.wait(focused, 1s).ok());
  CHECK(c.target.values() == c.source.values());
}

TEST_CASE("receiver: options that could never work throw") {
  const auto make = [](receiver_options o) { test::stream_pair streams(small, {}, o); };
  CHECK_THROWS_AS(make({.slots = 0}), std::invalid_argument);
  CHECK_THROWS_AS(make({.slots = 4, .staged_frames = 3}), std::invalid_argument);
  CHECK_THROWS_AS(test::stream_pair(small, {.window_bytes = 0}), std::invalid_argument);
  CHECK_THROWS_AS(make({.chunk_bytes = 100}), error);
}

TEST_CASE("receiver: waits for the handshake") {
  test::stream_pair streams(small);
  CHECK(streams.in.wait_connected(1s).ok()); // the sender's hello is there
  CHECK(streams.in.wait_connected(deadline::passed()).ok());
  CHECK(streams.out.wait_connected(1s).ok());
}

TEST_CASE(
    "receiver: a handshake that does not come ends at the deadline, and at once when the peer is gone") {
  auto [a, b] = loopback::pair();
  test::stream_pair<>::receiver in(std::move(b), small);
  CHECK(in.wait_connected(deadline::passed()) == errc::timeout);
  CHECK(in.wait_connected(5ms) == errc::timeout);
  CHECK(std::string(in.wait_connected(1ms).about) == "the peer has not said hello");
  CHECK(in.progress(deadline::passed()).ok()); // it may still come
  a.abort();
  CHECK(in.wait_connected(1h) == errc::closed);
  CHECK(in.wait_connected(1h) == errc::closed);
}

TEST_CASE("receiver: a handshake that fails says on what, with both values") {
  geometry there = small;
  there.value_dim = 32;
  test::stream_pair streams(there, small, {}, {});
  const status s = streams.in.wait_connected(1s);
  CHECK(s == errc::mismatch);
  CHECK(std::string(s.about) == "geometry: value_dim");
  CHECK(s.here == 24);
  CHECK(s.there == 32);
  CHECK(streams.out.wait_connected(1s) == errc::mismatch);
  test::stream_pair chunks(small, {.chunk_bytes = 65537}, {.chunk_bytes = 65536});
  CHECK(chunks.in.wait_connected(1s).about == std::string("chunk_bytes"));
}

TEST_CASE("receiver: waiting for first light takes no more than first light, though all is there") {
  test::stream_pair streams(small);
  caches c(200);
  auto kv = streams.in.expect({.id = 1, .tokens = 200}, c.target.pages());
  auto shot = c.send(streams, 1, budget::of_raw(0.5));
  streams.settle();
  CHECK(kv.wait(first_light, 30s).ok());
  CHECK(!kv.reached(focused));
  CHECK(kv.metrics().light_bytes == shot.metrics().light_bytes);
  const std::uint64_t all = kv.metrics().data_bytes;
  CHECK(kv.poll().ok()); // what has come already
  CHECK(kv.reached(focused));
  CHECK(kv.metrics().data_bytes == all);
  CHECK(c.target.values() == c.source.values());
}

} // namespace stream_receiver_test
