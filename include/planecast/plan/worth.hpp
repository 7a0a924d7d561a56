// The order of upgrades in which every byte buys the most.
#pragma once

#include "planecast/plan/falling_order.hpp"
#include "planecast/plan/layered_ranking.hpp"
#include "planecast/plan/upgrades.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
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
  double ratio; // worth for a byte
  std::uint32_t item;
  std::uint16_t first, end;
};

// Steps, the first to be taken first. They stay where they were made, and a list of numbers is sorted.
struct sorted_steps {
  std::unique_ptr<worth_step[]> made;
  std::vector<keyed_item> order;

  [[nodiscard]] std::size_t size() const noexcept { return order.size(); }
  [[nodiscard]] const worth_step& operator[](std::size_t i) const noexcept { return made[order[i].item]; }
};

// The order of single upgrades that worth_order() groups.
template <class BytesOf, class RemovedBy>
sorted_steps worth_steps(const scored_items& all, std::uint32_t base_planes, std::uint32_t end_plane,
                         const BytesOf& bytes_of, const RemovedBy& removed_by) {
  const std::size_t planes = end_plane - base_planes;
  const std::size_t most = (all.items.size() - all.pinned) * planes;
  if (most > std::numeric_limits<std::uint32_t>::max())
    throw std::invalid_argument("planecast: more upgrades than ranks of 32 bits");
  auto steps = std::make_unique_for_overwrite<worth_step[]>(most);
  std::vector<std::pair<double, double>> hull(planes); // of the item's steps: worth, bytes
  std::vector<std::uint32_t> beginning(planes);        // steps, by their first plane
  std::uint32_t made = 0;
  for (std::uint32_t i = all.pinned; i < all.items.size(); ++i) {
    const std::uint32_t begin = made;
    const std::uint32_t item = all.items[i];
    const double weight = weight_of(all.scores[i]);
    for (std::uint32_t plane = base_planes; plane < end_plane; ++plane) {
      double worth = weight * removed_by(plane, item);
      double bytes = bytes_of(plane, item);
      worth_step step{0, item, static_cast<std::uint16_t>(plane), static_cast<std::uint16_t>(plane + 1)};
      // What is worth more for a byte than what it needs is taken together with it; what costs nothing, too.
      while (made > begin) {
        const auto& [worth_before, bytes_before] = hull[made - begin - 1];
        if (bytes != 0 && worth * bytes_before <= worth_before * bytes)
          break;
        worth += worth_before;
        bytes += bytes_before;
        step.first = steps[--made].first;
      }
      step.ratio = bytes > 0 ? worth / bytes : std::numeric_limits<double>::infinity();
      hull[made - begin] = {worth, bytes};
      steps[made++] = step;
    }
    for (std::uint32_t k = begin; k < made; ++k) {
      if (k > begin) // whatever the quotients were rounded to
        steps[k].ratio = std::min(steps[k].ratio, steps[k - 1].ratio);
      ++beginning[steps[k].first - base_planes];
    }
  }
  // Equal ratios by plane, then as listed.
  std::uint32_t before = 0;
  for (std::uint32_t& n : beginning)
    before += std::exchange(n, before);
  std::vector<keyed_item> order(made);
  for (std::uint32_t k = 0; k < made; ++k)
    order[beginning[steps[k].first - base_planes]++].item = k;
  sort_falling(order, [&](std::uint32_t k) { return steps[k].ratio; });
  return {std::move(steps), std::move(order)};
}

// Pinned items, then the steps, by plane within windows.
template <class BytesOf>
upgrade_order grouped(const scored_items& all, std::uint32_t base_planes, std::uint32_t end_plane,
                      const sorted_steps& steps, const BytesOf& bytes_of, std::uint64_t window_bytes) {
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
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const worth_step step = steps[i];
    for (std::uint32_t plane = step.first; plane < step.end; ++plane) {
      window[plane - base_planes].push_back(step.item);
      filled += bytes_of(plane, step.item);
      if (filled >= window_bytes)
        close();
    }
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
