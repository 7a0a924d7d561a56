// Whole numbers as little-endian bytes, whatever the machine's order and alignment.
#pragma once

#include "planecast/config.hpp"

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>

namespace planecast::inline v0::detail {

static_assert(std::endian::native == std::endian::little, "planecast: big-endian machines are not supported");

template <std::unsigned_integral T>
PLANECAST_HOST_DEVICE inline T load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <std::unsigned_integral T>
inline void store(std::byte* to, T value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

template <std::unsigned_integral T>
PLANECAST_HOST_DEVICE constexpr T align_up(T value, T unit) noexcept {
  return (value + unit - 1) / unit * unit;
}

} // namespace planecast::inline v0::detail
