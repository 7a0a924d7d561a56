// Eight channels of a token, decoded from where the tile's codes are.
#pragma once

#include "planecast/code/scalars.hpp"
#include "planecast/cuda/detail/groups.hpp"
#include "planecast/cuda/device_rows.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// What the first planes of a tile tell of a group.
template <class Number, class Q, class Planes>
PLANECAST_HOST_DEVICE patterns shown_group(tile_layout<Q, Planes> layout, const std::byte* tile,
                                           std::uint32_t token, std::uint32_t g,
                                           std::uint32_t planes) noexcept {
  const codes q = load_planes(layout, tile, token, g, planes);
  patterns x;
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t k = 0; k < group_size; ++k)
    x.of[k] = ruler_of<Number>(layout, tile, token, g * group_size + k)
                  .middle(q.of[k], Planes::bits_before(planes));
  return x;
}

/// Bits that a group's tails take.
template <class Number, class Q, class Planes>
PLANECAST_HOST_DEVICE std::uint32_t tail_bits_of(tile_layout<Q, Planes> layout, const std::byte* tile,
                                                 std::uint32_t token, std::uint32_t g) noexcept {
  const codes q = load_planes(layout, tile, token, g, Planes::fixed);
  std::uint32_t bits = 0;
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t k = 0; k < group_size; ++k)
    bits += ruler_of<Number>(layout, tile, token, g * group_size + k).tail_bits(q.of[k]);
  return bits;
}

// Up to 16 bits of a row of bytes; zeros beyond its end.
PLANECAST_HOST_DEVICE inline std::uint32_t bits_at(const std::byte* from, std::uint32_t bytes,
                                                   std::uint32_t bit, std::uint32_t count) noexcept {
  std::uint32_t held = 0;
  for (std::uint32_t i = 0; i < 3; ++i)
    if (const std::uint32_t at = bit / 8 + i; at < bytes)
      held |= static_cast<std::uint32_t>(from[at]) << 8 * i;
  return held >> bit % 8 & ((1u << count) - 1);
}

/// A group's original values, whose tails begin at a bit of the token's. False where a tail names a value
/// outside of its cell, as only hostile bytes do: the value then is the cell's last.
template <class Number, class Q, class Planes>
PLANECAST_HOST_DEVICE bool exact_group(tile_layout<Q, Planes> layout, const std::byte* tile,
                                       std::uint32_t token, std::uint32_t g, const std::byte* tails,
                                       std::uint32_t tail_bytes, std::uint32_t bit, patterns& x) noexcept {
  const codes q = load_planes(layout, tile, token, g, Planes::fixed);
  bool good = true;
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t k = 0; k < group_size; ++k) {
    const auto ruler = ruler_of<Number>(layout, tile, token, g * group_size + k);
    const std::uint32_t count = ruler.tail_bits(q.of[k]), end = ruler.first(q.of[k] + 1);
    std::uint32_t order = ruler.first(q.of[k]) + bits_at(tails, tail_bytes, bit, count);
    bit += count;
    if (order >= end) {
      good = false;
      order = end > 0 ? end - 1 : 0;
    }
    x.of[k] = Number::pattern(order);
  }
  return good;
}

/// The values of a stored tile, a thread's part of them. `aligned` says that the tile begins at a multiple of
/// 16, `whole` that groups of channels lie at multiples of their bytes where they go.
template <class Number, class Layout>
PLANECAST_HOST_DEVICE void decode_stored(block_place at, Layout layout, const std::byte* tile, bool aligned,
                                         const device_rows<std::byte>& to, std::uint32_t first,
                                         std::uint32_t head, bool whole) noexcept {
  const std::uint32_t groups = layout.shape.dim / group_size;
  for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups; i += at.threads)
    store_group<Number>(to.row(first + i / groups, head, layout.value_bytes) + i % groups * Number::bits,
                        load_group<Number>(tile + tile_header_bytes + Number::bits * i, aligned), whole);
}

/// Whether the bits of a token's last byte of tails that belong to none are zeros.
PLANECAST_HOST_DEVICE inline bool padded_with_zeros(const std::byte* tails, std::uint32_t bits) noexcept {
  return bits % 8 == 0 || static_cast<unsigned>(tails[bits / 8]) >> bits % 8 == 0;
}

} // namespace planecast::inline v0::detail
