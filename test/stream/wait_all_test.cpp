#include "planecast/planecast.hpp"
#include "planecast/stream/wait_all.hpp"

#include "stream/ranks.hpp"
#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <doctest/doctest.h>
#include <functional>
#include <utility>
#include <vector>

namespace stream_wait_all_test {

using namespace planecast;
using namespace std::chrono_literals;

namespace {

/// A handle by a script. Counts how often it is driven, and does what it does on that occasion.
struct handle {
  std::vector<event> has;
  status fails;
  int driven = 0;
  std::function<void(handle&)> then = [](handle&) {};

  [[nodiscard]] bool reached(event e) const { return std::ranges::find(has, e) != has.end(); }
  status wait(event e, deadline) {
    ++driven;
    then(*this);
    return reached(e) ? status{} : !fails.ok() ? fails : status{errc::timeout, "scripted"};
  }
};

} // namespace

TEST_CASE("wait_all: over when all have the event") {
  handle a{{first_light}, {}}, b{{first_light, focused}, {}};
  CHECK(wait_all(first_light, deadline::passed(), a, b).ok());
  CHECK(wait_all(focused, deadline::passed(), b).ok());
  CHECK(wait_all(focused, deadline::passed(), a, b) == errc::timeout);
  CHECK(wait_all(focused, 5ms, b, a) == errc::timeout);
}

TEST_CASE("wait_all: those that have the event are driven on while others lack it") {
  handle a{{first_light}, {}}, b;
  b.then = [&](handle& me) { // comes when the other one has been driven often enough
    if (a.driven >= 20)
      me.has.push_back(first_light);
  };
  CHECK(wait_all(first_light, 60s, a, b).ok());
  CHECK(a.driven >= 20);
  a.driven = 0;
  b.has.clear();
  CHECK(wait_all(first_light, 60s, b, a).ok()); // in either order
}

TEST_CASE("wait_all: what one lacks and cannot get any more is said at once") {
  for (const bool first : {true, false}) {
    handle lost{{}, {errc::cancelled, "by the sender"}}, late;
    CHECK((first ? wait_all(focused, 1h, lost, late) : wait_all(focused, 1h, late, lost)) == errc::cancelled);
  }
}

TEST_CASE("wait_all: one that fails after it has the event is said while others lack it") {
  for (const bool first : {true, false}) {
    handle lost{{first_light}, {errc::closed, "gone"}}, late;
    CHECK((first ? wait_all(first_light, 1h, lost, late) : wait_all(first_light, 1h, late, lost)) ==
          errc::closed);
    late.has = {first_light}; // and takes nothing from it where all have it
    CHECK((first ? wait_all(first_light, 1h, lost, late) : wait_all(first_light, 1h, late, lost)).ok());
  }
}

TEST_CASE("wait_all: two senders' handles, and two receivers', each pair in one call") {
  const geometry model{number::bf16, 2, 4, 16, 24};
  constexpr std::uint32_t n = 150;
  test::dice dice(1);
  test::engine_rank source(model, {}, n, dice), target(model, {}, n, dice);
  test::fill(source.memory, model.dtype, dice);
  const shard parts[] = {shard::tensor(0, 2), shard::tensor(1, 2)};
  using pair = test::stream_pair<>;
  pair one(model, {.carries = parts[0], .chunk_bytes = 8192}, {.carries = parts[0]});
  pair two(model, {.carries = parts[1], .chunk_bytes = 8192}, {.carries = parts[1]});
  const request r{.id = 1, .tokens = n};
  auto kv = one.in.expect(r, target.pages(parts[0]));
  auto kv2 = two.in.expect(r, target.pages(parts[1]));
  auto shot = one.out.open(r), shot2 = two.out.open(r);
  for (auto* s : {&shot, &shot2}) {
    CHECK(source.put(*s, s == &shot ? parts[0] : parts[1]).ok());
    CHECK(s->plan(budget::base()).ok());
  }
  CHECK(wait_all(source_free, deadline::passed(), shot, shot2).ok());
  const auto both = [&](event e) {
    for (int i = 0; i < 5000; ++i) {
      (void)wait_all(e, deadline::passed(), shot, shot2);
      if (wait_all(e, deadline::passed(), kv, kv2).ok())
        return true;
    }
    return false;
  };
  CHECK(both(first_light));
  CHECK(kv.reached(first_light));
  CHECK(kv2.reached(first_light));
  CHECK(both(focused));
  CHECK(wait_all(focused, 10s, shot, shot2).ok());
  CHECK(target.memory.received(source.memory));
}

} // namespace stream_wait_all_test
