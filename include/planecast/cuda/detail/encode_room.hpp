// Where the memory of a block that codes a tile holds what.
#pragma once

#include "planecast/code/tile.hpp"
#include "planecast/cuda/detail/columns.hpp"
#include "planecast/cuda/detail/group_rulers.hpp"
#include "planecast/cuda/detail/row_places.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

/// Bytes from the memory's beginning; each part is aligned to 16. Values are kept where there is room
/// (`keep`), and other parts that save work.
template <quantizer Q, class Planes>
struct encode_room {
  std::uint32_t stored = 0;      ///< u32: whether the tile is stored
  std::uint32_t odd = 4;         ///< u32: whether it has infinities or NaNs
  std::uint32_t prefix;          ///< what a tile begins with: header, scalars, exponents
  std::uint32_t finders;         ///< four floats of each scale row: how cells are found
  std::uint32_t least, greatest; ///< int of each scale row
  std::uint32_t any;             ///< u32 of each scale row: a balanced one has a value other than zero
  std::uint32_t sizes;           ///< u32 of each channel: a balanced one's greatest
  std::uint32_t groups;          ///< u32 of each group, padded: its extent; later, where its tails begin
  std::uint32_t lengths;         ///< u32 of each token: bytes of its tails
  std::uint32_t sums;            ///< u32 of each sum_tokens tokens: bytes of their tails
  std::uint32_t ends;            ///< u32 of each token: where they end
  std::uint32_t tails;           ///< u32 words
  std::uint32_t tail_words;      ///< of them
  std::uint32_t places;          ///< of each token: where its row is
  std::uint32_t values; ///< of each group 16 bytes, if they are kept: patterns, and later their tails
  std::uint32_t all;    ///< bytes in all

  static constexpr std::uint32_t sum_tokens = 16; ///< see sums

  /// Whether a group's extent is in a word of its own.
  PLANECAST_HOST_DEVICE static constexpr bool alone(bool keep) noexcept {
    return keep && rows_of_group<Q> == row_kind::one;
  }
  /// For a tile of that layout.
  PLANECAST_HOST_DEVICE encode_room(tile_layout<Q, Planes> layout, bool keep) noexcept {
    const tile_shape s = layout.shape;
    const std::uint32_t rows = layout.rows(), balanced = balancing_quantizer<Q> ? 1 : 0,
                        tailed = Planes::has_tail ? 1 : 0;
    std::uint32_t at = 16;
    const auto take = [&at](std::uint32_t bytes) {
      const std::uint32_t here = at;
      at += align_up(bytes, 16u);
      return here;
    };
    prefix = take(layout.plane_at(0));
    finders = take(keep ? 16 * rows : 0);
    least = take(alone(keep) ? 0 : 4 * rows);
    greatest = take(alone(keep) ? 0 : 4 * rows);
    any = take(4 * rows * balanced);
    sizes = take(4 * s.dim * balanced);
    groups = take(alone(keep) || Planes::has_tail ? 4 * columns::padded_count(s) : 0);
    lengths = take(4 * s.tokens * tailed);
    sums = take(4 * ((s.tokens + sum_tokens - 1) / sum_tokens) * tailed);
    ends = take(4 * s.tokens * tailed);
    const std::uint32_t tail_bytes = // of a tile that is not stored
        Planes::has_tail && layout.stored_bytes() > layout.tails_at()
            ? layout.stored_bytes() - layout.tails_at()
            : 0;
    tail_words = (tail_bytes + 11) / 4; // what a group puts there is two words at least
    tails = take(4 * tail_words);
    places = take(row_places<const std::byte>::bytes(s.tokens));
    values = take(keep ? 2 * s.values() : 0);
    all = at;
  }
};

} // namespace planecast::inline v0::detail
