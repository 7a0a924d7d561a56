// Where the parts of a coded tile lie.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/code/value_rows.hpp"
#include "planecast/policy/planes.hpp"
#include "planecast/policy/quantizer.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace planecast::inline v0 {

/// What a tile begins with: the length of its tails as u32, or stored_tile; then zeros.
inline constexpr std::uint32_t tile_header_bytes = 16;
/// Stands in place of the tails' length if the tile is stored.
inline constexpr std::uint32_t stored_tile = 0xFFFF'FFFFu;
/// At rest, tiles begin at multiples of this.
inline constexpr std::uint32_t tile_alignment = 16;

/// Layout of a coded tile, all offsets in bytes from its beginning:
///
///     header | m of each scale row (u16) | s of each scale row (u16, bf16) | plane 0 | plane 1 | … | tails
///
/// A balanced tile has each channel's exponent (i8) between the scalars and the planes.
///
/// Planes are token-major: value i of a token is bits [w·i, w·i + w) of the token's row, read as one
/// little-endian integer. A token's tails follow each other the same way and end on a byte, padded with
/// zeros. A stored tile is the header and the values as they are, one or two bytes each, all of it in the
/// base.
/// Preconditions: rows are below rows(), tokens below shape.tokens, planes below the number of fixed ones.
template <quantizer Q, class Planes>
struct tile_layout {
  tile_shape shape;              ///< tokens × channels
  std::uint32_t value_bytes = 2; ///< of the dtype: what a value takes in a stored tile

  /// Scale rows.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t rows() const noexcept { return Q::scale_rows(shape); }
  /// Whether the quantizer has no scale rows for it: it is stored.
  PLANECAST_HOST_DEVICE constexpr bool always_stored() const noexcept { return rows() == 0; }
  /// Where m of a scale row lies.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t low_at(std::uint32_t row) const noexcept {
    return tile_header_bytes + 2 * row;
  }
  /// Where s of a scale row lies.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t step_at(std::uint32_t row) const noexcept {
    return low_at(rows() + row);
  }
  /// Where a channel's exponent lies in a balanced tile.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t exponent_at(std::uint32_t channel) const noexcept {
    return step_at(rows()) + channel;
  }
  /// Bytes of one token in plane p.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t row_bytes(std::uint32_t p) const noexcept {
    return shape.dim * Planes::width(p) / 8;
  }
  /// Where plane p begins. The number of fixed planes may be asked for, too: the tails begin there.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t plane_at(std::uint32_t p) const noexcept {
    return exponent_at(balancing_quantizer<Q> ? shape.dim : 0) + shape.values() * Planes::bits_before(p) / 8;
  }
  /// Where a token's row of plane p begins.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t plane_row_at(std::uint32_t p,
                                                             std::uint32_t token) const noexcept {
    return plane_at(p) + token * row_bytes(p);
  }
  /// Where the tails begin; without them, where the tile ends.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t tails_at() const noexcept { return plane_at(Planes::fixed); }
  /// Bytes of the tile if it is stored: no tile that is kept has more.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t stored_bytes() const noexcept {
    return tile_header_bytes + value_bytes * shape.values();
  }
  /// Room that coding it takes: a coded tile is tried before it is known to be larger than a stored one.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t bound() const noexcept {
    return detail::align_up(tails_at() + 2 * shape.values() + shape.tokens, tile_alignment);
  }
};

/// What became of a tile that was encoded.
struct encoded_tile {
  std::uint32_t bytes = 0; ///< all of it, without padding
  bool stored = false;     ///< it is the values as they are
  /// Zero: it is copied between memories as bytes, of which none is to be left unset.
  std::uint8_t unused[3] = {};
};

/// Writes a tile's values as they are, token-major: what a backend does where coding does not pay.
/// Preconditions: `out` has room for stored_bytes(), tail_ends for one number for each token.
/// Effects: the numbers become 0, for a stored tile has no tails.
template <class Layout>
encoded_tile store_tile(Layout layout, source_rows values, std::byte* out,
                        std::uint32_t* tail_ends) noexcept {
  std::memset(out, 0, tile_header_bytes);
  detail::store(out, stored_tile);
  const std::size_t row_bytes = layout.value_bytes * std::size_t{layout.shape.dim};
  for (std::uint32_t t = 0; t < layout.shape.tokens; ++t)
    std::memcpy(out + tile_header_bytes + t * row_bytes, values[t], row_bytes);
  std::fill_n(tail_ends, layout.shape.tokens, 0u);
  return {layout.stored_bytes(), true};
}

} // namespace planecast::inline v0
