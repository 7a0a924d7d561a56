// What the tokens that are kept take on the data lane, before they are coded.
#pragma once

#include "planecast/code/coded_cache.hpp"
#include "planecast/code/tile_map.hpp"
#include "planecast/stream/messages.hpp"
#include "planecast/stream/options.hpp"

#include <algorithm>
#include <cstdint>

namespace planecast::inline v0 {

/// How tokens that are kept will be sent.
struct keep_options {
  int until = lossless;                  ///< the last tier, in bits, as plan_options::until will say
  coding how = coding::planes;           ///< as request::how will say
  plan_order order = plan_order::greedy; ///< as plan_options::order will say
  /// per_layer where plan() will be given a layered importance.
  order_scope scope = order_scope::across_layers;
  /// As plan_options::window_bytes will say. By worth, narrow windows are counted as so many runs as fit a
  /// frame.
  std::uint64_t window_bytes = 0;
};

namespace detail {

/// Runs of an order at most. In the order of worth there are windows of upgrades, each of a run for each
/// plane, after one for each plane of the pinned items; and no more than a frame holds.
[[nodiscard]] constexpr std::uint64_t most_runs(std::uint64_t upgrade_planes, std::uint64_t upgrade_bytes,
                                                const keep_options& how, std::uint32_t chunk_bytes) noexcept {
  if (how.order == plan_order::greedy)
    return 2 * upgrade_planes;
  const std::uint64_t window = how.window_bytes != 0 ? how.window_bytes : chunk_bytes;
  return std::min(upgrade_planes * (2 + upgrade_bytes / window),
                  (chunk_bytes - plan_fixed_bytes) / plan_run_bytes);
}

/// Bytes of a request's data lane at most: base, order, plan, upgrades up to the planes below `end_plane`,
/// and all headers. Up to lossless, and where values may go raw, it is counted by stored tiles, than which
/// none is larger; below, by what tiles take that are coded. The order of worth takes more than the greedy
/// one: it may list an item again for each plane, and has more runs, each of which begins a frame.
template <class Policy>
[[nodiscard]] std::uint64_t kept_bytes(const tile_map<Policy>& map, std::uint32_t end_plane,
                                       const keep_options& how, std::uint32_t chunk_bytes) {
  using planes = typename Policy::planes;
  const bool coded = how.how == coding::planes && end_plane <= planes::fixed;
  std::uint64_t tiles = 0;
  for (std::uint32_t layer = 0; layer < map.shape.layers; ++layer) {
    const std::uint32_t end = std::max(end_plane, map.base_planes(layer)); // the edges' base may hold more
    std::uint64_t of_head = 0;
    for (std::uint32_t page = 0; page < map.pages(); ++page)
      for (const bool is_value : {false, true})
        map.with_layout(layer, {0, is_value, page}, [&](auto layout) {
          const std::uint32_t stored = layout.stored_bytes();
          of_head += coded && end <= planes::fixed && !layout.always_stored()
                         ? std::min(layout.plane_at(end), stored)
                         : stored;
        });
    tiles += of_head * map.shape.heads(layer);
  }
  // A frame is closed when what follows does not fit, so two that follow each other hold more than one's
  // worth; besides, each layer's base and each run begins one.
  const std::uint64_t upgrade_planes = end_plane - std::min(end_plane, Policy::base_planes);
  const std::uint64_t runs = most_runs(upgrade_planes, tiles, how, chunk_bytes);
  std::uint64_t frames = 1 + map.shape.layers + runs + 2 * tiles / chunk_bytes;
  std::uint64_t plan = plan_fixed_bytes + plan_run_bytes * runs;
  if (runs > 0) {
    const std::uint64_t ranks = std::uint64_t{map.count()} *
                                (how.scope == order_scope::per_layer ? map.shape.layers : 1) *
                                (how.order == plan_order::worth ? upgrade_planes : 1);
    const std::uint64_t ranks_of_frame = chunk_bytes / 4;
    frames += (ranks + ranks_of_frame - 1) / ranks_of_frame;
    plan += 4 * ranks;
  }
  return tiles + plan + frames * frame_header_bytes;
}

} // namespace detail
} // namespace planecast::inline v0
