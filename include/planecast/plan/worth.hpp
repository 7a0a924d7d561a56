// The order of upgrades in which every byte buys the most.
#pragma once

#include "planecast/plan/layered_ranking.hpp"
#include "planecast/plan/radix_sort.hpp"
#include "planecast/plan/upgrades.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// What scales an error: a score below 0 counts as 0, an infinite one as the greatest finite one, for worth
/// is a product and a share. So scores are to be on a scale with a zero, as attention mass is.
/// Preconditions: not NaN.
[[nodiscard]] constexpr double weight_of(float score) noexcept {
  return static_cast<double>(std::clamp(score, 0.0f, std::numeric_limits<float>::max()));
}

namespace detail {

// Some planes of one item that go together, and what their bytes buy.
struct worth_step {
  double ratio = 0;       // worth for a byte
  std::uint32_t item = 0; // by its place in the list
  std::uint16_t first = 0, end = 0;
};

// The order of single upgrades that worth_order() groups.
template <class BytesOf, class RemovedBy>
std::vector<worth_step> worth_steps(const scored_items& all, std::uint32_t base_planes,
                                    std::uint32_t end_plane, const BytesOf& bytes_of,
                                    const RemovedBy& removed_by) {
  std::vector<worth_step> steps;
  steps.reserve((all.items.size() - all.pinned) * std::size_t{end_plane - base_planes});
  std::vector<std::pair<double, double>> hull; // of the item's steps: worth, bytes
  for (std::uint32_t i = all.pinned; i < all.items.size(); ++i) {
    const std::size_t begin = steps.size();
    const double weight = weight_of(all.scores[i]);
    hull.clear();
    for (std::uint32_t plane = base_planes; plane < end_plane; ++plane) {
      double worth = weight * removed_by(plane, all.items[i]);
      double bytes = bytes_of(plane, all.items[i]);
      worth_step step{0, i, static_cast<std::uint16_t>(plane), static_cast<std::uint16_t>(plane + 1)};
      // What is worth more for a byte than what it needs is taken together with it; what costs nothing, too.
      while (!hull.empty() && (bytes == 0 || worth * hull.back().second > hull.back().first * bytes)) {
        worth += hull.back().first;
        bytes += hull.back().second;
        step.first = steps.back().first;
        hull.pop_back();
        steps.pop_back();
      }
      step.ratio = bytes > 0 ? worth / bytes : std::numeric_limits<double>::infinity();
      hull.emplace_back(worth, bytes);
      steps.push_back(step);
    }
    for (std::size_t k = begin + 1; k < steps.size(); ++k) // whatever the quotients were rounded to
      steps[k].ratio = std::min(steps[k].ratio, steps[k - 1].ratio);
  }
  // Equal ratios by plane, then as listed.
  radix_sort(steps, [](const worth_step& s) { return std::uint64_t{s.first}; });
  radix_sort(steps, [](const worth_step& s) { return falling_key(s.ratio); });
  return steps;
}

// Pinned items, then the steps, by plane within windows.
template <class BytesOf>
upgrade_order grouped(const scored_items& all, std::uint32_t base_planes, std::uint32_t end_plane,
                      const std::vector<worth_step>& steps, const BytesOf& bytes_of,
                      std::uint64_t window_bytes) {
  upgrade_order order;
  order.items.assign(all.items.begin(), all.items.begin() + all.pinned);
  order.items.reserve(all.pinned + (all.items.size() - all.pinned) * (end_plane - base_planes));
  for (std::uint32_t plane = base_planes; all.pinned > 0 && plane < end_plane; ++plane)
    order.runs.push_back({plane, 0, all.pinned});

  std::vector<std::vector<std::uint32_t>> window(end_plane - base_planes); // of items, by plane
  std::uint64_t filled = 0;
  const auto close = [&] {
    for (std::uint32_t plane = base_planes; plane < end_plane; ++plane) {
      std::vector<std::uint32_t>& items = window[plane - base_planes];
      if (items.empty())
        continue;
      const auto rank = static_cast<std::uint32_t>(order.items.size());
      if (rank == all.pinned || order.runs.back().plane != plane)
        order.runs.push_back({plane, rank, 0});
      order.runs.back().count += static_cast<std::uint32_t>(items.size());
      order.items.insert(order.items.end(), items.begin(), items.end());
      items.clear();
    }
    filled = 0;
  };
  for (const worth_step& step : steps)
    for (std::uint32_t plane = step.first; plane < step.end; ++plane) {
      window[plane - base_planes].push_back(all.items[step.item]);
      filled += bytes_of(plane, all.items[step.item]);
      if (filled >= window_bytes)
        close();
    }
  close();
  return order;
}

} // namespace detail

/// Orders upgrades by worth: importance × error removed ÷ bytes, the greatest first; pinned items get all
/// planes below end_plane before. An item's planes stay in order: a plane that is worth more for a byte than
/// the one before it goes together with it, at what the two are worth together (the concave majorant of the
/// item's worth over its bytes; a bound by the plane before would put off the pair for the first one's
/// sake). Equal ones go by plane, then position, then layer; what costs nothing comes first of all. So after
/// each step, once what is free is taken, no other set of upgrades with what they need, of no more bytes, has
/// more worth in all; pinned ones apart.
///
/// bytes_of(plane, item) is an upgrade's size, removed_by(plane, item) the error that it takes away, at least
/// 0. A frame holds one plane: upgrades are grouped by plane within windows of about window_bytes, so that
/// frames are full, and the statement above then holds at the ends of windows. A window of 0 keeps the order
/// as it is. Windows are made longer where there would be more runs than most_runs.
/// Preconditions: planes below 65,536; most_runs is at least twice the planes.
/// Example: `worth_order(list_items(map, scores), 1, 3, bytes_of, removed_by, 512 * 1024, 40000)`
template <class BytesOf, class RemovedBy>
upgrade_order worth_order(const scored_items& all, std::uint32_t base_planes, std::uint32_t end_plane,
                          const BytesOf& bytes_of, const RemovedBy& removed_by,
                          std::uint64_t window_bytes = 0,
                          std::size_t most_runs = std::numeric_limits<std::size_t>::max()) {
  if (base_planes >= end_plane)
    return {};
  const auto steps = detail::worth_steps(all, base_planes, end_plane, bytes_of, removed_by);
  upgrade_order order = detail::grouped(all, base_planes, end_plane, steps, bytes_of, window_bytes);
  for (bool more = true; more && order.runs.size() > most_runs;) {
    more = window_bytes < std::uint64_t{1} << 62; // a window of everything
    window_bytes = std::max<std::uint64_t>(1, 2 * window_bytes);
    order = detail::grouped(all, base_planes, end_plane, steps, bytes_of, window_bytes);
  }
  return order;
}

} // namespace planecast::inline v0
