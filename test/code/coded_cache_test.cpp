#include "planecast/code/coded_cache.hpp"
#include "planecast/cpu/cpu.hpp"

#include "code/caches.hpp"

#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <numeric>
#include <vector>

namespace code_coded_cache_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using coded_cache = pc::coded_cache<policy, pc::cpu>;
const pc::geometry shape{pc::number::bf16, 2, 2, 16, 24};

const pc::geometry mixed{pc::number::fp16, 3, 0, 24, 16, {1, 3, 2}}; // layers of different heads

coded_cache coded(test_cache& cache, pc::coding how = pc::coding::planes, std::uint32_t first = 0) {
  coded_cache all({cache.shape, cache.tokens, first}, how);
  for (std::uint32_t layer = 0; layer < cache.shape.layers; ++layer)
    all.put(layer, cache.view<pc::kv_view>(layer));
  return all;
}

std::size_t base_size(const coded_cache& all) {
  std::size_t sum = 0;
  for (std::uint32_t layer = 0; layer < all.map().shape.layers; ++layer)
    all.give_base(layer, 0, all.map().tiles(layer), [&](auto bytes) { sum += bytes.size(); });
  return sum;
}

} // namespace

TEST_CASE("coded_cache: sizes that it states are sizes that it gives") {
  for (std::uint32_t k = 0; k < rounds(60, 10); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const pc::geometry& g = k % 3 == 0 ? mixed : shape;
    test_cache cache = hard_cache(g, 1 + random.below(140), k % 2 == 0 ? hard_kinds : 3, random);
    const std::uint32_t first = random.coin() ? 0 : random.below(cache.tokens);
    CAPTURE(first);
    const coded_cache all = coded(cache, pc::coding::planes, first);
    std::size_t base = 0;
    for (std::uint32_t layer = 0; layer < g.layers; ++layer)
      for (std::uint32_t tile = 0; tile < all.map().tiles(layer); ++tile)
        base += all.base_bytes(layer, tile);
    CHECK(base == base_size(all));
    std::size_t upgrades = 0, headers = 0;
    for (std::uint32_t plane = policy::base_planes; plane < policy::planes::count; ++plane)
      for (std::uint32_t token = first; token < cache.tokens; ++token) {
        std::size_t given = 0;
        all.give_upgrade(plane, std::vector{token}, [&](auto bytes) { given += bytes.size(); });
        CHECK(given == all.upgrade_bytes(plane, token));
        upgrades += given;
      }
    headers = 16 * all.map().all_tiles();
    CHECK(base + upgrades <= all.bytes());
    CHECK(base + upgrades <= g.raw_bytes(cache.tokens - first) + headers);
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
  CHECK(all.stored_tiles() == all.map().all_tiles());
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

namespace {
using bytes = std::vector<std::byte>;

bytes all_bytes(const coded_cache& all) {
  bytes found;
  const auto add = [&](auto part) { found.insert(found.end(), part.begin(), part.end()); };
  std::vector<std::uint32_t> tokens(all.map().count());
  std::iota(tokens.begin(), tokens.end(), all.map().first);
  for (std::uint32_t layer = 0; layer < all.map().shape.layers; ++layer)
    all.give_base(layer, 0, all.map().tiles(layer), add);
  for (std::uint32_t plane = policy::base_planes; plane < policy::planes::count; ++plane)
    all.give_upgrade(plane, tokens, add);
  return found;
}
bytes base_of(const coded_cache& all, std::uint32_t layer, pc::tile_id tile) {
  bytes found;
  all.give_base(layer, all.map().index(tile), 1,
                [&](auto part) { found.insert(found.end(), part.begin(), part.end()); });
  return found;
}
bytes upgrade_of(const coded_cache& all, std::uint32_t plane, std::uint32_t token) {
  bytes found;
  all.give_upgrade(plane, std::vector{token},
                   [&](auto part) { found.insert(found.end(), part.begin(), part.end()); });
  return found;
}
} // namespace

TEST_CASE("coded_cache: of a prefix that is left out, nothing is read") {
  for (const std::uint32_t tokens : {65u, 130u, 200u})
    for (const std::uint32_t first : {1u, 63u, 64u, 65u, 127u, 128u, 129u, tokens - 1}) {
      if (first >= tokens)
        continue;
      CAPTURE(tokens);
      CAPTURE(first);
      random_source random(first_seed() + first);
      test_cache cache = hard_cache(mixed, tokens, hard_kinds_in_range, random);
      for (const pc::coding how : {pc::coding::planes, pc::coding::raw}) {
        const bytes once = all_bytes(coded(cache, how, first));
        test_cache other = cache;
        other.each_of_first(first, [](std::uint16_t& x) { x = static_cast<std::uint16_t>(~x); });
        CHECK(all_bytes(coded(other, how, first)) == once);
        other.each_of_first(first + 1, [](std::uint16_t& x) { x = static_cast<std::uint16_t>(x ^ 0x5555u); });
        CHECK(all_bytes(coded(other, how, first)) != once); // the first token that is carried counts
      }
    }
}

TEST_CASE("coded_cache: whole pages behind a prefix are coded as they are without it") {
  const std::uint32_t tokens = 200;
  random_source random(first_seed());
  test_cache cache = hard_cache(mixed, tokens, hard_kinds_in_range, random);
  const coded_cache all = coded(cache);
  for (const std::uint32_t first : {1u, 63u, 64u, 65u, 128u, 192u}) {
    CAPTURE(first);
    const coded_cache rest = coded(cache, pc::coding::planes, first);
    const std::uint32_t whole = (first + 63) / 64, left_out = first / 64;
    for (std::uint32_t layer = 0; layer < mixed.layers; ++layer)
      for (std::uint32_t head = 0; head < mixed.heads(layer); ++head)
        for (const bool is_value : {false, true})
          for (std::uint32_t page = whole; page < 4; ++page)
            CHECK(base_of(rest, layer, {head, is_value, page - left_out}) ==
                  base_of(all, layer, {head, is_value, page}));
    for (std::uint32_t plane = policy::base_planes; plane < policy::planes::count; ++plane)
      for (std::uint32_t token = whole * 64; token < tokens; ++token) {
        CHECK(upgrade_of(rest, plane, token) == upgrade_of(all, plane, token));
        CHECK(rest.upgrade_bytes(plane, token) == all.upgrade_bytes(plane, token));
      }
  }
}

} // namespace code_coded_cache_test
