// The tiles of one layer's keys, or of its values, at rest in device memory.
#pragma once

#include "planecast/code/tile.hpp"
#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// Tiles as they are coded by a kernel and decoded by one: those of `heads` heads of a layer's keys, or of
/// its values, for the tokens at positions first … tokens − 1 of a sequence. Pages are aligned to position
/// 0, so the first and the last may be shorter than others. Each tile has a slot of stride() bytes, as much
/// as it takes if it is stored. Borrows the memory.
/// Preconditions: first < tokens, and heads × pages fit 31 bits; dim is a multiple of 8 up to max_head_dim;
/// value_bytes is the dtype's; page_tokens is the quantizer's where it asks for one, at most 1024. `bytes`
/// is aligned to 16 and has room for memory_bytes(), tail_ends for ends(), coded for tiles().
/// Example: examples/device_calls.cu: room_for_tiles().
template <quantizer Q, class Planes>
struct device_tiles {
  std::uint32_t tokens = 0;       ///< of the sequence: one more than the last position
  std::uint32_t first = 0;        ///< the first position
  std::uint32_t heads = 0;        ///< of the layer
  std::uint32_t dim = 0;          ///< channels of a head
  std::uint32_t page_tokens = 64; ///< of a whole page
  std::uint32_t value_bytes = 2;  ///< of the dtype
  std::byte* bytes = nullptr;     ///< the tiles: by head, then by page
  std::uint32_t* tail_ends =
      nullptr;                   ///< where each token's tails end, from tails_at() on: by head, then by token
  encoded_tile* coded = nullptr; ///< what became of each tile

  /// Pages with a token.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t pages() const noexcept {
    return (tokens + page_tokens - 1) / page_tokens - first / page_tokens;
  }
  /// Tiles in all: a block of threads each.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t tiles() const noexcept { return heads * pages(); }
  /// Numbers in tail_ends.
  PLANECAST_HOST_DEVICE constexpr std::size_t ends() const noexcept {
    return std::size_t{heads} * (tokens - first);
  }
  /// The position of a page's first token.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t first_of(std::uint32_t page) const noexcept {
    return detail::max(first, (first / page_tokens + page) * page_tokens);
  }
  /// How a page's tiles are laid out.
  PLANECAST_HOST_DEVICE constexpr tile_layout<Q, Planes> layout(std::uint32_t page) const noexcept {
    const std::uint32_t end = detail::min(tokens, (first / page_tokens + page + 1) * page_tokens);
    return {{end - first_of(page), dim}, value_bytes};
  }
  /// Bytes from a tile's slot to the next.
  PLANECAST_HOST_DEVICE constexpr std::size_t stride() const noexcept {
    const tile_layout<Q, Planes> whole{{page_tokens, dim}, value_bytes};
    return detail::align_up(whole.stored_bytes(), tile_alignment);
  }
  /// Bytes of all slots.
  PLANECAST_HOST_DEVICE constexpr std::size_t memory_bytes() const noexcept { return tiles() * stride(); }
  /// Where a tile begins; tile = head · pages() + page.
  PLANECAST_HOST_DEVICE constexpr std::byte* tile(std::uint32_t number) const noexcept {
    return bytes + number * stride();
  }
  /// Where the ends of a tile's tokens begin.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t* ends_of(std::uint32_t number) const noexcept {
    return tail_ends + std::size_t{number / pages()} * (tokens - first) + first_of(number % pages()) - first;
  }
};

} // namespace planecast::inline v0
