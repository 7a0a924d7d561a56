#include "planecast/cache/bytes.hpp"
#include "planecast/cache/kv_view.hpp"

#include "support/dice.hpp"
#include "support/engine_arrays.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <doctest/doctest.h>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace cache_layouts_test {

namespace pc = planecast;
using pc::axis;

namespace {

constexpr std::uint16_t untouched = 0xFFFF;

// A number that no other place has.
std::uint16_t name_of(const test::lengths& n, const test::place& p) {
  return static_cast<std::uint16_t>(((((p.layer * 2 + p.kv) * n.nb + p.b) * n.bs + p.s) * n.nh + p.h) * n.hs +
                                    p.c);
}

template <class F>
void each_place(const test::engine_array& array, const test::lengths& n, F&& f) {
  test::place p;
  for (p.layer = 0; p.layer < n.layers; ++p.layer)
    for (p.kv = 0; p.kv < (array.has(axis::two) ? 2 : 1); ++p.kv)
      for (p.b = 0; p.b < n.nb; ++p.b)
        for (p.s = 0; p.s < n.bs; ++p.s)
          for (p.h = 0; p.h < n.nh; ++p.h)
            for (p.c = 0; p.c < n.hs; ++p.c)
              f(p);
}

test::lengths random_lengths(const test::engine_array& array, test::dice& random) {
  test::lengths n{.layers = array.has(axis::layer) ? random.between(1, 3) : 1u,
                  .nb = array.has(axis::block) ? random.between(1, 6) : 1u,
                  .bs = random.between(1, 7),
                  .nh = random.between(1, 3),
                  .hs = 8 * random.between(1, 3),
                  .x = 1};
  if (array.has(axis::packed))
    n.x = 1u << random.below(4);
  return n;
}

// Some of the array's slots, in any order.
pc::token_slots random_slots(const test::lengths& n, test::dice& random, std::vector<std::int64_t>& slots) {
  slots.resize(n.nb * n.bs);
  std::iota(slots.begin(), slots.end(), std::int64_t{0});
  std::shuffle(slots.begin(), slots.end(), random.engine());
  slots.resize(random.between(1, static_cast<std::uint32_t>(slots.size())));
  return pc::token_slots(slots);
}

// A view of one array for keys and values: of those that an array of one kind holds, there is but one.
template <class View, class Memory>
View view_of(const test::engine_array& array, const test::lengths& n, std::size_t gap, std::uint32_t layer,
             Memory& memory, const pc::token_slots& slots) {
  if (array.has(axis::two) && gap == 0)
    return View(array.layout, memory.data(), n.extents(), slots, layer);
  const auto p = array.placed(n, gap, layer);
  return View(memory.data() + p.keys, p.strides, memory.data() + p.values, p.strides, slots);
}

test::place place_of(const test::lengths& n, std::int64_t slot, std::size_t layer, bool is_value,
                     std::size_t head) {
  const auto s = static_cast<std::size_t>(slot);
  return {layer, is_value, s / n.bs, s % n.bs, head, 0};
}

template <axis... Axes>
concept is_layout = requires {
  typename std::bool_constant<pc::kv_layout{Axes...}.has(axis::token)>;
};

} // namespace

TEST_CASE("layouts: every named one, read at any slots") {
  for (const test::engine_array& array : test::engine_arrays)
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      CAPTURE(array.name);
      CAPTURE(seed);
      test::dice random(seed);
      const test::lengths n = random_lengths(array, random);
      const std::size_t gap = random.one_in(2) ? random.below(20) : 0;
      std::vector<std::uint16_t> memory(array.size(n, gap), untouched);
      std::size_t places = 0;
      each_place(array, n, [&](const test::place& p) {
        memory[array.at(n, gap, p)] = name_of(n, p);
        ++places;
      });
      // The arithmetic by hand has a place for each value, and without gaps no other.
      CHECK(memory.size() - static_cast<std::size_t>(std::ranges::count(memory, untouched)) == places);
      CHECK((gap != 0 || memory.size() == places));

      std::vector<std::int64_t> slots;
      const pc::token_slots tokens = random_slots(n, random, slots);
      std::size_t wrong = 0;
      for (std::uint32_t layer = 0; layer < n.layers; ++layer) {
        const auto view = view_of<pc::kv_view>(array, n, gap, layer, memory, tokens);
        REQUIRE(view.tokens() == slots.size());
        for (std::uint32_t t = 0; t < slots.size(); ++t)
          for (std::uint32_t h = 0; h < n.nh; ++h)
            for (const bool is_value : {false, true}) {
              std::vector<std::uint16_t> row(n.hs);
              view.read(is_value, t, h, static_cast<std::uint32_t>(n.hs), row.data());
              test::place p = place_of(n, slots[t], layer, is_value && array.has(axis::two), h);
              const std::byte* const first = is_value ? view.value(t, h) : view.key(t, h);
              wrong += pc::detail::load<std::uint16_t>(first) == name_of(n, p) ? 0u : 1u;
              for (p.c = 0; p.c < n.hs; ++p.c)
                wrong += row[p.c] == name_of(n, p) ? 0u : 1u;
            }
      }
      CHECK(wrong == 0);
    }
}

TEST_CASE("layouts: every named one, written at any slots, and nowhere else") {
  for (const test::engine_array& array : test::engine_arrays)
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      CAPTURE(array.name);
      CAPTURE(seed);
      test::dice random(seed);
      const test::lengths n = random_lengths(array, random);
      const std::size_t gap = random.one_in(2) ? random.below(20) : 0;
      std::vector<std::uint16_t> memory(array.size(n, gap), untouched), expected = memory;
      std::vector<std::int64_t> slots;
      const pc::token_slots tokens = random_slots(n, random, slots);
      const std::uint32_t layer = random.below(n.layers);
      const auto pages = view_of<pc::kv_pages>(array, n, gap, layer, memory, tokens);
      for (std::uint32_t t = 0; t < slots.size(); ++t)
        for (std::uint32_t h = 0; h < n.nh; ++h)
          for (const bool is_value : {false, true}) {
            if (random.one_in(3))
              continue;
            const auto dim = 8 * random.between(1, static_cast<std::uint32_t>(n.hs / 8)); // or its first ones
            std::vector<std::uint16_t> row(dim);
            for (std::uint16_t& x : row)
              x = static_cast<std::uint16_t>(random.below(untouched));
            pages.write(is_value, t, h, dim, row.data());
            test::place p = place_of(n, slots[t], layer, is_value && array.has(axis::two), h);
            for (p.c = 0; p.c < dim; ++p.c)
              expected[array.at(n, gap, p)] = row[p.c];
          }
      CHECK(memory == expected);
    }
}

TEST_CASE("layouts: keys and values of different widths, layouts and gaps share their slots") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    test::dice random(seed);
    const auto draw = [&] {
      for (;;)
        if (const test::engine_array& a = test::engine_arrays[random.below(std::size(test::engine_arrays))];
            !a.has(axis::two))
          return &a;
    };
    const test::engine_array *const k = draw(), *const v = draw();
    CAPTURE(k->name);
    CAPTURE(v->name);
    const std::size_t block_size = random.between(1, 7), blocks = random.between(1, 5);
    const auto lengths = [&](const test::engine_array& a) {
      test::lengths n = random_lengths(a, random);
      n.nb = a.has(axis::block) ? blocks : 1;
      n.bs = a.has(axis::block) ? block_size : blocks * block_size;
      n.nh = 2;
      return n;
    };
    const test::lengths kn = lengths(*k), vn = lengths(*v);
    const std::size_t k_gap = random.below(9), v_gap = random.below(9);
    std::vector<std::uint16_t> keys(k->size(kn, k_gap)), values(v->size(vn, v_gap));
    each_place(*k, kn, [&](const test::place& p) { keys[k->at(kn, k_gap, p)] = name_of(kn, p); });
    each_place(*v, vn, [&](const test::place& p) { values[v->at(vn, v_gap, p)] = name_of(vn, p); });
    std::vector<std::int64_t> slots;
    const pc::token_slots tokens = random_slots({.nb = blocks, .bs = block_size}, random, slots);
    const pc::kv_view view(keys.data(), k->placed(kn, k_gap, 0).strides, values.data(),
                           v->placed(vn, v_gap, 0).strides, tokens);
    std::size_t wrong = 0;
    for (std::uint32_t t = 0; t < slots.size(); ++t)
      for (const bool is_value : {false, true}) {
        const test::lengths& n = is_value ? vn : kn;
        std::vector<std::uint16_t> row(n.hs);
        view.read(is_value, t, 1, static_cast<std::uint32_t>(n.hs), row.data());
        test::place p = place_of(n, slots[t], 0, false, 1);
        for (p.c = 0; p.c < n.hs; ++p.c)
          wrong += row[p.c] == name_of(n, p) ? 0u : 1u;
      }
    CHECK(wrong == 0);
  }
}

TEST_CASE("layouts: their names and shapes say which axes they have") {
  CHECK(std::size(test::engine_arrays) == 15);
  for (const test::engine_array& array : test::engine_arrays) {
    CAPTURE(array.name);
    const std::string shape = array.shape;
    const auto says = [&](std::string_view word) { return shape.find(word) != std::string::npos; };
    CHECK(array.has(axis::layer) == says("NL"));
    CHECK(array.has(axis::two) == (says("[2,") || says(" 2,") || says(" 2 HS")));
    CHECK(array.has(axis::block) == (says("NB,")));
    CHECK(array.has(axis::packed) == says("HS/x"));
    for (const axis always : {axis::token, axis::head, axis::channel})
      CHECK(array.has(always));
    // A name of LMCache's: what stands behind the last x is one array's shape.
    std::string name = array.name;
    if (!std::isupper(static_cast<unsigned char>(name[0])) || name.find(' ') != std::string::npos)
      continue;
    if (const std::size_t x = name.rfind("_X_"); x != std::string::npos)
      name.erase(0, x + 3);
    std::string wanted;
    for (const char c : shape)
      wanted += c == ',' ? "_" : c == '[' || c == ']' || c == ' ' ? "" : std::string(1, c);
    const auto replace = [&](std::string_view from, std::string_view to) {
      if (const std::size_t at = wanted.find(from); at != std::string::npos)
        wanted.replace(at, from.size(), to);
    };
    replace("2HS", "CS");
    replace("2", "TWO");
    CHECK(name == wanted);
  }
}

TEST_CASE("layouts: where layers, keys and values begin") {
  constexpr pc::kv_extents e{.layers = 3, .blocks = 5, .block_size = 16, .heads = 2, .dim = 64};
  using namespace pc::layouts;
  static_assert(nl_x_two_nb_bs_nh_hs.keys_at(e) == 0);
  static_assert(nl_x_two_nb_bs_nh_hs.values_at(e) == 5 * 16 * 2 * 64);
  static_assert(nl_x_nb_two_bs_nh_hs.values_at(e) == 16 * 2 * 64);
  static_assert(nl_x_nb_bs_nh_two_hs.values_at(e) == 64);
  static_assert(nb_nl_two_bs_nh_hs.keys_at(e, 2) == 2 * 2 * 16 * 2 * 64);
  static_assert(nb_nl_two_bs_nh_hs.values_at(e, 2) == (2 * 2 + 1) * 16 * 2 * 64);
  static_assert(nb_bs_nh_hs.values_at(e) == nb_bs_nh_hs.keys_at(e));
  static_assert(nb_nl_two_bs_nh_hs.strides(e) ==
                pc::kv_strides{.token = 128, .head = 64, .block = 3 * 2 * 16 * 128, .block_size = 16});
  static_assert(
      nb_nh_hsx_bs_x.strides({.blocks = 5, .block_size = 16, .heads = 2, .dim = 64, .pack = 8}) ==
      pc::kv_strides{
          .token = 8, .head = 16 * 64, .block = 2 * 16 * 64, .block_size = 16, .pack = 8, .channel = 16 * 8});
  static_assert(nh_hs_nbbs.strides({.block_size = 1000, .heads = 2, .dim = 64}) ==
                pc::kv_strides{.token = 1, .head = 64 * 1000, .channel = 1000});
  static_assert(nbbs_nh_hs.strides({.block_size = 1000, .heads = 2, .dim = 64}) ==
                pc::kv_strides::nhd(2, 64));
  CHECK(nl_x_two_nb_bs_nh_hs.strides(e).contiguous());
}

TEST_CASE("layouts: one of one's own") {
  // [BS, 2, NH, NB, HS]: nobody's, but it can be said.
  constexpr pc::kv_layout mine{axis::token, axis::two, axis::head, axis::block, axis::channel};
  constexpr pc::kv_extents e{.blocks = 3, .block_size = 4, .heads = 2, .dim = 8};
  std::vector<std::uint16_t> memory(4 * 2 * 2 * 3 * 8);
  std::iota(memory.begin(), memory.end(), std::uint16_t{0});
  const std::vector<std::int32_t> table = {2, 0};
  const pc::kv_view view(mine, memory.data(), e, pc::token_slots::blocks(table, 4, 7));
  std::uint16_t row[8];
  view.read(true, 5, 1, 8, row); // slot 1 of block 0
  CHECK(row[3] == (((1 * 2 + 1) * 2 + 1) * 3 + 0) * 8 + 3);
  view.read(false, 3, 0, 8, row); // slot 3 of block 2
  CHECK(row[0] == (((3 * 2 + 0) * 2 + 0) * 3 + 2) * 8);
}

TEST_CASE("layouts: axes that make no array are refused, at compile time where they are constants") {
  static_assert(is_layout<axis::token, axis::head, axis::channel>);
  static_assert(
      is_layout<axis::layer, axis::two, axis::block, axis::token, axis::head, axis::channel, axis::packed>);
  static_assert(!is_layout<axis::head, axis::channel>);
  static_assert(!is_layout<axis::token, axis::channel>);
  static_assert(!is_layout<axis::token, axis::head>);
  static_assert(!is_layout<axis::token, axis::head, axis::channel, axis::token>);
  static_assert(!is_layout<axis::two, axis::two, axis::token, axis::head, axis::channel>);
  static_assert(!is_layout<axis::block, axis::token, axis::block, axis::head, axis::channel>);
  static_assert(!is_layout<axis::packed, axis::token, axis::head, axis::channel>);
  static_assert(!std::is_constructible_v<pc::kv_layout, axis, axis, axis, axis, axis, axis, axis, axis>);
  static_assert(!std::is_constructible_v<pc::kv_layout, axis, int, axis>);
  CHECK_THROWS_AS((pc::kv_layout{axis::block, axis::head, axis::channel}), std::invalid_argument);
  CHECK_THROWS_AS((pc::kv_layout{axis::token, axis::head, axis::channel, axis::channel}),
                  std::invalid_argument);
  CHECK_THROWS_AS((pc::kv_layout{axis::layer, axis::layer, axis::token, axis::head, axis::channel}),
                  std::invalid_argument);
  CHECK_THROWS_AS((pc::kv_layout{axis::token, axis::packed, axis::head, axis::channel}),
                  std::invalid_argument);
}

TEST_CASE("layouts: extents that say nothing, slots that are not there") {
  std::vector<std::uint16_t> memory(2 * 4 * 2 * 3 * 8);
  const pc::kv_extents good{.blocks = 4, .block_size = 2, .heads = 3, .dim = 8};
  const auto view = [&](const pc::kv_extents& e, pc::token_slots slots) {
    return pc::kv_view(pc::layouts::nl_x_two_nb_bs_nh_hs, memory.data(), e, std::move(slots));
  };
  CHECK(view(good, pc::token_slots::first(8)).tokens() == 8);
  CHECK_THROWS_AS(view(good, pc::token_slots::first(9)), std::invalid_argument);
  CHECK_THROWS_AS(view(good, pc::token_slots(std::vector<std::int64_t>{0, 8})), std::invalid_argument);
  CHECK_THROWS_AS(view({.blocks = 4, .block_size = 0, .heads = 3, .dim = 8}, {}), std::invalid_argument);
  CHECK_THROWS_AS(view({.blocks = 4, .block_size = 2, .dim = 8}, {}), std::invalid_argument);
  CHECK_THROWS_AS(view({.blocks = 4, .block_size = 2, .heads = 3}, {}), std::invalid_argument);
  for (const std::uint32_t pack : {0u, 3u})
    CHECK_THROWS_AS((void)pc::layouts::nb_nh_hsx_bs_x.strides(
                        {.blocks = 4, .block_size = 2, .heads = 3, .dim = 8, .pack = pack}),
                    std::invalid_argument);
}

} // namespace cache_layouts_test
