// How blocks of threads cut an order of upgrades.
#pragma once

#include "planecast/config.hpp"
#include "planecast/cuda/detail/rounds.hpp"
#include "planecast/cuda/device_tiles.hpp"
#include "planecast/cuda/device_upgrades.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

// A frame begins where a run does, and where the one before is full: a chain of links, of which each is known
// without the others once the bytes are summed. Blocks find all upgrades' links, and where the chain leaves
// their segment if it comes by there; then one block goes from segment to segment.

inline constexpr std::uint32_t cut_segment = 2048; // upgrades

/// Where an upgrade stands in its order.
struct upgrade_place {
  std::uint32_t plane, rank; ///< plane above the base
  std::uint32_t run_end;     ///< the number of the upgrade behind its run
};
PLANECAST_HOST_DEVICE inline upgrade_place upgrade_at(const device_upgrades& of,
                                                      std::uint32_t number) noexcept {
  const std::uint32_t of_pinned = of.pinned * of.planes, others = of.count - of.pinned;
  if (number < of_pinned)
    return {number / of.pinned, number % of.pinned, (number / of.pinned + 1) * of.pinned};
  const std::uint32_t plane = (number - of_pinned) / others;
  return {plane, of.pinned + (number - of_pinned) % others, of_pinned + (plane + 1) * others};
}

/// A chain's way through the rest of a segment.
struct alignas(16) chain_exit {
  std::uint32_t to;     ///< the first frame's beginning behind the segment
  std::uint32_t frames; ///< that begin before it
  std::uint64_t bytes;  ///< of all upgrades before it
};

/// A thread writes an upgrade's bytes in the order of sending.
struct list_bytes_program {
  static constexpr std::uint32_t phases = 1;

  device_upgrades of;
  std::uint64_t* bytes; ///< by number

  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte*) const noexcept {
    const std::uint64_t number = std::uint64_t{at.block} * at.threads + at.thread;
    if (number >= of.count * of.planes)
      return;
    const upgrade_place is = upgrade_at(of, static_cast<std::uint32_t>(number));
    bytes[number] = of.bytes[std::size_t{is.plane} * of.count + of.ranked[is.rank] - of.first];
  }
};

/// A block has a segment. It finds links, then goes them twice as far in each round.
struct link_program {
  static constexpr std::uint32_t begin_phases = 1, round_phases = 1, end_phases = 1;
  static constexpr std::uint32_t most_threads = 1024, blocks_together = 1;
  static constexpr std::uint32_t memory_bytes = 2 * cut_segment * 8;
  struct kept {};

  device_upgrades of;
  const std::uint64_t* sums; ///< of the bytes, each upgrade's own included
  std::uint32_t* next;       ///< where the next frame begins if one begins here
  chain_exit* exits;

  PLANECAST_HOST_DEVICE std::uint32_t rounds(const kept&) const noexcept {
    return bit_width(cut_segment - 1);
  }
  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void begin(block_place at, std::byte* memory, kept&) const noexcept {
    const std::uint32_t first = at.block * cut_segment, end = end_of(at);
    for (std::uint32_t u = first + at.thread; u < end; u += at.threads) {
      // The last that still fits: its distance is doubled, then halved, for frames hold few of many.
      const std::uint64_t most = (u == 0 ? 0 : sums[u - 1]) + of.chunk_bytes;
      const std::uint32_t run_end = upgrade_at(of, u).run_end;
      std::uint32_t fits = u, step = 1; // u is in its own frame, whatever its bytes
      for (; step < run_end - fits && sums[fits + step] <= most; step *= 2)
        fits += step;
      for (; step > 0; step /= 2)
        if (step < run_end - fits && sums[fits + step] <= most)
          fits += step;
      next[u] = fits + 1;
      half(memory, 0)[u - first] = {fits + 1, 1};
    }
  }
  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void round(block_place at, std::byte* memory, kept&,
                                   std::uint32_t number) const noexcept {
    const std::uint32_t first = at.block * cut_segment, end = end_of(at);
    const link* const from = half(memory, number % 2);
    for (std::uint32_t u = first + at.thread; u < end; u += at.threads) {
      link way = from[u - first];
      if (way.to < end) {
        const link on = from[way.to - first];
        way = {on.to, way.frames + on.frames};
      }
      half(memory, 1 - number % 2)[u - first] = way;
    }
  }
  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void end(block_place at, std::byte* memory, kept& mine) const noexcept {
    const std::uint32_t first = at.block * cut_segment, end = end_of(at);
    for (std::uint32_t u = first + at.thread; u < end; u += at.threads) {
      const link way = half(memory, rounds(mine) % 2)[u - first];
      exits[u] = {way.to, way.frames, sums[way.to - 1]};
    }
  }

private:
  struct link {
    std::uint32_t to, frames;
  };
  PLANECAST_HOST_DEVICE static link* half(std::byte* memory, std::uint32_t which) noexcept {
    return reinterpret_cast<link*>(memory) + which * cut_segment;
  }
  PLANECAST_HOST_DEVICE std::uint32_t end_of(block_place at) const noexcept {
    return min((at.block + 1) * cut_segment, of.count * of.planes);
  }
};

/// One block. Phase 0 goes from segment to segment until one has the cut, 1 reads that one's links, 2 goes
/// from frame to frame until one has it, 3 finds it there, 4 says it.
struct cut_program {
  static constexpr std::uint32_t phases = 5;
  static constexpr std::uint32_t memory_bytes = 32 + cut_segment * 12;

  device_upgrades of;
  const std::uint64_t* sums;
  const std::uint32_t* next;
  const chain_exit* exits;
  device_cut* cut;

  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t all = of.count * of.planes;
    auto& is = *reinterpret_cast<state*>(memory);
    auto* const sums_here = reinterpret_cast<std::uint64_t*>(memory + 32);
    auto* const next_here = reinterpret_cast<std::uint32_t*>(memory + 32 + cut_segment * 8);
    const std::uint64_t base = of.base != nullptr ? *of.base : 0,
                        available = of.available > base ? of.available - base : 0;
    const auto beyond = [&](std::uint64_t bytes, std::uint32_t frames) {
      return bytes + std::uint64_t{of.header_bytes} * frames > available;
    };
    // Where the segment with the cut begins: from phase 1 on.
    const auto segment_of = [&] { return is.at / cut_segment * cut_segment; };
    if constexpr (Phase == 0) {
      if (at.thread != 0)
        return;
      is = {0, 0, all, 0, 0};
      while (is.at < all) {
        const chain_exit way = exits[is.at];
        if (beyond(way.bytes, is.frames + way.frames))
          break;
        is.at = way.to;
        is.frames += way.frames;
      }
    } else if constexpr (Phase == 1) {
      const std::uint32_t segment = segment_of();
      for (std::uint32_t i = at.thread; i < cut_segment && segment + i < all; i += at.threads) {
        sums_here[i] = sums[segment + i];
        next_here[i] = next[segment + i];
      }
    } else if constexpr (Phase == 2) {
      const std::uint32_t segment = segment_of();
      if (at.thread == 0 && is.at < all)
        for (std::uint32_t u = is.at, frames = is.frames;; ++frames) {
          const std::uint32_t to = next_here[u - segment];
          const std::uint64_t bytes =
              to - segment <= cut_segment ? sums_here[to - 1 - segment] : sums[to - 1];
          if (beyond(bytes, frames + 1)) {
            is.frame = u; // where it is does not move yet: others read it
            is.frame_end = to;
            is.frames = frames;
            break;
          }
          u = to;
        }
    } else if constexpr (Phase == 3) {
      if (is.at < all)
        for (std::uint32_t u = is.frame + at.thread; u < is.frame_end; u += at.threads)
          if (beyond(sums[u], is.frames + 1)) {
            meet_min(is.found, u);
            break;
          }
    } else if (at.thread == 0) {
      const bool within = is.at < all && is.found > is.frame; // of a frame, which then is two
      const std::uint64_t frames = is.frames + (within ? 1u : 0u);
      *cut = {frames, is.found, (is.found == 0 ? 0 : sums[is.found - 1]) + of.header_bytes * frames,
              of.available < base ? 1u : 0u};
    }
  }

private:
  struct state {
    std::uint32_t at;               // the first frame of the segment with the cut
    std::uint32_t frames;           // that begin before that, or before the frame with the cut
    std::uint32_t found;            // the first upgrade that does not fit
    std::uint32_t frame, frame_end; // the frame with the cut
  };
};

/// A thread has a token: its bytes of each plane above the base, over the heads of a layer's keys or values.
template <class Q, class Planes>
struct upgrade_bytes_program {
  static constexpr std::uint32_t phases = 1;

  device_tiles<Q, Planes> tiles;
  std::uint32_t base_planes;
  std::uint32_t* bytes; ///< by plane, then by token
  bool add;

  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte*) const noexcept {
    const std::uint64_t place = std::uint64_t{at.block} * at.threads + at.thread;
    const std::uint32_t count = tiles.tokens - tiles.first;
    if (place >= count)
      return;
    const auto t = static_cast<std::uint32_t>(place);
    const std::uint32_t page = (tiles.first + t) / tiles.page_tokens - tiles.first / tiles.page_tokens;
    const auto layout = tiles.layout(page);
    const bool begins = tiles.first + t == tiles.first_of(page);
    std::uint32_t coded = 0, tails = 0;
    for (std::uint32_t head = 0; head < tiles.heads; ++head)
      if (!tiles.coded[head * tiles.pages() + page].stored) {
        const std::uint32_t* const end = tiles.tail_ends + std::size_t{head} * count + t;
        coded += 1;
        if constexpr (Planes::has_tail)
          tails += *end - (begins ? 0 : end[-1]);
      }
    for (std::uint32_t plane = base_planes; plane < Planes::count; ++plane) {
      std::uint32_t& to = bytes[std::size_t{plane - base_planes} * count + t];
      to = (add ? to : 0) + (plane < Planes::fixed ? coded * layout.row_bytes(plane) : tails);
    }
  }
};

} // namespace planecast::inline v0::detail
