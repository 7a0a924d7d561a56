// What every transport has to do, tried on links that a function makes: conforms([] { return
// loopback::pair(); }).
#pragma once

#include "planecast/transport/transport.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <doctest/doctest.h>
#include <map>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace transport_test {

namespace pc = planecast;
using namespace std::chrono_literals;
using bytes = std::vector<std::byte>;

inline constexpr pc::lane both_lanes[] = {pc::lane::control, pc::lane::data};

// Contents that tell one message from another.
inline bytes message(std::size_t length, std::uint64_t which) {
  bytes m(length);
  std::uint64_t x = which * 0x9E3779B97F4A7C15u + length;
  for (std::byte& b : m) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    b = static_cast<std::byte>(x >> 56);
  }
  return m;
}

// One end, the memory that it lends out, and what poll has told of it.
template <pc::transport T>
class party {
public:
  explicit party(T t) : end(std::move(t)) {}

  pc::status send(pc::lane l, bytes m, pc::op_id id) {
    auto& kept = memory[id] = std::move(m);
    const std::span<const std::byte> piece(kept);
    return end.send(l, {&piece, 1}, id);
  }
  pc::status receive(pc::lane l, std::size_t room, pc::op_id id) {
    memory[id].assign(room, std::byte{0xEE});
    return end.receive(l, memory[id], id);
  }
  std::size_t poll(pc::deadline d = pc::deadline::passed(), std::size_t most = 7) {
    std::vector<pc::completion> out(most);
    const std::size_t n = end.poll(out, d);
    for (const auto& c : std::span(out).first(n)) {
      REQUIRE(done.emplace(c.id, c).second); // an operation completes once
      order.push_back(c.id);
    }
    return n;
  }
  bool ok(pc::op_id id) const { return done.contains(id) && done.at(id).result.ok(); }
  bytes received(pc::op_id id) const {
    const bytes& m = memory.at(id);
    return {m.begin(), m.begin() + static_cast<std::ptrdiff_t>(std::min(m.size(), done.at(id).bytes))};
  }

  T end;
  std::map<pc::op_id, bytes> memory;
  std::map<pc::op_id, pc::completion> done;
  std::vector<pc::op_id> order;
};

// Drives both ends from one thread. The time allowed is no measure of anything: it ends a test that hangs.
template <class A, class B, class Until>
bool run(A& a, B& b, Until until, pc::deadline d = 30s) {
  while (!until(a, b)) {
    if (d.has_passed())
      return false;
    if (a.poll() + b.poll() == 0)
      b.poll(100us);
  }
  return true;
}

template <class Make>
auto parties(Make& make) {
  auto link = make();
  return std::pair{party(std::move(link.first)), party(std::move(link.second))};
}

template <class Make>
void keeps_order(Make& make) {
  auto [a, b] = parties(make);
  constexpr pc::op_id count = 100;
  for (const pc::lane l : both_lanes)
    for (pc::op_id i = 0; i < count; ++i) {
      const pc::op_id id = i + 1000 * static_cast<pc::op_id>(l);
      REQUIRE(b.receive(l, 3000, id).ok());
      REQUIRE(a.send(l, message(i * 29 % 2999, id), id).ok());
    }
  REQUIRE(
      run(a, b, [&](auto& x, auto& y) { return x.done.size() == 2 * count && y.done.size() == 2 * count; }));
  for (const auto& [id, c] : b.done) {
    CHECK(c.result.ok());
    CHECK(b.received(id) == message(id % 1000 * 29 % 2999, id));
    CHECK(a.ok(id));
    CHECK(a.done.at(id).bytes == c.bytes);
  }
  for (const auto& order : {a.order, b.order})
    for (pc::op_id l = 0; l < 2; ++l) {
      std::vector<pc::op_id> of_lane;
      std::copy_if(order.begin(), order.end(), std::back_inserter(of_lane),
                   [l](pc::op_id id) { return id / 1000 == l; });
      CHECK(std::is_sorted(of_lane.begin(), of_lane.end()));
    }
}

template <class Make>
void gathers_pieces(Make& make) {
  auto [a, b] = parties(make);
  for (const std::size_t pieces : {std::size_t{0}, std::size_t{1}, std::size_t{3}, a.end.limits().pieces}) {
    const bytes all = message(7 * pieces, pieces);
    std::vector<std::span<const std::byte>> list; // of 7, 0 and 14 bytes
    for (std::size_t i = 0; i < pieces; ++i)
      list.push_back(i % 3 == 0   ? std::span(all).subspan(7 * i, 7)
                     : i % 3 == 1 ? std::span<const std::byte>{}
                                  : std::span(all).subspan(7 * (i - 1), 14));
    REQUIRE(a.end.send(pc::lane::data, list, pieces).ok());
    list.assign(list.size(), {}); // the list itself is borrowed only during the call
    REQUIRE(b.receive(pc::lane::data, 7 * pieces + 5, pieces).ok());
    REQUIRE(run(a, b, [&](auto& x, auto& y) { return x.done.contains(pieces) && y.done.contains(pieces); }));
    const std::size_t length = pieces % 3 == 2 ? 7 * pieces - 7 : 7 * pieces; // the last piece may be empty
    CHECK(b.done.at(pieces).bytes == length);
    CHECK(b.received(pieces) == bytes(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(length)));
    CHECK(b.memory[pieces].back() == std::byte{0xEE}); // what is behind the message is left alone
  }
}

template <class Make>
void carries_empty_messages(Make& make) {
  auto [a, b] = parties(make);
  for (pc::op_id id = 0; id < 3; ++id)
    for (const pc::lane l : both_lanes) {
      REQUIRE(a.send(l, {}, id + 10 * static_cast<pc::op_id>(l)).ok());
      REQUIRE(b.receive(l, id, id + 10 * static_cast<pc::op_id>(l)).ok());
    }
  REQUIRE(run(a, b, [&](auto& x, auto& y) { return x.done.size() == 6 && y.done.size() == 6; }));
  for (const auto& [id, c] : b.done) {
    CHECK(c.result.ok());
    CHECK(c.bytes == 0);
  }
}

template <class Make>
void tells_of_a_slot_too_small(Make& make) {
  auto [a, b] = parties(make);
  const std::size_t lengths[] = {10, 300'000, 100, 1};
  for (pc::op_id id = 0; id < 4; ++id) {
    REQUIRE(a.send(pc::lane::data, message(lengths[id], id), id).ok());
    REQUIRE(b.receive(pc::lane::data, id == 3 ? 0 : 100, id).ok());
  }
  REQUIRE(run(a, b, [&](auto& x, auto& y) { return x.done.size() == 4 && y.done.size() == 4; }));
  for (const pc::op_id id : {0u, 2u})
    CHECK(b.received(id) == message(lengths[id], id));
  for (const pc::op_id id : {1u, 3u}) {
    CHECK(a.ok(id)); // the sender cannot know
    CHECK(b.done.at(id).result == pc::errc::limit);
    CHECK(b.done.at(id).result.here == (id == 3 ? 0 : 100));
    CHECK(b.done.at(id).result.there == lengths[id]);
    CHECK(b.done.at(id).bytes == lengths[id]);
  }
}

template <class Make>
void bears_many_outstanding(Make& make) {
  auto [a, b] = parties(make);
  const pc::op_id count = std::min<std::size_t>(a.end.limits().operations, 2000);
  for (pc::op_id id = 0; id < count; ++id) { // there are sends before there is a slot,
    REQUIRE(a.send(pc::lane::data, message(id % 600, id), id).ok());
    REQUIRE(a.receive(pc::lane::data, 600, 100'000 + id).ok()); // and slots before there is a send
  }
  a.poll();
  for (pc::op_id id = 0; id < count; ++id) {
    REQUIRE(b.receive(pc::lane::data, 600, 100'000 + id).ok());
    REQUIRE(b.send(pc::lane::data, message(id % 500, id), id).ok());
  }
  REQUIRE(
      run(a, b, [&](auto& x, auto& y) { return x.done.size() == 2 * count && y.done.size() == 2 * count; }));
  bool all = true;
  for (pc::op_id id = 0; id < count; ++id)
    all = all && a.ok(id) && b.ok(id) && b.received(100'000 + id) == message(id % 600, id) &&
          a.received(100'000 + id) == message(id % 500, id);
  CHECK(all);
}

template <class Make>
void keeps_lanes_apart(Make& make) {
  auto [a, b] = parties(make);
  constexpr pc::op_id count = 48;
  constexpr std::size_t length = 1 << 19; // 24 MiB in all: more than a kernel keeps
  for (pc::op_id id = 0; id < count; ++id)
    REQUIRE(a.send(pc::lane::data, message(length, id), id).ok());
  for (pc::op_id id = 1000; id < 1100; ++id) {
    REQUIRE(b.receive(pc::lane::control, 64, id).ok());
    REQUIRE(a.send(pc::lane::control, message(64, id), id).ok());
    REQUIRE(run(a, b, [&](auto& x, auto& y) { return x.ok(id) && y.ok(id); }));
    CHECK(b.received(id) == message(64, id));
  }
  CHECK_FALSE(a.done.contains(count - 1)); // a message without a slot waits
  for (pc::op_id id = 0; id < count; ++id)
    REQUIRE(b.receive(pc::lane::data, length, id).ok());
  REQUIRE(run(
      a, b, [&](auto& x, auto& y) { return x.done.size() == count + 100 && y.done.size() == count + 100; }));
  for (pc::op_id id = 0; id < count; ++id)
    CHECK(b.received(id) == message(length, id));
}

template <class Make>
void refuses_what_is_over_its_limits(Make& make) {
  auto [a, b] = parties(make);
  const pc::transport_limits most = a.end.limits();
  CHECK(most.message_bytes >= 1 << 20);
  CHECK(most.pieces >= 2);
  CHECK(most.operations >= 16);
  const bytes block(most.message_bytes / 100 + 1);
  const std::vector<std::span<const std::byte>> too_long(100, block);
  const std::vector<std::span<const std::byte>> too_many(most.pieces + 1);
  for (const pc::lane l : both_lanes) {
    const pc::status length = a.end.send(l, too_long, 1);
    CHECK(length == pc::errc::limit);
    CHECK(length.here == most.message_bytes);
    CHECK(length.there == 100 * block.size());
    const pc::status count = a.end.send(l, too_many, 2);
    CHECK(count == pc::errc::limit);
    CHECK(count.here == most.pieces);
    CHECK(count.there == most.pieces + 1);
  }
  for (pc::op_id id = 0; id < most.operations; ++id) {
    REQUIRE(b.receive(pc::lane::data, 1, id).ok());
    REQUIRE(b.send(pc::lane::data, bytes(1), id + 1'000'000).ok()); // not polled: all are under way
  }
  for (const pc::status& s :
       {b.receive(pc::lane::data, 1, 5'000'000), b.send(pc::lane::data, bytes(1), 5'000'001)}) {
    CHECK(s == pc::errc::limit);
    CHECK(s.here == most.operations);
    CHECK(s.there == most.operations + 1);
  }
  CHECK(b.receive(pc::lane::control, 1, 6'000'000).ok()); // each lane has its own
  CHECK(b.send(pc::lane::control, bytes(1), 6'000'001).ok());
  b.end.abort();
  while (b.done.size() < 2 * most.operations + 2 && b.poll(10s, 100) != 0) {
  }
  CHECK(b.done.size() == 2 * most.operations + 2); // nothing completes that was refused
  CHECK(b.poll(1ms) == 0);
}

// An end without a peer: once what was still on its way has come, receives are refused, or taken and then
// completed with closed.
template <class A>
bool gone(A& a, pc::op_id id) {
  for (const pc::op_id last = id + 100; id < last; ++id) {
    const pc::status s = a.receive(pc::lane::data, 1, id);
    if (!s.ok())
      return s == pc::errc::closed;
    while (!a.done.contains(id) && a.poll(10s) != 0) {
    }
    if (!a.done.contains(id))
      return false;
    if (a.done.at(id).result == pc::errc::closed)
      return true;
  }
  return false;
}

template <class Make>
void ends(Make& make, bool by_abort) {
  auto [first, b] = parties(make);
  std::optional a(std::move(first));
  for (pc::op_id id = 0; id < 5; ++id) { // of these none meets another
    REQUIRE(a->receive(pc::lane::control, 100, id).ok());
    REQUIRE(b.receive(pc::lane::control, 100, id).ok());
    REQUIRE(a->send(pc::lane::data, message(200, id), 100 + id).ok());
    REQUIRE(b.send(pc::lane::data, message(200, id), 100 + id).ok());
  }
  if (by_abort) {
    a->end.abort();
    a->end.abort(); // a second time says nothing new
    a->memory.clear();
    while (a->done.size() < 10 && a->poll(10s) != 0) {
    }
    REQUIRE(a->done.size() == 10);
    for (const auto& [id, c] : a->done)
      if (id < 100 || !c.result.ok()) // a send may have left before
        CHECK(c.result == pc::errc::cancelled);
    CHECK(a->send(pc::lane::control, {}, 2000) == pc::errc::cancelled);
    CHECK(a->receive(pc::lane::data, 1, 2001) == pc::errc::cancelled);
    CHECK(a->poll(1ms) == 0);
  } else {
    a.reset();
  }
  while (b.done.size() < 10 && b.poll(10s) != 0) {
  }
  REQUIRE(b.done.size() == 10);
  for (const auto& [id, c] : b.done)
    if (id < 100 || !c.result.ok()) // here too
      CHECK(c.result == pc::errc::closed);
  CHECK(gone(b, 3000));
}

template <class Make>
void moves_with_operations_under_way(Make& make) {
  auto [a, b] = parties(make);
  REQUIRE(b.receive(pc::lane::data, 1 << 20, 1).ok());
  REQUIRE(a.send(pc::lane::data, message(1 << 20, 1), 1).ok());
  a.poll();
  b.poll();
  party c(std::move(a.end)), d(std::move(b.end));
  c.memory = std::move(a.memory), c.done = a.done;
  d.memory = std::move(b.memory), d.done = b.done;
  REQUIRE(run(c, d, [&](auto& x, auto& y) { return x.ok(1) && y.ok(1); }));
  CHECK(d.received(1) == message(1 << 20, 1));

  auto other = make(); // what an end that is assigned to had under way is over for its peer
  party e(std::move(other.second));
  REQUIRE(e.receive(pc::lane::control, 1, 2).ok());
  other.first = std::move(c.end);
  while (e.done.empty() && e.poll(10s) != 0) {
  }
  CHECK(e.done.at(2).result == pc::errc::closed);
  party f(std::move(other.first));
  REQUIRE(d.receive(pc::lane::control, 10, 3).ok());
  REQUIRE(f.send(pc::lane::control, message(10, 3), 3).ok());
  REQUIRE(run(f, d, [&](auto& x, auto& y) { return x.ok(3) && y.ok(3); }));
}

template <class Make>
void keeps_deadlines(Make& make) {
  auto [a, b] = parties(make);
  REQUIRE(a.receive(pc::lane::data, 1, 1).ok());
  const auto start = std::chrono::steady_clock::now();
  CHECK(a.poll(pc::deadline::passed()) == 0);
  CHECK(a.poll(std::chrono::milliseconds(-5)) == 0);
  CHECK(a.poll(30ms) == 0);
  const auto waited = std::chrono::steady_clock::now() - start;
  CHECK(waited >= 30ms);
  CHECK(waited < 20s);
  CHECK(b.poll(5ms) == 0); // nor does a poll hang that has nothing to wait for
  pc::completion none;
  CHECK(a.end.poll({&none, 0}, 5ms) == 0);
}

template <class Make>
void fills_what_poll_is_given(Make& make) {
  auto [a, b] = parties(make);
  for (pc::op_id id = 0; id < 20; ++id) {
    REQUIRE(b.receive(pc::lane::control, 8, id).ok());
    REQUIRE(a.send(pc::lane::control, message(8, id), id).ok());
  }
  for (pc::op_id id = 0; id < 20; ++id) {
    while (b.done.size() == id && a.poll(pc::deadline::passed(), 1) + b.poll(1ms, 1) != 0) {
    }
    CHECK(b.done.size() <= id + 1);
  }
  REQUIRE(run(a, b, [&](auto&, auto& y) { return y.done.size() == 20; }));
}

// Random traffic in both directions, by an end that sends and receives at once. Lengths, rooms and contents
// follow from the seed, so that either side knows what has to come.
template <class T>
class soaker {
public:
  static constexpr std::size_t count =
      planecast_test::rounds(300, 80); // messages of each lane in each direction
  soaker(T t, std::uint64_t mine, std::uint64_t theirs)
      : me_(std::move(t)), random_(mine ^ 0x5555), my_seed_(mine), their_seed_(theirs) {}

  static std::size_t length(std::uint64_t seed, std::size_t i) {
    std::mt19937_64 r(seed * 7919 + i);
    const std::size_t kind = r() % 8;
    return kind == 0 ? 0 : kind == 1 ? r() % 200'000 : r() % 700;
  }
  bool step() { // false once all is done
    for (const pc::lane l : both_lanes) {
      const std::size_t k = static_cast<std::size_t>(l);
      while (sent_[k] < count && random_() % 3 != 0) {
        const std::size_t i = sent_[k]++;
        REQUIRE(me_.send(l, message(length(my_seed_ + k, i), my_seed_ + i), id(k, i)).ok());
      }
      while (posted_[k] < count && random_() % 3 != 0) {
        const std::size_t i = posted_[k]++, needed = length(their_seed_ + k, i);
        REQUIRE(me_.receive(l, room(k, i, needed), id(k + 2, i)).ok());
      }
    }
    me_.poll(random_() % 2 ? pc::deadline::passed() : pc::deadline(200us), 1 + random_() % 20);
    return me_.done.size() < 4 * count;
  }
  void check() const {
    std::size_t wrong = 0;
    for (std::size_t k = 0; k < 2; ++k)
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t needed = length(their_seed_ + k, i);
        const pc::completion& c = me_.done.at(id(k + 2, i));
        const bool fits = room(k, i, needed) >= needed;
        wrong += !me_.ok(id(k, i)) || c.bytes != needed || c.result.ok() != fits ||
                 (fits && me_.received(id(k + 2, i)) != message(needed, their_seed_ + i));
      }
    CHECK(wrong == 0);
  }

private:
  static pc::op_id id(std::size_t k, std::size_t i) { return k * 1'000'000 + i; }
  static std::size_t room(std::size_t k, std::size_t i, std::size_t needed) {
    return (i * 31 + k) % 17 == 0 ? needed / 2 : needed + i % 3;
  }
  party<T> me_;
  std::mt19937_64 random_;
  std::uint64_t my_seed_, their_seed_;
  std::size_t sent_[2]{}, posted_[2]{};
};

template <class Make>
void survives_a_soak(Make& make, bool threads) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    CAPTURE(seed);
    auto link = make();
    soaker a(std::move(link.first), seed, seed + 1000);
    soaker b(std::move(link.second), seed + 1000, seed);
    const pc::deadline hung = 60s;
    const auto drive = [hung](auto& end) {
      while (end.step() && !hung.has_passed()) {
      }
    };
    if (threads) {
      std::thread other([&] { drive(b); });
      drive(a);
      other.join();
    } else {
      bool more_a = true, more_b = true;
      while ((more_a || more_b) && !hung.has_passed())
        more_a = a.step(), more_b = b.step();
    }
    REQUIRE_FALSE(hung.has_passed());
    a.check();
    b.check();
  }
}

// Has to be called once in a test case, whose subcases it makes.
template <class Make>
void conforms(Make make) {
  SUBCASE("messages of a lane arrive whole and in order") {
    keeps_order(make);
  }
  SUBCASE("the pieces of a message arrive as one") {
    gathers_pieces(make);
  }
  SUBCASE("a message may be empty") {
    carries_empty_messages(make);
  }
  SUBCASE("a message longer than its slot says so, and harms no other") {
    tells_of_a_slot_too_small(make);
  }
  SUBCASE("many operations are under way at once") {
    bears_many_outstanding(make);
  }
  SUBCASE("data without a slot does not hold up control") {
    keeps_lanes_apart(make);
  }
  SUBCASE("what is over a limit is refused and nothing of it taken") {
    refuses_what_is_over_its_limits(make);
  }
  SUBCASE("after an abort everything completes, cancelled here and closed there") {
    ends(make, true);
  }
  SUBCASE("when an end is destroyed the other's operations close") {
    ends(make, false);
  }
  SUBCASE("an end moves with operations under way") {
    moves_with_operations_under_way(make);
  }
  SUBCASE("no poll returns empty-handed before its deadline, or hangs") {
    keeps_deadlines(make);
  }
  SUBCASE("poll fills the room it is given") {
    fills_what_poll_is_given(make);
  }
  SUBCASE("random traffic, both ends in one thread") {
    survives_a_soak(make, false);
  }
  SUBCASE("random traffic, an end in each of two threads") {
    survives_a_soak(make, true);
  }
}

} // namespace transport_test
