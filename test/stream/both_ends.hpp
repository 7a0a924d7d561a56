// A request of random shape from put to focus, with what must hold on the way.
#pragma once

#include "support/cache_case.hpp"
#include "support/layered_scores.hpp"
#include "support/stream_pair.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <vector>

namespace test {

/// A cache at both ends, and what is planned for it.
struct both_ends {
  planecast::geometry shape;
  std::uint32_t tokens;
  cache_memory source, target;
  layered_scores layered;
  bool per_layer; ///< of the order
  planecast::plan_options plan;

  both_ends(dice& random, const planecast::geometry& g, std::uint32_t n)
      : shape(g), tokens(n), source(g, n, random), target(g, n, random), layered(g.layers, n, random),
        per_layer(random.one_in(2)) {
    fill(source, g.dtype, random);
    plan.pinned = {random.below(6), random.below(40)};
    plan.order = random.one_in(2) ? planecast::plan_order::greedy : planecast::plan_order::worth;
    plan.window_bytes = random.one_in(2) ? 0 : random.below(5000);
  }

  template <class Shot>
  planecast::status planned(Shot& shot, planecast::budget b) {
    return per_layer ? shot.plan(b, layered, plan) : shot.plan(b, layered.of[0], plan);
  }
  /// Bytes that the order and the plan take, at most.
  [[nodiscard]] std::uint64_t plan_bytes(std::uint32_t sent, std::uint64_t planes) const {
    const std::uint64_t items = (per_layer ? shape.layers : 1u) * std::uint64_t{sent};
    return plan.order == planecast::plan_order::greedy ? 4 * items + 24 + 24 * planes
                                                       : 24 + (4 + 12) * items * planes + 12 * planes;
  }

  template <class Shot>
  void put(Shot& shot) {
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      CHECK(shot.put(l, source.view<planecast::kv_view>(l)).ok());
  }
};

inline planecast::sender_options small_chunks(dice& random, std::uint64_t least) {
  return {.chunk_bytes = static_cast<std::uint32_t>(least + random.below(20000)),
          .window_bytes = 1 + random.below(100000)};
}

/// Lets one more data frame through at each turn and says in what order the tiers came.
template <class Pair, class Incoming>
std::vector<int> tiers_on_the_way(Pair& streams, Incoming& kv) {
  std::vector<int> seen{kv.tier()};
  streams.run(kv, [&] {
    streams.door->allowed = std::min(streams.door->allowed, streams.door->data.size()) + 1;
    if (kv.tier() != seen.back())
      seen.push_back(kv.tier());
    return kv.reached(planecast::focused);
  });
  return seen;
}

/// One request, of which the tokens before `first` are not sent, with the cut looked at on the way.
template <class Policy>
void round_trip(std::uint64_t seed, dice& random, std::uint32_t n, std::uint32_t first = 0) {
  using namespace planecast;
  CAPTURE(seed);
  CAPTURE(first);
  const geometry g = random_geometry(random);
  using pair = stream_pair<Policy>;
  both_ends ends(random, g, n);
  const bool short_frames = ends.per_layer && random.one_in(2);
  pair streams(
      g, small_chunks(random, pair::sender::least_chunk_bytes(g, short_frames ? order_scope::per_layer
                                                                              : order_scope::across_layers)));
  CAPTURE(ends.per_layer);
  CAPTURE(ends.plan.order);
  const std::uint64_t raw = g.raw_bytes(n - first);

  auto kv = streams.in.expect({.id = seed, .tokens = n, .first = first}, ends.target.pages());
  auto shot = streams.out.open({.id = seed, .tokens = n, .first = first});
  ends.put(shot);
  CHECK(shot.reached(source_free));
  REQUIRE(shot.metrics().raw_bytes == raw);
  REQUIRE(kv.metrics().raw_bytes == raw);

  // A budget below the base is refused with the least; that least is enough.
  const status refused = ends.planned(shot, budget::bytes(1));
  REQUIRE(refused == errc::infeasible);
  REQUIRE(ends.planned(shot, budget::bytes(refused.there - 1)) == errc::infeasible);
  const std::uint64_t ceiling = refused.there + random.below(raw + 1);
  REQUIRE(ends.planned(shot, budget::bytes(ceiling)).ok());
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
  constexpr int top = static_cast<int>(Policy::tiers::count) - 1;
  if (shot.metrics().light_bytes < ceiling && kv.tier() == top)
    CHECK(kv.reached(focused));

  streams.door->allowed = std::numeric_limits<std::size_t>::max();
  REQUIRE(streams.run(kv, [&] { return kv.reached(focused) && shot.reached(focused); }));
  CHECK(shot.reached(first_light));
  CHECK(kv.tier() == top);
  CHECK(ends.target.received(ends.source, first)); // and nothing beside the tokens' own places
  CHECK(kv.unsharp().empty());
  CHECK(shot.bytes_held() == 0);
  const auto& by_plane = kv.metrics().bytes_by_plane;
  CHECK(by_plane == shot.metrics().bytes_by_plane);
  CHECK(by_plane[0] == kv.metrics().base_bytes);
  CHECK(std::accumulate(by_plane.begin(), by_plane.end(), std::uint64_t{0}) == kv.metrics().data_bytes);
  for (std::uint32_t p = 1; p < by_plane.size(); ++p)
    CHECK((by_plane[p] > 0) == (p >= Policy::base_planes && p < Policy::planes::count));
  // No stream is above raw by more than the tiles' headers, the order and the plan; frames apart.
  const std::uint64_t frames = shot.metrics().data_bytes - streams.door->data.size() * frame_header_bytes;
  const std::uint64_t pages =
      (n + Policy::page_tokens - 1) / Policy::page_tokens - first / Policy::page_tokens;
  CHECK(frames <= raw + 16 * g.all_heads() * 2 * pages + ends.plan_bytes(n - first, Policy::planes::count));
}

} // namespace test
