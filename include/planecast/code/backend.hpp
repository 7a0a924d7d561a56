// What codes tiles: the CPU's loops, or kernels.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/code/tile.hpp"
#include "planecast/code/value_rows.hpp"
#include "planecast/status.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace planecast::inline v0 {

/// A backend turns values into tiles and tiles into values, for every quantizer and every layout of planes.
/// All backends write the same bytes. It holds nothing; all of it is static.
///
///     encode(dtype, layout, values, out, tail_ends)
///       Codes the tile's values, one row for each token, into `out`. tail_ends[t] becomes the end of token
///       t's tails, in bytes from tails_at(). Stores a tile that would not be smaller coded; it has no tails.
///     decode(dtype, layout, tile, token, count, planes, out)
///       Writes the values of tokens token … token + count − 1 that the first `planes` fixed planes tell, the
///       first of them to out[0].
///     decode_exact(dtype, layout, tile, token, count, tails, out, used)
///       Writes their original values, from all fixed planes and their tails, which follow each other from
///       the first byte of `tails` on; `used` becomes how many bytes they took.
///
/// Senders encode, receivers decode, each on the thread that called it or on those of its executor; different
/// tiles may be under way in several threads, and different tokens of one that is decoded.
/// Preconditions: dtype is one that `number` names, layout.value_bytes its own, as is the width of the rows'
/// values. `out` has room for layout.bound() bytes in encode, for `count` rows of shape.dim values in the
/// others; tail_ends for shape.tokens numbers. Decoded tiles are not stored ones; their scalars were found
/// valid (valid_scalars) and the planes asked for are in place. count ≥ 1; 1 ≤ planes ≤ the fixed planes. The
/// layout has a tail where decode_exact is called.
/// Effects: those. Only `tails` may hold anything at all; nothing beyond it is read. In `out` nothing is
/// written but the rows' values, whatever lies between them; where rows are written past the cache, all is
/// visible to other threads once the call returned and they are synchronised as usual.
/// Errors: decode_exact says `corrupt` where the tails run past the end, name a value outside of its cell, or
/// are not padded with zeros; `out` and `used` then mean nothing. Nothing throws.
/// Example: `cpu`, in planecast/cpu/cpu.hpp.
// clang-format off
template <class B, class Q = per_token, class Planes = planes<4, 4, tail>>
concept backend = requires(number dtype, tile_layout<Q, Planes> layout, source_rows values,
                           std::byte* out, const std::byte* tile, std::uint32_t i, std::uint32_t* ends,
                           target_rows rows, std::span<const std::byte> tails, std::size_t& used) {
  { B::encode(dtype, layout, values, out, ends) } noexcept -> std::same_as<encoded_tile>;
  { B::decode(dtype, layout, tile, i, i, i, rows) } noexcept -> std::same_as<void>;
  { B::decode_exact(dtype, layout, tile, i, i, tails, rows, used) } noexcept -> std::same_as<status>;
};
// clang-format on

} // namespace planecast::inline v0
