#include "planecast/code/tile_map.hpp"

#include "support/dice.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <type_traits>
#include <vector>

namespace code_tile_map_test {

namespace pc = planecast;

namespace {
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using map = pc::tile_map<policy>;
const pc::geometry shape{pc::number::bf16, 2, 3, 128, 64};
} // namespace

TEST_CASE("tile_map: 65 tokens are a page of 64 and one of 1") {
  const map m{shape, 65};
  CHECK(m.pages() == 2);
  CHECK(m.tokens_of(0) == 64);
  CHECK(m.tokens_of(1) == 1);
  CHECK(m.tiles(1) == 3 * 2 * 2);
  CHECK(m.all_tiles() == 2 * 3 * 2 * 2);
  CHECK(m.count() == 65);
  CHECK(map{shape, 64}.pages() == 1);
  CHECK(map{shape, 1}.tokens_of(0) == 1);
  CHECK(map{shape, 0}.tiles(0) == 0);
}

TEST_CASE("tile_map: tiles are numbered by head, then K and V, then page") {
  const map m{shape, 200};
  std::uint32_t index = 0;
  for (std::uint32_t head = 0; head < 3; ++head)
    for (const bool is_value : {false, true})
      for (std::uint32_t page = 0; page < 4; ++page, ++index) {
        CHECK(m.index({head, is_value, page}) == index);
        const pc::tile_id id = m.tile(index);
        CHECK(id.head == head);
        CHECK(id.is_value == is_value);
        CHECK(id.page == page);
      }
  CHECK(index == m.tiles(0));
}

TEST_CASE("tile_map: keys and values have layouts of their own") {
  const map m{shape, 70};
  m.with_layout(0, {0, false, 1}, [](auto layout) {
    CHECK(std::is_same_v<decltype(layout), map::key_layout>);
    CHECK(layout.shape == pc::tile_shape{6, 128});
  });
  m.with_layout(0, {2, true, 0}, [](auto layout) {
    CHECK(std::is_same_v<decltype(layout), map::value_layout>);
    CHECK(layout.shape == pc::tile_shape{64, 64});
  });
  int calls = 0;
  m.with_whole_layouts([&](auto layout) {
    CHECK(layout.shape == pc::tile_shape{64, calls == 0 ? 128u : 64u});
    ++calls;
  });
  CHECK(calls == 2);
}

TEST_CASE("tile_map: without a prefix, pages keep to the positions of the sequence") {
  const map cut{shape, 200, 100}; // 100 … 127, 128 … 191, 192 … 199
  CHECK(cut.count() == 100);
  CHECK(cut.pages() == 3);
  CHECK(cut.first_of(0) == 100);
  CHECK(cut.tokens_of(0) == 28);
  CHECK(cut.first_of(1) == 128);
  CHECK(cut.tokens_of(1) == 64);
  CHECK(cut.first_of(2) == 192);
  CHECK(cut.tokens_of(2) == 8);
  CHECK(cut.place(127).page == 0);
  CHECK(cut.place(127).row == 27);
  CHECK(cut.place(128).page == 1);
  CHECK(cut.place(128).row == 0);
  const map in_one_page{shape, 60, 59};
  CHECK(in_one_page.pages() == 1);
  CHECK(in_one_page.tokens_of(0) == 1);
  const map aligned{shape, 129, 128};
  CHECK(aligned.pages() == 1);
  CHECK(aligned.first_of(0) == 128);
}

namespace {

// Looks at every token, and at every tile of every layer, as a reader of the definition would.
template <class Policy>
void agrees_with_counting(const pc::tile_map<Policy>& m) {
  constexpr std::uint32_t page = pc::tile_map<Policy>::page_tokens;
  std::vector<std::vector<std::uint32_t>> pages; // positions, page by page
  for (std::uint32_t token = m.first; token < m.tokens; ++token) {
    if (pages.empty() || token % page == 0)
      pages.emplace_back();
    const pc::tile_row at = m.place(token);
    if (at.page != pages.size() - 1 || at.row != pages.back().size())
      FAIL_CHECK("place of token " << token);
    pages.back().push_back(token);
  }
  REQUIRE(m.pages() == pages.size());
  CHECK(m.count() == m.tokens - m.first);
  std::uint64_t all = 0;
  for (std::uint32_t layer = 0; layer < m.shape.layers; ++layer) {
    std::uint32_t index = 0;
    for (std::uint32_t head = 0; head < m.shape.heads(layer); ++head)
      for (const bool is_value : {false, true})
        for (std::uint32_t p = 0; p < pages.size(); ++p, ++index) {
          const pc::tile_id id = m.tile(index);
          const auto length = static_cast<std::uint32_t>(pages[p].size());
          const std::uint32_t dim = is_value ? m.shape.value_dim : m.shape.key_dim;
          if (m.index({head, is_value, p}) != index || id.head != head || id.is_value != is_value ||
              id.page != p || m.first_of(p) != pages[p][0] || m.tokens_of(p) != length ||
              !m.with_layout(layer, id, [&](auto layout) {
                return layout.shape == pc::tile_shape{length, dim};
              }))
            FAIL_CHECK("tile " << index << " of layer " << layer);
        }
    CHECK(m.tiles(layer) == index);
    all += index;
  }
  CHECK(m.all_tiles() == all);
}

} // namespace

TEST_CASE("tile_map: any prefix, any length, any heads: as counted token by token") {
  using short_pages = pc::precision_policy<pc::tiers<4, pc::lossless>, pc::keys<pc::per_channel<8>>,
                                           pc::values<pc::per_token>>;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    CAPTURE(seed);
    test::dice random(seed);
    pc::geometry g{pc::number::fp16, random.between(1, 3), 2, 16, 24};
    if (random.one_in(2)) {
      g.kv_heads = 0;
      for (std::uint32_t l = 0; l < g.layers; ++l)
        g.kv_heads_by_layer.push_back(random.between(1, 5));
    }
    const std::uint32_t tokens = random.between(1, 300);
    const std::uint32_t first = random.one_in(3) ? tokens - 1 : random.below(tokens);
    CAPTURE(tokens);
    CAPTURE(first);
    agrees_with_counting(map{g, tokens, first});
    agrees_with_counting(map{g, tokens, first / 64 * 64});
    agrees_with_counting(pc::tile_map<short_pages>{g, tokens, first});
  }
}

TEST_CASE("tile_map: what can be counted") {
  CHECK(map{shape, 1}.countable());
  CHECK(map{shape, 0x0FFF'FFFF}.countable());
  CHECK(!map{shape, 0}.countable());
  CHECK(!map{shape, 0x1000'0000}.countable());
  CHECK(!map{shape, 0xFFFF'FFFF}.countable());
  CHECK(map{shape, 100, 99}.countable());
  CHECK(!map{shape, 100, 100}.countable()); // nothing is left to carry
  CHECK(!map{shape, 100, 101}.countable());
  CHECK(!map{shape, 100, 0xFFFF'FFFF}.countable());
  pc::geometry wide = shape;
  wide.kv_heads = 1024;
  const std::uint32_t too_many = 64 * (1u << 21); // that many pages make 2³² tiles of a layer
  CHECK(!map{wide, too_many}.countable());
  CHECK(map{wide, too_many - 64}.countable());
  CHECK(map{wide, too_many, 64}.countable());
  pc::geometry last_is_wide = shape;
  last_is_wide.kv_heads_by_layer = {1, 1024};
  CHECK(!map{last_is_wide, too_many}.countable());
  CHECK(map{last_is_wide, too_many - 64}.all_tiles() == std::uint64_t{1025} * 2 * ((1u << 21) - 1));
}

} // namespace code_tile_map_test
