// How a block of threads decodes a tile: from its first planes, or to the last bit.
#pragma once

#include "planecast/cuda/detail/decode_group.hpp"
#include "planecast/cuda/detail/groups.hpp"
#include "planecast/cuda/device_rows.hpp"
#include "planecast/cuda/device_tiles.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A block shows what the first planes of its tile tell.
template <class Number, quantizer Q, class Planes>
struct decode_program {
  static constexpr std::uint32_t phases = 1; ///< threads need nothing of each other

  device_tiles<Q, Planes> from;
  device_rows<std::byte> to;
  std::uint32_t planes;
  bool whole; ///< groups of channels lie at multiples of their bytes

  /// All of it.
  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte*) const noexcept {
    const std::uint32_t page = at.block % from.pages(), head = at.block / from.pages();
    const auto layout = from.layout(page);
    const std::byte* const tile = from.tile(at.block);
    const std::uint32_t first = from.first_of(page), groups = layout.shape.dim / group_size;
    if (from.coded[at.block].stored)
      return decode_stored<Number>(at, layout, tile, true, to, first, head, whole);
    for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups; i += at.threads) {
      const std::uint32_t token = i / groups, g = i % groups;
      const patterns x = shown_group<Number>(layout, tile, token, g, planes);
      store_group<Number>(to.row(first + token, head, layout.value_bytes) + g * Number::bits, x, whole);
    }
  }
};

/// A block restores its tile's original values.
template <class Number, quantizer Q, class Planes>
struct decode_exact_program {
  static constexpr std::uint32_t phases = 3; ///< lengths of the groups' tails, where they begin, the values

  device_tiles<Q, Planes> from;
  device_rows<std::byte> to;
  std::uint32_t* corrupt; ///< becomes 1 where tails do not fit their cells
  bool whole;             ///< groups of channels lie at multiples of their bytes

  /// Bytes of a block's memory: a number for each group.
  PLANECAST_HOST_DEVICE static std::uint32_t memory_bytes(tile_shape s) noexcept {
    return 4 * s.tokens * (s.dim / group_size);
  }

  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t page = at.block % from.pages(), head = at.block / from.pages();
    const auto layout = from.layout(page);
    const std::byte* const tile = from.tile(at.block);
    const std::uint32_t first = from.first_of(page), groups = layout.shape.dim / group_size;
    const std::uint32_t* const ends = from.ends_of(at.block);
    const std::uint32_t room =
        layout.stored_bytes() > layout.tails_at() ? layout.stored_bytes() - layout.tails_at() : 0;
    auto* const begins = reinterpret_cast<std::uint32_t*>(memory);
    if (from.coded[at.block].stored) {
      if (Phase == 2)
        decode_stored<Number>(at, layout, tile, true, to, first, head, whole);
      return;
    }
    if constexpr (Phase == 0)
      for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups; i += at.threads)
        begins[i] = tail_bits_of<Number>(layout, tile, i / groups, i % groups);
    else if constexpr (Phase == 1)
      for (std::uint32_t token = at.thread; token < layout.shape.tokens; token += at.threads) {
        std::uint32_t sum = 0;
        for (std::uint32_t g = 0; g < groups; ++g) {
          const std::uint32_t bits = begins[token * groups + g];
          begins[token * groups + g] = sum;
          sum += bits;
        }
        const std::uint32_t begin = token == 0 ? 0 : ends[token - 1], bytes = (sum + 7) / 8;
        const bool fits = begin <= ends[token] && ends[token] <= room && ends[token] - begin == bytes;
        const bool padded = !fits || padded_with_zeros(tile + layout.tails_at() + begin, sum);
        if (!fits || !padded)
          meet_or(*corrupt, 1);
      }
    else
      for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups; i += at.threads) {
        const std::uint32_t token = i / groups, g = i % groups;
        const std::uint32_t begin = min(token == 0 ? 0 : ends[token - 1], room),
                            end_of_token = min(ends[token], room);
        const std::uint32_t bytes = begin <= end_of_token ? end_of_token - begin : 0;
        patterns x;
        if (!exact_group<Number>(layout, tile, token, g, tile + layout.tails_at() + begin, bytes, begins[i],
                                 x))
          meet_or(*corrupt, 1);
        store_group<Number>(to.row(first + token, head, layout.value_bytes) + g * Number::bits, x, whole);
      }
  }
};

} // namespace planecast::inline v0::detail
