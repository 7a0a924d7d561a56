// Cuts of random orders by a runner, beside the CPU's; and the bytes of upgrades and of bases, counted by
// hand.
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

/// Likewise, of a runner with
///
///     base_bytes(keys, values, base_planes, upgrades, bytes, add)
template <class KeyQuantizer, class ValueQuantizer, class Planes, class Runner>
std::string base_bytes_trouble(Runner&& run, std::uint64_t seed) {
  using runner = std::remove_cvref_t<Runner>;
  random_source random(seed);
  planecast::device_tiles<KeyQuantizer, Planes> keys;
  keys.page_tokens = KeyQuantizer::page_tokens != 0 ? KeyQuantizer::page_tokens : 16u << random.below(4);
  keys.dim = 8 * (1 + random.below(random.below(10) == 0 ? 72 : 12));
  keys.tokens = 1 + random.below((random.coin() ? 3 : 100) * keys.page_tokens);
  keys.first = random.coin() ? 0 : random.below(keys.tokens);
  keys.heads = 1 + random.below(5);
  keys.value_bytes = 1 + random.below(2);
  planecast::device_tiles<ValueQuantizer, Planes> values{
      keys.tokens, keys.first, keys.heads, 8 * (1 + random.below(12)), keys.page_tokens, keys.value_bytes};
  std::vector<planecast::encoded_tile, typename runner::template allocator<planecast::encoded_tile>> coded(
      2 * keys.tiles());
  keys.coded = coded.data();
  values.coded = coded.data() + keys.tiles();
  const std::uint32_t in = random.below(4); // none is stored, or all, or one in some
  for (auto& tile : coded)
    tile = {1, in != 0 && random.below(in == 1 ? 1 : 10) == 0};

  const std::uint32_t base_planes = random.below(Planes::fixed + 1), pages = keys.pages();
  const std::uint32_t largest = std::max(keys.layout(0).bound(), values.layout(0).bound()) +
                                std::max(keys.layout(pages / 2).bound(), values.layout(pages / 2).bound());
  std::vector<std::uint64_t> sizes; // in the order of sending
  for (std::uint32_t head = 0; head < keys.heads; ++head)
    for (const bool is_value : {false, true})
      for (std::uint32_t page = 0; page < pages; ++page) {
        const bool stored = (is_value ? values.coded : keys.coded)[head * pages + page].stored;
        const auto size = [&](auto layout) {
          return stored ? layout.stored_bytes() : layout.plane_at(base_planes);
        };
        sizes.push_back(is_value ? size(values.layout(page)) : size(keys.layout(page)));
      }
  planecast::device_upgrades of;
  of.header_bytes = random.below(100);
  of.chunk_bytes = largest + random.below(random.coin() ? largest : 200 * largest);
  if (random.coin()) { // the first frame is full to the last byte
    std::uint64_t full = 0;
    for (std::size_t i = 0; i < sizes.size() && full < of.chunk_bytes; ++i)
      full += sizes[i];
    of.chunk_bytes = std::max(largest, static_cast<std::uint32_t>(full));
  }
  std::vector<std::uint64_t> frames{0};
  for (const std::uint64_t more : sizes) {
    if (frames.back() + more > of.chunk_bytes)
      frames.push_back(0);
    frames.back() += more;
  }
  const std::uint64_t expected =
      std::accumulate(frames.begin(), frames.end(), std::uint64_t{of.header_bytes} * frames.size());
  std::vector<std::uint64_t, typename runner::template allocator<std::uint64_t>> bytes(2, 7);
  for (const bool add : {false, true}) {
    if (const std::string wrong = run.base_bytes(keys, values, base_planes, of, bytes.data(), add);
        !wrong.empty())
      return wrong;
    if (bytes[0] != (add ? 2 : 1) * expected)
      return std::to_string(bytes[0]) + " bytes of a base instead of " + std::to_string(expected) +
             (add ? ", twice" : "");
    if (bytes[1] != 7)
      return "written behind the bytes of a base";
  }
  return "";
}

} // namespace planecast_test
