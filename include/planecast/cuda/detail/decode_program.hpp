// How a block of threads decodes a tile: from its first planes, or to the last bit.
#pragma once

#include "planecast/code/scalars.hpp"
#include "planecast/cuda/detail/groups.hpp"
#include "planecast/cuda/device_rows.hpp"
#include "planecast/cuda/device_tiles.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

// The values of a stored tile, a thread's part of them.
template <class Number, class Layout>
PLANECAST_HOST_DEVICE void decode_stored(block_place at, Layout layout, const std::byte* tile,
                                         const device_rows<std::byte>& to, std::uint32_t first,
                                         std::uint32_t head, bool whole) noexcept {
  const std::uint32_t groups = layout.shape.dim / group;
  for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups; i += at.threads)
    store_group<Number>(to.row(first + i / groups, head, layout.value_bytes) + i % groups * Number::bits,
                        load_group<Number>(tile + tile_header_bytes + Number::bits * i, true), whole);
}

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
    const std::uint32_t first = from.first_of(page), groups = layout.shape.dim / group;
    if (from.coded[at.block].stored)
      return decode_stored<Number>(at, layout, tile, to, first, head, whole);
    const std::uint32_t bits = Planes::bits_before(planes);
    for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups; i += at.threads) {
      const std::uint32_t token = i / groups, g = i % groups;
      const codes q = load_planes(layout, tile, token, g, planes);
      patterns x;
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < group; ++k)
        x.of[k] = ruler_of<Number>(layout, tile, token, g * group + k).middle(q.of[k], bits);
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
    return 4 * s.tokens * (s.dim / group);
  }

  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t page = at.block % from.pages(), head = at.block / from.pages();
    const auto layout = from.layout(page);
    const std::byte* const tile = from.tile(at.block);
    const std::uint32_t first = from.first_of(page), groups = layout.shape.dim / group;
    const std::uint32_t* const ends = from.ends_of(at.block);
    const std::uint32_t room =
        layout.stored_bytes() > layout.tails_at() ? layout.stored_bytes() - layout.tails_at() : 0;
    auto* const begins = reinterpret_cast<std::uint32_t*>(memory);
    if (from.coded[at.block].stored) {
      if (Phase == 2)
        decode_stored<Number>(at, layout, tile, to, first, head, whole);
      return;
    }
    if constexpr (Phase == 0)
      for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups; i += at.threads) {
        const std::uint32_t token = i / groups, g = i % groups;
        const codes q = load_planes(layout, tile, token, g, Planes::fixed);
        std::uint32_t bits = 0;
        PLANECAST_DEVICE_UNROLL
        for (std::uint32_t k = 0; k < group; ++k)
          bits += ruler_of<Number>(layout, tile, token, g * group + k).tail_bits(q.of[k]);
        begins[i] = bits;
      }
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
        const bool padded =
            !fits || sum % 8 == 0 ||
            static_cast<unsigned>(tile[layout.tails_at() + begin + bytes - 1]) >> sum % 8 == 0;
        if (!fits || !padded)
          meet_or(*corrupt, 1);
      }
    else
      for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups; i += at.threads) {
        const std::uint32_t token = i / groups, g = i % groups;
        const codes q = load_planes(layout, tile, token, g, Planes::fixed);
        const std::uint32_t begin = min(token == 0 ? 0 : ends[token - 1], room),
                            end_of_token = min(ends[token], room);
        const std::byte* const tails = tile + layout.tails_at() + begin;
        const std::uint32_t bytes = begin <= end_of_token ? end_of_token - begin : 0;
        std::uint32_t bit = begins[i];
        patterns x;
        PLANECAST_DEVICE_UNROLL
        for (std::uint32_t k = 0; k < group; ++k) {
          const auto ruler = ruler_of<Number>(layout, tile, token, g * group + k);
          const std::uint32_t count = ruler.tail_bits(q.of[k]), end = ruler.first(q.of[k] + 1);
          std::uint32_t order = ruler.first(q.of[k]) + bits_at(tails, bytes, bit, count);
          bit += count;
          if (order >= end) { // only hostile bytes: stay inside the cell, and say so
            meet_or(*corrupt, 1);
            order = end > 0 ? end - 1 : 0;
          }
          x.of[k] = Number::pattern(order);
        }
        store_group<Number>(to.row(first + token, head, layout.value_bytes) + g * Number::bits, x, whole);
      }
  }

private:
  // Up to 16 bits of a row of bytes; zeros beyond its end.
  PLANECAST_HOST_DEVICE static std::uint32_t bits_at(const std::byte* from, std::uint32_t bytes,
                                                     std::uint32_t bit, std::uint32_t count) noexcept {
    std::uint32_t held = 0;
    for (std::uint32_t i = 0; i < 3; ++i)
      if (const std::uint32_t at = bit / 8 + i; at < bytes)
        held |= static_cast<std::uint32_t>(from[at]) << 8 * i;
    return held >> bit % 8 & ((1u << count) - 1);
  }
};

} // namespace planecast::inline v0::detail
