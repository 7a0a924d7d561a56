// What codes tiles: the CPU's loops, or kernels.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/code/tile.hpp"
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
///       Codes layout.shape.values() values, token-major, into `out`. tail_ends[t] becomes the end of token
///       t's tails, in bytes from tails_at(). Stores a tile that would not be smaller coded; it has no tails.
///     decode(dtype, layout, tile, token, planes, out)
///       Writes the shape.dim values of one token that its first `planes` fixed planes tell.
///     decode_exact(dtype, layout, tile, token, tails, out, used)
///       Writes the original values of one token, from all fixed planes and its tails, which are the first
///       bytes of `tails`; `used` becomes how many bytes they took.
///
/// Senders encode, receivers decode, tile by tile, each on the thread that called it; different tiles may be
/// under way in several threads.
/// Preconditions: dtype is one that `number` names, layout.value_bytes its own, and patterns have no more
/// bits than it has. `out` has room for layout.bound() bytes in encode, for shape.dim values in the others;
/// tail_ends for shape.tokens numbers. Decoded tiles are not stored ones; their scalars were found valid
/// (cells::valid) and the planes asked for are in place. 1 ≤ planes ≤ the fixed planes. The layout has a tail
/// where decode_exact is called. Effects: those. Only `tails` may hold anything at all; nothing beyond it is
/// read. Errors: decode_exact says `corrupt` where the tails run past the end, name a value outside of its
/// cell, or are not padded with zeros; `out` and `used` then mean nothing. Nothing throws. Example: `cpu`, in
/// planecast/cpu/cpu.hpp.
// clang-format off
template <class B, class Q = per_token, class Planes = planes<4, 4, tail>>
concept backend = requires(number dtype, tile_layout<Q, Planes> layout, const std::uint16_t* values,
                           std::byte* out, const std::byte* tile, std::uint32_t i, std::uint32_t* ends,
                           std::uint16_t* row, std::span<const std::byte> tails, std::size_t& used) {
  { B::encode(dtype, layout, values, out, ends) } noexcept -> std::same_as<encoded_tile>;
  { B::decode(dtype, layout, tile, i, i, row) } noexcept -> std::same_as<void>;
  { B::decode_exact(dtype, layout, tile, i, tails, row, used) } noexcept -> std::same_as<status>;
};
// clang-format on

} // namespace planecast::inline v0
