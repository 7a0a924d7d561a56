// One plane of some tokens, as a frame of upgrades lists them.
#pragma once

#include "planecast/code/item_map.hpp"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

/// The tokens that are listed for each layer, kept. Layers that have the same share them.
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

} // namespace planecast::inline v0::detail
