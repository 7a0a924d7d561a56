// The order in which items get their further planes.
#pragma once

#include "planecast/plan/importance.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// One plane for the items of ranks first … first + count − 1, in that order.
struct upgrade_run {
  std::uint32_t plane = 0; ///< by its number in the policy
  std::uint32_t first = 0; ///< a rank: 0 is the first item's of the list
  std::uint32_t count = 0; ///< of ranks
  friend constexpr bool operator==(const upgrade_run&, const upgrade_run&) = default;
};

/// All upgrades of a request, the first to be sent first: a list of items, and runs over their ranks in it.
/// Items are those of an item_map: tokens, or tokens of one layer each. An item may stand in the list more
/// than once, but not more often than it has planes above the base.
struct upgrade_order {
  std::vector<std::uint32_t> items; ///< by rank
  std::vector<upgrade_run> runs;    ///< in the order of sending; of an item, planes rise one by one
  bool per_layer = false;           ///< items are tokens of one layer each
};

/// SpectrumKV's order, and the one that verification in stages needs: the pinned items get all planes below
/// end_plane; then every other item gets the first of them, by importance; then the next, and so on. Planes
/// below base_planes are no upgrades: every item has them.
/// Example: `greedy_order(rank_tokens(scores), 1, 3)`
inline upgrade_order greedy_order(ranking r, std::uint32_t base_planes, std::uint32_t end_plane) {
  const auto count = static_cast<std::uint32_t>(r.tokens.size());
  upgrade_order order{std::move(r.tokens), {}};
  const auto add = [&](std::uint32_t first, std::uint32_t last) {
    for (std::uint32_t plane = base_planes; first < last && plane < end_plane; ++plane)
      order.runs.push_back({plane, first, last - first});
  };
  add(0, r.pinned);
  add(r.pinned, count);
  if (order.runs.empty())
    order.items.clear(); // nothing is to be listed
  return order;
}

} // namespace planecast::inline v0
