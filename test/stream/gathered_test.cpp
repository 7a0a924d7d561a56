#include "planecast/planecast.hpp"
#include "planecast/stream/gathered.hpp"

#include "code/rows.hpp"
#include "stream/ranks.hpp"
#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <doctest/doctest.h>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

namespace stream_gathered_test {

using namespace planecast;
using namespace std::chrono_literals;

namespace {

using pair = test::stream_pair<>;
using incoming = pair::receiver::incoming;
using outgoing = pair::sender::outgoing;

const geometry model{number::bf16, 2, 4, 16, 24};
constexpr std::uint32_t n = 200;
constexpr std::size_t everything = std::numeric_limits<std::size_t>::max();

/// Two ranks send, one receives.
struct two_to_one {
  test::dice dice;
  std::vector<shard> shards{shard::tensor(0, 2), shard::tensor(1, 2)};
  test::engine_rank source{model, {}, n, dice}, target{model, {}, n, dice};
  std::vector<std::unique_ptr<pair>> streams;
  std::vector<outgoing> shots;
  std::vector<incoming> arriving;

  explicit two_to_one(std::uint64_t seed, std::uint32_t chunk = 8192) : dice(seed) {
    test::fill(source.memory, model.dtype, dice);
    for (const shard& s : shards) {
      pair& p = *streams.emplace_back(std::make_unique<pair>(
          model, sender_options{.carries = s, .chunk_bytes = chunk}, receiver_options{.carries = s}));
      arriving.push_back(p.in.expect({.id = 1, .tokens = n}, target.pages(s)));
      shots.push_back(p.out.open({.id = 1, .tokens = n}));
    }
  }
  void put_and_plan(std::size_t i) {
    CHECK(source.put(shots[i], shards[i]).ok());
    CHECK(shots[i].plan(budget::base()).ok());
  }
  void send() {
    put_and_plan(0);
    put_and_plan(1);
  }
  gathered<incoming> gather() { return gathered<incoming>(std::move(arriving)); }
  void turn() {
    for (auto& p : streams)
      (void)p->out.progress(deadline::passed());
  }
  template <class Kv, class Done>
  bool run(Kv& kv, Done&& done) {
    for (int i = 0; i < 5000 && !done(); ++i) {
      turn();
      (void)kv.poll();
    }
    return done();
  }
  bool exact() { return target.memory.received(source.memory); }
};

} // namespace

static_assert(foreseeing_cache<gathered<incoming>>);
static_assert(std::is_same_v<gathered<incoming>::policy, test::default_policy>);

TEST_CASE("gathered: of none is nothing") {
  CHECK_THROWS_AS(gathered<incoming>(std::vector<incoming>()), std::invalid_argument);
}

TEST_CASE("gathered: from a list, or from handles by name; one alone is as it was") {
  two_to_one t(1);
  t.send();
  gathered kv(std::move(t.arriving[0]), std::move(t.arriving[1]));
  CHECK(kv.shards().size() == 2);
  CHECK(t.run(kv, [&] { return kv.reached(focused); }));
  CHECK(t.exact());

  two_to_one u(2);
  u.send();
  gathered one(std::move(u.arriving[1]));
  CHECK(u.run(one, [&] { return one.reached(focused); }));
  CHECK(one.tier() == 2);
  CHECK(one.shards().front().metrics().raw_bytes == model.of(shard::tensor(1, 2)).raw_bytes(n));
}

TEST_CASE("gathered: an event is there when all shards have it, and the tier is the least") {
  for (const std::size_t late : {0u, 1u}) {
    CAPTURE(late);
    two_to_one t(3);
    t.streams[late]->door->allowed = 0;
    t.put_and_plan(1 - late);
    gathered kv = t.gather();
    CHECK(kv.tier() == -1);
    REQUIRE(t.run(kv, [&] { return kv.shards()[1 - late].reached(focused); }));
    CHECK(kv.shards()[1 - late].tier() == 2);
    CHECK(kv.tier() == -1);
    CHECK_FALSE(kv.reached(first_light));
    t.put_and_plan(late);
    std::vector<int> tiers{-1};
    REQUIRE(t.run(kv, [&] {
      auto& door = *t.streams[late]->door;
      door.allowed = std::min(door.allowed, door.data.size()) + 1;
      CHECK(kv.tier() == kv.shards()[late].tier());
      CHECK(kv.reached(first_light) == kv.shards()[late].reached(first_light));
      if (kv.tier() != tiers.back())
        tiers.push_back(kv.tier());
      return kv.reached(focused);
    }));
    CHECK(tiers == std::vector<int>{-1, 0, 1, 2});
    CHECK(kv.reached(quiesced));
    CHECK(kv.poll().ok());
    CHECK(t.exact());
  }
}

TEST_CASE("gathered: what lacks in any shard, sorted, each page once") {
  for (std::uint64_t seed = 0; seed < planecast_test::rounds(20, 6); ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const auto stages = std::vector<std::uint32_t>{1, 3};
    const geometry g{number::fp16, 3, 4, 16, 16};
    std::vector<shard> from = test::ranks_of(stages, 2);
    std::shuffle(from.begin(), from.end(), dice.engine());
    const std::uint32_t first = dice.one_in(2) ? 0 : dice.below(n);
    test::engine_rank target(g, {}, n, dice);
    const test::model_cache whole(g, n, dice);
    std::vector<std::unique_ptr<pair>> streams;
    std::vector<incoming> arriving;
    std::vector<outgoing> shots;
    for (const shard& s : from) {
      pair& p = *streams.emplace_back(std::make_unique<pair>(
          g, sender_options{.carries = s, .chunk_bytes = 4096}, receiver_options{.carries = s}));
      arriving.push_back(p.in.expect({.id = 1, .tokens = n, .first = first}, target.pages(s)));
      shots.push_back(p.out.open({.id = 1, .tokens = n, .first = first}));
      test::engine_rank source(g, s, n, dice);
      whole.fill_rank(source.memory, s);
      CHECK(source.put(shots.back(), s).ok());
      CHECK(shots.back().plan(budget::base()).ok());
      p.door->allowed = dice.below(30);
    }
    gathered kv(std::move(arriving));
    for (int i = 0; i < 200; ++i) {
      for (auto& p : streams)
        (void)p->out.progress(deadline::passed());
      (void)kv.poll();
      std::set<layer_page> lacking;
      for (const incoming& s : kv.shards())
        for (const layer_page p : s.unsharp())
          lacking.insert(p);
      REQUIRE(kv.unsharp() == std::vector<layer_page>(lacking.begin(), lacking.end()));
    }
    for (auto& p : streams)
      p->door->allowed = everything;
    for (int i = 0; i < 2000 && !kv.reached(focused); ++i) {
      for (auto& p : streams)
        (void)p->out.progress(deadline::passed());
      (void)kv.poll();
    }
    CHECK(kv.reached(focused));
    CHECK(kv.unsharp().empty());
  }
}

TEST_CASE("gathered: what fails in one fails in all") {
  for (const std::size_t which : {0u, 1u}) {
    CAPTURE(which);
    for (const bool gone : {false, true}) { // given up, or the sender is gone
      CAPTURE(gone);
      two_to_one t(4);
      t.put_and_plan(1 - which);
      gathered kv = t.gather();
      REQUIRE(t.run(kv, [&] { return kv.shards()[1 - which].reached(focused); }));
      CHECK(kv.poll().ok());
      if (gone)
        auto dead = std::move(t.streams[which]->out);
      else
        t.shots[which].cancel();
      const auto start = std::chrono::steady_clock::now();
      CHECK(kv.wait(first_light, 1h) == (gone ? errc::closed : errc::cancelled));
      CHECK(kv.wait(focused, 1h) == (gone ? errc::closed : errc::cancelled));
      CHECK(std::chrono::steady_clock::now() - start < 60s);
      CHECK(kv.poll() == kv.status().code);
      CHECK_FALSE(kv.status().ok());
      CHECK(kv.tier() == -1);
      CHECK_FALSE(kv.unsharp().empty());
    }
  }
}

TEST_CASE("gathered: a shard that fails after its first light is not waited past for the others'") {
  for (const std::size_t which : {0u, 1u}) {
    CAPTURE(which);
    two_to_one t(9);
    t.put_and_plan(which); // the other one says nothing
    t.streams[which]->door->allowed = 8;
    gathered kv = t.gather();
    REQUIRE(t.run(kv, [&] { return kv.shards()[which].reached(first_light); }));
    t.shots[which].cancel();
    CHECK(kv.wait(first_light, 1h) == errc::cancelled);
  }
}

TEST_CASE("gathered: a shard that fails after all have the event takes nothing from it") {
  two_to_one t(5);
  t.send();
  t.streams[1]->door->allowed = 8; // base, order, plan, not all of the focus
  gathered kv = t.gather();
  REQUIRE(t.run(kv, [&] { return kv.reached(first_light); }));
  t.shots[1].cancel();
  CHECK(t.run(kv, [&] { return !kv.status().ok(); }));
  CHECK(kv.wait(first_light, 1s).ok());
  CHECK(kv.wait(focused, 1s) == errc::cancelled);
  CHECK(kv.tier() >= 0);
}

TEST_CASE("gathered: cancel ends all, at both ends, and the pages are left alone") {
  two_to_one t(6);
  t.send();
  t.streams[0]->door->allowed = t.streams[1]->door->allowed = 7;
  gathered kv = t.gather();
  REQUIRE(t.run(kv, [&] { return kv.tier() == 0; }));
  kv.cancel();
  CHECK(kv.status() == errc::cancelled);
  CHECK(kv.reached(quiesced));
  CHECK(kv.wait(focused, 1h) == errc::cancelled);
  const auto before = t.target.memory.values();
  t.streams[0]->door->allowed = t.streams[1]->door->allowed = everything;
  CHECK(t.run(kv, [&] { return !t.shots[0].status().ok() && !t.shots[1].status().ok(); }));
  CHECK(t.shots[0].status() == errc::cancelled);
  CHECK(t.shots[1].status() == errc::cancelled);
  for (auto& p : t.streams)
    p->settle();
  CHECK(t.target.memory.values() == before);
}

TEST_CASE("gathered: dropping it cancels what is not over, and no more") {
  two_to_one t(7);
  t.put_and_plan(0);
  {
    gathered kv = t.gather();
    REQUIRE(t.run(kv, [&] { return kv.shards()[0].reached(focused) && t.shots[0].reached(focused); }));
  }
  for (auto& p : t.streams)
    p->settle();
  CHECK(t.shots[0].status().ok());
  CHECK(t.shots[1].status() == errc::cancelled);
}

TEST_CASE("gathered: a wait ends at its deadline, and what has come by then is in the pages") {
  two_to_one t(8);
  t.put_and_plan(0); // the other one says nothing
  gathered kv = t.gather();
  t.turn();
  for (const deadline until : {deadline::passed(), deadline(1us), deadline(20ms)}) {
    const auto start = std::chrono::steady_clock::now();
    CHECK(kv.wait(first_light, until) == errc::timeout);
    CHECK(std::chrono::steady_clock::now() - start < 20s);
    t.turn();
  }
  CHECK(kv.status().ok()); // late, not lost
  CHECK(t.target.memory.untouched_values() < t.target.memory.all_values());
  t.put_and_plan(1);
  CHECK(t.run(kv, [&] { return kv.wait(focused, deadline::passed()).ok(); }));
  CHECK(t.exact());
}

namespace {

/// A link whose other end works only when this one is looked at.
class prompting {
public:
  prompting(loopback inner, std::function<void()> prompt)
      : prompt_(std::move(prompt)), inner_(std::move(inner)) {}

  status send(lane l, gather g, op_id id) noexcept { return inner_.send(l, g, id); }
  status receive(lane l, planecast::slot s, op_id id) noexcept { return inner_.receive(l, s, id); }
  std::size_t poll(std::span<completion> out, deadline d) noexcept {
    prompt_();
    return inner_.poll(out, d);
  }
  void abort() noexcept { inner_.abort(); }
  transport_limits limits() noexcept { return inner_.limits(); }

private:
  std::function<void()> prompt_;
  loopback inner_;
};

/// As many streams as ranks, each of whose senders does one step when its receiver looks.
struct prompted {
  using stream = plane_stream<test::default_policy, prompting>;
  using kv_type = stream::receiver::incoming;
  struct end {
    plane_stream<test::default_policy, loopback>::sender out;
    std::optional<stream::receiver> in;
    std::optional<plane_stream<test::default_policy, loopback>::sender::outgoing> shot;
    std::function<bool()> speaks = [] { return true; };
    std::size_t prompts = 0;
  };
  test::dice dice;
  test::engine_rank source{model, {}, n, dice}, target{model, {}, n, dice};
  std::vector<std::unique_ptr<end>> ends;
  std::vector<kv_type> arriving;

  explicit prompted(std::uint32_t ranks) : dice(ranks) {
    test::fill(source.memory, model.dtype, dice);
    for (std::uint32_t r = 0; r < ranks; ++r) {
      const shard s = shard::tensor(r, ranks);
      auto [a, b] = loopback::pair();
      end& e = *ends.emplace_back(std::make_unique<end>(
          end{{std::move(a), model, {.carries = s, .chunk_bytes = 8192, .window_bytes = 1}}, {}, {}}));
      e.in.emplace(prompting(std::move(b),
                             [&e] {
                               ++e.prompts;
                               if (e.speaks())
                                 (void)e.out.progress(deadline::passed());
                             }),
                   model, receiver_options{.carries = s, .slots = 1});
      arriving.push_back(e.in->expect({.id = 1, .tokens = n}, target.pages(s)));
      e.shot.emplace(e.out.open({.id = 1, .tokens = n}));
      CHECK(source.put(*e.shot, s).ok());
      CHECK(e.shot->plan(budget::base()).ok());
    }
  }
  ~prompted() { // receivers look once more at their end, when other ends are gone
    for (auto& e : ends)
      e->speaks = [] { return false; };
  }
};

} // namespace

TEST_CASE("gathered: wait drives all links") {
  for (const std::uint32_t ranks : {1u, 2u, 4u})
    for (const event e : {first_light, focused}) {
      CAPTURE(ranks);
      prompted p(ranks);
      gathered kv(std::move(p.arriving));
      REQUIRE(kv.wait(e, 60s).ok());
      CHECK(kv.tier() >= 0);
      REQUIRE(kv.wait(focused, 60s).ok());
      CHECK(p.target.memory.received(p.source.memory));
    }
}

TEST_CASE("gathered: one that says nothing until the others are done does not keep them from it") {
  for (const std::size_t silent : {0u, 1u, 2u, 3u}) {
    CAPTURE(silent);
    prompted p(4);
    p.ends[silent]->speaks = [&, silent] {
      for (std::size_t i = 0; i < 4; ++i)
        if (i != silent && !p.ends[i]->shot->reached(focused))
          return false;
      return true;
    };
    gathered kv(std::move(p.arriving));
    REQUIRE(kv.wait(focused, 60s).ok());
    CHECK(p.target.memory.received(p.source.memory));
    CHECK(p.ends[silent]->prompts > 10); // it was asked all the while
  }
}

} // namespace stream_gathered_test
