#include "planecast/code/tile_map.hpp"

#include <doctest/doctest.h>
#include <type_traits>

namespace pc = planecast;

namespace {
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using map = pc::tile_map<policy>;
constexpr pc::geometry shape{pc::number::bf16, 2, 3, 128, 64};
} // namespace

TEST_CASE("tile_map: 65 tokens are a page of 64 and one of 1") {
  const map m{shape, 65};
  CHECK(m.pages() == 2);
  CHECK(m.tokens_of(0) == 64);
  CHECK(m.tokens_of(1) == 1);
  CHECK(m.tiles_per_layer() == 3 * 2 * 2);
  CHECK(map{shape, 64}.pages() == 1);
  CHECK(map{shape, 1}.tokens_of(0) == 1);
  CHECK(map{shape, 0}.tiles_per_layer() == 0);
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
  CHECK(index == m.tiles_per_layer());
}

TEST_CASE("tile_map: keys and values have layouts of their own") {
  const map m{shape, 70};
  m.with_layout({0, false, 1}, [](auto layout) {
    CHECK(std::is_same_v<decltype(layout), map::key_layout>);
    CHECK(layout.shape == pc::tile_shape{6, 128});
  });
  m.with_layout({2, true, 0}, [](auto layout) {
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
