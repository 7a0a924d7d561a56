// The order in which tokens get their further planes.
#pragma once

#include "planecast/plan/importance.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// One plane for the tokens of ranks first … first + count − 1, in that order.
struct upgrade_run {
  std::uint32_t plane = 0;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  friend constexpr bool operator==(const upgrade_run&, const upgrade_run&) = default;
};

/// All upgrades of a request, the first to be sent first: tokens by rank, and runs over the ranks.
struct upgrade_order {
  std::vector<std::uint32_t> tokens;
  std::vector<upgrade_run> runs;
};

/// SpectrumKV's order, and the one that verification in stages needs: the pinned tokens get all planes up to
/// `end_plane`; then every other token gets the next plane, by importance; then the one after it, and so on.
/// Planes below base_planes are no upgrades: every token has them.
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
