// Where the parts of a coded tile lie.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/policy/planes.hpp"
#include "planecast/policy/quantizer.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace planecast::inline v0 {

/// A tile begins with 16 bytes: the length of its tails as u32, or this mark if it is stored; then zeros.
inline constexpr std::uint32_t tile_header_bytes = 16;
inline constexpr std::uint32_t stored_tile = 0xFFFF'FFFFu;
/// At rest, tiles begin at multiples of this.
inline constexpr std::uint32_t tile_alignment = 16;

/// Layout of a coded tile, all offsets in bytes from its beginning:
///
///   header | m of each scale row (u16) | s of each scale row (u16, bf16) | plane 0 | plane 1 | … | tails
///
/// Planes are token-major: value i of a token is bits [w·i, w·i + w) of the token's row, read as one
/// little-endian integer. A token's tails follow each other the same way and end on a byte, padded with
/// zeros. A stored tile is the header and the values as they are, all of it in the base.
template <quantizer Q, class Planes>
struct tile_layout {
  tile_shape shape;

  constexpr std::uint32_t rows() const noexcept { return Q::scale_rows(shape); }
  constexpr std::uint32_t low_at(std::uint32_t row) const noexcept { return tile_header_bytes + 2 * row; }
  constexpr std::uint32_t step_at(std::uint32_t row) const noexcept { return low_at(rows() + row); }
  /// Bytes of one token in plane p. Precondition: p is not the tail.
  constexpr std::uint32_t row_bytes(std::uint32_t p) const noexcept {
    return shape.dim * Planes::width(p) / 8;
  }
  /// Where plane p begins; for the number of fixed planes, where the tails begin.
  constexpr std::uint32_t plane_at(std::uint32_t p) const noexcept {
    return step_at(rows()) + shape.values() * Planes::bits_before(p) / 8;
  }
  constexpr std::uint32_t plane_row_at(std::uint32_t p, std::uint32_t token) const noexcept {
    return plane_at(p) + token * row_bytes(p);
  }
  constexpr std::uint32_t tails_at() const noexcept { return plane_at(Planes::fixed); }
  constexpr std::uint32_t stored_bytes() const noexcept { return tile_header_bytes + 2 * shape.values(); }
  /// No tile is coded into more than this while it is tried; what is kept is at most stored_bytes().
  constexpr std::uint32_t bound() const noexcept {
    return detail::align_up(tails_at() + 2 * shape.values() + shape.tokens, tile_alignment);
  }
};

/// What became of a tile that was encoded.
struct encoded_tile {
  std::uint32_t bytes = 0; ///< all of it, without padding
  bool stored = false;
};

/// Writes a stored tile.
template <class Layout>
encoded_tile store_tile(Layout layout, const std::uint16_t* values, std::byte* out,
                        std::uint32_t* tail_ends) noexcept {
  std::memset(out, 0, tile_header_bytes);
  detail::store(out, stored_tile);
  std::memcpy(out + tile_header_bytes, values, 2 * std::size_t{layout.shape.values()});
  std::fill_n(tail_ends, layout.shape.tokens, 0u);
  return {layout.stored_bytes(), true};
}

} // namespace planecast::inline v0
