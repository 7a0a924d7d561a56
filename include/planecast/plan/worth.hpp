// The order of upgrades in which every byte buys the most.
#pragma once

#include "planecast/plan/falling_order.hpp"
#include "planecast/plan/layered_ranking.hpp"
#include "planecast/plan/upgrades.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
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
  std::uint32_t item, first, end;
};

// Steps, the first to be taken first. They are numbered by item and first plane, and a list of numbers is
// sorted. Memory that is touched for the first time costs more than the sorting: so little is kept of each
// step, and most of it in one piece, which an allocator that saw it come back keeps for the next plan.
struct sorted_steps {
  const std::uint32_t* items;                   // borrowed: those that are not pinned
  std::uint32_t base_planes, planes;            // that every item has; that it can get
  std::unique_ptr<std::uint16_t[]> widths = {}; // by number: planes of the step; 0 if there is none
  std::unique_ptr<keyed_item[]> memory = {};    // ratios by number, the order, and room to sort
  std::span<keyed_item> order = {};

  [[nodiscard]] double ratio(std::uint32_t number) const noexcept {
    return std::bit_cast<double>(memory[number]);
  }

  [[nodiscard]] std::size_t size() const noexcept { return order.size(); }
  [[nodiscard]] worth_step operator[](std::size_t i) const noexcept {
    const std::uint32_t number = order[i].item, first = base_planes + number % planes;
    return {ratio(number), items[number / planes], first, first + widths[number]};
  }
};

// The order of single upgrades that worth_order() groups.
template <class BytesOf, class RemovedBy>
sorted_steps worth_steps(const scored_items& all, std::uint32_t base_planes, std::uint32_t end_plane,
                         const BytesOf& bytes_of, const RemovedBy& removed_by) {
  struct step {
    double worth, bytes, ratio; // for a byte
    std::uint32_t first;        // of its planes, from the base on
  };
  const std::uint32_t planes = end_plane - base_planes;
  const std::size_t count = all.items.size() - all.pinned, most = count * planes;
  if (most > std::numeric_limits<std::uint32_t>::max())
    throw std::invalid_argument("planecast: more upgrades than ranks of 32 bits");
  sorted_steps steps{all.items.data() + all.pinned, base_planes, planes};
  steps.widths = std::make_unique<std::uint16_t[]>(most);
  steps.memory = std::make_unique_for_overwrite<keyed_item[]>(3 * most);
  std::vector<step> hull(planes); // the item's steps so far
  std::size_t made = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t item = all.items[all.pinned + i];
    const double weight = weight_of(all.scores[all.pinned + i]);
    std::uint32_t depth = 0;
    for (std::uint32_t plane = 0; plane < planes; ++plane) {
      step next{weight * removed_by(base_planes + plane, item),
                static_cast<double>(bytes_of(base_planes + plane, item)), 0, plane};
      // What is worth more for a byte than what it needs is taken together with it; what costs nothing, too.
      while (depth > 0) {
        const step& before = hull[depth - 1];
        if (next.bytes != 0 && next.worth * before.bytes <= before.worth * next.bytes)
          break;
        next.worth += before.worth;
        next.bytes += before.bytes;
        next.first = before.first;
        --depth;
      }
      next.ratio = next.bytes > 0 ? next.worth / next.bytes : std::numeric_limits<double>::infinity();
      hull[depth++] = next;
    }
    double least = std::numeric_limits<double>::infinity(); // so far, whatever the quotients were rounded to
    for (std::uint32_t k = 0; k < depth; ++k) {
      const std::size_t number = i * planes + hull[k].first;
      const std::uint32_t end = k + 1 < depth ? hull[k + 1].first : planes;
      steps.widths[number] = static_cast<std::uint16_t>(end - hull[k].first);
      least = std::min(least, hull[k].ratio);
      steps.memory[number] = std::bit_cast<keyed_item>(least);
    }
    made += depth;
  }
  // Equal ratios by plane, then as listed.
  steps.order = {steps.memory.get() + most, made};
  auto next = steps.order.begin();
  for (std::size_t plane = 0; plane < planes; ++plane)
    for (std::size_t number = plane; number < most; number += planes)
      if (steps.widths[number] != 0)
        *next++ = {0, static_cast<std::uint32_t>(number)};
  sort_falling(steps.order, {steps.memory.get() + 2 * most, made},
               [&](std::uint32_t number) { return steps.ratio(number); });
  return steps;
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
