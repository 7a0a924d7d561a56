#include "planecast/cache/shard.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <numeric>
#include <type_traits>
#include <vector>

namespace cache_shard_test {

namespace pc = planecast;
using pc::shard;

static_assert(shard{} == shard::tensor(0, 1) && shard{} == shard::layers(0, 0));
static_assert(shard{}.head_first(8) == 0 && shard{}.head_count(8) == 8);
static_assert(shard::tensor(1, 4) == shard{0, 0, 1, 4} && shard::layers(8, 4) == shard{8, 4, 0, 1});
static_assert(std::is_trivially_copyable_v<shard>);

namespace {
// How often ranks … hold each head, together.
std::vector<std::uint32_t> held(std::uint32_t heads, std::uint32_t first_rank, std::uint32_t end_rank,
                                std::uint32_t ranks) {
  std::vector<std::uint32_t> times(heads);
  for (std::uint32_t r = first_rank; r < end_rank; ++r) {
    const shard s = shard::tensor(r, ranks);
    for (std::uint32_t h = 0; h < s.head_count(heads); ++h)
      ++times.at(s.head_first(heads) + h);
  }
  return times;
}
} // namespace

TEST_CASE("shard: ranks that divide the heads hold each of them once, in order") {
  for (std::uint32_t heads = 1; heads <= 128; ++heads)
    for (std::uint32_t ranks = 1; ranks <= heads; ++ranks)
      if (heads % ranks == 0) {
        CAPTURE(heads);
        CAPTURE(ranks);
        CHECK(held(heads, 0, ranks, ranks) == std::vector<std::uint32_t>(heads, 1));
        CHECK(shard::tensor(ranks - 1, ranks).head_first(heads) == heads - heads / ranks);
      }
}

TEST_CASE("shard: more ranks than heads hold them in equal numbers, neighbours the same one") {
  for (std::uint32_t heads = 1; heads <= 32; ++heads)
    for (std::uint32_t ranks = heads; ranks <= 256; ranks += heads) {
      CAPTURE(heads);
      CAPTURE(ranks);
      CHECK(held(heads, 0, ranks, ranks) == std::vector<std::uint32_t>(heads, ranks / heads));
      for (std::uint32_t r = 0; r < ranks; ++r)
        if (shard::tensor(r, ranks).head_first(heads) != r / (ranks / heads) ||
            shard::tensor(r, ranks).head_count(heads) != 1)
          FAIL_CHECK("rank " << r);
    }
  CHECK(shard::tensor(65534, 65535).head_first(65535) == 65534); // as many as there can be
}

TEST_CASE("shard: between a and b ranks, lcm(a, b) shares make up what each of them has") {
  for (const std::uint32_t heads : {8u, 24u, 48u})
    for (std::uint32_t a = 1; a <= heads; ++a)
      for (std::uint32_t b = 1; b <= heads; ++b) {
        const std::uint32_t shares = std::lcm(a, b);
        if (heads % a != 0 || heads % b != 0 || heads % shares != 0)
          continue;
        CAPTURE(heads);
        CAPTURE(a);
        CAPTURE(b);
        for (std::uint32_t rank = 0; rank < a; ++rank)
          CHECK(held(heads, rank * shares / a, (rank + 1) * shares / a, shares) ==
                held(heads, rank, rank + 1, a));
      }
}

} // namespace cache_shard_test
