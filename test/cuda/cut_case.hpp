// Cuts of random orders by a runner, beside the CPU's; and the bytes of upgrades, counted by hand.
#pragma once

#include "planecast/cuda/device_upgrades.hpp"
#include "planecast/plan/cut.hpp"

#include "code/rows.hpp"
#include "cuda/tile_case.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

namespace planecast_test {

/// What goes wrong; nothing, if all is well. A runner has an allocator of memory that it reaches, and
///
///     cut(upgrades, to)
///
/// which says what goes wrong there. Upgrades have less than `large` bytes each. Of six cuts the first two
/// are at the end and just before it.
template <class Runner>
std::string cut_trouble(Runner&& run, random_source& random, std::uint32_t count, std::uint32_t planes,
                        std::uint32_t large, std::uint32_t cuts = 6) {
  using runner = std::remove_cvref_t<Runner>;
  using namespace planecast;
  device_upgrades of;
  of.count = count;
  of.planes = planes;
  of.first = random.coin() ? 0 : random.below(100);
  of.pinned = random.below(4) == 0 ? of.count : random.coin() ? 0 : random.below(of.count);
  of.header_bytes = random.below(3) == 0 ? 0 : random.below(100);
  std::vector<std::uint32_t, typename runner::template allocator<std::uint32_t>> ranked(of.count),
      bytes(std::size_t{of.count} * of.planes);
  std::iota(ranked.begin(), ranked.end(), of.first);
  for (std::uint32_t i = of.count; i > 1; --i)
    std::swap(ranked[i - 1], ranked[random.below(i)]);
  const bool none = random.below(4) == 0; // tokens whose tiles are all stored have none
  for (std::uint32_t& b : bytes)
    b = none && random.coin() ? 0 : random.below(large);
  of.chunk_bytes = random.below(random.coin() ? 2 * large : 100 * large);
  of.ranked = ranked.data();
  of.bytes = bytes.data();

  ranking r{{ranked.begin(), ranked.end()}, of.pinned};
  const upgrade_order order = greedy_order(r, 1, 1 + of.planes);
  const auto bytes_of = [&](std::uint32_t plane, std::uint32_t token) {
    return bytes[std::size_t{plane - 1} * of.count + token - of.first];
  };
  const detail::chunk_rule rule{of.chunk_bytes, of.header_bytes};
  const std::uint64_t all = detail::cut(order, bytes_of, rule, ~std::uint64_t{0}).bytes;
  std::vector<std::uint64_t, typename runner::template allocator<std::uint64_t>> base(1);
  std::vector<device_cut, typename runner::template allocator<device_cut>> cut(2);
  for (std::uint32_t k = 0; k < cuts; ++k) {
    const std::uint64_t available =
        k == 0   ? ~std::uint64_t{0}
        : k == 1 ? all - (all > 0 ? 1 : 0)
                 : static_cast<std::uint64_t>(random.uniform() * static_cast<double>(all + 10));
    of.available = available;
    of.base = nullptr;
    base[0] = random.below(1000);
    if (k > 1 && random.coin()) {
      of.base = base.data();
      of.available = available + base[0];
    }
    const bool infeasible = k == 5 && of.base != nullptr && base[0] > 0;
    if (infeasible)
      of.available = random.below(static_cast<std::uint32_t>(base[0]));
    const detail::cut_order expected = detail::cut(order, bytes_of, rule, infeasible ? 0 : available);
    cut[0] = {~0u, ~0u, ~0u, ~0u};
    if (const std::string wrong = run.cut(of, cut.data()); !wrong.empty())
      return wrong;
    if (cut[0].upgrades != expected.light_upgrades)
      return "cut " + std::to_string(k) + ": " + std::to_string(cut[0].upgrades) + " upgrades instead of " +
             std::to_string(expected.light_upgrades);
    if (cut[0].frames != expected.light || cut[0].bytes != expected.light_bytes)
      return "cut " + std::to_string(k) + ": " + std::to_string(cut[0].frames) + " frames of " +
             std::to_string(cut[0].bytes) + " bytes instead of " + std::to_string(expected.light) + " of " +
             std::to_string(expected.light_bytes);
    if (cut[0].infeasible != (infeasible ? 1u : 0u))
      return "infeasible, or not, is not said";
    if (cut[1].frames != 0 || cut[1].upgrades != 0 || cut[1].bytes != 0)
      return "written behind the cut";
  }
  return "";
}
/// Of any upgrades.
template <class Runner>
std::string cut_trouble(Runner&& run, std::uint64_t seed, std::uint32_t most_tokens) {
  random_source random(seed);
  const std::uint32_t count = 1 + random.below(random.coin() ? 50 : most_tokens), planes = random.below(5),
                      large = 1 + random.below(random.coin() ? 100 : 40000);
  return cut_trouble(run, random, count, planes, large);
}

/// Likewise, of a runner with
///
///     upgrade_bytes(tiles, base_planes, bytes, add)
template <class Q, class Planes, class Runner>
std::string upgrade_bytes_trouble(Runner&& run, std::uint64_t seed) {
  using runner = std::remove_cvref_t<Runner>;
  random_source random(seed);
  some_tiles<planecast::bf16, Q, Planes, runner::template allocator> tiles(random);
  const std::uint32_t base_planes = random.below(Planes::count + 1),
                      count = tiles.are.tokens - tiles.are.first;
  tiles.each([&](std::uint32_t k, std::uint32_t, auto layout, std::uint32_t) {
    const bool stored = random.below(4) == 0;
    tiles.coded[k] = {1, stored};
    std::uint32_t end = 0;
    for (std::uint32_t t = 0; t < layout.shape.tokens; ++t)
      tiles.are.ends_of(k)[t] = stored ? 0 : end += random.below(100);
  });
  std::vector<std::uint32_t, typename runner::template allocator<std::uint32_t>> bytes(
      std::size_t{Planes::count - base_planes} * count + 4, 7);
  auto expected = bytes;
  for (const bool add : {false, true}) {
    for (std::size_t i = 0; i + 4 < expected.size() && !add; ++i)
      expected[i] = 0;
    tiles.each([&](std::uint32_t k, std::uint32_t, auto layout, std::uint32_t first) {
      for (std::uint32_t plane = base_planes; plane < Planes::count && !tiles.coded[k].stored; ++plane)
        for (std::uint32_t t = 0; t < layout.shape.tokens; ++t)
          expected[std::size_t{plane - base_planes} * count + first - tiles.are.first + t] +=
              plane < Planes::fixed ? layout.row_bytes(plane)
                                    : tiles.are.ends_of(k)[t] - (t == 0 ? 0 : tiles.are.ends_of(k)[t - 1]);
    });
    if (const std::string wrong = run.upgrade_bytes(tiles.are, base_planes, bytes.data(), add);
        !wrong.empty())
      return wrong;
    if (bytes != expected)
      return "other bytes of upgrades, or something beside them";
  }
  return "";
}

} // namespace planecast_test
