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

/// A backend turns values into tiles and tiles into values. Every backend writes the same bytes.
///
///   encode(dtype, layout, values, out, tail_ends)
///     codes shape.values() values into out (layout.bound() bytes) and says where each token's tails end,
///     counted from tails_at(). A stored tile has no tails.
///   decode(dtype, layout, tile, token, planes, out)
///     one token from its first `planes` fixed planes.
///   decode_exact(dtype, layout, tile, token, tails, out)
///     one token from all fixed planes and its tails, which begin at `tails`; returns the bytes they took,
///     or 'corrupt' if they run past the end or name a value outside of its cell.
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
