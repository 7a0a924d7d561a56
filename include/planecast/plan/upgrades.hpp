// The order in which tokens get their further planes.
#pragma once

#include "planecast/plan/importance.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// One plane for the tokens of ranks first … first + count − 1, in that order.
struct upgrade_run {
  std::uint32_t plane = 0; ///< by its number in the policy
  std::uint32_t first = 0; ///< a rank: 0 is the most important token's
  std::uint32_t count = 0; ///< of ranks
  friend constexpr bool operator==(const upgrade_run&, const upgrade_run&) = default;
};

/// All upgrades of a request, the first to be sent first: tokens by rank, and runs over the ranks.
struct upgrade_order {
  std::vector<std::uint32_t> tokens; ///< by rank: the token's position in its sequence
  std::vector<upgrade_run> runs;     ///< in the order of sending; of a token, planes rise one by one
};

/// SpectrumKV's order, and the one that verification in stages needs: the pinned tokens get all planes below
/// end_plane; then every other token gets the first of them, by importance; then the next, and so on. Planes
/// below base_planes are no upgrades: every token has them.
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
  return order;
}

} // namespace planecast::inline v0
