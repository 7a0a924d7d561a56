// A frame of upgrades where blocks of threads take it: one plane of some tokens, of all layers.
#pragma once

#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/detail/kept_codes.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

// Rows follow each other in a frame in the order (layer, head, K then V, token as listed), and of tails the
// codes alone tell how long they are. The host cuts them into parts of few rows; a block works on one.

/// Some rows of one head's K, or V, at least one.
struct upgrade_part {
  std::uint32_t layer;
  std::uint32_t row;          ///< 2 · head, and one more for V
  std::uint32_t first, count; ///< of the tokens that are listed: its own, upgrade_rows::most at most
  std::uint32_t begin;        ///< in the payload; of tails it is found
};

/// Some parts of a frame in device memory, and room to work on them.
struct upgrade_frame {
  const kept_layer* layers;
  const upgrade_part* parts; ///< in the frame's order
  std::uint32_t count;       ///< of parts
  std::uint32_t payload_bytes;
  const std::uint32_t* tokens; ///< by position
  const std::byte* payload;    ///< begins at a multiple of 16
  // The rest is for tails.
  std::uint16_t* row_bytes;          ///< of each row of a part, upgrade_rows::most for each part
  std::uint32_t* part_bytes;         ///< of each part
  std::uint64_t* many_bytes;         ///< of so many parts together, zeros at first
  const std::uint64_t* bytes_before; ///< of the frame's parts before these
  std::uint64_t* bytes_so_far;       ///< becomes the same with these
  bool last;                         ///< no parts follow
  std::uint32_t* corrupt;            ///< becomes 1 where tails are not what their rows ask for

  static constexpr std::uint32_t many = 64; ///< parts whose bytes are added up
};

/// A row, where a block finds it.
struct alignas(16) upgrade_row {
  std::byte* codes;           ///< of its tile
  std::int64_t values_before; ///< in the engine's pages
  std::uint32_t token;        ///< its number in the tile
  std::uint32_t tokens;       ///< of the tile; 0 where the row has nothing in the frame: its tile is stored
  std::uint32_t bytes;        ///< of the row, in the frame
  std::uint32_t begin;        ///< behind the part's; known one phase later
};

/// The rows of a block's part, in its memory.
struct upgrade_rows {
  static constexpr std::uint32_t most = 64;
  static constexpr std::uint32_t bytes = most * sizeof(upgrade_row); ///< that they take

  std::byte* memory; ///< at a multiple of 16

  PLANECAST_HOST_DEVICE upgrade_row of(std::uint32_t row) const noexcept {
    return load_aligned<upgrade_row>(memory + sizeof(upgrade_row) * row);
  }
  /// A thread's part of them. bytes_of(row) says how long one is that is there.
  template <class Tiles, class BytesOf>
  PLANECAST_HOST_DEVICE void find(block_place at, const Tiles& tiles, const upgrade_frame& frame,
                                  const kept_layer& layer, const upgrade_part& part,
                                  const BytesOf& bytes_of) const noexcept {
    const std::uint32_t head = part.row / 2;
    const bool is_value = part.row % 2 == 1;
    for (std::uint32_t row = at.thread; row < part.count; row += at.threads) {
      const std::uint32_t token = frame.tokens[part.first + row], page = tiles.page_of(token);
      upgrade_row is{};
      if (layer.stored[tiles.number(head, is_value, page)] == 0)
        is = {tiles.codes(layer, head, is_value, page),
              layer.rows(is_value).values_before(token, head),
              token - tiles.first_of(page),
              tiles.tokens_of(page),
              bytes_of(row),
              0};
      store_aligned(memory + sizeof(upgrade_row) * row, is);
    }
  }
  /// Then, in the next phase, where they begin.
  PLANECAST_HOST_DEVICE void place(block_place at, std::uint32_t count) const noexcept {
    for (std::uint32_t row = at.thread; row < count; row += at.threads) {
      std::uint32_t before = 0;
      for (std::uint32_t other = 0; other < row; ++other)
        before += member(other, &upgrade_row::bytes);
      member(row, &upgrade_row::begin) = before;
    }
  }

private:
  using number_of_row = std::uint32_t upgrade_row::*;
  PLANECAST_HOST_DEVICE std::uint32_t& member(std::uint32_t row, number_of_row which) const noexcept {
    return reinterpret_cast<upgrade_row*>(memory)[row].*which;
  }
};

} // namespace planecast::inline v0::detail
