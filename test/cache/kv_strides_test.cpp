#include "planecast/cache/kv_strides.hpp"

#include "support/dice.hpp"

#include <cstdint>
#include <doctest/doctest.h>

namespace cache_kv_strides_test {

namespace pc = planecast;
using pc::kv_strides;

// Nothing said: token t lies where token 0 does, its channels side by side, in one block.
static_assert(kv_strides{}.place(5, 3) == 0 && kv_strides{}.offset(7) == 7 && kv_strides{}.contiguous());

TEST_CASE("kv_strides: tokens x heads x dim") {
  constexpr kv_strides s = kv_strides::nhd(8, 128);
  static_assert(s == kv_strides{.token = 1024, .head = 128});
  CHECK(s.place(0, 0) == 0);
  CHECK(s.place(1000, 7) == 1000 * 1024 + 7 * 128);
  CHECK(s.offset(127) == 127);
  CHECK(kv_strides::nhd(0xFFFF, 576).place(1'000'000'000, 0) == std::ptrdiff_t{0xFFFF} * 576 * 1'000'000'000);
}

TEST_CASE("kv_strides: a slot is a block and a place in it") {
  constexpr kv_strides s{.token = 16, .head = 8, .block = 100, .block_size = 4};
  CHECK(s.place(3, 0) == 48);
  CHECK(s.place(4, 0) == 100);
  CHECK(s.place(4 * 7 + 2, 1) == 700 + 32 + 8);
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    CAPTURE(seed);
    test::dice random(seed);
    const auto any = [&] { return static_cast<std::ptrdiff_t>(random.below(2'000'000)) - 1'000'000; };
    const kv_strides r{any(), any(), any(), random.between(1, 300), 1, 1};
    const std::int64_t block = random.below(1'000'000), within = random.below(r.block_size);
    const std::uint32_t head = random.below(100);
    CHECK(r.place(block * r.block_size + within, head) ==
          block * r.block + within * r.token + std::ptrdiff_t{head} * r.head);
  }
}

TEST_CASE("kv_strides: channels in groups, or each on its own") {
  constexpr kv_strides packed{.token = 8, .head = 1024, .pack = 8, .channel = 128}; // [.., HS/8, 16, 8]
  CHECK(packed.offset(0) == 0);
  CHECK(packed.offset(7) == 7);
  CHECK(packed.offset(8) == 128);
  CHECK(packed.offset(63) == 7 * 128 + 7);
  CHECK(!packed.contiguous());
  constexpr kv_strides transposed{.token = 1, .head = 64000, .channel = 1000};
  CHECK(transposed.offset(63) == 63000);
  CHECK(!transposed.contiguous());
  constexpr kv_strides backwards{.token = 64, .channel = -1};
  CHECK(backwards.offset(63) == -63);
  CHECK(!backwards.contiguous());
  constexpr kv_strides one_group{.token = 64, .pack = 8, .channel = 8}; // groups that follow each other
  CHECK(one_group.contiguous());
  for (std::uint32_t c = 0; c < 64; ++c)
    CHECK(one_group.offset(c) == std::ptrdiff_t{c});
}

TEST_CASE("kv_strides: each field makes a difference") {
  constexpr kv_strides s{1, 2, 3, 4, 5, 6};
  CHECK(s == kv_strides{1, 2, 3, 4, 5, 6});
  CHECK(s != kv_strides{0, 2, 3, 4, 5, 6});
  CHECK(s != kv_strides{1, 0, 3, 4, 5, 6});
  CHECK(s != kv_strides{1, 2, 0, 4, 5, 6});
  CHECK(s != kv_strides{1, 2, 3, 0, 5, 6});
  CHECK(s != kv_strides{1, 2, 3, 4, 0, 6});
  CHECK(s != kv_strides{1, 2, 3, 4, 5, 0});
}

} // namespace cache_kv_strides_test
