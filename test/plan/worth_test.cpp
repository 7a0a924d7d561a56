#include "planecast/plan/cut.hpp"
#include "planecast/plan/worth.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace plan_worth_test {

using namespace planecast;

namespace {

using upgrade = std::pair<std::uint32_t, std::uint32_t>; // plane, item

std::vector<upgrade> upgrades_of(const upgrade_order& order) {
  std::vector<upgrade> all;
  for (const upgrade_run& run : order.runs)
    for (std::uint32_t rank = run.first; rank < run.first + run.count; ++rank)
      all.emplace_back(run.plane, order.items.at(rank));
  return all;
}

// A small case: items of one or of some layers, sizes and errors by hand.
struct small_case {
  explicit small_case(test::dice& dice, std::uint32_t most = 6) {
    map.layers = dice.one_in(2) ? 1 : dice.between(2, 3);
    const std::uint32_t each = dice.between(1, std::max(1u, most / map.layers));
    map.first = dice.below(4);
    map.tokens = map.first + each;
    planes = dice.between(1, 2);
    for (std::uint32_t i = 0; i < map.count(); ++i)
      scores.push_back(static_cast<float>(dice.one_in(8) ? -1 : static_cast<int>(dice.below(6))));
    pins = {dice.one_in(2) ? 0 : map.first + dice.below(2), dice.below(2)};
    for (std::uint32_t plane = 1; plane <= planes; ++plane)
      for (std::uint32_t i = 0; i < map.count(); ++i) {
        size[plane].push_back(dice.one_in(8) ? 0 : dice.between(1, 9));
        removed[plane].push_back(dice.one_in(8) ? 0 : dice.below(40));
      }
  }
  [[nodiscard]] auto bytes_of() const {
    return [this](std::uint32_t plane, std::uint32_t item) { return size.at(plane)[map.index(item)]; };
  }
  [[nodiscard]] auto removed_by() const {
    return [this](std::uint32_t plane, std::uint32_t item) {
      return static_cast<double>(removed.at(plane)[map.index(item)]);
    };
  }
  [[nodiscard]] upgrade_order worth(std::uint64_t window = 0) const {
    return worth_order(list_items(map, scores, pins), 1, planes + 1, bytes_of(), removed_by(), window);
  }
  [[nodiscard]] std::int64_t worth_of(const upgrade& u) const { // small whole numbers: exact
    const std::uint32_t i = map.index(u.second);
    return std::max(0, static_cast<int>(scores[i])) * static_cast<std::int64_t>(removed.at(u.first)[i]);
  }
  // f(bytes, worth) for every set of upgrades of what is not pinned that holds what it needs.
  template <class F>
  void each_feasible(const std::set<std::uint32_t>& pinned, F&& f) const {
    std::vector<std::uint32_t> free;
    for (std::uint32_t layer = 0; layer < map.layers; ++layer)
      for (std::uint32_t t = map.first; t < map.tokens; ++t)
        if (const std::uint32_t item = map.item(layer, t); !pinned.contains(item))
          free.push_back(item);
    std::vector<std::uint32_t> held(free.size(), 0);
    for (;;) {
      std::vector<upgrade> chosen;
      for (std::size_t i = 0; i < free.size(); ++i)
        for (std::uint32_t plane = 1; plane <= held[i]; ++plane)
          chosen.emplace_back(plane, free[i]);
      f(chosen);
      std::size_t i = 0;
      for (; i < held.size() && ++held[i] > planes; ++i)
        held[i] = 0;
      if (i == held.size())
        return;
    }
  }

  item_map map;
  std::uint32_t planes = 1;
  std::vector<float> scores;
  pinned_tokens pins;
  std::map<std::uint32_t, std::vector<std::uint32_t>> size, removed;
};

// Every upgrade once, the planes of an item in their order, pinned items first.
void check_whole(const upgrade_order& order, const small_case& c) {
  std::map<std::uint32_t, std::uint32_t> held;
  for (const auto& [plane, item] : upgrades_of(order)) {
    REQUIRE(c.map.has(item));
    REQUIRE(++held[item] == plane);
  }
  REQUIRE(held.size() == c.map.count());
  for (const auto& [item, planes] : held)
    REQUIRE(planes == c.planes);
}

} // namespace

TEST_CASE("worth_order: by hand") {
  // Worth for a byte: item 0: 10, 1; item 1: 4, 2; item 2: 0.
  const scored_items all{{0, 1, 2}, {2, 1, 0}, 0};
  const std::vector<std::uint32_t> removed[] = {{20, 16, 9}, {1, 4, 9}}, size[] = {{4, 4, 4}, {2, 2, 2}};
  const auto bytes_of = [&](std::uint32_t plane, std::uint32_t item) { return size[plane - 1][item]; };
  const auto removed_by = [&](std::uint32_t plane, std::uint32_t item) {
    return static_cast<double>(removed[plane - 1][item]);
  };
  const upgrade_order order = worth_order(all, 1, 3, bytes_of, removed_by);
  CHECK(upgrades_of(order) == std::vector<upgrade>{{1, 0}, {1, 1}, {2, 1}, {2, 0}, {1, 2}, {2, 2}});
  CHECK(order.runs == std::vector<upgrade_run>{{1, 0, 2}, {2, 2, 2}, {1, 4, 1}, {2, 5, 1}});
  // A window of everything: a run for each plane, in which the order of worth stays.
  const upgrade_order wide = worth_order(all, 1, 3, bytes_of, removed_by, 1000);
  CHECK(wide.runs == std::vector<upgrade_run>{{1, 0, 3}, {2, 3, 3}});
  CHECK(wide.items == std::vector<std::uint32_t>{0, 1, 2, 1, 0, 2});
  // No more runs than there may be.
  CHECK(worth_order(all, 1, 3, bytes_of, removed_by, 0, 4).runs.size() == 4);
  CHECK(worth_order(all, 1, 3, bytes_of, removed_by, 0, 3).runs.size() == 2);
  CHECK(worth_order(all, 1, 1, bytes_of, removed_by).items.empty());
  CHECK(worth_order({}, 1, 3, bytes_of, removed_by).runs.empty());
}

TEST_CASE("worth_order: a plane that is worth more than the one before it comes with it") {
  // Item 0: 1 for 10 bytes, then 99 for 10: together 5 for a byte. Item 1: 3 for a byte.
  const scored_items all{{0, 1}, {1, 1}, 0};
  const auto bytes_of = [](std::uint32_t, std::uint32_t) { return 10u; };
  const auto removed_by = [](std::uint32_t plane, std::uint32_t item) {
    return item == 0 ? (plane == 1 ? 1.0 : 99.0) : (plane == 1 ? 30.0 : 20.0);
  };
  CHECK(upgrades_of(worth_order(all, 1, 3, bytes_of, removed_by)) ==
        std::vector<upgrade>{{1, 0}, {2, 0}, {1, 1}, {2, 1}});
}

TEST_CASE("worth_order: scores below zero count as zero, infinite ones as the greatest; a NaN is an error") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> scores = {-5, inf, 0, 1, -inf, inf, 2};
  const auto bytes_of = [](std::uint32_t, std::uint32_t) { return 10u; };
  const auto removed_by = [](std::uint32_t, std::uint32_t item) { return item == 5 ? 2.0 : 1.0; };
  const item_map map{1, 7, 0};
  const upgrade_order order = worth_order(list_items(map, scores, {0, 0}), 1, 2, bytes_of, removed_by);
  CHECK(order.items == std::vector<std::uint32_t>{5, 1, 6, 3, 0, 2, 4});
  CHECK(weight_of(-inf) == 0);
  CHECK(weight_of(-0.0f) == 0);
  CHECK(weight_of(inf) == static_cast<double>(std::numeric_limits<float>::max()));
  CHECK_THROWS_AS(
      list_items(map, std::vector<float>{1, 2, 3, 4, 5, 6, -std::numeric_limits<float>::quiet_NaN()}),
      std::invalid_argument);
}

TEST_CASE("worth_order: ties by plane, then position, then layer; what costs nothing comes at once") {
  const item_map map{2, 3, 0};
  const std::vector<float> scores(6, 1.0f);
  const auto alike = [](std::uint32_t, std::uint32_t) { return 1u; };
  const auto one = [](std::uint32_t, std::uint32_t) { return 1.0; };
  CHECK(upgrades_of(worth_order(list_items(map, scores, {1, 0}), 1, 3, alike, one)) ==
        std::vector<upgrade>{{1, 0},
                             {1, 3},
                             {2, 0},
                             {2, 3}, // pinned
                             {1, 1},
                             {1, 4},
                             {1, 2},
                             {1, 5},
                             {2, 1},
                             {2, 4},
                             {2, 2},
                             {2, 5}});
  const auto free = [](std::uint32_t plane, std::uint32_t item) { return item == 2 || plane == 2 ? 0u : 1u; };
  const auto zero = [](std::uint32_t, std::uint32_t) { return 0.0; };
  CHECK(upgrades_of(worth_order(list_items(map, scores, {0, 0}), 1, 3, free, zero)) ==
        std::vector<upgrade>{
            {1, 2}, {2, 2}, {1, 0}, {2, 0}, {1, 3}, {2, 3}, {1, 1}, {2, 1}, {1, 4}, {2, 4}, {1, 5}, {2, 5}});
}

TEST_CASE("worth_order: at each step no other set of no more bytes has more worth (brute force)") {
  for (unsigned seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const small_case c(dice, 8);
    const scored_items all = list_items(c.map, c.scores, c.pins);
    const upgrade_order order = c.worth();
    check_whole(order, c);
    const std::vector<upgrade> sequence = upgrades_of(order);
    const std::set<std::uint32_t> pinned(all.items.begin(), all.items.begin() + all.pinned);
    for (std::size_t i = 0; i < pinned.size() * c.planes; ++i)
      REQUIRE(pinned.contains(sequence[i].second));

    std::map<std::uint64_t, std::int64_t> best; // worth of the best set of so many bytes
    c.each_feasible(pinned, [&](const std::vector<upgrade>& chosen) {
      std::uint64_t bytes = 0;
      std::int64_t worth = 0;
      for (const upgrade& u : chosen) {
        bytes += c.bytes_of()(u.first, u.second);
        worth += c.worth_of(u);
      }
      std::int64_t& known = best.try_emplace(bytes, 0).first->second;
      known = std::max(known, worth);
    });
    // After a step: where what follows is not what the one before it waits for.
    const auto steps = detail::worth_steps(all, 1, c.planes + 1, c.bytes_of(), c.removed_by());
    std::size_t at = pinned.size() * c.planes;
    std::uint64_t bytes = 0;
    std::int64_t worth = 0;
    for (std::size_t k = 0; k < steps.size(); ++k) {
      const detail::worth_step step = steps[k];
      for (std::uint32_t plane = step.first; plane < step.end; ++plane, ++at) {
        REQUIRE(sequence.at(at) == upgrade(plane, step.item));
        bytes += c.bytes_of()(plane, step.item);
        worth += c.worth_of(sequence[at]);
      }
      const bool more_is_free = k + 1 < steps.size() && std::isinf(steps[k + 1].ratio);
      for (const auto& [of, most] : best)
        if (of <= bytes && !more_is_free)
          REQUIRE(most <= worth);
    }
    REQUIRE(at == sequence.size());
  }
}

TEST_CASE("worth_order: windows keep the planes of an item in order, and what they hold") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const small_case c(dice, 60);
    const std::uint64_t window = dice.below(60);
    const upgrade_order exact = c.worth(), grouped = c.worth(window);
    check_whole(grouped, c);
    // Every window holds the same upgrades, grouped by plane.
    const auto a = upgrades_of(exact), b = upgrades_of(grouped);
    std::size_t at = list_items(c.map, c.scores, c.pins).pinned * std::size_t{c.planes};
    REQUIRE(std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(at), b.begin()));
    while (at < a.size()) {
      std::size_t end = at;
      for (std::uint64_t filled = 0; end < a.size(); ++end)
        if ((filled += c.bytes_of()(a[end].first, a[end].second)) >= window) {
          ++end;
          break;
        }
      std::vector<upgrade> wanted(a.begin() + static_cast<std::ptrdiff_t>(at),
                                  a.begin() + static_cast<std::ptrdiff_t>(end));
      std::stable_sort(wanted.begin(), wanted.end(), [](auto& x, auto& y) { return x.first < y.first; });
      REQUIRE(std::equal(wanted.begin(), wanted.end(), b.begin() + static_cast<std::ptrdiff_t>(at)));
      at = end;
    }
    // No two runs that could be one, so that frames are full.
    for (std::size_t i = 1; i < grouped.runs.size(); ++i)
      if (grouped.runs[i].first > grouped.runs[0].count)
        CHECK(grouped.runs[i].plane != grouped.runs[i - 1].plane);
  }
}

TEST_CASE(
    "greedy_order: every prefix is the first of all sets of its length, by the definition (brute force)") {
  // Upgrades in words: pinned before others; of the others by plane, then score, then position, then layer.
  // Of two sets the one that has the earlier upgrade, where they first differ, comes first.
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const small_case c(dice, 7);
    const scored_items all = list_items(c.map, c.scores, c.pins);
    const upgrade_order order = greedy_order(rank_items(all), 1, c.planes + 1);
    check_whole(order, c);
    const std::vector<upgrade> sequence = upgrades_of(order);
    const std::set<std::uint32_t> pinned(all.items.begin(), all.items.begin() + all.pinned);
    using key = std::tuple<std::uint32_t, float, std::uint32_t, std::uint32_t>;
    const auto key_of = [&](const upgrade& u) {
      return key(u.first, -c.scores[c.map.index(u.second)], c.map.token(u.second), c.map.layer(u.second));
    };
    std::vector<key> taken;
    std::map<std::size_t, std::vector<key>> first_of_length;
    c.each_feasible(pinned, [&](const std::vector<upgrade>& chosen) {
      std::vector<key> keys;
      for (const upgrade& u : chosen)
        keys.push_back(key_of(u));
      std::sort(keys.begin(), keys.end());
      const auto [found, fresh] = first_of_length.try_emplace(keys.size(), keys);
      if (!fresh && keys < found->second)
        found->second = keys;
    });
    for (std::size_t i = 0; i < sequence.size(); ++i) {
      const bool is_pinned = i < pinned.size() * c.planes;
      REQUIRE(pinned.contains(sequence[i].second) == is_pinned);
      if (is_pinned)
        continue;
      taken.push_back(key_of(sequence[i]));
      std::vector<key> sorted = taken;
      std::sort(sorted.begin(), sorted.end());
      REQUIRE(sorted == first_of_length.at(taken.size()));
    }
  }
}

namespace {
// SpectrumKV's shares of tokens at 16, 8 and 4 bits, of a budget in parts of 16 bits a value.
struct fractions {
  double f16, f8, f4;
};
fractions spectrum_fractions(double b) {
  if (b <= 0.5)
    return {0, 4 * b - 1, 2 - 4 * b};
  return {2 * b - 1, 2 - 2 * b, 0};
}
} // namespace

TEST_CASE("greedy_order: under SpectrumKV's costs, SpectrumKV's closed form") {
  // Costs of 1, ½ and ¼: a refine is worth ¼ and a tail ½, no scalars, no frames, nothing pinned.
  for (const std::uint32_t tokens : {400u, 397u, 64u}) {
    test::dice dice(tokens);
    std::vector<float> scores(tokens);
    for (float& s : scores)
      s = dice.gaussian();
    const upgrade_order order = greedy_order(rank_tokens(scores, {0, 0}), 1, 3);
    for (std::uint32_t percent = 25; percent <= 100; ++percent) {
      CAPTURE(percent);
      const double b = percent / 100.0;
      const std::uint64_t ceiling = std::uint64_t{4} * tokens * percent / 100; // in quarters of 16 bits
      const auto c = detail::cut(
          order, [](std::uint32_t plane, std::uint32_t) { return plane; }, {0x7FFFFFFF, 0}, ceiling - tokens);
      std::vector<std::uint32_t> held(tokens, 1);
      for (std::size_t i = 0; i < c.light; ++i)
        for (std::uint32_t k = 0; k < c.chunks[i].run.count; ++k)
          ++held[order.items[c.chunks[i].run.first + k]];
      const auto share = [&](std::uint32_t planes) {
        return static_cast<double>(std::count(held.begin(), held.end(), planes)) / tokens;
      };
      const fractions f = spectrum_fractions(b);
      const double one = 1.001 / tokens; // the cut falls on whole tokens
      CHECK(std::abs(share(3) - f.f16) <= one);
      CHECK(std::abs(share(2) - f.f8) <= 2 * one);
      CHECK(std::abs(share(1) - f.f4) <= one);
      // Tokens sorted by importance fill the tiers from the top.
      for (std::size_t i = 1; i < tokens; ++i)
        CHECK(held[order.items[i]] <= held[order.items[i - 1]]);
    }
  }
}

} // namespace plan_worth_test
