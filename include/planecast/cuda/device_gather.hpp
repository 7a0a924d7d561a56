// What it takes to gather a frame's payload out of coded tiles in device memory.
#pragma once

#include "planecast/cuda/device_tiles.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace planecast::inline v0 {

/// A layer's tiles, and which of its tokens a frame takes. The frame has a row for each head, K then V, and
/// token as listed. Borrows the memory, all of it the device's.
/// Preconditions: keys and values have the same tokens and heads; every token that is listed is one of
/// theirs.
template <quantizer KeyQuantizer, quantizer ValueQuantizer, class Planes>
struct gather_layer {
  device_tiles<KeyQuantizer, Planes> keys;     ///< of K
  device_tiles<ValueQuantizer, Planes> values; ///< of V
  const std::uint32_t* tokens = nullptr;       ///< by position
  std::uint32_t count = 0;                     ///< of the tokens; 0 where the plane is in the layer's base
  std::uint32_t first_row = 0;                 ///< rows of the layers before it: see number_rows()

  /// Rows, with those that are empty.
  PLANECAST_HOST_DEVICE constexpr std::uint64_t rows() const noexcept {
    return std::uint64_t{2} * keys.heads * count;
  }
};

/// Numbers the rows of a frame's layers, on the host, before they are copied to the device. Returns how many
/// there are.
/// Preconditions: they fit 32 bits.
/// Effects: first_row of each layer.
template <quantizer KeyQuantizer, quantizer ValueQuantizer, class Planes>
constexpr std::uint32_t
number_rows(std::span<gather_layer<KeyQuantizer, ValueQuantizer, Planes>> layers) noexcept {
  std::uint32_t rows = 0;
  for (auto& layer : layers) {
    layer.first_row = rows;
    rows += static_cast<std::uint32_t>(layer.rows());
  }
  return rows;
}

/// A payload that was gathered: what the header of its frame says of it.
struct gathered_payload {
  std::uint64_t bytes = 0;    ///< of it; more than there was room for: then nothing was written
  std::uint64_t checksum = 0; ///< of these bytes, if there was room for them: payload_checksum
};

/// Where a payload goes. Borrows the memory, all of it the device's.
/// Preconditions: `payload` is aligned to 4 (a header in front of it leaves it so) and has room for `room`
/// bytes; `workspace` is aligned to 8. None of them overlap.
struct gather_target {
  std::byte* payload = nullptr;       ///< the rows, side by side
  std::uint32_t room = 0;             ///< for so many bytes
  std::byte* workspace = nullptr;     ///< what the call needs while it runs
  gathered_payload* result = nullptr; ///< what became of it
  std::size_t workspace_bytes = 0;    ///< gather_workspace_bytes() of the frame's rows, or more
};

namespace detail {

/// Rows whose beginnings are counted together.
inline constexpr std::uint32_t rows_together = 1024;

/// What lies in the workspace.
struct gather_room {
  std::uint32_t rows, groups; ///< groups of rows_together rows

  PLANECAST_HOST_DEVICE constexpr explicit gather_room(std::uint32_t of) noexcept
      : rows(of), groups(of / rows_together + (of % rows_together != 0 ? 1 : 0)) {}
  /// Where each row's bytes lie.
  PLANECAST_HOST_DEVICE const std::byte** from(std::byte* at) const noexcept {
    return reinterpret_cast<const std::byte**>(at);
  }
  /// Where each row begins in the bytes of its group.
  PLANECAST_HOST_DEVICE std::uint32_t* begins(std::byte* at) const noexcept {
    return reinterpret_cast<std::uint32_t*>(at + std::size_t{8} * rows);
  }
  /// Bytes of each group; later, where it begins in the payload, and after the last where that ends.
  PLANECAST_HOST_DEVICE std::uint32_t* starts(std::byte* at) const noexcept { return begins(at) + rows; }
  [[nodiscard]] constexpr std::size_t bytes() const noexcept {
    return std::size_t{12} * rows + std::size_t{4} * (groups + 1);
  }
};

} // namespace detail

/// Bytes of the workspace that a frame of so many rows takes.
[[nodiscard]] constexpr std::size_t gather_workspace_bytes(std::uint32_t rows) noexcept {
  return detail::gather_room(rows).bytes();
}

} // namespace planecast::inline v0
