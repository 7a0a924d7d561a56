#include "planecast/code/assembly.hpp"
#include "planecast/code/coded_cache.hpp"
#include "planecast/cpu/cpu.hpp"

#include "code/caches.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <numeric>
#include <string>
#include <vector>

namespace pc = planecast;
using namespace planecast_test;

namespace {

using standard = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                      pc::values<pc::per_token>>;
using finer = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_token>,
                                   pc::values<pc::per_channel<32>>, pc::planes<2, 2, 2, 2, pc::tail>>;
using eight = pc::precision_policy<pc::tiers<8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                   pc::values<pc::per_token>>;
constexpr pc::geometry shape{pc::number::bf16, 2, 2, 16, 24};

using bytes = std::vector<std::byte>;

template <class Policy>
struct both_ends {
  test_cache original, arrived;
  pc::coded_cache<Policy, pc::cpu> sent;
  pc::assembly<Policy, pc::cpu> received;

  both_ends(test_cache cache, pc::coding how)
      : original(std::move(cache)), arrived(original.shape, original.tokens),
        sent({original.shape, original.tokens}, how),
        received({original.shape, original.tokens}, arrived.pages()) {
    for (std::uint32_t layer = 0; layer < original.shape.layers; ++layer)
      sent.put(layer, original.view<pc::kv_view>(layer));
  }

  [[nodiscard]] bytes base(std::uint32_t layer, std::uint32_t first, std::uint32_t count) const {
    bytes all;
    sent.give_base(layer, first, count, [&](auto part) { all.insert(all.end(), part.begin(), part.end()); });
    return all;
  }
  [[nodiscard]] bytes upgrade(std::uint32_t plane, const std::vector<std::uint32_t>& tokens) const {
    bytes all;
    sent.give_upgrade(plane, tokens, [&](auto part) { all.insert(all.end(), part.begin(), part.end()); });
    return all;
  }
  void place_all_bases() {
    for (std::uint32_t layer = 0; layer < original.shape.layers; ++layer)
      CHECK(received
                .place_base(layer, 0, sent.map().tiles_per_layer(),
                            base(layer, 0, sent.map().tiles_per_layer()))
                .ok());
  }
};

std::vector<std::uint32_t> shuffled_tokens(std::uint32_t count, random_source& random) {
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  for (std::uint32_t i = count; i > 1; --i)
    std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

// Bases of any layer first, in pieces; then each plane, in pieces of any tokens; at the end every bit is
// there.
template <class Policy>
void arrives_exactly(pc::geometry g, std::uint32_t count) {
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    constexpr std::uint32_t lengths[] = {1, 6, 7, 63, 64, 65, 130};
    const std::uint32_t tokens = lengths[random.below(7)];
    const bool tame = k % 2 == 0;
    both_ends<Policy> ends(hard_cache(g, tokens, tame ? hard_kinds_in_range : hard_kinds, random),
                           k % 7 == 6 ? pc::coding::raw : pc::coding::planes);
    const std::uint32_t tiles = ends.sent.map().tiles_per_layer();
    CHECK(!ends.received.base_complete());
    for (std::uint32_t i = 0; i < g.layers; ++i) {
      const std::uint32_t layer = g.layers - 1 - i, half = random.below(tiles + 1);
      CHECK(ends.received.planes_held(0) == 0);
      CHECK(ends.received.place_base(layer, half, tiles - half, ends.base(layer, half, tiles - half)).ok());
      CHECK(ends.received.place_base(layer, 0, half, ends.base(layer, 0, half)).ok());
      CHECK(ends.received.place_base(layer, 0, half, ends.base(layer, 0, half)).ok()); // again is no harm
    }
    CHECK(ends.received.base_complete());
    CHECK(ends.received.planes_held(tokens - 1) == Policy::base_planes);
    const auto order = shuffled_tokens(tokens, random);
    for (std::uint32_t plane = Policy::base_planes; plane < Policy::planes::count; ++plane) {
      CHECK(ends.received.tokens_holding(plane) == 0);
      for (std::uint32_t at = 0; at < tokens;) {
        const std::uint32_t n = std::min(tokens - at, 1 + random.below(40));
        const std::vector<std::uint32_t> some(order.begin() + at, order.begin() + at + n);
        CHECK(ends.received.place_upgrade(plane, some, ends.upgrade(plane, some)).ok());
        CHECK(ends.received.planes_held(some[0]) == plane + 1);
        at += n;
      }
      CHECK(ends.received.tokens_holding(plane) == tokens);
    }
    CHECK((ends.arrived == ends.original));
  }
}

} // namespace

TEST_CASE("assembly: caches arrive bit for bit, in any order of pieces") {
  const pc::geometry fp16{pc::number::fp16, 2, 2, 16, 24};
  arrives_exactly<standard>(shape, rounds(60, 30));
  arrives_exactly<standard>(fp16, rounds(60, 30));
  arrives_exactly<finer>(shape, rounds(40, 20));
  arrives_exactly<eight>(fp16, rounds(40, 20));
}

TEST_CASE("assembly: each plane brings the values nearer") {
  random_source random(first_seed());
  both_ends<standard> ends(hard_cache(shape, 128, 1, random), pc::coding::planes);
  const auto error = [&] {
    double sum = 0;
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      for (std::size_t i = 0; i < ends.original.keys[layer].size(); ++i)
        sum += std::abs(static_cast<double>(pc::bf16::value(ends.original.keys[layer][i])) -
                        static_cast<double>(pc::bf16::value(ends.arrived.keys[layer][i])));
    return sum;
  };
  std::vector<std::uint32_t> all(128);
  std::iota(all.begin(), all.end(), 0u);
  ends.place_all_bases();
  const double anchor = error();
  CHECK(ends.received.place_upgrade(1, all, ends.upgrade(1, all)).ok());
  const double refined = error();
  CHECK(ends.received.place_upgrade(2, all, ends.upgrade(2, all)).ok());
  CHECK(refined < anchor / 8);
  CHECK(error() == 0);
}

TEST_CASE("assembly: a base that is cut, too long, or for tiles that are not there is corrupt") {
  random_source random(first_seed());
  both_ends<standard> ends(hard_cache(shape, 65, 3, random), pc::coding::planes);
  const std::uint32_t tiles = ends.sent.map().tiles_per_layer();
  bytes base = ends.base(0, 0, tiles);
  CHECK(ends.received.place_base(shape.layers, 0, tiles, base) == pc::errc::corrupt);
  CHECK(ends.received.place_base(0, 1, tiles, base) == pc::errc::corrupt);
  CHECK(ends.received.place_base(0, 0xFFFFFFFF, 2, base) == pc::errc::corrupt);
  CHECK(ends.received.place_base(0, 0, tiles, {}) == pc::errc::corrupt);
  base.push_back(std::byte{0});
  CHECK(ends.received.place_base(0, 0, tiles, base) == pc::errc::corrupt);
  base.resize(base.size() - 2);
  CHECK(ends.received.place_base(0, 0, tiles, base) == pc::errc::corrupt);
  CHECK(!ends.received.base_complete());
}

TEST_CASE("assembly: scalars that no encoder writes are corrupt") {
  random_source random(first_seed());
  both_ends<standard> ends(hard_cache(shape, 64, 1, random), pc::coding::planes);
  const bytes base = ends.base(0, 0, 1);
  const auto with = [&](std::size_t at, std::uint16_t scalar) {
    bytes changed = base;
    pc::detail::store(changed.data() + at, scalar);
    return ends.received.place_base(0, 0, 1, changed);
  };
  constexpr std::uint32_t steps = 16 + 2 * shape.key_dim;
  CHECK(with(16, 0x7F80) == pc::errc::corrupt);    // m is infinite
  CHECK(with(16, 0xFFC0) == pc::errc::corrupt);    // or no number
  CHECK(with(steps, 0x0D7F) == pc::errc::corrupt); // s is below its least
  CHECK(with(steps, 0x7B01) == pc::errc::corrupt); // above its greatest
  CHECK(with(steps, 0xBF80) == pc::errc::corrupt); // negative
  CHECK(with(4, 1) == pc::errc::corrupt);          // the header's rest
  CHECK(with(steps, 0x7B00).ok());
}

TEST_CASE("assembly: upgrades that are cut or too long are corrupt, and count for nothing") {
  random_source random(first_seed());
  both_ends<standard> ends(hard_cache(shape, 64, 1, random), pc::coding::planes);
  ends.place_all_bases();
  const std::vector<std::uint32_t> some = {5, 6};
  for (const std::uint32_t plane : {1u, 2u}) {
    bytes good = ends.upgrade(plane, some), cut(good.begin(), good.end() - 1), longer = good;
    longer.push_back(std::byte{0});
    CHECK(ends.received.place_upgrade(plane, some, cut) == pc::errc::corrupt);
    CHECK(ends.received.place_upgrade(plane, some, longer) == pc::errc::corrupt);
    CHECK(ends.received.planes_held(5) == plane);
    CHECK(ends.received.place_upgrade(plane, some, good).ok());
    CHECK(ends.received.planes_held(5) == plane + 1);
  }
}

TEST_CASE("assembly: hostile bytes are a status, and the pages' neighbours stay as they were") {
  std::uint32_t refused = 0;
  for (std::uint32_t k = 0; k < rounds(1500, 600); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    both_ends<standard> ends(hard_cache(shape, 1 + random.below(80), hard_kinds_in_range, random),
                             pc::coding::planes);
    const auto hostile = [&](bytes from) {
      if (random.below(4) == 0)
        for (std::byte& b : from)
          b = static_cast<std::byte>(random.bits());
      for (std::uint32_t i = random.below(4); i > 0 && !from.empty(); --i)
        from[random.below(static_cast<std::uint32_t>(from.size()))] ^=
            static_cast<std::byte>(1u << random.below(8));
      if (random.below(3) == 0)
        from.resize(random.below(static_cast<std::uint32_t>(from.size() + 40)));
      return from;
    };
    const std::uint32_t tiles = ends.sent.map().tiles_per_layer();
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      for (std::uint32_t tile = 0; tile < tiles; ++tile) {
        const pc::status s = ends.received.place_base(layer, tile, 1, hostile(ends.base(layer, tile, 1)));
        CHECK((s.ok() || s == pc::errc::corrupt));
        if (!s.ok()) {
          ++refused;
          CHECK(ends.received.place_base(layer, tile, 1, ends.base(layer, tile, 1)).ok());
        }
      }
    REQUIRE(ends.received.base_complete());
    const auto order = shuffled_tokens(ends.original.tokens, random);
    for (const std::uint32_t plane : {1u, 2u}) {
      const pc::status s = ends.received.place_upgrade(plane, order, hostile(ends.upgrade(plane, order)));
      CHECK((s.ok() || s == pc::errc::corrupt));
      if (!s.ok())
        break;
    }
  }
  CHECK(refused > 0);
}

TEST_CASE("assembly: what it keeps is bounded beforehand, and let go") {
  both_ends<standard> ends(test_cache(shape, 100), pc::coding::planes);
  const std::uint64_t needed = decltype(ends.received)::bytes_needed(ends.sent.map());
  CHECK(needed > 0);
  CHECK(needed < shape.raw_bytes(128)); // the tails are decoded as they come, and not kept
  ends.place_all_bases();
  ends.received.release_codes();
  CHECK(ends.received.base_complete());
}
