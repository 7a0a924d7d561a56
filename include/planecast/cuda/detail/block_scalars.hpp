// The scalars of a tile that a block of threads codes.
#pragma once

#include "planecast/cuda/detail/columns.hpp"
#include "planecast/cuda/detail/encode_room.hpp"
#include "planecast/cuda/detail/find_extents.hpp"
#include "planecast/cuda/detail/group_finders.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// What a thread does for them, once the sizes of the channels are found, and the extents of the rows.
template <class Number, class Q, class Planes>
struct block_scalars {
  using extents = row_extents<Number, Q, Planes>;

  block_place at;
  std::byte* memory;
  tile_layout<Q, Planes> layout;
  const encode_room<Q, Planes>& in;
  const columns& mine;
  extents rows;
  bool keep; ///< finders, too

  /// The channels' exponents, of a balanced tile.
  PLANECAST_HOST_DEVICE void find_exponents() const noexcept {
    for (std::uint32_t c = at.thread; c < layout.shape.dim; c += at.threads) {
      const int exponent = balance::exponent_of(*part<std::uint32_t>(in.sizes + 4 * c));
      if (exponent > balance::greatest_exponent)
        meet_or(stored(), 1);
      memory[in.prefix + layout.exponent_at(c)] = static_cast<std::byte>(exponent);
    }
  }
  /// The rows' scalars; of a tile that is stored by now, whatever comes of what nobody found.
  PLANECAST_HOST_DEVICE void fit() const noexcept {
    if (rows_of_group<Q> == row_kind::one && keep)
      for (std::uint32_t token = at.thread; token < mine.tokens; token += at.threads) {
        typename extents::one of_row;
        std::uint32_t row = Q::scale_row(layout.shape, token, 0);
        for (std::uint32_t g = 0; g < mine.groups; ++g) {
          if (const std::uint32_t next = Q::scale_row(layout.shape, token, g * group_size); next != row) {
            fit_row(row, of_row);
            of_row = {};
            row = next;
          }
          of_row.add(*part<std::uint32_t>(in.groups + 4 * mine.padded(token, g)));
        }
        fit_row(row, of_row);
      }
    else
      for (std::uint32_t row = at.thread; row < layout.rows(); row += at.threads)
        fit_row(row, rows.of(row));
  }

private:
  PLANECAST_HOST_DEVICE void fit_row(std::uint32_t row, typename extents::one e) const noexcept {
    std::uint16_t low = 0, width = 0;
    if constexpr (balancing_quantizer<Q>) {
      balance scalars;
      scalars.fit({e.least, e.greatest, rows.any_of(row)});
      low = static_cast<std::uint16_t>(scalars.low);
      width = scalars.step;
    } else {
      row_cells scalars;
      typename row_cells::extent of_row;
      if (e.least <= e.greatest)
        of_row = {static_cast<std::uint32_t>(e.least), static_cast<std::uint32_t>(e.greatest)};
      if (!scalars.fit(of_row))
        meet_or(stored(), 1);
      low = scalars.low;
      width = scalars.step;
    }
    store_aligned(memory + in.prefix + layout.low_at(row), low);
    store_aligned(memory + in.prefix + layout.step_at(row), width);
    if (!keep)
      return;
    const auto f = finders_in_block<Number, Q, Planes>::of(low, width);
    store_aligned(memory + in.finders + sizeof(kept_finder) * row,
                  kept_finder{f.low, f.step, f.inverse, f.start});
  }

  using balance = balanced_cells<Number, Planes::code_bits>;
  using row_cells = cells<Number, Planes::code_bits>;

  template <class T>
  PLANECAST_HOST_DEVICE T* part(std::uint32_t where) const noexcept {
    return reinterpret_cast<T*>(memory + where);
  }
  PLANECAST_HOST_DEVICE std::uint32_t& stored() const noexcept { return *part<std::uint32_t>(in.stored); }
};

} // namespace planecast::inline v0::detail
