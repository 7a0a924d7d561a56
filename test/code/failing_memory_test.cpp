// What is left when memory runs out in the middle of coding. A program of its own, for it replaces new.
#include "planecast/planecast.hpp"

#include "support/own_new.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <new>
#include <vector>

namespace {
std::size_t allocations_left = std::numeric_limits<std::size_t>::max();
}

void test::before_new(std::size_t) {
  if (allocations_left == 0)
    throw std::bad_alloc();
  allocations_left -= allocations_left == std::numeric_limits<std::size_t>::max() ? 0 : 1;
}

namespace pc = planecast;

TEST_CASE("coded_cache: a layer for which there is no memory is not there, and may be put again") {
  using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                      pc::values<pc::per_token>>;
  const pc::geometry shape{.layers = 1, .kv_heads = 2, .key_dim = 16, .value_dim = 16};
  constexpr std::uint32_t tokens = 100;
  std::vector<std::uint16_t> memory(tokens * 2 * 16);
  for (std::size_t i = 0; i < memory.size(); ++i)
    memory[i] = pc::bf16::nearest(static_cast<float>(i * 37 % 101));
  const auto flat = pc::kv_strides::nhd(2, 16);
  const pc::kv_view view(memory.data(), flat, memory.data(), flat, tokens);
  const auto upgrades = [&](const auto& cache) {
    std::uint64_t sum = 0;
    for (std::uint32_t t = 0; t < tokens; ++t)
      sum += cache.upgrade_bytes(1, t) + cache.upgrade_bytes(2, t);
    return sum;
  };
  pc::coded_cache<policy, pc::cpu> whole({shape, tokens}, pc::coding::planes);
  whole.put(0, view);

  int failures = 0;
  for (bool coded = false; !coded && failures < 1000; failures += coded ? 0 : 1) {
    pc::coded_cache<policy, pc::cpu> cache({shape, tokens}, pc::coding::planes);
    allocations_left = static_cast<std::size_t>(failures);
    try {
      cache.put(0, view);
      coded = true;
    } catch (const std::bad_alloc&) {
    }
    allocations_left = std::numeric_limits<std::size_t>::max();
    REQUIRE(cache.has(0) == coded);
    if (!coded) {
      REQUIRE(upgrades(cache) == 0);
      cache.put(0, view);
    }
    REQUIRE(upgrades(cache) == upgrades(whole));
    REQUIRE(cache.stored_tiles() == whole.stored_tiles());
  }
  CHECK(failures > 3); // there are as many places where it fails
  CHECK(failures < 1000);
}
