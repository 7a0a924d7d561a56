#include "planecast/stream/plane_stream.hpp"

#include "code/rows.hpp"
#include "stream/both_ends.hpp"
#include "stream/recorded.hpp"
#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace stream_plane_stream_test {

using namespace planecast;
using planecast_test::rounds;
using test::both_ends;
using test::small_chunks;

namespace {

template <class Policy>
void round_trip(std::uint64_t seed) {
  test::dice dice(seed);
  test::round_trip<Policy>(seed, dice, test::random_tokens(dice));
}

using four_tiers = precision_policy<tiers<2, 4, 8, lossless>, keys<per_channel<64>>,
                                    planecast::values<per_token>, planes<2, 2, 2, 2, tail>>;
using eight_first = precision_policy<tiers<8, lossless>, keys<per_channel<64>>, planecast::values<per_token>,
                                     planes<8, tail>>;
using no_tail = precision_policy<tiers<4, 8>, keys<per_channel<64>>, planecast::values<per_token>>;

} // namespace

TEST_CASE("plane_stream: any shape, layout and cut comes back bit for bit") {
  for (std::uint64_t seed = 0; seed < rounds(60, 12); ++seed)
    round_trip<test::default_policy>(seed);
}

TEST_CASE("plane_stream: other planes, other quantizers") {
  using many = precision_policy<tiers<4, 8, lossless>, keys<per_channel<32>>,
                                planecast::values<per_channel<32>>, planes<2, 2, 2, 2, tail>>;
  for (std::uint64_t seed = 100; seed < 100 + rounds(15, 3); ++seed) {
    round_trip<many>(seed);
    round_trip<four_tiers>(seed);
    round_trip<eight_first>(seed);
  }
}

namespace {

// One request, a data frame at a time: the tiers that it passes through; what the receiver has in the end.
template <class Policy>
std::pair<std::vector<int>, std::vector<std::uint16_t>> step_by_step(std::uint64_t seed, int until) {
  test::dice dice(seed);
  const geometry g{dice.one_in(2) ? number::fp16 : number::bf16, 2, 2, 32, 24};
  const std::uint32_t n = 64 * dice.between(1, 4) + 40;
  test::stream_pair<Policy> streams(g);
  both_ends ends(dice, g, n);
  ends.source.each([&](std::uint16_t& x) { // numbers, so that no tile is stored, whatever the policy
    const float f = dice.gaussian();
    x = with_format(g.dtype, [&]<class Number>(Number) { return Number::nearest(f); });
  });
  auto kv = streams.in.expect({.id = 1, .tokens = n}, ends.target.pages());
  auto shot = streams.out.open({.id = 1, .tokens = n});
  streams.door->allowed = 0;
  ends.put(shot);
  ends.plan.until = until;
  ends.plan.order = plan_order::greedy; // no tier is skipped
  REQUIRE(shot.plan(budget::base(), ends.layered.of[0], ends.plan).ok());
  std::vector<int> tiers = test::tiers_on_the_way(streams, kv);
  REQUIRE(kv.reached(focused));
  const int last = Policy::tiers::bits(Policy::tiers::count - 1);
  CHECK(kv.unsharp().empty() == (until == last));
  if (until == lossless)
    CHECK(ends.target.received(ends.source));
  return {std::move(tiers), ends.target.values()};
}

} // namespace

TEST_CASE("plane_stream: every tier of a policy is reached, in order") {
  using path = std::vector<int>;
  for (std::uint64_t seed = 0; seed < rounds(6, 1); ++seed) {
    CAPTURE(seed);
    CHECK(step_by_step<test::default_policy>(seed, lossless).first == path{-1, 0, 1, 2});
    CHECK(step_by_step<four_tiers>(seed, lossless).first == path{-1, 0, 1, 2, 3});
    CHECK(step_by_step<eight_first>(seed, lossless).first == path{-1, 0, 1});
    const auto eight = step_by_step<no_tail>(seed, 8);
    CHECK(eight.first == path{-1, 0, 1});
    // The code of 8 bits is the same, whatever it is cut into, and whether or not a tail would follow.
    CHECK((eight.second == step_by_step<test::default_policy>(seed, 8).second));
    CHECK((eight.second == step_by_step<eight_first>(seed, 8).second));
    CHECK((eight.second == step_by_step<four_tiers>(seed, 8).second));
    const auto four = step_by_step<no_tail>(seed, 4);
    CHECK(four.first == path{-1, 0});
    CHECK((four.second == step_by_step<four_tiers>(seed, 4).second));
    CHECK((four.second != eight.second));
  }
}

TEST_CASE("plane_stream: a policy without lossless cannot be planned to it") {
  const geometry g{number::bf16, 1, 1, 16, 16};
  test::dice dice(1);
  test::stream_pair<no_tail> streams(g);
  both_ends ends(dice, g, 70);
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  ends.put(shot);
  CHECK_THROWS_AS((void)shot.plan(budget::base(), {}, {.until = lossless}), std::invalid_argument);
  CHECK(shot.plan(budget::base(), {}, {.until = 8}).ok());
}

TEST_CASE("plane_stream: a plan may end below lossless") {
  for (const auto& ends_at : {std::pair{4, 0}, {8, 1}, {lossless, 2}}) {
    const int until = ends_at.first, tier = ends_at.second;
    CAPTURE(until);
    test::dice dice(7);
    const geometry g{number::bf16, 2, 2, 64, 64};
    const std::uint32_t n = 130;
    test::stream_pair streams(g);
    both_ends ends(dice, g, n);
    ends.source.each([&](std::uint16_t& x) { x = bf16::nearest(dice.gaussian()); }); // no tile is stored
    auto kv = streams.in.expect({.id = 1, .tokens = n}, ends.target.pages());
    auto shot = streams.out.open({.id = 1, .tokens = n});
    ends.put(shot);
    REQUIRE(shot.plan(budget::base(), ends.layered.of[0], {.pinned = {}, .until = until}).ok());
    REQUIRE(streams.run(kv, [&] { return kv.reached(focused); }));
    CHECK(kv.tier() == tier);
    CHECK((ends.target.values() == ends.source.values()) == (until == lossless));
    CHECK(kv.unsharp().empty() == (until == lossless));
  }
}

TEST_CASE("plane_stream: raw coding sends the values as they are, all in the base") {
  test::dice dice(8);
  const geometry g{number::fp16, 2, 2, 64, 32};
  const std::uint32_t n = 70;
  test::stream_pair streams(g);
  both_ends ends(dice, g, n);
  auto kv = streams.in.expect({.id = 1, .tokens = n}, ends.target.pages());
  auto shot = streams.out.open({.id = 1, .tokens = n, .how = coding::raw});
  ends.put(shot);
  REQUIRE(shot.plan(budget::everything()).ok());
  REQUIRE(streams.run(kv, [&] { return kv.reached(focused); }));
  CHECK(ends.target.values() == ends.source.values());
  CHECK(shot.metrics().stored_tiles == 2 * 2 * 2 * 2);
  CHECK(shot.metrics().data_bytes < g.raw_bytes(n) * 102 / 100 + 2000);
}

// Frames may come in another order, or with headers that cannot be read. Not both: a transport that keeps its
// promise of order is what makes an unreadable frame's number known.
TEST_CASE("plane_stream: frames in any order are taken, and damaged ones come again") {
  using link = faulty<loopback>;
  using stream = plane_stream<test::default_policy, link>;
  for (std::uint64_t seed = 0; seed < rounds(100, 12); ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const geometry g = test::random_geometry(dice);
    const std::uint32_t n = test::random_tokens(dice);
    auto [a, b] = loopback::pair();
    const bool reorders = dice.one_in(2);
    std::vector<fault> faults;
    for (std::uint64_t k = 0; k < 40; ++k)
      if (dice.one_in(3)) {
        const fault::kind what = dice.one_in(2) && !reorders ? fault::flip : fault::truncate;
        const std::uint64_t header = what == fault::flip ? 8 * frame_header_bytes : frame_header_bytes;
        faults.push_back({.lane = lane::data,
                          .message = k,
                          .what = what,
                          .amount = reorders ? header + dice.below(32) : dice.below(2 * header)});
      }
    stream::sender out(
        link(std::move(a),
             {.faults = faults, .reorder_window = reorders ? 2 + dice.below(6) : 0, .seed = seed}),
        g, small_chunks(dice, stream::sender::least_chunk_bytes(g)));
    plane_stream<test::default_policy, loopback>::receiver in(std::move(b), g);
    both_ends ends(dice, g, n);
    auto kv = in.expect({.id = 5, .tokens = n}, ends.target.pages());
    auto shot = out.open({.id = 5, .tokens = n});
    for (std::uint32_t l = 0; l < g.layers; ++l)
      (void)shot.put(l, ends.source.view<kv_view>(l));
    REQUIRE(ends.planned(shot, budget::base()).ok());
    for (int i = 0; i < 20000 && !(kv.reached(focused) && shot.reached(focused)); ++i) {
      (void)out.progress(deadline::passed());
      (void)kv.poll();
    }
    CAPTURE(kv.status().message());
    CAPTURE(shot.status().message());
    REQUIRE(shot.reached(focused));
    CHECK(ends.target.values() == ends.source.values());
    CHECK(in.metrics().damaged <= out.metrics().sent_again);
  }
}

namespace {

/// Later tokens matter more. Counts what it is asked.
struct newest_first {
  std::vector<std::pair<std::uint32_t, std::size_t>>* asked;
  void score(std::uint32_t first, std::span<float> out) const {
    asked->emplace_back(first, out.size());
    std::iota(out.begin(), out.end(), static_cast<float>(first));
  }
};
static_assert(importance<newest_first>);

struct throwing {
  void score(std::uint32_t, std::span<float>) const { throw std::runtime_error("no scores today"); }
};
struct not_a_number {
  void score(std::uint32_t, std::span<float> out) const {
    std::ranges::fill(out, 1.0f);
    out.back() = std::nanf("");
  }
};

std::vector<std::uint32_t> order_sent(const test::gate& door) {
  std::vector<std::uint32_t> order;
  for (const auto& m : door.data)
    if (const frame_header h = test::header_of(m); h.kind == frame_kind::order)
      for (std::uint32_t i = 0; i < h.count; ++i)
        order.push_back(detail::load<std::uint32_t>(&m[frame_header_bytes + 4 * i]));
  return order;
}

} // namespace

TEST_CASE("plane_stream: a plan goes by any importance") {
  const geometry g{number::bf16, 1, 2, 16, 16};
  constexpr std::uint32_t n = 150;
  for (const std::uint32_t first : {0u, 3u, 70u}) {
    CAPTURE(first);
    test::dice dice(first);
    test::stream_pair streams(g);
    both_ends ends(dice, g, n);
    auto kv = streams.in.expect({.id = 1, .tokens = n, .first = first}, ends.target.pages());
    auto shot = streams.out.open({.id = 1, .tokens = n, .first = first});
    ends.put(shot);

    // What throws leaves things as they were; nothing leaves but the base.
    CHECK_THROWS_AS((void)shot.plan(budget::base(), throwing{}), std::runtime_error);
    CHECK_THROWS_AS((void)shot.plan(budget::base(), not_a_number{}), std::invalid_argument);
    streams.settle();
    CHECK(order_sent(*streams.door).empty());
    CHECK(shot.status().ok());
    CHECK(shot.metrics().light_bytes == 0);

    std::vector<std::pair<std::uint32_t, std::size_t>> asked;
    REQUIRE(shot.plan(budget::base(), newest_first{&asked}, {.pinned = {4, 2}}).ok());
    std::size_t scored = 0; // each token that is sent, once
    for (const auto& [from, count] : asked) {
      CHECK(from >= first);
      CHECK(from + count <= n);
      scored += count;
    }
    CHECK(scored == n - first);
    REQUIRE(streams.run(kv, [&] { return kv.reached(focused); }));
    CHECK(ends.target.received(ends.source, first));
    std::vector<std::uint32_t> expected; // sinks of the sequence, the last two, then from the end
    for (std::uint32_t t = first; t < 4; ++t)
      expected.push_back(t);
    expected.push_back(n - 2);
    expected.push_back(n - 1);
    for (std::uint32_t t = n - 2; t-- > std::max(first, 4u);)
      expected.push_back(t);
    CHECK(order_sent(*streams.door) == expected);
  }
}

TEST_CASE("plane_stream: scores that are all alike, or none, give the order of position") {
  const geometry g{number::bf16, 1, 1, 16, 16};
  constexpr std::uint32_t n = 90;
  const auto order_of = [&](auto&& plan) {
    test::dice dice(2);
    test::stream_pair streams(g);
    both_ends ends(dice, g, n);
    auto kv = streams.in.expect({.id = 1, .tokens = n}, ends.target.pages());
    auto shot = streams.out.open({.id = 1, .tokens = n});
    ends.put(shot);
    REQUIRE(plan(shot).ok());
    REQUIRE(streams.run(kv, [&] { return kv.reached(focused); }));
    return order_sent(*streams.door);
  };
  const plan_options options{.pinned = {0, 0}};
  std::vector<std::uint32_t> expected(n);
  std::iota(expected.begin(), expected.end(), 0u);
  CHECK(order_of([&](auto& s) { return s.plan(budget::base(), {}, options); }) == expected);
  CHECK(order_of([&](auto& s) { return s.plan(budget::base(), equal_scores{}, options); }) == expected);
  CHECK(order_of([&](auto& s) { return s.plan(budget::base(), std::vector<float>(n, -1.0f), options); }) ==
        expected);
}

} // namespace stream_plane_stream_test
