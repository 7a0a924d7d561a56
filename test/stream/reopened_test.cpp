// An id that is used again while frames of its earlier use are on their way: nothing old reaches the new.
#include "planecast/planecast.hpp"

#include "code/rows.hpp"
#include "stream/altering.hpp"
#include "stream/holding.hpp"
#include "stream/scripted.hpp"
#include "support/cache_case.hpp"
#include "support/dice.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace stream_reopened_test {

using namespace planecast;
using planecast_test::rounds;

namespace {

using link = test::altering<test::holding<loopback>>;
using policy = precision_policy<tiers<4, 8, lossless>, keys<per_channel<8>>, values<per_token>>;
using stream = plane_stream<policy, link>;

constexpr std::uint64_t id = 7;
constexpr std::uint32_t tokens = 40;
const geometry shape{number::bf16, 2, 1, 8, 16};

struct cache {
  explicit cache(std::uint64_t seed, bool filled = true) : dice(seed), memory(shape, tokens, dice) {
    if (filled)
      test::fill(memory, shape.dtype, dice);
  }
  [[nodiscard]] bool untouched() const { return memory.untouched_values() == memory.all_values(); }
  test::dice dice;
  test::cache_memory memory;
};

// Both ends, and what holds up what each of them sends.
struct ends {
  ends() : ends(loopback::pair()) {}
  explicit ends(std::pair<loopback, loopback> pair)
      : out(link({std::move(pair.first), from}, changed(*this)), shape,
            {.chunk_bytes = static_cast<std::uint32_t>(stream::sender::least_chunk_bytes(shape))}),
        in(link({std::move(pair.second), to}, [](lane, std::size_t, test::message&) {}), shape) {
    go();
  }
  ~ends() { // so that neither end waits for what is held up
    from->control = from->data = to->control = false;
    go();
  }
  void go(int turns = 10) {
    for (int i = 0; i < turns; ++i) {
      (void)out.progress(deadline::passed());
      (void)in.progress(deadline::passed());
    }
  }
  stream::sender::outgoing open(std::uint32_t length = tokens) {
    return out.open({.id = id, .tokens = length});
  }
  stream::receiver::incoming expect(cache& to_it) { return in.expect({id, tokens}, to_it.memory.pages()); }
  static void put(stream::sender::outgoing& shot, cache& source) {
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      (void)shot.put(l, source.memory.view<kv_view>(l));
    const status s = shot.plan(budget::of_raw(1.2));
    CHECK((s.ok() || s == errc::cancelled));
  }
  /// Runs a request to its end: at both ends it is what was put.
  void finish(stream::sender::outgoing& shot, stream::receiver::incoming& kv, cache& source, cache& target) {
    for (int i = 0; i < 1000 && !(shot.reached(focused) && kv.reached(focused)); ++i) {
      go(1);
      (void)kv.poll();
    }
    CAPTURE(shot.status().message());
    CAPTURE(kv.status().message());
    CHECK(shot.status().ok());
    CHECK(kv.status().ok());
    CHECK(shot.reached(first_light));
    CHECK(shot.reached(focused));
    CHECK(kv.reached(focused));
    CHECK(target.memory.values() == source.memory.values());
    CHECK(target.memory.untouched_values() == target.memory.all_values() - shape.values_per_token() * tokens);
    CHECK(out.progress(deadline::passed()).ok());
    CHECK(in.progress(deadline::passed()).ok());
  }
  /// Frames of a kind and an opening that one side sent.
  static std::size_t sent(const test::hold& side, frame_kind kind, std::uint32_t opening) {
    return static_cast<std::size_t>(
        std::count_if(side.sent.begin(), side.sent.end(), [&](const test::message& m) {
          const frame_header h = test::header_of(m);
          return h.kind == kind && h.request == id && h.opening == opening;
        }));
  }
  static std::size_t sent_in_all(const test::hold& side, frame_kind kind) {
    return static_cast<std::size_t>(std::count_if(
        side.sent.begin(), side.sent.end(), [&](const auto& m) { return test::header_of(m).kind == kind; }));
  }
  /// Data frames of an opening that the sender sent.
  [[nodiscard]] std::size_t data_of(std::uint32_t opening) const {
    std::size_t all = 0;
    for (const frame_kind kind : {frame_kind::base, frame_kind::order, frame_kind::plan, frame_kind::upgrade})
      all += sent(*from, kind, opening);
    return all;
  }
  [[nodiscard]] std::size_t waiting(const test::hold& side, lane l) const {
    return side.waiting[static_cast<std::size_t>(l)];
  }

  static test::alteration changed(ends& e) {
    return [&e](lane l, std::size_t n, test::message& m) {
      if (e.damage)
        e.damage(l, n, m);
    };
  }

  test::alteration damage; // of what the sender sends
  std::shared_ptr<test::hold> from = std::make_shared<test::hold>(), to = std::make_shared<test::hold>();
  stream::sender out;
  stream::receiver in;
};

} // namespace

TEST_CASE("reopened: old data frames reach nothing, whichever end cancelled and whenever it is opened") {
  for (const bool sender_cancels : {true, false})
    for (const bool opened_late : {true, false}) { // after the old frames have come
      CAPTURE(sender_cancels);
      CAPTURE(opened_late);
      cache old(1), source(2), before(3, false), target(4, false);
      ends e;
      auto kv = std::make_optional(e.expect(before));
      auto shot = e.open();
      e.go();
      e.from->data = true;
      e.put(shot, old);
      e.go();
      const std::size_t held = e.waiting(*e.from, lane::data);
      CHECK(held > 5);
      CHECK(held == e.data_of(1));
      if (sender_cancels)
        shot.cancel();
      else
        kv->cancel();
      e.go();
      CHECK(shot.status() == errc::cancelled);
      CHECK(kv->status() == errc::cancelled);
      auto kv2 = e.expect(target);
      std::optional<stream::sender::outgoing> shot2;
      const auto open_it = [&] {
        shot2.emplace(e.open());
        e.go();
        e.put(*shot2, source); // behind the old ones, or after them
      };
      if (!opened_late)
        open_it();
      e.from->data = false;
      if (opened_late) {
        e.go();
        CHECK(e.in.metrics().not_expected == held);
        CHECK(kv2.poll().ok());
        CHECK(kv2.metrics().data_bytes == 0);
        open_it();
      }
      e.finish(*shot2, kv2, source, target);
      CHECK(e.in.metrics().not_expected == held);
      CHECK(kv2.metrics().data_bytes == shot2->metrics().data_bytes);
      CHECK(before.untouched());
      CHECK(kv->status() == errc::cancelled);
    }
}

TEST_CASE("reopened: old frames that come when the new request is half there") {
  cache old(1), source(2), before(3, false), target(4, false);
  ends e;
  auto kv = e.expect(before);
  auto shot = e.open();
  e.go();
  e.from->data = true;
  e.put(shot, old);
  kv.cancel();
  e.go();
  auto kv2 = e.expect(target);
  auto shot2 = e.open();
  e.go();
  const std::size_t held = e.data_of(1);
  e.put(shot2, source);
  // One frame at a time from here: the old come first, then the new, between polls.
  e.from->data = false;
  for (int i = 0; i < 3; ++i) {
    (void)e.out.progress(deadline::passed());
    (void)e.in.progress(deadline::passed());
  }
  e.finish(shot2, kv2, source, target);
  CHECK(e.in.metrics().not_expected == held);
}

TEST_CASE("reopened: an old accept lets nothing of the new request leave") {
  cache source(2), before(3, false), target(4, false);
  ends e;
  e.to->control = true;
  auto kv = e.expect(before);
  auto shot = e.open();
  e.go();
  CHECK(e.sent(*e.to, frame_kind::accept, 1) == 1);
  CHECK(e.waiting(*e.to, lane::control) > 0);
  shot.cancel();
  auto shot2 = e.open();
  e.put(shot2, source);
  e.go();
  CHECK(kv.status() == errc::cancelled);
  e.to->control = false;
  e.go();
  CHECK(e.data_of(2) == 0); // nobody expects it
  CHECK(!shot2.reached(first_light));
  CHECK(shot2.status().ok());
  auto kv2 = e.expect(target);
  e.finish(shot2, kv2, source, target);
  CHECK(e.in.metrics().not_expected == 0);
}

TEST_CASE("reopened: an old delivered ends nothing") {
  cache old(1), source(2), before(3, false), target(4, false);
  ends e;
  auto kv = e.expect(before);
  auto shot = e.open();
  e.go();
  e.to->control = true;
  e.put(shot, old);
  for (int i = 0; i < 100 && !kv.reached(focused); ++i) {
    e.go();
    (void)kv.poll();
  }
  REQUIRE(kv.reached(focused));
  CHECK(before.memory.values() == old.memory.values());
  CHECK(e.sent(*e.to, frame_kind::delivered, 1) == 2);
  CHECK(!shot.reached(first_light));
  shot.cancel(); // it has not heard
  auto shot2 = e.open();
  e.put(shot2, source);
  CHECK(shot2.status().ok());
  e.to->control = false;
  e.go();
  CHECK(!shot2.reached(first_light));
  CHECK(!shot2.reached(focused));
  CHECK(shot2.bytes_held() > 0);
  CHECK(shot2.status().ok());
  CHECK(!shot.reached(focused)); // nor does it come to one that is over
  auto kv2 = e.expect(target);
  e.finish(shot2, kv2, source, target);
  CHECK(kv.reached(focused));
}

TEST_CASE("reopened: an old cancel of the receiver ends nothing") {
  cache old(1), source(2), before(3, false), target(4, false);
  ends e;
  auto kv = e.expect(before);
  auto shot = e.open();
  e.go();
  e.put(shot, old);
  e.go();
  e.to->control = true;
  kv.cancel();
  CHECK(e.sent(*e.to, frame_kind::cancel, 1) == 1);
  shot.cancel(); // at the same time
  auto shot2 = e.open();
  e.put(shot2, source);
  e.go();
  e.to->control = false;
  e.go();
  CHECK(shot2.status().ok());
  auto kv2 = e.expect(target);
  e.finish(shot2, kv2, source, target);
}

TEST_CASE("reopened: an old cancel of the sender ends nothing") {
  cache old(1), source(2), before(3, false), target(4, false);
  ends e;
  auto kv = e.expect(before);
  auto shot = e.open();
  e.go();
  e.put(shot, old);
  e.go();
  e.from->control = true;
  shot.cancel();
  CHECK(e.sent(*e.from, frame_kind::cancel, 1) == 1);
  auto shot2 = e.open();
  e.put(shot2, source);
  kv.cancel(); // at the same time
  auto kv2 = e.expect(target);
  e.go();
  CHECK(shot2.status().ok()); // the receiver's cancel is an old one, too
  e.from->control = false;
  e.go();
  CHECK(kv2.status().ok());
  CHECK(target.untouched());
  e.finish(shot2, kv2, source, target);
}

TEST_CASE("reopened: an old refusal ends nothing") {
  cache source(2), before(3, false), target(4, false);
  ends e;
  e.to->control = true;
  auto kv = e.expect(before);
  auto shot = e.open(tokens + 1);
  e.go();
  CHECK(kv.status() == errc::mismatch);
  CHECK(e.sent(*e.to, frame_kind::refuse, 1) == 1);
  shot.cancel();
  auto shot2 = e.open();
  e.put(shot2, source);
  e.go();
  e.to->control = false;
  e.go();
  CHECK(shot.status() == errc::cancelled);
  CHECK(shot2.status().ok());
  auto kv2 = e.expect(target);
  e.finish(shot2, kv2, source, target);
}

TEST_CASE("reopened: old frames that came damaged are not sent again, new ones are") {
  cache old(1), source(2), before(3, false), target(4, false);
  ends e;
  std::size_t first_new = ~std::size_t{0};
  e.damage = [&](lane l, std::size_t n, test::message& m) {
    if (l == lane::data && (n == 0 || n == 2 || n == first_new + 1))
      m.back() ^= std::byte{8};
  };
  auto kv = e.expect(before);
  auto shot = e.open();
  e.go();
  e.to->control = true; // so that what is asked for is asked late
  e.put(shot, old);
  e.go();
  const std::size_t sent = e.data_of(1);
  CHECK(sent > 2);
  CHECK(e.sent_in_all(*e.to, frame_kind::lost) == 2);
  shot.cancel();
  e.go();
  auto kv2 = e.expect(target);
  auto shot2 = e.open();
  first_new = sent;
  e.put(shot2, source);
  e.to->control = false;
  e.finish(shot2, kv2, source, target);
  CHECK(e.data_of(1) == sent);
  CHECK(e.sent_in_all(*e.to, frame_kind::lost) == 3);
  CHECK(e.out.metrics().sent_again == 1);
  CHECK(before.untouched());
}

TEST_CASE("reopened: over and over, by either end, with anything on its way") {
  std::size_t finished = 0, passed_over = 0, mistaken = 0;
  for (unsigned seed = 0; seed < rounds(400, 100); ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    ends e;
    std::vector<std::unique_ptr<cache>> sources, targets;
    std::vector<stream::sender::outgoing> shots; // the last one is live, or none
    std::vector<std::unique_ptr<stream::receiver::incoming>> kvs;
    const auto check_ended = [&](std::size_t i) { // what has arrived in full is one of those that were sent
      if (kvs[i]->reached(focused)) {
        const auto values = targets[i]->memory.values();
        CHECK(std::any_of(sources.begin(), sources.end(),
                          [&](const auto& s) { return s->memory.values() == values; }));
        ++finished;
      }
    };
    for (int step = 0; step < 120; ++step) {
      switch (dice.below(10)) {
      case 0:
        e.from->control = dice.one_in(2);
        break;
      case 1:
        e.from->data = dice.one_in(2);
        break;
      case 2:
        e.to->control = dice.one_in(2);
        break;
      case 3:
        if (shots.empty() || shots.back().reached(quiesced)) {
          // quiesced comes with the last layer: only an id that is free may be opened
          try {
            shots.push_back(e.open());
          } catch (const std::invalid_argument&) {
            break;
          }
          sources.push_back(std::make_unique<cache>(1000 * seed + static_cast<unsigned>(step)));
          if (dice.one_in(2))
            e.put(shots.back(), *sources.back());
        }
        break;
      case 4:
        if (!shots.empty() && dice.one_in(3))
          shots.back().cancel();
        break;
      case 5:
        if (kvs.empty() || kvs.back()->reached(quiesced)) {
          targets.push_back(std::make_unique<cache>(1000 * seed + 500 + static_cast<unsigned>(step), false));
          kvs.push_back(std::make_unique<stream::receiver::incoming>(e.expect(*targets.back())));
        }
        break;
      case 6:
        if (!kvs.empty() && dice.one_in(3))
          kvs.back()->cancel();
        break;
      case 7:
        if (!kvs.empty())
          (void)kvs.back()->poll();
        break;
      default:
        e.go(static_cast<int>(dice.below(4)));
      }
    }
    // Both give up what they have, and start a last time while all of that is still on its way.
    if (!shots.empty())
      shots.back().cancel();
    if (!kvs.empty())
      kvs.back()->cancel();
    cache source(1'000'000 + seed);
    const bool settled = dice.one_in(2);
    if (settled) {
      e.from->control = e.from->data = e.to->control = false;
      e.go();
    }
    std::optional<stream::receiver::incoming> kv;
    std::unique_ptr<cache> target;
    const auto expect_it = [&] {
      kv.reset();
      target = std::make_unique<cache>(2'000'000 + seed, false);
      kv.emplace(e.expect(*target));
    };
    expect_it();
    auto shot = e.open();
    e.put(shot, source);
    e.from->control = e.from->data = e.to->control = false;
    e.go();
    // An old opening that was on its way may have been taken for the one that is expected: it ends as the
    // sender ended it, untouched, and the new one is there to be expected.
    while (kv->status() == errc::cancelled) {
      CHECK_FALSE(settled);
      CHECK(target->untouched());
      ++mistaken;
      expect_it();
      e.go();
    }
    e.finish(shot, *kv, source, *target);
    for (std::size_t i = 0; i < kvs.size(); ++i)
      check_ended(i);
    CHECK(e.out.progress(deadline::passed()).ok());
    CHECK(e.in.progress(deadline::passed()).ok());
    passed_over += e.in.metrics().not_expected;
  }
  CHECK(finished > 20);
  CHECK(passed_over > 100);
  CHECK(mistaken < 100);
}

} // namespace stream_reopened_test
