// An order of upgrades, cut into frames and at a budget.
#pragma once

#include "planecast/plan/upgrades.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace planecast::inline v0::detail {

/// What one frame of upgrades may hold, and what it costs beside its payload.
struct chunk_rule {
  std::uint32_t payload_bytes = 0;
  std::uint32_t header_bytes = 0;
};

/// One frame's worth of a run.
struct upgrade_chunk {
  upgrade_run run;
  std::uint32_t bytes = 0; ///< payload
};

/// An order cut into frames, in the order of sending; the first `light` of them come before the cut.
struct cut_order {
  std::vector<upgrade_chunk> chunks;
  std::size_t light = 0;
  std::uint64_t light_upgrades = 0; ///< upgrades, an item's plane each, before the cut
  std::uint64_t light_bytes = 0;    ///< headers included, the base apart
  std::uint64_t bytes = 0;          ///< of all chunks, likewise
};

/// Cuts an order at the first upgrade that no longer fits into `available` bytes, and into frames. Sizes are
/// the coded ones: bytes_of(plane, item). A frame holds one item at least.
template <class BytesOf>
cut_order cut(const upgrade_order& order, const BytesOf& bytes_of, chunk_rule rule, std::uint64_t available) {
  cut_order result;
  bool before_cut = true;
  for (const upgrade_run& run : order.runs) {
    upgrade_chunk* open = nullptr;
    for (std::uint32_t rank = run.first; rank < run.first + run.count; ++rank) {
      const std::uint32_t bytes = bytes_of(run.plane, order.items[rank]);
      bool fresh = open == nullptr || std::uint64_t{open->bytes} + bytes > rule.payload_bytes;
      const std::uint64_t cost = bytes + (fresh ? rule.header_bytes : 0u);
      if (before_cut && result.bytes + cost > available) {
        before_cut = false;
        result.light = result.chunks.size();
        result.light_bytes = result.bytes;
        if (!fresh) { // what follows is another phase, and so another frame
          fresh = true;
          result.bytes += rule.header_bytes;
        }
      }
      if (fresh)
        open = &result.chunks.emplace_back(upgrade_chunk{{run.plane, rank, 0}, 0});
      open->run.count += 1;
      open->bytes += bytes;
      result.bytes += cost;
      result.light_upgrades += before_cut ? 1u : 0u;
    }
  }
  if (before_cut) {
    result.light = result.chunks.size();
    result.light_bytes = result.bytes;
  }
  return result;
}

} // namespace planecast::inline v0::detail
