// What the first planes of a tile tell, by a block of threads.
#pragma once

#include "planecast/cuda/detail/columns.hpp"
#include "planecast/cuda/detail/decode_group.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A thread's part of a tile at rest: calls store(token, g, values) of its groups.
template <class Number, class Q, class Planes, class Store>
PLANECAST_HOST_DEVICE void show_tile(block_place at, tile_layout<Q, Planes> layout, const std::byte* tile,
                                     std::uint32_t planes, const Store& store) noexcept {
  const columns mine(at, layout.shape);
  const std::uint32_t bits = Planes::bits_before(planes);
  constexpr std::uint32_t batch = 4; // so many are on their way to a thread at once
  for (std::uint32_t g = mine.first_group; g < mine.groups; g += mine.group_step) {
    // A token's own scalars are on their way, too; those of channels stay.
    constexpr std::uint32_t sets = rows_of_group<Q> == row_kind::one ? batch : 1;
    const column_rulers<Number, Q, Planes> column(layout, tile, g);
    column_rulers<Number, Q, Planes> rulers[] = {column, column, column, column};
    for (std::uint32_t token = mine.first_token; token < mine.tokens; token += batch * mine.token_step) {
      plane_parts<Planes> parts[batch];
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t i = 0; i < batch; ++i) {
        const std::uint32_t is = min(token + i * mine.token_step, mine.tokens - 1);
        if (sets != 1)
          rulers[i].move_to(is);
        parts[i] = plane_parts<Planes>::load(layout, tile, is, g, planes);
      }
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t i = 0; i < batch; ++i)
        if (const std::uint32_t is = token + i * mine.token_step; is < mine.tokens) {
          auto& by = rulers[i % sets];
          if (sets == 1)
            by.move_to(is);
          store(is, g, shown_group(by, parts[i].codes(), bits));
        }
    }
  }
}

} // namespace planecast::inline v0::detail
