#include "planecast/plan/cut.hpp"

#include "support/dice.hpp"

#include <doctest/doctest.h>

namespace plan_cut_test {

using namespace planecast;
using namespace planecast::detail;

TEST_CASE("cut: by hand") {
  const upgrade_order order{{2, 0, 1}, {{1, 0, 3}, {2, 0, 3}}};
  const auto bytes_of = [](std::uint32_t plane, std::uint32_t token) { return plane * 10 + token; };
  // Sizes in order: 12, 10, 11, 22, 20, 21; frames of at most 30 payload bytes behind 5 of header.
  const cut_order c = cut(order, bytes_of, {30, 5}, 5 + 12 + 10 + 5);
  REQUIRE(c.chunks.size() == 5);
  CHECK(c.chunks[0].run == upgrade_run{1, 0, 2});
  CHECK(c.chunks[0].bytes == 22);
  CHECK(c.chunks[1].run == upgrade_run{1, 2, 1}); // 33 > 30: a frame of its own, and it does not fit
  CHECK(c.light == 1);
  CHECK(c.light_upgrades == 2);
  CHECK(c.light_bytes == 27);
  CHECK(c.chunks[2].run == upgrade_run{2, 0, 1});
  CHECK(c.bytes == 96 + 5 * 5);
}

TEST_CASE("cut: a cut within a frame splits it") {
  const upgrade_order order{{0, 1, 2, 3}, {{1, 0, 4}}};
  const cut_order c = cut(
      order, [](auto, auto) { return 10u; }, {1000, 5}, 25);
  REQUIRE(c.chunks.size() == 2);
  CHECK(c.chunks[0].run == upgrade_run{1, 0, 2});
  CHECK(c.chunks[1].run == upgrade_run{1, 2, 2});
  CHECK(c.light_bytes == 25);
  CHECK(c.bytes == 50);
}

TEST_CASE("cut: a ceiling that holds, as near as one upgrade; nothing lost, nothing twice") {
  for (unsigned seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    std::vector<std::uint32_t> sizes(dice.between(1, 200));
    for (auto& s : sizes)
      s = dice.below(100);
    ranking r;
    for (std::uint32_t i = 0; i < sizes.size(); ++i)
      r.tokens.push_back(i);
    r.pinned = dice.below(sizes.size() + 1);
    const upgrade_order order = greedy_order(r, 1, 3);
    const chunk_rule rule{dice.between(100, 500), 64};
    const std::uint64_t available = dice.below(30000);
    const auto bytes_of = [&](std::uint32_t plane, std::uint32_t token) { return sizes[token] / plane; };
    const cut_order c = cut(order, bytes_of, rule, available);

    std::uint64_t bytes = 0, light_bytes = 0, tokens = 0, light_upgrades = 0;
    std::vector<upgrade_run> joined;
    for (std::size_t i = 0; i < c.chunks.size(); ++i) {
      const upgrade_chunk& chunk = c.chunks[i];
      std::uint32_t payload = 0;
      for (std::uint32_t rank = chunk.run.first; rank < chunk.run.first + chunk.run.count; ++rank)
        payload += bytes_of(chunk.run.plane, order.items[rank]);
      REQUIRE(payload == chunk.bytes);
      REQUIRE(payload <= rule.payload_bytes);
      bytes += payload + rule.header_bytes;
      tokens += chunk.run.count;
      if (i < c.light) {
        light_bytes += payload + rule.header_bytes;
        light_upgrades += chunk.run.count;
      }
      if (!joined.empty() && joined.back().plane == chunk.run.plane &&
          joined.back().first + joined.back().count == chunk.run.first)
        joined.back().count += chunk.run.count;
      else
        joined.push_back(chunk.run);
    }
    std::vector<upgrade_run> expected; // runs of one plane that touch count as one
    for (const upgrade_run& run : order.runs) {
      if (!expected.empty() && expected.back().plane == run.plane &&
          expected.back().first + expected.back().count == run.first)
        expected.back().count += run.count;
      else
        expected.push_back(run);
    }
    REQUIRE(joined == expected);
    REQUIRE(bytes == c.bytes);
    REQUIRE(light_bytes == c.light_bytes);
    REQUIRE(light_upgrades == c.light_upgrades);
    REQUIRE(c.light_bytes <= available);
    if (c.light_upgrades < tokens) { // the next upgrade would not have fitted
      const upgrade_chunk& next = c.chunks[c.light];
      const std::uint32_t size = bytes_of(next.run.plane, order.items[next.run.first]);
      REQUIRE(c.light_bytes + size + rule.header_bytes > available - (c.light > 0 ? rule.header_bytes : 0));
    }
  }
}

} // namespace plan_cut_test
