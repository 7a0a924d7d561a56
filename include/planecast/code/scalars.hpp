// From a tile's scalars to cells, for every quantizer.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/code/balance.hpp"
#include "planecast/code/cell.hpp"
#include "planecast/code/tile.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// The cells of a token's channel, from the scalars of its tile. A backend that codes row by row calls it for
/// every channel of a token, or only for as many as there are scale rows.
/// Preconditions: the tile is a coded one whose scalars are valid.
template <class Number, quantizer Q, class Planes>
PLANECAST_HOST_DEVICE ruler<Number, Planes::code_bits> ruler_of(tile_layout<Q, Planes> layout,
                                                                const std::byte* tile, std::uint32_t token,
                                                                std::uint32_t channel) noexcept {
  const std::uint32_t row = Q::scale_row(layout.shape, token, channel);
  const auto low = detail::load<std::uint16_t>(tile + layout.low_at(row));
  const auto step = detail::load<std::uint16_t>(tile + layout.step_at(row));
  if constexpr (balancing_quantizer<Q>)
    return balanced_cells<Number, Planes::code_bits>{
        static_cast<std::int16_t>(low), step, static_cast<std::int8_t>(tile[layout.exponent_at(channel)])}
        .on_line();
  else
    return cells<Number, Planes::code_bits>{low, step}.on_line();
}

/// Whether a coded tile that came from elsewhere has scalars that an encoder could have written. A quantizer
/// without scale rows has no coded tiles.
template <class Number, quantizer Q, class Planes>
bool valid_scalars(tile_layout<Q, Planes> layout, const std::byte* tile) noexcept {
  if constexpr (balancing_quantizer<Q>) {
    using balance = balanced_cells<Number, Planes::code_bits>;
    for (std::uint32_t c = 0; c < layout.shape.dim; ++c)
      if (!balance{0, 0, static_cast<std::int8_t>(tile[layout.exponent_at(c)])}.valid())
        return false;
    for (std::uint32_t row = 0; row < layout.rows(); ++row)
      if (!balance{static_cast<std::int16_t>(detail::load<std::uint16_t>(tile + layout.low_at(row))),
                   detail::load<std::uint16_t>(tile + layout.step_at(row)), 0}
               .valid())
        return false;
  } else
    for (std::uint32_t row = 0; row < layout.rows(); ++row)
      if (!cells<Number, Planes::code_bits>{detail::load<std::uint16_t>(tile + layout.low_at(row)),
                                            detail::load<std::uint16_t>(tile + layout.step_at(row))}
               .valid())
        return false;
  return layout.rows() != 0;
}

} // namespace planecast::inline v0
