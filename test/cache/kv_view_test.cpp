#include "planecast/cache/kv_view.hpp"

#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <type_traits>
#include <vector>

namespace pc = planecast;

namespace {
std::uint16_t at(const std::byte* place) {
  std::uint16_t value;
  std::memcpy(&value, place, sizeof value);
  return value;
}

std::vector<std::uint16_t> counted(std::size_t n) {
  std::vector<std::uint16_t> memory(n);
  for (std::size_t i = 0; i < n; ++i)
    memory[i] = static_cast<std::uint16_t>(i);
  return memory;
}
} // namespace

TEST_CASE("kv_view: tokens x heads x dim") {
  const auto keys = counted(4 * 3 * 8), values = counted(4 * 3 * 16);
  const pc::kv_view view(keys.data(), pc::kv_strides::nhd(3, 8), values.data(), pc::kv_strides::nhd(3, 16),
                         4);
  CHECK(view.tokens() == 4);
  CHECK(at(view.key(0, 0)) == 0);
  CHECK(at(view.key(2, 1)) == 2 * 24 + 8);
  CHECK(at(view.value(3, 2)) == 3 * 48 + 32);
}

TEST_CASE("kv_view: heads x tokens x dim, and strides that run backwards") {
  const auto memory = counted(3 * 4 * 8);
  const pc::kv_strides hnd{8, 32, 0, 0};
  const pc::kv_view view(memory.data(), hnd, memory.data(), hnd, 4);
  CHECK(at(view.key(2, 1)) == 32 + 16);
  const pc::kv_strides backwards{-8, 32, 0, 0};
  const pc::kv_view reversed(memory.data() + 24, backwards, memory.data() + 24, backwards, 4);
  CHECK(at(reversed.value(3, 2)) == 64);
}

TEST_CASE("kv_view: pages come through the slot mapping, padding is passed over") {
  const auto memory = counted(6 * 4 * 2 * 8); // 6 blocks of 4 slots, 2 heads of 8
  const pc::kv_strides paged{16, 8, 64, 4};
  const std::vector<std::int64_t> slots = {9, -1, 8, 23, -1};
  const pc::kv_view view(memory.data(), paged, memory.data(), paged, slots);
  CHECK(view.tokens() == 3);
  CHECK(at(view.key(0, 0)) == 2 * 64 + 16);
  CHECK(at(view.key(1, 1)) == 2 * 64 + 8);
  CHECK(at(view.value(2, 1)) == 5 * 64 + 3 * 16 + 8);
}

TEST_CASE("kv_view: blocks without a mapping follow their stride") {
  const auto memory = counted(2 * 100);
  const pc::kv_strides blocks{8, 8, 100, 2};
  const pc::kv_view view(memory.data(), blocks, memory.data(), blocks, 4);
  CHECK(at(view.key(1, 0)) == 8);
  CHECK(at(view.key(3, 0)) == 108);
}

TEST_CASE("kv_view: a mapping of padding alone holds no token, and a wild slot is refused") {
  const auto memory = counted(8);
  const pc::kv_strides flat = pc::kv_strides::nhd(1, 8);
  const std::vector<std::int64_t> padding(3, pc::kv_view::padding), wild = {0, -2};
  CHECK(pc::kv_view(memory.data(), flat, memory.data(), flat, padding).tokens() == 0);
  CHECK_THROWS_AS(pc::kv_view(memory.data(), flat, memory.data(), flat, wild), std::invalid_argument);
  CHECK(pc::kv_view{}.tokens() == 0);
}

TEST_CASE("kv_view: what is sent cannot be written, what is received can") {
  static_assert(std::is_same_v<decltype(pc::kv_view{}.key(0, 0)), const std::byte*>);
  static_assert(std::is_same_v<decltype(pc::kv_pages{}.key(0, 0)), std::byte*>);
  auto memory = counted(8);
  const pc::kv_strides flat = pc::kv_strides::nhd(1, 8);
  const pc::kv_pages pages(memory.data(), flat, memory.data(), flat, 1);
  const std::uint16_t seven = 7;
  std::memcpy(pages.value(0, 0), &seven, 2);
  CHECK(memory[0] == 7);
}
