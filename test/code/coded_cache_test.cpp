#include "planecast/code/coded_cache.hpp"
#include "planecast/cpu/cpu.hpp"

#include "code/caches.hpp"

#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <numeric>
#include <vector>

namespace pc = planecast;
using namespace planecast_test;

namespace {

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using coded_cache = pc::coded_cache<policy, pc::cpu>;
constexpr pc::geometry shape{pc::number::bf16, 2, 2, 16, 24};

coded_cache coded(test_cache& cache, pc::coding how = pc::coding::planes) {
  coded_cache all({cache.shape, cache.tokens}, how);
  for (std::uint32_t layer = 0; layer < cache.shape.layers; ++layer)
    all.put(layer, cache.view<pc::kv_view>(layer));
  return all;
}

std::size_t base_size(const coded_cache& all) {
  std::size_t sum = 0;
  for (std::uint32_t layer = 0; layer < all.map().shape.layers; ++layer)
    all.give_base(layer, 0, all.map().tiles_per_layer(), [&](auto bytes) { sum += bytes.size(); });
  return sum;
}

} // namespace

TEST_CASE("coded_cache: sizes that it states are sizes that it gives") {
  for (std::uint32_t k = 0; k < rounds(60, 10); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    test_cache cache = hard_cache(shape, 1 + random.below(140), k % 2 == 0 ? hard_kinds : 3, random);
    const coded_cache all = coded(cache);
    std::size_t base = 0;
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      for (std::uint32_t tile = 0; tile < all.map().tiles_per_layer(); ++tile)
        base += all.base_bytes(layer, tile);
    CHECK(base == base_size(all));
    std::size_t upgrades = 0, headers = 0;
    for (std::uint32_t plane = policy::base_planes; plane < policy::planes::count; ++plane)
      for (std::uint32_t token = 0; token < cache.tokens; ++token) {
        std::size_t given = 0;
        all.give_upgrade(plane, std::vector{token}, [&](auto bytes) { given += bytes.size(); });
        CHECK(given == all.upgrade_bytes(plane, token));
        upgrades += given;
      }
    headers = std::size_t{16} * shape.layers * all.map().tiles_per_layer();
    CHECK(base + upgrades <= all.bytes());
    CHECK(base + upgrades <= shape.raw_bytes(cache.tokens) + headers);
  }
}

TEST_CASE("coded_cache: an order of tokens is the order of their rows") {
  random_source random(first_seed());
  test_cache cache = hard_cache(shape, 70, 3, random);
  const coded_cache all = coded(cache);
  const std::vector<std::uint32_t> tokens = {69, 3, 64, 0};
  std::vector<std::size_t> together, alone;
  all.give_upgrade(2, tokens, [&](auto bytes) { together.push_back(bytes.size()); });
  for (const std::uint32_t token : tokens)
    all.give_upgrade(2, std::vector{token}, [&](auto bytes) { alone.push_back(bytes.size()); });
  CHECK(together.size() == alone.size());
  CHECK(std::reduce(together.begin(), together.end()) == std::reduce(alone.begin(), alone.end()));
}

TEST_CASE("coded_cache: raw tiles are stored, wholly in the base") {
  random_source random(first_seed());
  test_cache cache = hard_cache(shape, 70, 3, random);
  const coded_cache all = coded(cache, pc::coding::raw);
  CHECK(all.stored_tiles() == std::uint64_t{shape.layers} * all.map().tiles_per_layer());
  CHECK(base_size(all) == shape.raw_bytes(70) + 16 * all.stored_tiles());
  CHECK(all.upgrade_bytes(1, 5) == 0);
  CHECK(all.upgrade_bytes(2, 5) == 0);
}

TEST_CASE("coded_cache: tiles can be forgotten, layers that were put stay known") {
  random_source random(first_seed());
  test_cache cache = hard_cache(shape, 8, 3, random);
  coded_cache all({shape, 8}, pc::coding::planes);
  CHECK(!all.has(1));
  all.put(1, cache.view<pc::kv_view>(1));
  CHECK(all.has(1));
  CHECK(!all.has(0));
  CHECK(all.bytes() > 0);
  all.clear();
  CHECK(all.bytes() == 0);
  CHECK(all.has(1));
}
