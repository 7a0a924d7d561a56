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

} // namespace planecast::inline v0::detail
