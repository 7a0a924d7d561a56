// How a block of threads keeps a tile's values as they are: where coding does not pay.
#pragma once

#include "planecast/cuda/detail/packed.hpp"
#include "planecast/cuda/device_rows.hpp"
#include "planecast/cuda/device_tiles.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// What store_tile() does.
template <class Number, quantizer Q, class Planes>
struct store_program {
  static constexpr std::uint32_t phases = 1; ///< threads need nothing of each other

  device_tiles<Q, Planes> to;
  device_rows<const std::byte> from;
  bool whole; ///< groups of channels lie at multiples of their bytes

  /// All of it.
  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte*) const noexcept {
    const std::uint32_t page = at.block % to.pages(), head = at.block / to.pages();
    const auto layout = to.layout(page);
    const std::uint32_t first = to.first_of(page), groups = layout.shape.dim / group_size;
    std::byte* const tile = to.tile(at.block);
    for (std::uint32_t i = at.thread; i < tile_header_bytes / 4; i += at.threads)
      store_aligned(tile + 4 * i, i == 0 ? std::uint32_t{stored_tile} : 0u);
    for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups; i += at.threads)
      store_packed<Number>(tile + tile_header_bytes + Number::bits * i,
                           load_packed<Number>(from.row(first + i / groups, head, layout.value_bytes) +
                                                   i % groups * Number::bits,
                                               whole),
                           true);
    for (std::uint32_t t = at.thread; t < layout.shape.tokens; t += at.threads)
      to.ends_of(at.block)[t] = 0;
    if (at.thread == 0)
      to.coded[at.block] = {layout.stored_bytes(), true};
  }
};

} // namespace planecast::inline v0::detail
