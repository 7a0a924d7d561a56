// How blocks of threads find the rows of a frame's payload: one plane of some tokens, in coded tiles.
#pragma once

#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/device_gather.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

// Rows follow each other in the order (layer, head, K then V, token as listed); those of stored tiles are
// empty, and of tails their ends tell how long they are. First each group of rows says where its rows are and
// how long, then one block where the groups begin; then (gather_program) each block takes a part of the
// payload, whatever rows lie in it. How long the payload is the host does not know: there are blocks for all
// the room, and those beyond the end have nothing to do.

/// A sum for each thread, which becomes the sum of those before it: in two steps, for the threads that follow
/// each other are added up in sets of 16.
struct sums_of_threads {
  static constexpr std::uint32_t set = 16;
  std::uint64_t *sums, *sets; ///< of each thread, of each set

  PLANECAST_HOST_DEVICE sums_of_threads(std::byte* memory, std::uint32_t threads) noexcept
      : sums(reinterpret_cast<std::uint64_t*>(memory)), sets(sums + threads) {}
  static constexpr std::uint32_t memory_bytes(std::uint32_t threads) noexcept {
    return 8 * (threads + (threads + set - 1) / set);
  }
  /// The first step: within the sets.
  PLANECAST_HOST_DEVICE void add_sets(block_place at) const noexcept {
    for (std::uint32_t i = at.thread; i * set < at.threads; i += at.threads) {
      std::uint64_t sum = 0;
      for (std::uint32_t k = i * set; k < min(at.threads, (i + 1) * set); ++k) {
        const std::uint64_t of_thread = sums[k];
        sums[k] = sum;
        sum += of_thread;
      }
      sets[i] = sum;
    }
  }
  /// The second, by one thread. Returns the sum of all.
  PLANECAST_HOST_DEVICE std::uint64_t add_up(std::uint32_t threads) const noexcept {
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i * set < threads; ++i) {
      const std::uint64_t of_set = sets[i];
      sets[i] = sum;
      sum += of_set;
    }
    return sum;
  }
  /// Then: the sum of the threads before one.
  PLANECAST_HOST_DEVICE std::uint64_t before(std::uint32_t thread) const noexcept {
    return sets[thread / set] + sums[thread];
  }
};

/// A block says of rows_together rows where they are, how long, and where they begin among each other.
/// Phase 0 finds them, 1 to 3 add up their lengths, 4 says where they begin.
template <quantizer KeyQuantizer, quantizer ValueQuantizer, class Planes>
struct gather_rows_program {
  static constexpr std::uint32_t phases = 5;
  using layer_type = gather_layer<KeyQuantizer, ValueQuantizer, Planes>;

  const layer_type* layers;
  std::uint32_t layer_count, rows, plane;
  std::byte* workspace;

  /// Bytes of a block's memory.
  static constexpr std::uint32_t memory_bytes(std::uint32_t threads) noexcept {
    return 4 * rows_together + sums_of_threads::memory_bytes(threads);
  }

  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    auto* const lengths = reinterpret_cast<std::uint32_t*>(memory);
    const sums_of_threads threads(memory + 4 * rows_together, at.threads);
    const gather_room room(rows);
    const std::uint32_t first = at.block * rows_together, count = min(rows - first, rows_together),
                        part = (count + at.threads - 1) / at.threads, begin = min(count, at.thread * part),
                        end = min(count, begin + part);
    if constexpr (Phase == 0) {
      for (std::uint32_t i = at.thread; i < count; i += at.threads) {
        const row found = find(first + i);
        room.from(workspace)[first + i] = found.from;
        lengths[i] = found.bytes;
      }
    } else if constexpr (Phase == 1) {
      std::uint64_t sum = 0;
      for (std::uint32_t i = begin; i < end; ++i)
        sum += lengths[i];
      threads.sums[at.thread] = sum;
    } else if constexpr (Phase == 2) {
      threads.add_sets(at);
    } else if constexpr (Phase == 3) {
      if (at.thread == 0)
        room.starts(workspace)[at.block] = static_cast<std::uint32_t>(threads.add_up(at.threads));
    } else {
      auto sum = static_cast<std::uint32_t>(threads.before(at.thread));
      for (std::uint32_t i = begin; i < end; ++i) {
        room.begins(workspace)[first + i] = sum;
        sum += lengths[i];
      }
    }
  }

private:
  struct row {
    const std::byte* from;
    std::uint32_t bytes;
  };

  PLANECAST_HOST_DEVICE row find(std::uint32_t number) const noexcept {
    std::uint32_t low = 0, high = layer_count - 1; // the last layer that begins there or before
    while (low < high) {
      const std::uint32_t middle = low + (high - low + 1) / 2;
      if (layers[middle].first_row <= number)
        low = middle;
      else
        high = middle - 1;
    }
    const layer_type& layer = layers[low];
    const std::uint32_t in_layer = number - layer.first_row, head = in_layer / (2 * layer.count),
                        in_head = in_layer - head * 2 * layer.count;
    return in_head < layer.count ? of_tile(layer.keys, head, layer.tokens[in_head])
                                 : of_tile(layer.values, head, layer.tokens[in_head - layer.count]);
  }
  template <class Tiles>
  PLANECAST_HOST_DEVICE row of_tile(const Tiles& tiles, std::uint32_t head,
                                    std::uint32_t token) const noexcept {
    const std::uint32_t page = token / tiles.page_tokens - tiles.first / tiles.page_tokens,
                        number = head * tiles.pages() + page, in_tile = token - tiles.first_of(page);
    if (tiles.coded[number].stored)
      return {nullptr, 0};
    const auto layout = tiles.layout(page);
    const std::byte* const tile = tiles.tile(number);
    if (plane < Planes::fixed)
      return {tile + layout.plane_row_at(plane, in_tile), layout.row_bytes(plane)};
    const std::uint32_t* const ends = tiles.ends_of(number);
    const std::uint32_t begin = in_tile == 0 ? 0 : ends[in_tile - 1];
    return {tile + layout.tails_at() + begin, ends[in_tile] - begin};
  }
};

/// One block: where the groups begin, how long the payload is, and what its length adds to the checksum.
/// Phase 0 to 2 add up the groups, 3 says where they begin.
struct gather_starts_program {
  static constexpr std::uint32_t phases = 4;

  gather_target to;
  std::uint32_t rows;

  /// Bytes of the block's memory.
  static constexpr std::uint32_t memory_bytes(std::uint32_t threads) noexcept {
    return sums_of_threads::memory_bytes(threads);
  }

  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const sums_of_threads threads(memory, at.threads);
    const gather_room room(rows);
    std::uint32_t* const starts = room.starts(to.workspace);
    const std::uint32_t part = (room.groups + at.threads - 1) / at.threads,
                        begin = min(room.groups, at.thread * part), end = min(room.groups, begin + part);
    if constexpr (Phase == 0) {
      std::uint64_t sum = 0;
      for (std::uint32_t i = begin; i < end; ++i)
        sum += starts[i];
      threads.sums[at.thread] = sum;
    } else if constexpr (Phase == 1) {
      threads.add_sets(at);
    } else if constexpr (Phase == 2) {
      if (at.thread != 0)
        return;
      const std::uint64_t all = threads.add_up(at.threads);
      to.result->bytes = all;
      to.result->checksum = all; // the blocks add theirs
      starts[room.groups] = static_cast<std::uint32_t>(all);
    } else { // beyond 32 bits there is no room for the payload, and nobody asks
      auto sum = static_cast<std::uint32_t>(threads.before(at.thread));
      for (std::uint32_t i = begin; i < end; ++i) {
        const std::uint32_t of_group = starts[i];
        starts[i] = sum;
        sum += of_group;
      }
    }
  }
};

} // namespace planecast::inline v0::detail
