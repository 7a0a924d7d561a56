// Whole numbers as little-endian bytes, whatever the machine's order and alignment.
#pragma once

#include "planecast/config.hpp"

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace planecast::inline v0::detail {

static_assert(std::endian::native == std::endian::little, "planecast: big-endian machines are not supported");

template <std::unsigned_integral T>
inline T load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <std::unsigned_integral T>
inline void store(std::byte* to, T value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

// Patterns of 16 bits, or of 8 that travel in 16, to as many bytes each, and back.
inline void put_patterns(std::byte* to, const std::uint16_t* from, std::size_t count,
                         std::uint32_t bytes_each) noexcept {
  if (bytes_each == 2)
    std::memcpy(to, from, 2 * count);
  else
    for (std::size_t i = 0; i < count; ++i)
      to[i] = static_cast<std::byte>(from[i]);
}
inline void get_patterns(std::uint16_t* to, const std::byte* from, std::size_t count,
                         std::uint32_t bytes_each) noexcept {
  if (bytes_each == 2)
    std::memcpy(to, from, 2 * count);
  else
    for (std::size_t i = 0; i < count; ++i)
      to[i] = static_cast<std::uint16_t>(from[i]);
}

template <std::unsigned_integral T>
constexpr T align_up(T value, T unit) noexcept {
  return (value + unit - 1) / unit * unit;
}

} // namespace planecast::inline v0::detail
