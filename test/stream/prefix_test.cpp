// A prefix hit: the receiver has a sequence's first tokens from elsewhere, and only the rest is sent.
#include "planecast/planecast.hpp"

#include "code/rows.hpp"
#include "stream/both_ends.hpp"
#include "stream/recorded.hpp"
#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace stream_prefix_test {

using namespace planecast;
using planecast_test::rounds;
using namespace std::chrono_literals;

namespace {

// Where prefixes end: on a page's boundary, just after it and just before it, and one before the end.
std::uint32_t prefix_of(std::uint32_t which, std::uint32_t tokens, test::dice& dice) {
  constexpr std::uint32_t rests[] = {0, 1, 63};
  return which == 3 ? tokens - 1 : std::min(tokens - 1, 64 * dice.below(4) + rests[which]);
}

const geometry small{number::bf16, 2, 2, 16, 24};

} // namespace

TEST_CASE("prefix: the rest arrives bit for bit, whatever the cut, and what is before it is not touched") {
  for (std::uint64_t seed = 0; seed < rounds(60, 14); ++seed) {
    test::dice dice(1000 + seed);
    const std::uint32_t n = dice.between(2, 300);
    test::round_trip<test::default_policy>(seed, dice, n, prefix_of(seed % 4, n, dice));
  }
  using many = precision_policy<tiers<4, 8, lossless>, keys<per_channel<32>>,
                                planecast::values<per_channel<32>>, planes<2, 2, 2, 2, tail>>;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    test::dice dice(2000 + seed);
    const std::uint32_t n = dice.between(2, 300);
    test::round_trip<many>(seed, dice, n, prefix_of(seed % 4, n, dice));
  }
}

TEST_CASE("prefix: the slots of its tokens are not followed, at either end") {
  for (const std::uint32_t first : {1u, 63u, 64u, 65u, 139u})
    for (const coding how : {coding::planes, coding::raw}) {
      CAPTURE(first);
      constexpr std::uint32_t n = 140;
      test::stream_pair streams(small);
      const std::size_t keys = std::size_t{n} * 2 * 16, values = std::size_t{n} * 2 * 24;
      std::vector<std::uint16_t> source(2 * (keys + values)), target(source.size());
      test::dice dice(first);
      for (std::uint16_t& x : source)
        x = bf16::nearest(dice.gaussian());
      std::vector<std::int64_t> slots(n, std::int64_t{1} << 44); // far from anything
      for (std::uint32_t t = first; t < n; ++t)
        slots[t] = t;
      const auto view = [&]<class View>(std::vector<std::uint16_t>& of, std::uint32_t layer, View) {
        std::uint16_t* const k = of.data() + layer * (keys + values);
        return View(k, kv_strides::nhd(2, 16), k + keys, kv_strides::nhd(2, 24), token_slots(slots));
      };
      auto kv = streams.in.expect({.id = 1, .tokens = n, .first = first},
                                  {view(target, 0, kv_pages()), view(target, 1, kv_pages())});
      auto shot = streams.out.open({.id = 1, .tokens = n, .first = first, .how = how});
      for (std::uint32_t l = 0; l < 2; ++l)
        CHECK(shot.put(l, view(source, l, kv_view())).ok());
      CHECK(shot.plan(budget::everything()).ok());
      REQUIRE(streams.run(kv, [&] { return kv.reached(focused); }));
      std::size_t wrong = 0;
      for (std::uint32_t l = 0; l < 2; ++l)
        for (std::size_t i = 0; i < keys + values; ++i) {
          const std::size_t at = l * (keys + values) + i;
          const std::size_t t = i < keys ? i / 32 : (i - keys) / 48;
          wrong += target[at] != (t < first ? 0 : source[at]) ? 1 : 0;
        }
      CHECK(wrong == 0);
    }
}

TEST_CASE("prefix: its values are in no frame") {
  constexpr std::uint32_t n = 200, first = 77;
  const auto sent = [&](bool changed) {
    test::dice dice(5);
    test::stream_pair streams(small);
    test::both_ends ends(dice, small, n);
    if (changed)
      ends.source.each_of_token([&](std::uint32_t t, std::uint16_t& x) {
        if (t < first)
          x = static_cast<std::uint16_t>(dice.below(65536));
      });
    auto kv = streams.in.expect({.id = 1, .tokens = n, .first = first}, ends.target.pages());
    auto shot = streams.out.open({.id = 1, .tokens = n, .first = first});
    ends.put(shot);
    CHECK(shot.plan(budget::base(), ends.layered.of[0]).ok());
    REQUIRE(streams.run(kv, [&] { return kv.reached(focused); }));
    return streams.door->data;
  };
  CHECK((sent(false) == sent(true)));
}

TEST_CASE("prefix: only what is sent is counted, and it is the less the longer the prefix is") {
  constexpr std::uint32_t n = 260;
  std::uint64_t before = ~std::uint64_t{0}, whole = 0;
  for (const std::uint32_t first : {0u, 1u, 63u, 64u, 130u, 192u, 255u, 256u, 259u}) {
    CAPTURE(first);
    test::dice dice(6);
    test::stream_pair streams(small);
    test::both_ends ends(dice, small, n);
    auto kv = streams.in.expect({.id = 1, .tokens = n, .first = first}, ends.target.pages());
    auto shot = streams.out.open({.id = 1, .tokens = n, .first = first});
    ends.put(shot);
    const std::uint64_t raw = small.raw_bytes(n - first);
    // A share is one of what is sent.
    const status planned = shot.plan(budget::of_raw(0.5), ends.layered.of[0]);
    if (planned.ok())
      CHECK(shot.metrics().light_bytes <= raw / 2);
    else {
      CHECK(planned == errc::infeasible);
      CHECK(planned.here == raw / 2);
      CHECK(shot.plan(budget::bytes(planned.there), ends.layered.of[0]).ok());
    }
    REQUIRE(streams.run(kv, [&] { return kv.reached(focused) && shot.reached(focused); }));
    CHECK(shot.metrics().raw_bytes == raw);
    CHECK(kv.metrics().raw_bytes == raw);
    const std::uint64_t bytes = shot.metrics().data_bytes;
    CHECK(bytes == kv.metrics().data_bytes);
    CHECK(bytes == streams.out.metrics().data_bytes);
    CHECK(bytes < before);
    before = bytes;
    if (first == 0)
      whole = bytes;
    // In proportion, but for what a short page's scalars and the frames cost.
    CHECK(bytes <= whole * (n - first) / n + 16 * 16 + 4 * 2 * 2 * (16 + 64) + 30 * frame_header_bytes);
  }
}

TEST_CASE("prefix: frames in any order are taken, and damaged ones come again") {
  using link = faulty<loopback>;
  using stream = plane_stream<test::default_policy, link>;
  std::uint64_t repeats = 0;
  for (std::uint64_t seed = 0; seed < rounds(40, 20); ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const geometry g = test::random_geometry(dice);
    const std::uint32_t n = dice.between(2, 260), first = prefix_of(seed % 4, n, dice);
    auto [a, b] = loopback::pair();
    const bool reorders = dice.one_in(2); // else damage may be anywhere, headers too
    std::vector<fault> faults;
    for (std::uint64_t k = 0; k < 30; ++k)
      if (dice.one_in(3))
        faults.push_back(
            {.lane = lane::data,
             .message = k,
             .what = fault::flip,
             .amount = (reorders ? 8 * frame_header_bytes : 0) + dice.below(reorders ? 32 : 600)});
    stream::sender out(
        link(std::move(a),
             {.faults = faults, .reorder_window = reorders ? 2 + dice.below(6) : 0, .seed = seed}),
        g, test::small_chunks(dice, stream::sender::least_chunk_bytes(g)));
    plane_stream<test::default_policy, loopback>::receiver in(std::move(b), g);
    test::both_ends ends(dice, g, n);
    auto kv = in.expect({.id = 5, .tokens = n, .first = first}, ends.target.pages());
    auto shot = out.open({.id = 5, .tokens = n, .first = first});
    ends.put(shot);
    REQUIRE(ends.planned(shot, budget::base()).ok());
    for (int i = 0; i < 20000 && !(kv.reached(focused) && shot.reached(focused)); ++i) {
      (void)out.progress(deadline::passed());
      (void)kv.poll();
    }
    CAPTURE(kv.status().message());
    REQUIRE(shot.reached(focused));
    CHECK(ends.target.received(ends.source, first));
    repeats += out.metrics().sent_again;
  }
  CHECK(repeats > 40);
}

TEST_CASE("prefix: scores are of the whole sequence") {
  constexpr std::uint32_t n = 150, first = 100;
  test::stream_pair streams(small);
  test::dice dice(7);
  test::both_ends ends(dice, small, n);
  auto kv = streams.in.expect({.id = 1, .tokens = n, .first = first}, ends.target.pages());
  auto shot = streams.out.open({.id = 1, .tokens = n, .first = first});
  ends.put(shot);
  for (const std::uint32_t count : {n - first, n - 1, n + 1})
    CHECK_THROWS_AS((void)shot.plan(budget::base(), std::vector<float>(count)), std::invalid_argument);
  // The best of those that are sent comes first, after those that are pinned: no sink is among them.
  std::vector<float> scores(n, 0.0f);
  scores[3] = 9; // not sent
  scores[120] = 8;
  scores[101] = 7;
  CHECK(shot.plan(budget::base(), scores, {.pinned = {4, 2}}).ok());
  REQUIRE(streams.run(kv, [&] { return kv.reached(focused); }));
  std::vector<std::uint32_t> order;
  for (const auto& m : streams.door->data)
    if (const frame_header h = test::header_of(m); h.kind == frame_kind::order)
      for (std::uint32_t i = 0; i < h.count; ++i)
        order.push_back(detail::load<std::uint32_t>(&m[frame_header_bytes + 4 * i]));
  REQUIRE(order.size() == n - first);
  const std::vector<std::uint32_t> begin(order.begin(), order.begin() + 6);
  CHECK(begin == std::vector<std::uint32_t>{148, 149, 120, 101, 100, 102});
}

TEST_CASE("prefix: sinks are pinned where they are sent") {
  for (const std::uint32_t first : {0u, 2u, 3u, 4u, 5u}) {
    CAPTURE(first);
    constexpr std::uint32_t n = 90;
    test::stream_pair streams(small);
    test::dice dice(8);
    test::both_ends ends(dice, small, n);
    auto kv = streams.in.expect({.id = 1, .tokens = n, .first = first}, ends.target.pages());
    auto shot = streams.out.open({.id = 1, .tokens = n, .first = first});
    ends.put(shot);
    streams.door->allowed = 0;
    CHECK(shot.plan(budget::base(), ends.layered.of[0], {.pinned = {4, 0}}).ok());
    std::uint32_t pinned = 0; // tokens that are upgraded to the last plane before others get the next
    REQUIRE(streams.run(kv, [&] {
      streams.door->allowed = std::numeric_limits<std::size_t>::max();
      return kv.reached(focused);
    }));
    for (const auto& m : streams.door->data)
      if (const frame_header h = test::header_of(m); h.kind == frame_kind::upgrade && h.plane == 2) {
        pinned = h.first + h.count;
        break;
      }
    CHECK(pinned == (first < 4 ? 4 - first : n - first));
  }
}

TEST_CASE("prefix: what lacks is named by its page in the sequence") {
  constexpr std::uint32_t n = 200;
  for (const std::uint32_t first : {1u, 64u, 127u, 199u}) {
    CAPTURE(first);
    test::stream_pair streams(small);
    test::dice dice(9);
    test::both_ends ends(dice, small, n);
    auto kv = streams.in.expect({.id = 1, .tokens = n, .first = first}, ends.target.pages());
    std::vector<layer_page> expected;
    for (std::uint32_t l = 0; l < small.layers; ++l)
      for (std::uint32_t page = first / 64; page <= (n - 1) / 64; ++page)
        expected.push_back({l, page});
    CHECK(kv.unsharp() == expected);
    auto shot = streams.out.open({.id = 1, .tokens = n, .first = first});
    ends.put(shot);
    CHECK(shot.plan(budget::base()).ok());
    REQUIRE(streams.run(kv, [&] { return kv.reached(focused); }));
    CHECK(kv.unsharp().empty());
  }
}

TEST_CASE("prefix: another first token is refused at both ends with both numbers") {
  struct numbers {
    std::uint32_t tokens, first;
  };
  for (const bool expected_first : {true, false})
    for (const numbers there : {numbers{70, 0}, {70, 11}, {71, 10}, {71, 0}}) {
      CAPTURE(expected_first);
      CAPTURE(there.tokens);
      CAPTURE(there.first);
      test::stream_pair streams(small);
      test::dice dice(10);
      test::both_ends ends(dice, small, there.tokens);
      std::optional<decltype(streams.in.expect({}, {}))> kv;
      const auto expect = [&] {
        kv.emplace(
            streams.in.expect({.id = 1, .tokens = there.tokens, .first = there.first}, ends.target.pages()));
      };
      if (expected_first)
        expect();
      auto shot = streams.out.open({.id = 1, .tokens = 70, .first = 10});
      streams.settle();
      if (!expected_first)
        expect();
      streams.settle();
      const bool by_length = there.tokens != 70;
      const status out = shot.status(), in = kv->status();
      for (const status& s : {out, in}) {
        CHECK(s == errc::mismatch);
        CHECK(std::string(s.about) == (by_length ? "tokens of the request" : "first token of the request"));
      }
      CHECK(out.here == (by_length ? 70 : 10));
      CHECK(out.there == (by_length ? 71 : there.first));
      CHECK(in.here == out.there);
      CHECK(in.there == out.here);
      CHECK(streams.out.progress(deadline::passed()).ok()); // the connection is as it was
      CHECK(ends.target.untouched_values() == ends.target.all_values());
    }
}

TEST_CASE("prefix: one that leaves nothing to send throws, at either end") {
  test::stream_pair streams(small);
  test::dice dice(11);
  test::cache_memory target(small, 70, dice);
  for (const std::uint32_t first : {70u, 71u, 0xFFFF'FFFFu}) {
    CHECK_THROWS_AS(streams.out.open({.id = 1, .tokens = 70, .first = first}), std::invalid_argument);
    CHECK_THROWS_AS(streams.in.expect({.id = 1, .tokens = 70, .first = first}, target.pages()),
                    std::invalid_argument);
  }
  CHECK_THROWS_AS(streams.out.open({.id = 1, .tokens = 0, .first = 0}), std::invalid_argument);
  CHECK(streams.out.open({.id = 1, .tokens = 70, .first = 69}).status().ok());
}

TEST_CASE("prefix: what is kept for sharpening is that of the rest") {
  constexpr std::uint32_t n = 1000;
  test::dice dice(12);
  test::cache_memory target(small, n, dice);
  const auto kept = [&](std::uint32_t first) { // the least limit that admits it
    const auto fits = [&](std::uint64_t limit) {
      test::stream_pair streams(small, {}, {.code_bytes = limit});
      try {
        (void)streams.in.expect({.id = 1, .tokens = n, .first = first}, target.pages());
        return true;
      } catch (const error& e) {
        CHECK(e.status() == errc::limit);
        return false;
      }
    };
    std::uint64_t low = 0, high = small.raw_bytes(n);
    REQUIRE(fits(high));
    while (low + 1 < high)
      (fits((low + high) / 2) ? high : low) = (low + high) / 2;
    return high;
  };
  const std::uint64_t all = kept(0);
  CHECK(kept(960) <= all / 16 + 100);
}

} // namespace stream_prefix_test
