// A frame of upgrades as the host cuts it for a device's blocks.
#pragma once

#include "planecast/code/item_map.hpp"
#include "planecast/cuda/detail/upgrade_frame.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

/// One plane of the tokens that are listed for each layer. Layers that have the same share them.
struct listed_plane {
  std::uint32_t plane;
  std::vector<std::uint32_t> tokens;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> lists; ///< of each layer: the first of them, how many

  listed_plane(std::uint32_t number, std::uint32_t layers, const listed_items& items) : plane(number) {
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      const std::span<const std::uint32_t> own = items.of(layer);
      const bool as_before = layer > 0 && own.data() == items.of(layer - 1).data() &&
                             own.size() == items.of(layer - 1).size(); // an empty one begins where others do
      lists.emplace_back(as_before ? lists.back().first : static_cast<std::uint32_t>(tokens.size()),
                         static_cast<std::uint32_t>(own.size()));
      if (!as_before)
        tokens.insert(tokens.end(), own.begin(), own.end());
    }
  }
  /// A layer's.
  [[nodiscard]] std::span<const std::uint32_t> of(std::uint32_t layer) const noexcept {
    return std::span(tokens).subspan(lists[layer].first, lists[layer].second);
  }
};

/// Its parts, those apart that have nothing in the frame, and how many bytes its rows have, but of tails.
struct upgrade_parts {
  std::vector<upgrade_part> of;
  std::uint64_t bytes = 0;

  /// is_stored(layer, tile) says whether a tile has no planes, any_stored(layer) whether some of a layer may
  /// have none.
  template <class Map, class IsStored, class AnyStored>
  upgrade_parts(const Map& map, const listed_plane& plane, const IsStored& is_stored,
                const AnyStored& any_stored) {
    for (std::uint32_t layer = 0; layer < map.shape.layers; ++layer) {
      if (plane.plane < map.base_planes(layer))
        continue;
      const std::span<const std::uint32_t> tokens = plane.of(layer);
      for (std::uint32_t row = 0; row < 2 * map.shape.heads(layer); ++row) {
        const bool is_value = row % 2 == 1;
        const std::uint32_t row_bytes =
            (is_value ? map.shape.value_dim : map.shape.key_dim) * Map::planes::width(plane.plane) / 8;
        for (std::uint32_t first = 0; first < tokens.size(); first += upgrade_rows::most) {
          const auto some =
              tokens.subspan(first, std::min<std::size_t>(tokens.size() - first, upgrade_rows::most));
          const auto count = static_cast<std::uint32_t>(some.size());
          std::uint32_t coded = count;
          if (any_stored(layer))
            coded -= static_cast<std::uint32_t>(std::ranges::count_if(some, [&](std::uint32_t token) {
              return is_stored(layer, map.index({row / 2, is_value, map.place(token).page}));
            }));
          if (coded == 0)
            continue;
          of.push_back(
              {layer, row, plane.lists[layer].first + first, count, static_cast<std::uint32_t>(bytes)});
          bytes += std::uint64_t{coded} * row_bytes;
        }
      }
    }
  }
};

} // namespace planecast::inline v0::detail
