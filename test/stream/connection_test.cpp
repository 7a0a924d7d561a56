#include "planecast/stream/connection.hpp"
#include "planecast/transport/loopback.hpp"

#include "stream/altering.hpp"
#include "stream/scripted.hpp"
#include "support/dice.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <doctest/doctest.h>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace stream_connection_test {

using namespace planecast;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t chunk = 1000;
const geometry shape{number::bf16, 2, 2, 64, 64};
const hello sends{role::sender, chunk, shape, {}, 64, 3, 5};
const hello receives{role::receiver, chunk, shape, {}, 64, 3, 5};

template <class T>
struct side {
  side(T end, const hello& mine) : link(std::move(end), mine) {}

  void on_ready() { ++ready; }
  void on_sent() {}
  void on_nothing() {
    ++nothing;
    link.post_data_slot();
  }
  void on_control(const frame_header& h, std::span<const std::byte> payload) {
    control.emplace_back(h, test::message(payload.begin(), payload.end()));
  }
  void on_data(const frame_header& h, detail::buffer memory) {
    const auto payload = memory.room().subspan(frame_header_bytes, h.payload_bytes);
    data.emplace_back(h, test::message(payload.begin(), payload.end()));
    link.give_back(std::move(memory));
    link.post_data_slot();
  }
  void go() { link.progress(*this, deadline::passed()); }

  void send(std::uint64_t sequence, std::span<const std::byte> payload) {
    detail::buffer b = link.take_data_buffer();
    frame_writer w(b.room());
    w.add(payload);
    const std::size_t length =
        w.finish({.kind = frame_kind::base, .sequence = sequence, .opening = 8}).size();
    CHECK(link.send_data(b, length).ok());
  }
  /// Numbers that the peer says it lost.
  std::vector<std::uint64_t> lost() const {
    std::vector<std::uint64_t> all;
    for (const auto& [h, payload] : control)
      if (h.kind == frame_kind::lost && payload.size() == 8)
        all.push_back(detail::load<std::uint64_t>(payload.data()));
    return all;
  }
  std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> all;
    for (const auto& [h, payload] : data)
      all.push_back(h.sequence);
    return all;
  }

  int ready = 0, nothing = 0;
  std::vector<std::pair<frame_header, test::message>> control, data;
  detail::connection<T> link;
};
using plain_side = side<loopback>;
using altered_side = side<test::altering<loopback>>;

// A sender whose messages are altered, and a receiver with four slots.
struct altered_pair {
  explicit altered_pair(test::alteration change) : altered_pair(loopback::pair(), std::move(change)) {}
  altered_pair(std::pair<loopback, loopback> ends, test::alteration change)
      : from(test::altering(std::move(ends.first), std::move(change)), sends),
        to(std::move(ends.second), receives) {
    for (int i = 0; i < 4; ++i)
      to.link.post_data_slot();
    go();
  }
  void go() {
    for (int i = 0; i < 20; ++i) {
      from.go();
      to.go();
    }
  }
  altered_side from;
  plain_side to;
};

test::message payload_of(std::uint64_t sequence) {
  return test::message(1 + sequence * 37 % chunk, static_cast<std::byte>(sequence));
}

} // namespace

TEST_CASE("connection: hello both ways, then control and data") {
  auto [a, b] = loopback::pair();
  plain_side from(std::move(a), sends), to(std::move(b), receives);
  CHECK(!from.link.ready());
  from.go();
  to.go();
  from.go();
  CHECK(from.link.ready());
  CHECK(to.link.ready());
  CHECK(from.ready == 1);
  CHECK(to.ready == 1);

  from.link.send_control({.kind = frame_kind::open, .request = 77, .count = 5, .opening = 6});
  to.link.send_control({.kind = frame_kind::lost}, [](frame_writer& w) { w.add_number(std::uint64_t{3}); });
  to.go();
  from.go();
  REQUIRE(to.control.size() == 1);
  CHECK(to.control[0].first.kind == frame_kind::open);
  CHECK(to.control[0].first.request == 77);
  CHECK(to.control[0].first.opening == 6);
  CHECK(to.control[0].first.sequence == 1); // hello was 0
  CHECK(from.lost() == std::vector<std::uint64_t>{3});

  // A slot is the only credit there is.
  from.send(0, payload_of(0));
  from.send(1, payload_of(1));
  CHECK(from.link.in_flight() == 2 * frame_header_bytes + payload_of(0).size() + payload_of(1).size());
  to.go();
  CHECK(to.data.empty());
  to.link.post_data_slot();
  CHECK(to.link.data_slots() == 1);
  for (int i = 0; i < 3; ++i) {
    to.go();
    from.go();
  }
  CHECK(to.numbers() == std::vector<std::uint64_t>{0, 1});
  CHECK(to.data[1].second == payload_of(1));
  CHECK(to.data[1].first.opening == 8);
  CHECK(from.link.in_flight() == 0);
  CHECK(to.link.metrics().data_frames == 2);
  CHECK(to.link.metrics().data_bytes == from.link.metrics().data_bytes);
}

TEST_CASE("connection: many control frames at once arrive in order") {
  auto [a, b] = loopback::pair({.message_bytes = 1 << 20, .pieces = 4, .operations = 16});
  plain_side from(std::move(a), sends), to(std::move(b), receives);
  for (std::uint32_t i = 0; i < 1000; ++i)
    from.link.send_control({.kind = frame_kind::open, .first = i});
  for (int i = 0; i < 1000 && to.control.size() < 1000; ++i) {
    from.go();
    to.go();
  }
  REQUIRE(to.control.size() == 1000);
  for (std::uint32_t i = 0; i < 1000; ++i)
    CHECK(to.control[i].first.first == i);
  CHECK(from.link.status().ok());
}

TEST_CASE("connection: a peer that takes no control frames is given up at a limit") {
  auto [a, b] = loopback::pair();
  plain_side from(std::move(a), sends);
  for (int i = 0; i < 10000 && from.link.status().ok(); ++i)
    from.link.send_control({.kind = frame_kind::open});
  CHECK(from.link.status() == errc::limit);
}

TEST_CASE("connection: a disagreement ends it at both ends, and is named") {
  auto [a, b] = loopback::pair();
  hello other = receives;
  other.model.layers = 3;
  plain_side from(std::move(a), sends), to(std::move(b), other);
  from.go();
  CHECK(from.link.status() == errc::mismatch);
  CHECK(std::string(from.link.status().about) == "geometry: layers");
  CHECK(from.link.status().here == 2);
  CHECK(from.link.status().there == 3);
  to.go();
  CHECK(!to.link.status().ok());
  CHECK(from.ready + to.ready == 0);
}

TEST_CASE("connection: a chunk that is longer than the transport's messages throws") {
  auto [a, b] = loopback::pair({.message_bytes = frame_header_bytes + chunk, .pieces = 4, .operations = 64});
  CHECK_NOTHROW(detail::connection<loopback>(std::move(a), sends));
  hello longer = receives;
  longer.chunk_bytes += 1;
  CHECK_THROWS_AS(detail::connection<loopback>(std::move(b), longer), error);
}

TEST_CASE("connection: a damaged payload is asked for by its number") {
  altered_pair p([](lane l, std::size_t n, test::message& m) {
    if (l == lane::data && (n == 1 || n == 3))
      m.back() ^= std::byte{4};
  });
  for (std::uint64_t i = 0; i < 5; ++i)
    p.from.send(i, payload_of(i));
  p.go();
  CHECK(p.to.numbers() == std::vector<std::uint64_t>{0, 2, 4});
  CHECK(p.to.nothing == 2);
  CHECK(p.to.link.metrics().damaged == 2);
  CHECK(p.from.lost() == std::vector<std::uint64_t>{1, 3});
  p.from.send(1, payload_of(1));
  p.from.send(3, payload_of(3));
  p.go();
  CHECK(p.to.numbers() == std::vector<std::uint64_t>{0, 2, 4, 1, 3});
  for (const auto& [h, payload] : p.to.data)
    CHECK(payload == payload_of(h.sequence));
  CHECK(p.to.link.status().ok());
}

TEST_CASE("connection: where the number is unreadable, all that are missing are asked for") {
  altered_pair p([](lane l, std::size_t n, test::message& m) {
    if (l == lane::data && n == 1)
      m.back() ^= std::byte{1};
    if (l == lane::data && n == 2)
      m[20] ^= std::byte{1};
    if (l == lane::data && n == 4)
      m.resize(10);
    if (l == lane::data && n == 5) // longer than the slot
      m.resize(frame_header_bytes + chunk + 1);
  });
  for (std::uint64_t i = 0; i < 7; ++i)
    p.from.send(i, payload_of(i));
  p.go();
  CHECK(p.to.numbers() == std::vector<std::uint64_t>{0, 3, 6});
  CHECK(p.to.link.metrics().damaged == 4);
  const auto lost = p.from.lost();
  CHECK(std::set(lost.begin(), lost.end()) == std::set<std::uint64_t>{1, 2, 4, 5});
  for (const std::uint64_t n : lost) // some more than once
    p.from.send(n, payload_of(n));
  p.go();
  CHECK(p.to.data.size() == 7);
  CHECK(p.to.link.metrics().not_expected == lost.size() - 4);
  for (const auto& [h, payload] : p.to.data)
    CHECK(payload == payload_of(h.sequence));
}

TEST_CASE("connection: a repeat that is damaged again is asked for again") {
  int left = 5;
  altered_pair p([&](lane l, std::size_t, test::message& m) {
    if (l == lane::data && left > 0) {
      m[static_cast<std::size_t>(left * 11)] ^= std::byte{16};
      --left;
    }
  });
  p.from.send(0, payload_of(50));
  for (std::size_t asked = 0, round = 0; p.to.data.empty() && round < 50; ++round) {
    p.go();
    for (const auto all = p.from.lost(); asked < all.size(); ++asked)
      if (all[asked] == 0) // the receiver may guess others, which were never sent
        p.from.send(0, payload_of(50));
  }
  REQUIRE(p.to.data.size() == 1);
  CHECK(p.to.data[0].second == payload_of(50));
  CHECK(p.to.link.metrics().damaged == 5);
}

TEST_CASE("connection: a frame that came is passed over when it comes again") {
  altered_pair p([](lane, std::size_t, test::message&) {});
  for (const std::uint64_t n : {0u, 1u, 1u, 0u, 2u, 2u})
    p.from.send(n, payload_of(n));
  p.go();
  CHECK(p.to.numbers() == std::vector<std::uint64_t>{0, 1, 2});
  CHECK(p.to.link.metrics().not_expected == 3);
  CHECK(p.to.nothing == 3);
  CHECK(p.from.control.empty());
}

TEST_CASE("connection: numbers may come in any order, but not from far away") {
  altered_pair p([](lane, std::size_t, test::message&) {});
  for (const std::uint64_t n : {3u, 1u, 4096u, 0u, 2u})
    p.from.send(n, payload_of(n));
  p.go();
  CHECK(p.to.numbers() == std::vector<std::uint64_t>{3, 1, 4096, 0, 2});
  CHECK(p.to.link.status().ok());
  for (const std::uint64_t far : {std::uint64_t{100000}, ~std::uint64_t{0}, ~std::uint64_t{0} - 1}) {
    altered_pair q([](lane, std::size_t, test::message&) {});
    q.from.send(far, payload_of(1));
    q.go();
    CHECK(q.to.link.status() == errc::corrupt);
    CHECK(q.to.data.empty());
  }
}

TEST_CASE("connection: too many missing ends it") {
  altered_pair p([](lane, std::size_t, test::message&) {});
  for (std::uint64_t n = 4000; n < 100000 && p.to.link.status().ok(); n += 4000) {
    p.from.send(n, payload_of(1));
    p.go();
  }
  CHECK(p.to.link.status() == errc::corrupt);
  CHECK(p.to.data.size() < 4);
}

TEST_CASE("connection: another wire version on the data lane ends it") {
  altered_pair p([](lane l, std::size_t, test::message& m) {
    if (l != lane::data)
      return;
    m[4] = std::byte{9};
    const std::uint64_t sum = checksum_of(std::span(m).first(60));
    detail::store(&m[60], static_cast<std::uint32_t>(sum ^ (sum >> 32)));
  });
  p.from.send(0, payload_of(0));
  p.go();
  CHECK(p.to.link.status() == errc::mismatch);
  CHECK(p.to.link.status().there == 9);
}

TEST_CASE("connection: any damage on the control lane ends it") {
  for (std::size_t bit = 0; bit < 8 * (frame_header_bytes + hello::bytes); bit += 7) {
    CAPTURE(bit);
    for (const std::size_t which : {0u, 1u}) { // hello, and the frame after it
      altered_pair p([&](lane l, std::size_t n, test::message& m) {
        if (l == lane::control && n == which)
          m[bit / 8 % m.size()] ^= static_cast<std::byte>(1u << bit % 8);
      });
      p.from.link.send_control({.kind = frame_kind::open, .request = 1});
      p.go();
      CHECK(p.to.link.status() == errc::corrupt);
      CHECK(p.to.control.empty());
      CHECK(p.from.link.status() == errc::closed); // the other end is told
    }
  }
}

TEST_CASE("connection: control frames out of order, two hellos or none, or too long, end it") {
  const auto after = [](auto script) {
    auto [a, b] = loopback::pair();
    test::scripted peer(std::move(a));
    plain_side to(std::move(b), receives);
    script(peer);
    for (int i = 0; i < 5; ++i)
      to.go();
    return to.link.status();
  };
  const frame_header open{.kind = frame_kind::open};
  const auto numbered = [&](std::uint64_t n) {
    frame_header h = open;
    h.sequence = n;
    return test::frame(h);
  };
  CHECK(after([&](test::scripted& p) {
          p.say(sends);
          p.say(open);
        }).ok());
  CHECK(after([&](test::scripted& p) { p.say(open); }) == errc::corrupt);
  CHECK(after([&](test::scripted& p) {
          p.say(sends);
          p.say(sends);
        }) == errc::corrupt);
  for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{2}, ~std::uint64_t{0}})
    CHECK(after([&](test::scripted& p) {
            p.say(sends);
            p.send(lane::control, numbered(n));
          }) == errc::corrupt);
  CHECK(after([&](test::scripted& p) { p.send(lane::control, test::frame_of(sends, 1)); }) == errc::corrupt);
  CHECK(after([&](test::scripted& p) { p.send(lane::control, test::message(2000)); }) == errc::limit);
  CHECK(after([&](test::scripted& p) { p.send(lane::control, {}); }) == errc::corrupt);
}

TEST_CASE("connection: a failure is for good, and frees the other end") {
  auto [a, b] = loopback::pair();
  plain_side from(std::move(a), sends), to(std::move(b), receives);
  from.go();
  to.go();
  to.link.post_data_slot();
  from.link.fail({});
  CHECK(from.link.status().ok());
  from.link.fail({errc::cancelled, "first"});
  from.link.fail({errc::corrupt, "second"});
  CHECK(std::string(from.link.status().about) == "first");
  CHECK(!from.link.ready());
  from.link.send_control({.kind = frame_kind::open}); // nothing happens
  from.link.post_data_slot();
  const auto start = std::chrono::steady_clock::now();
  from.link.progress(from, 10s);
  to.link.progress(to, 10s);
  CHECK(to.link.status() == errc::closed);
  to.link.progress(to, 10s);
  CHECK(std::chrono::steady_clock::now() - start < 5s);
}

TEST_CASE("connection: waits until something happens, but no longer than told") {
  auto [a, b] = loopback::pair();
  plain_side from(std::move(a), sends);
  const auto start = std::chrono::steady_clock::now();
  from.link.progress(from, 20ms);
  const auto waited = std::chrono::steady_clock::now() - start;
  CHECK(waited >= 20ms);
  CHECK(waited < 5s);
}

} // namespace stream_connection_test
