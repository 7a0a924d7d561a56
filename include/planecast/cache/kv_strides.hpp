// Where a slot's heads and channels lie in an array of keys or of values.
#pragma once

#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// Steps between neighbours, in values (not bytes). A slot is a token's place: slot = block · block_size +
/// offset; with block_size 0 all is one block. Channels usually lie side by side. They need not: groups of
/// `pack` that do may be `channel` apart (a transposed array: pack 1, channel its row's length).
struct kv_strides {
  std::ptrdiff_t token = 0;     ///< from a slot to the next within a block
  std::ptrdiff_t head = 0;      ///< from a head to the next
  std::ptrdiff_t block = 0;     ///< from a block to the next
  std::uint32_t block_size = 0; ///< slots of a block; 0: there are no blocks
  std::uint32_t pack = 1;       ///< channels that lie side by side
  std::ptrdiff_t channel = 1;   ///< from a group of `pack` channels to the next

  friend constexpr bool operator==(const kv_strides&, const kv_strides&) = default;

  /// Tokens × heads × dim, one after the other; also blocks of it, when blocks follow each other.
  static constexpr kv_strides nhd(std::uint32_t heads, std::uint32_t dim) noexcept {
    return {.token = static_cast<std::ptrdiff_t>(heads) * dim, .head = dim};
  }

  /// Where the first channel of a slot's head lies, counted from the array's beginning.
  [[nodiscard]] constexpr std::ptrdiff_t place(std::int64_t of_slot, std::uint32_t of_head) const noexcept {
    auto within = static_cast<std::ptrdiff_t>(of_slot);
    std::ptrdiff_t at = static_cast<std::ptrdiff_t>(of_head) * head;
    if (block_size != 0) {
      at += within / block_size * block;
      within %= block_size;
    }
    return at + within * token;
  }
  /// How far a channel lies behind the first.
  [[nodiscard]] constexpr std::ptrdiff_t offset(std::uint32_t of_channel) const noexcept {
    return static_cast<std::ptrdiff_t>(of_channel / pack) * channel + of_channel % pack;
  }
  /// Whether all channels lie side by side.
  [[nodiscard]] constexpr bool contiguous() const noexcept {
    return channel == static_cast<std::ptrdiff_t>(pack);
  }
};

} // namespace planecast::inline v0
