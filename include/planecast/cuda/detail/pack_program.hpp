// How tiles in slots move together, so that no more of them is copied than they take.
#pragma once

#include "planecast/code/tile.hpp"
#include "planecast/cuda/detail/block_program.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// One block says where each tile begins once they are packed: at multiples of tile_alignment.
struct starts_program {
  static constexpr std::uint32_t phases = 3; ///< sums of the threads' parts, these added up, the beginnings

  const encoded_tile* coded;
  std::uint64_t* starts;
  std::uint32_t tiles;

  /// Bytes of the block's memory.
  static constexpr std::uint32_t memory_bytes(std::uint32_t threads) noexcept { return 8 * threads; }

  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    auto* const sums = reinterpret_cast<std::uint64_t*>(memory);
    const std::uint32_t part = (tiles + at.threads - 1) / at.threads, first = min(tiles, at.thread * part),
                        last = min(tiles, first + part);
    const auto length = [&](std::uint32_t i) {
      return std::uint64_t{align_up(coded[i].bytes, tile_alignment)};
    };
    if constexpr (Phase == 0) {
      std::uint64_t sum = 0;
      for (std::uint32_t i = first; i < last; ++i)
        sum += length(i);
      sums[at.thread] = sum;
    } else if constexpr (Phase == 1) {
      std::uint64_t sum = 0;
      for (std::uint32_t i = 0; at.thread == 0 && i < at.threads; ++i) {
        const std::uint64_t of_thread = sums[i];
        sums[i] = sum;
        sum += of_thread;
      }
    } else {
      std::uint64_t sum = sums[at.thread];
      for (std::uint32_t i = first; i < last; ++i) {
        starts[i] = sum;
        sum += length(i);
      }
    }
  }
};

/// A block moves a tile there. The first `keys` tiles have slots of one length, the others of another.
struct pack_program {
  static constexpr std::uint32_t phases = 1; ///< threads need nothing of each other

  const encoded_tile* coded;
  const std::uint64_t* starts;
  const std::byte *keys_at, *values_at;
  std::size_t key_stride, value_stride;
  std::uint32_t keys;
  std::byte* to;

  /// All of it.
  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte*) const noexcept {
    struct alignas(16) word {
      std::byte of[16];
    };
    const std::byte* const from =
        at.block < keys ? keys_at + at.block * key_stride : values_at + (at.block - keys) * value_stride;
    std::byte* const into = to + starts[at.block];
    const std::uint32_t bytes = coded[at.block].bytes, words = bytes / 16;
    for (std::uint32_t i = at.thread; i < words; i += at.threads)
      store_aligned(into + 16 * i, load_aligned<word>(from + 16 * i));
    for (std::uint32_t i = 16 * words + at.thread; i < align_up(bytes, tile_alignment); i += at.threads)
      into[i] = i < bytes ? from[i] : std::byte{0}; // nothing that nobody wrote is copied to the host
  }
};

} // namespace planecast::inline v0::detail
