// The planes of eight channels of a token, in a tile at rest and as codes.
#pragma once

#include "planecast/code/tile.hpp"
#include "planecast/cuda/detail/packed.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A group's part of plane p, as it lies in a tile at rest; `g` is its number in the token.
struct plane_part {
  std::uint32_t word[2];

  /// Words where they are aligned: a plane of four bits is behind planes of four bits or of none, and behind
  /// scalars and exponents, all of them multiples of four bytes.
  template <class Planes>
  PLANECAST_HOST_DEVICE static constexpr bool in_words(std::uint32_t p) noexcept {
    return Planes::width(p) == 8 || (Planes::width(p) == 4 && Planes::bits_before(p) % 4 == 0);
  }
  template <class Q, class Planes>
  PLANECAST_HOST_DEVICE static plane_part load(tile_layout<Q, Planes> layout, const std::byte* tile,
                                               std::uint32_t p, std::uint32_t token,
                                               std::uint32_t g) noexcept {
    const std::byte* const from = tile + layout.plane_row_at(p, token) + g * Planes::width(p);
    if (!in_words<Planes>(p))
      return of_bytes(from, Planes::width(p));
    return {{load_aligned<std::uint32_t>(from),
             Planes::width(p) == 8 ? load_aligned<std::uint32_t>(from + 4) : 0}};
  }
  /// From anywhere.
  PLANECAST_HOST_DEVICE static plane_part of_bytes(const std::byte* from, std::uint32_t width) noexcept {
    plane_part x{};
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < 8; ++i)
      if (i < width)
        x.word[i / 4] |= static_cast<std::uint32_t>(from[i]) << 8 * (i % 4);
    return x;
  }
  /// From a multiple of its bytes, of which a plane behind another has one, two or four.
  PLANECAST_HOST_DEVICE static plane_part of_aligned(const std::byte* from, std::uint32_t width) noexcept {
    return {{width == 4   ? load_aligned<std::uint32_t>(from)
             : width == 2 ? load_aligned<std::uint16_t>(from)
                          : static_cast<std::uint32_t>(*from),
             0}};
  }
  template <class Q, class Planes>
  PLANECAST_HOST_DEVICE void store(tile_layout<Q, Planes> layout, std::byte* tile, std::uint32_t p,
                                   std::uint32_t token, std::uint32_t g) const noexcept {
    const std::uint32_t width = Planes::width(p);
    std::byte* const to = tile + layout.plane_row_at(p, token) + g * width;
    if (in_words<Planes>(p)) {
      store_aligned(to, word[0]);
      if (width == 8)
        store_aligned(to + 4, word[1]);
    } else
      for (std::uint32_t i = 0; i < width; ++i)
        to[i] = static_cast<std::byte>(word[0] >> 8 * i);
  }

  /// Puts its bits where codes have them.
  template <class Planes>
  PLANECAST_HOST_DEVICE void add_to(packed_codes& q, std::uint32_t p) const noexcept {
    const std::uint32_t width = Planes::width(p), below = Planes::code_bits - Planes::bits_before(p + 1);
    if (width == 8) { // the only one
      q.four[0] = word[0];
      q.four[1] = word[1];
    } else if (width == 4) {
      const std::uint32_t even = (word[0] & 0x0F0F0F0Fu) << below, odd = (word[0] >> 4 & 0x0F0F0F0Fu)
                                                                         << below;
      q.four[0] |= picked_bytes(even, odd, 0x5140);
      q.four[1] |= picked_bytes(even, odd, 0x7362);
    } else {
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < group_size; ++k)
        q.four[k / 4] |= (word[0] >> width * k & ((1u << width) - 1)) << (below + 8 * (k % 4));
    }
  }
  /// The plane's part of codes.
  template <class Planes>
  PLANECAST_HOST_DEVICE static plane_part of_codes(const packed_codes& q, std::uint32_t p) noexcept {
    const std::uint32_t width = Planes::width(p), below = Planes::code_bits - Planes::bits_before(p + 1);
    if (width == 8)
      return {{q.four[0], q.four[1]}};
    if (width == 4) {
      const std::uint32_t first = q.four[0] >> below & 0x0F0F0F0Fu, last = q.four[1] >> below & 0x0F0F0F0Fu;
      return {{picked_bytes(first | first >> 4, last | last >> 4, 0x6420), 0}};
    }
    plane_part x{};
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < group_size; ++k)
      x.word[0] |= (q.of(k) >> below & ((1u << width) - 1)) << width * k;
    return x;
  }
};

/// A group's parts of the first planes.
template <class Planes>
struct plane_parts {
  plane_part of[Planes::fixed];

  /// Of a tile at rest; nothing is worked on, so that many are on their way at once.
  template <class Q>
  PLANECAST_HOST_DEVICE static plane_parts load(tile_layout<Q, Planes> layout, const std::byte* tile,
                                                std::uint32_t token, std::uint32_t g,
                                                std::uint32_t planes) noexcept {
    plane_parts x{};
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t p = 0; p < Planes::fixed; ++p)
      if (p < planes)
        x.of[p] = plane_part::load(layout, tile, p, token, g);
    return x;
  }
  /// The codes' bits that they hold, in their places; zeros for those of planes that are not there.
  PLANECAST_HOST_DEVICE packed_codes codes() const noexcept {
    packed_codes q{};
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t p = 0; p < Planes::fixed; ++p)
      of[p].template add_to<Planes>(q, p);
    return q;
  }
};
template <class Q, class Planes>
PLANECAST_HOST_DEVICE packed_codes load_codes(tile_layout<Q, Planes> layout, const std::byte* tile,
                                              std::uint32_t token, std::uint32_t g,
                                              std::uint32_t planes) noexcept {
  return plane_parts<Planes>::load(layout, tile, token, g, planes).codes();
}
/// Each plane's part of them into a tile.
template <class Q, class Planes>
PLANECAST_HOST_DEVICE void store_codes(tile_layout<Q, Planes> layout, std::byte* tile, std::uint32_t token,
                                       std::uint32_t g, const packed_codes& q) noexcept {
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t p = 0; p < Planes::fixed; ++p)
    plane_part::of_codes<Planes>(q, p).store(layout, tile, p, token, g);
}

} // namespace planecast::inline v0::detail
