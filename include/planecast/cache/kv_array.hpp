// Keys, or values, of one layer: an array in memory, and rows of it that go in and out.
#pragma once

#include "planecast/cache/kv_strides.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace planecast::inline v0::detail {

/// An array whose values have `width` bytes each.
template <class Byte>
struct kv_array {
  Byte* first = nullptr;
  std::ptrdiff_t offset = 0; ///< of the first value that is shown, in values
  kv_strides strides;

  /// So many values, in bytes.
  static std::ptrdiff_t bytes(std::ptrdiff_t values, std::uint32_t width) noexcept {
    return values * static_cast<std::ptrdiff_t>(width);
  }
  /// The first channel of a slot's head.
  [[nodiscard]] Byte* at(std::int64_t slot, std::uint32_t head, std::uint32_t width) const noexcept {
    return first + bytes(offset + strides.place(slot, head), width);
  }
  /// Copies channels c … c + count − 1 of a row to where they lie side by side.
  void get(const Byte* row, std::uint32_t c, std::uint32_t count, std::uint32_t width,
           std::byte* to) const noexcept {
    if (strides.contiguous())
      std::memcpy(to, row + bytes(c, width), width * std::size_t{count});
    else
      for (std::uint32_t i = 0; i < count; ++i)
        std::memcpy(to + std::size_t{width} * i, row + bytes(strides.offset(c + i), width), width);
  }
  /// And back.
  void put(Byte* row, std::uint32_t c, std::uint32_t count, std::uint32_t width,
           const std::byte* from) const noexcept {
    if (strides.contiguous())
      std::memcpy(row + bytes(c, width), from, width * std::size_t{count});
    else
      for (std::uint32_t i = 0; i < count; ++i)
        std::memcpy(row + bytes(strides.offset(c + i), width), from + std::size_t{width} * i, width);
  }
};

} // namespace planecast::inline v0::detail
