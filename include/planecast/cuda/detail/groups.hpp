// Eight channels of a token, which one thread codes or decodes at a time.
#pragma once

#include "planecast/code/tile.hpp"
#include "planecast/cuda/detail/block_program.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

inline constexpr std::uint32_t group_size = 8;

/// Their patterns.
struct patterns {
  std::uint16_t of[group_size];
};

/// From where they lie side by side; `whole` says that this is a multiple of their bytes.
template <class Number>
PLANECAST_HOST_DEVICE patterns load_group(const std::byte* from, bool whole) noexcept {
  struct alignas(Number::bits) packed {
    std::byte of[Number::bits];
  };
  patterns x;
  packed p;
  if (whole)
    p = load_aligned<packed>(from);
  else
    for (std::uint32_t i = 0; i < Number::bits; ++i)
      p.of[i] = from[i];
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t i = 0; i < group_size; ++i)
    if constexpr (Number::bits == 8)
      x.of[i] = static_cast<std::uint16_t>(p.of[i]);
    else
      x.of[i] = static_cast<std::uint16_t>(static_cast<unsigned>(p.of[2 * i]) |
                                           static_cast<unsigned>(p.of[2 * i + 1]) << 8);
  return x;
}
/// And back.
template <class Number>
PLANECAST_HOST_DEVICE void store_group(std::byte* to, const patterns& x, bool whole) noexcept {
  struct alignas(Number::bits) packed {
    std::byte of[Number::bits];
  };
  packed p;
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t i = 0; i < group_size; ++i)
    if constexpr (Number::bits == 8)
      p.of[i] = static_cast<std::byte>(x.of[i]);
    else {
      p.of[2 * i] = static_cast<std::byte>(x.of[i]);
      p.of[2 * i + 1] = static_cast<std::byte>(x.of[i] >> 8);
    }
  if (whole)
    store_aligned(to, p);
  else
    for (std::uint32_t i = 0; i < Number::bits; ++i)
      to[i] = p.of[i];
}

/// Their codes.
struct codes {
  std::uint8_t of[group_size];
};

/// Both where a block's memory keeps them.
struct alignas(16) aligned_patterns {
  patterns is;
};
struct alignas(8) aligned_codes {
  codes is;
};

/// Each plane's part of them into a tile; `g` is their number in the token.
template <class Q, class Planes>
PLANECAST_HOST_DEVICE void store_planes(tile_layout<Q, Planes> layout, std::byte* tile, std::uint32_t token,
                                        std::uint32_t g, const codes& q) noexcept {
  for (std::uint32_t p = 0; p < Planes::fixed; ++p) {
    const std::uint32_t width = Planes::width(p), below = Planes::code_bits - Planes::bits_before(p + 1);
    std::uint64_t bits = 0;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < group_size; ++i)
      bits |= static_cast<std::uint64_t>(q.of[i] >> below & ((1u << width) - 1)) << width * i;
    std::byte* const to = tile + layout.plane_row_at(p, token) + g * width;
    for (std::uint32_t i = 0; i < width; ++i)
      to[i] = static_cast<std::byte>(bits >> 8 * i);
  }
}
/// The codes' bits that the first planes of a tile hold.
template <class Q, class Planes>
PLANECAST_HOST_DEVICE codes load_planes(tile_layout<Q, Planes> layout, const std::byte* tile,
                                        std::uint32_t token, std::uint32_t g, std::uint32_t planes) noexcept {
  codes q{};
  for (std::uint32_t p = 0; p < planes; ++p) {
    const std::uint32_t width = Planes::width(p);
    const std::byte* const from = tile + layout.plane_row_at(p, token) + g * width;
    std::uint64_t bits = 0;
    for (std::uint32_t i = 0; i < width; ++i)
      bits |= static_cast<std::uint64_t>(from[i]) << 8 * i;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < group_size; ++i)
      q.of[i] = static_cast<std::uint8_t>(std::uint64_t{q.of[i]} << width |
                                          (bits >> width * i & ((1u << width) - 1)));
  }
  return q;
}

} // namespace planecast::inline v0::detail
