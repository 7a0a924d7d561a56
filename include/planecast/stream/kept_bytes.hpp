// What the tokens that are kept take on the data lane, before they are coded.
#pragma once

#include "planecast/code/coded_cache.hpp"
#include "planecast/code/tile_map.hpp"
#include "planecast/stream/messages.hpp"

#include <algorithm>
#include <cstdint>

namespace planecast::inline v0 {

/// How tokens that are kept will be sent.
struct keep_options {
  int until = lossless;        ///< the last tier, in bits, as plan_options::until will say
  coding how = coding::planes; ///< as request::how will say
};

namespace detail {

/// Bytes of a request's data lane at most: base, greedy order across layers, plan, upgrades up to the planes
/// below `end_plane`, and all headers. Up to lossless, and where values may go raw, it is counted by stored
/// tiles, than which none is larger; below, by what tiles take that are coded.
template <class Policy>
[[nodiscard]] std::uint64_t kept_bytes(const tile_map<Policy>& map, std::uint32_t end_plane, coding how,
                                       std::uint32_t chunk_bytes) {
  using planes = typename Policy::planes;
  const bool coded = how == coding::planes && end_plane <= planes::fixed;
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
  const std::uint64_t runs = 2 * std::uint64_t{end_plane - std::min(end_plane, Policy::base_planes)};
  std::uint64_t frames = 1 + map.shape.layers + runs + 2 * tiles / chunk_bytes;
  std::uint64_t plan = plan_fixed_bytes + plan_run_bytes * runs;
  if (runs > 0) {
    const std::uint64_t ranks_of_frame = chunk_bytes / 4;
    frames += (map.count() + ranks_of_frame - 1) / ranks_of_frame;
    plan += 4 * std::uint64_t{map.count()};
  }
  return tiles + plan + frames * frame_header_bytes;
}

} // namespace detail
} // namespace planecast::inline v0
