// Where the rows of a tile's tokens are: found once by a block, for all groups of channels.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/device_rows.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A table in a block's memory: of each token, how far its row is from the first slot's, in values. It takes
/// a look into the engine's table and a division to find one.
template <class Byte>
struct row_places {
  const device_rows<Byte>& rows;
  std::byte* memory; ///< at a multiple of 16

  /// What a tile of so many tokens takes of it.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t bytes(std::uint32_t tokens) noexcept {
    return align_up(8 * tokens, 16u);
  }
  /// A thread's part of them, for a head's tokens from `first` on.
  PLANECAST_HOST_DEVICE void find(block_place at, std::uint32_t first, std::uint32_t tokens,
                                  std::uint32_t head) const noexcept {
    for (std::uint32_t token = at.thread; token < tokens; token += at.threads)
      store_aligned(memory + 8 * token, rows.values_before(first + token, head));
  }
  /// How many values lie before those of a token of the tile, by its number there.
  /// Preconditions: all threads have found theirs.
  PLANECAST_HOST_DEVICE std::int64_t values_before(std::uint32_t token) const noexcept {
    return load_aligned<std::int64_t>(memory + 8 * token);
  }
  /// Its first channel.
  /// Preconditions: likewise.
  template <class Number>
  PLANECAST_HOST_DEVICE Byte* of(std::uint32_t token) const noexcept {
    return rows.first + values_before(token) * (Number::bits / 8);
  }
};

} // namespace planecast::inline v0::detail
