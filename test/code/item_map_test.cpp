#include "planecast/code/item_map.hpp"

#include "support/dice.hpp"

#include <doctest/doctest.h>
#include <set>

namespace code_item_map_test {

using namespace planecast;

TEST_CASE("item_map: across layers an item is a token, by its position") {
  const item_map map{1, 10, 3};
  CHECK(map.count() == 7);
  CHECK(map.numberable());
  CHECK(!map.has(2));
  CHECK(map.has(3));
  CHECK(map.has(9));
  CHECK(!map.has(10));
  CHECK(!map.has(13));
  CHECK(!map.has(0xFFFFFFFFu));
  CHECK(map.item(0, 5) == 5);
  CHECK(map.layer(9) == 0);
  CHECK(map.index(3) == 0);
  CHECK(map.index(9) == 6);
}

TEST_CASE("item_map: per layer every token of every layer has a number and a place of its own") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    item_map map{dice.between(1, 9), dice.between(1, 50), 0};
    map.first = dice.below(map.tokens);
    std::uint32_t next = 0;
    std::set<std::uint32_t> seen;
    for (std::uint32_t layer = 0; layer < map.layers; ++layer)
      for (std::uint32_t token = map.first; token < map.tokens; ++token) {
        const std::uint32_t item = map.item(layer, token);
        REQUIRE(map.has(item));
        REQUIRE(seen.insert(item).second);
        CHECK(map.layer(item) == layer);
        CHECK(map.token(item) == token);
        CHECK(map.index(item) == next++);
      }
    CHECK(map.count() == next);
    std::uint32_t there = 0;
    for (std::uint32_t item = 0; item < map.layers * map.tokens + 60; ++item)
      there += map.has(item) ? 1 : 0;
    CHECK(there == next);
  }
}

TEST_CASE("item_map: 32 bits number the items, and one number is left") {
  CHECK(item_map{1, 0xFFFFFFFFu, 0}.numberable());
  CHECK(item_map{65535, 65537, 0}.numberable());
  CHECK(!item_map{65536, 65536, 0}.numberable());
  CHECK(!item_map{2, 0x80000000u, 0}.numberable());
  CHECK(!item_map{65535, 0x0FFFFFFFu, 0x0FFFFFFEu}.numberable());
}

TEST_CASE("listed_items: of an order per layer a layer's own, as they are listed") {
  const item_map map{3, 10, 2};
  const std::vector<std::uint32_t> items = {25, 4, 9, 22, 2};
  const detail::listed_items listed(map, items);
  const auto of = [&](std::uint32_t layer) {
    return std::vector<std::uint32_t>(listed.of(layer).begin(), listed.of(layer).end());
  };
  CHECK(of(0) == std::vector<std::uint32_t>{4, 9, 2});
  CHECK(of(1).empty());
  CHECK(of(2) == std::vector<std::uint32_t>{5, 2});

  const std::vector<std::uint32_t> tokens = {7, 3};
  const detail::listed_items all(2, tokens);
  CHECK(all.of(0).data() == tokens.data());
  CHECK(all.of(1).data() == tokens.data());
  CHECK(all.of(1).size() == 2);
}

} // namespace code_item_map_test
