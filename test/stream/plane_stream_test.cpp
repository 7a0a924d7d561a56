#include "planecast/stream/plane_stream.hpp"

#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <doctest/doctest.h>
#include <utility>

using namespace planecast;

namespace {

template <class Policy>
struct both_ends {
  geometry shape;
  std::uint32_t tokens;
  test::cache_memory source, target;
  std::vector<float> scores;
  plan_options plan;

  both_ends(test::dice& dice, geometry g, std::uint32_t n)
      : shape(g), tokens(n), source(g, n, dice), target(g, n, dice), scores(n) {
    test::fill(source, g.dtype, dice);
    for (float& s : scores)
      s = static_cast<float>(dice.below(20));
    plan.pinned = {dice.below(6), dice.below(40)};
  }

  void put(typename test::stream_pair<Policy>::sender::outgoing& shot) {
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      CHECK(shot.put(l, source.view<kv_view>(l)).ok());
  }
};

sender_options small_chunks(test::dice& dice, std::uint64_t least) {
  return {.chunk_bytes = static_cast<std::uint32_t>(least + dice.below(20000)),
          .window_bytes = 1 + dice.below(100000)};
}

// One request from put to focus, with the cut looked at on the way.
template <class Policy>
void round_trip(std::uint64_t seed) {
  CAPTURE(seed);
  test::dice dice(seed);
  const geometry g = test::random_geometry(dice);
  const std::uint32_t n = test::random_tokens(dice);
  using pair = test::stream_pair<Policy>;
  pair streams(g, small_chunks(dice, pair::sender::least_chunk_bytes(g)));
  both_ends<Policy> ends(dice, g, n);
  const std::size_t elsewhere = ends.target.untouched_values() - ends.target.values().size();

  auto kv = streams.in.expect({.id = seed, .tokens = n}, ends.target.pages());
  auto shot = streams.out.open({.id = seed, .tokens = n});
  ends.put(shot);
  CHECK(shot.reached(source_free));
  REQUIRE(shot.metrics().raw_bytes == g.raw_bytes(n));

  // A budget below the base is refused with the least; that least is enough.
  const status refused = shot.plan(budget::bytes(1), ends.scores, ends.plan);
  REQUIRE(refused == errc::infeasible);
  REQUIRE(shot.plan(budget::bytes(refused.there - 1), ends.scores, ends.plan) == errc::infeasible);
  const std::uint64_t ceiling = refused.there + dice.below(g.raw_bytes(n) + 1);
  REQUIRE(shot.plan(budget::bytes(ceiling), ends.scores, ends.plan).ok());
  REQUIRE(shot.metrics().light_bytes <= ceiling);

  // Let just the frames of first light through, which the ceiling covers with headers and all.
  REQUIRE(streams.run(kv, [&] {
    std::size_t frames = 0;
    for (std::uint64_t bytes = 0; frames < streams.door->data.size() && bytes < shot.metrics().light_bytes;
         ++frames)
      bytes += streams.door->data[frames].size();
    streams.door->allowed = frames;
    return kv.reached(first_light);
  }));
  REQUIRE(kv.metrics().data_bytes == shot.metrics().light_bytes);
  CHECK(kv.metrics().light_bytes == shot.metrics().light_bytes);
  CHECK(kv.metrics().base_bytes == shot.metrics().base_bytes);
  CHECK(kv.tier() >= 0);
  if (shot.metrics().light_bytes < ceiling && kv.tier() == 2)
    CHECK(kv.reached(focused));

  streams.door->allowed = std::numeric_limits<std::size_t>::max();
  REQUIRE(streams.run(kv, [&] { return kv.reached(focused) && shot.reached(focused); }));
  CHECK(shot.reached(first_light));
  CHECK(kv.tier() == static_cast<int>(Policy::tiers::count) - 1);
  CHECK(ends.target.values() == ends.source.values());
  CHECK(ends.target.untouched_values() == elsewhere); // nothing beside the tokens' own places
  CHECK(kv.unsharp().empty());
  CHECK(shot.bytes_held() == 0);
  // No stream is above raw by more than 2%, frames apart, but for the scalars of short pages.
  const std::uint64_t frames = shot.metrics().data_bytes - streams.door->data.size() * frame_header_bytes;
  CHECK(frames <=
        g.raw_bytes(n) + 16 * std::uint64_t{g.layers} * g.kv_heads * 2 * ((n + 63) / 64) + 4 * n + 100);
}

} // namespace

TEST_CASE("plane_stream: any shape, layout and cut comes back bit for bit") {
  for (std::uint64_t seed = 0; seed < 60; ++seed)
    round_trip<test::default_policy>(seed);
}

TEST_CASE("plane_stream: other planes, other quantizers") {
  using many = precision_policy<tiers<4, 8, lossless>, keys<per_channel<32>>,
                                planecast::values<per_channel<32>>, planes<2, 2, 2, 2, tail>>;
  using two = precision_policy<tiers<8, lossless>, keys<per_token>, planecast::values<per_token>>;
  for (std::uint64_t seed = 100; seed < 115; ++seed) {
    round_trip<many>(seed);
    round_trip<two>(seed);
  }
}

TEST_CASE("plane_stream: a plan may end below lossless") {
  for (const auto& ends_at : {std::pair{4, 0}, {8, 1}, {lossless, 2}}) {
    const int until = ends_at.first, tier = ends_at.second;
    CAPTURE(until);
    test::dice dice(7);
    const geometry g{number::bf16, 2, 2, 64, 64};
    const std::uint32_t n = 130;
    test::stream_pair streams(g);
    both_ends<test::default_policy> ends(dice, g, n);
    auto kv = streams.in.expect({.id = 1, .tokens = n}, ends.target.pages());
    auto shot = streams.out.open({.id = 1, .tokens = n});
    ends.put(shot);
    REQUIRE(shot.plan(budget::base(), ends.scores, {.pinned = {}, .until = until}).ok());
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
  both_ends<test::default_policy> ends(dice, g, n);
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
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
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
    both_ends<test::default_policy> ends(dice, g, n);
    auto kv = in.expect({.id = 5, .tokens = n}, ends.target.pages());
    auto shot = out.open({.id = 5, .tokens = n});
    for (std::uint32_t l = 0; l < g.layers; ++l)
      (void)shot.put(l, ends.source.view<kv_view>(l));
    REQUIRE(shot.plan(budget::base(), ends.scores, ends.plan).ok());
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
