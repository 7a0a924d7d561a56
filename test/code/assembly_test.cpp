#include "planecast/code/assembly.hpp"
#include "planecast/code/coded_cache.hpp"
#include "planecast/cpu/cpu.hpp"

#include "code/caches.hpp"
#include "support/cache_case.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace code_assembly_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

using standard = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                      pc::values<pc::per_token>>;
using finer = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_token>,
                                   pc::values<pc::per_channel<32>>, pc::planes<2, 2, 2, 2, pc::tail>>;
using eight = pc::precision_policy<pc::tiers<8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                   pc::values<pc::per_token>>;
using from_two = pc::precision_policy<pc::tiers<2, 4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                      pc::values<pc::per_token>, pc::planes<2, 2, 2, 2, pc::tail>>;
using four_of_two = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                         pc::values<pc::per_token>, pc::planes<2, 2, 2, 2, pc::tail>>;
using lossy = pc::precision_policy<pc::tiers<4, 8>, pc::keys<pc::per_channel<64>>, pc::values<pc::per_token>>;
const pc::geometry shape{pc::number::bf16, 2, 2, 16, 24};
const pc::geometry mixed{pc::number::fp16, 3, 0, 24, 16, {3, 1, 2}}; // layers of different heads

using bytes = std::vector<std::byte>;

// Where nobody has written.
constexpr std::uint16_t untouched = 0x7FFF;

template <class Policy>
struct both_ends {
  test_cache original, arrived;
  pc::coded_cache<Policy, pc::cpu> sent;
  pc::assembly<Policy, pc::cpu> received;

  both_ends(test_cache cache, pc::coding how, std::uint32_t first = 0)
      : original(std::move(cache)), arrived(original.shape, original.tokens),
        sent({original.shape, original.tokens, first}, how),
        received({original.shape, original.tokens, first}, arrived.pages()) {
    for (std::uint32_t layer = 0; layer < original.shape.layers; ++layer)
      sent.put(layer, original.view<pc::kv_view>(layer));
    arrived.each_of_first(original.tokens, [](std::uint16_t& x) { x = untouched; });
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
      CHECK(received.place_base(layer, 0, sent.map().tiles(layer), base(layer, 0, sent.map().tiles(layer)))
                .ok());
  }
  /// All of the map's tokens, and as they were; nothing of those before.
  [[nodiscard]] bool arrived_exactly() const {
    test_cache wanted = original;
    wanted.each_of_first(sent.map().first, [](std::uint16_t& x) { x = untouched; });
    return arrived == wanted;
  }
};

std::vector<std::uint32_t> shuffled_tokens(std::uint32_t first, std::uint32_t tokens, random_source& random) {
  std::vector<std::uint32_t> order(tokens - first);
  std::iota(order.begin(), order.end(), first);
  for (std::uint32_t i = tokens - first; i > 1; --i)
    std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

// Bases of any layer first, in pieces; then each plane, in pieces of any tokens; at the end every bit is
// there.
template <class Policy>
void arrives_exactly(const pc::geometry& g, std::uint32_t count) {
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    constexpr std::uint32_t lengths[] = {1, 6, 7, 63, 64, 65, 130};
    const std::uint32_t tokens = lengths[random.below(7)];
    const std::uint32_t first = random.coin() ? 0 : random.below(tokens);
    CAPTURE(first);
    const bool tame = k % 2 == 0;
    both_ends<Policy> ends(hard_cache(g, tokens, tame ? hard_kinds_in_range : hard_kinds, random),
                           k % 7 == 6 ? pc::coding::raw : pc::coding::planes, first);
    CHECK(!ends.received.base_complete());
    for (std::uint32_t i = 0; i < g.layers; ++i) {
      const std::uint32_t layer = g.layers - 1 - i, tiles = ends.sent.map().tiles(layer);
      const std::uint32_t half = random.below(tiles + 1);
      CHECK(ends.received.planes_held(first) == 0);
      CHECK(ends.received.place_base(layer, half, tiles - half, ends.base(layer, half, tiles - half)).ok());
      CHECK(ends.received.place_base(layer, 0, half, ends.base(layer, 0, half)).ok());
      CHECK(ends.received.place_base(layer, 0, half, ends.base(layer, 0, half)).ok()); // again is no harm
    }
    CHECK(ends.received.base_complete());
    CHECK(ends.received.planes_held(tokens - 1) == Policy::base_planes);
    CHECK(ends.received.all_hold(Policy::base_planes - 1));
    const auto order = shuffled_tokens(first, tokens, random);
    for (std::uint32_t plane = Policy::base_planes; plane < Policy::planes::count; ++plane) {
      CHECK(!ends.received.all_hold(plane));
      for (std::uint32_t at = 0; at < order.size();) {
        const std::uint32_t n = std::min(tokens - first - at, 1 + random.below(40));
        const std::vector<std::uint32_t> some(order.begin() + at, order.begin() + at + n);
        CHECK(ends.received.place_upgrade(plane, some, ends.upgrade(plane, some)).ok());
        CHECK(ends.received.planes_held(some[0]) == plane + 1);
        at += n;
      }
      CHECK(ends.received.all_hold(plane));
    }
    CHECK(ends.arrived_exactly());
  }
}

} // namespace

TEST_CASE("assembly: caches arrive bit for bit, in any order of pieces") {
  const pc::geometry fp16{pc::number::fp16, 2, 2, 16, 24};
  arrives_exactly<standard>(shape, rounds(60, 15));
  arrives_exactly<standard>(fp16, rounds(60, 15));
  arrives_exactly<finer>(shape, rounds(40, 10));
  arrives_exactly<eight>(fp16, rounds(40, 10));
  arrives_exactly<from_two>(shape, rounds(20, 10));
  arrives_exactly<four_of_two>(fp16, rounds(20, 10));
}

TEST_CASE("assembly: caches whose layers have different numbers of heads arrive bit for bit") {
  arrives_exactly<standard>(mixed, rounds(60, 20));
  arrives_exactly<finer>({pc::number::bf16, 4, 0, 8, 8, {1, 4, 1, 2}}, rounds(40, 10));
}

TEST_CASE("assembly: behind a prefix, tokens arrive bit for bit and the prefix is not touched") {
  for (const std::uint32_t tokens : {65u, 130u, 200u})
    for (const std::uint32_t first : {1u, 63u, 64u, 65u, 127u, 128u, 129u, tokens - 1}) {
      if (first >= tokens)
        continue;
      CAPTURE(tokens);
      CAPTURE(first);
      random_source random(first_seed() + first);
      both_ends<standard> ends(hard_cache(mixed, tokens, hard_kinds_in_range, random), pc::coding::planes,
                               first);
      ends.place_all_bases();
      CHECK(ends.received.planes_held(first) == 1);
      const auto order = shuffled_tokens(first, tokens, random);
      for (const std::uint32_t plane : {1u, 2u})
        CHECK(ends.received.place_upgrade(plane, order, ends.upgrade(plane, order)).ok());
      CHECK(ends.received.planes_held(tokens - 1) == 3);
      CHECK(ends.arrived_exactly());
    }
}

namespace {

// The squared error of a cache, by the square of its values.
double error_of(const test_cache& was, const test_cache& is) {
  double error = 0, all = 0;
  pc::with_format(was.shape.dtype, [&]<class Number>(Number) {
    const auto add = [&](const auto& a, const auto& b) {
      for (std::size_t layer = 0; layer < a.size(); ++layer)
        for (std::size_t i = 0; i < a[layer].size(); ++i) {
          const double x = static_cast<double>(Number::value(a[layer][i]));
          const double y = static_cast<double>(Number::value(b[layer][i]));
          error += (x - y) * (x - y);
          all += x * x;
        }
    };
    add(was.keys, is.keys);
    add(was.values, is.values);
  });
  return error / all;
}

// A Gaussian cache through all planes of a policy. A tier of w bits leaves about 2.2 · 4⁻ʷ of the values'
// squares (7.7e-3 at 4 bits on rows of 128), each further bit a quarter of it; lossless leaves nothing.
template <class Policy>
void sharpens_tier_by_tier(pc::number dtype) {
  using planes = typename Policy::planes;
  using tiers = typename Policy::tiers;
  random_source random(first_seed());
  const pc::geometry g{dtype, 2, 1, 64, 128};
  test_cache cache(g, 128);
  cache.each_of_first(128, [&](std::uint16_t& x) {
    x = pc::with_format(dtype, [&]<class Number>(Number) { return nearest<Number>(random.gaussian()); });
  });
  both_ends<Policy> ends(cache, pc::coding::planes);
  std::vector<std::uint32_t> all(128);
  std::iota(all.begin(), all.end(), 0u);
  ends.place_all_bases();
  CHECK(Policy::base_planes == planes::holding(tiers::bits(0)));
  double error = error_of(ends.original, ends.arrived);
  std::uint32_t held = Policy::base_planes;
  for (std::uint32_t tier = 0; tier < tiers::count; ++tier) {
    const std::uint32_t bits = tiers::bits(tier);
    CAPTURE(bits);
    for (; held < planes::holding(bits); ++held) {
      const double before = error;
      CHECK(ends.received.place_upgrade(held, all, ends.upgrade(held, all)).ok());
      error = error_of(ends.original, ends.arrived);
      CHECK(error < before / 2); // each plane sharpens, whether or not a tier ends with it
    }
    if (bits == pc::lossless)
      CHECK(ends.arrived_exactly());
    else {
      const double expected = 2.2 * std::pow(0.25, bits);
      CHECK(error > expected / 2);
      CHECK(error < expected * 1.5);
    }
    CHECK(ends.received.planes_held(127) == held);
  }
  CHECK(held == planes::count); // no plane is above the highest tier
}

template <class Policy>
void sharpens_tier_by_tier() {
  CAPTURE(Policy::fingerprint());
  sharpens_tier_by_tier<Policy>(pc::number::bf16);
  sharpens_tier_by_tier<Policy>(pc::number::fp16);
}

} // namespace

TEST_CASE("assembly: each tier brings the values nearer, and lossless is exact") {
  sharpens_tier_by_tier<standard>();
  sharpens_tier_by_tier<finer>();
  sharpens_tier_by_tier<eight>();
  sharpens_tier_by_tier<from_two>();
  sharpens_tier_by_tier<four_of_two>();
  sharpens_tier_by_tier<lossy>();
}

TEST_CASE("assembly: a base that is cut, too long, or for tiles that are not there is corrupt") {
  random_source random(first_seed());
  both_ends<standard> ends(hard_cache(shape, 65, 3, random), pc::coding::planes);
  const std::uint32_t tiles = ends.sent.map().tiles(0);
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
  const std::uint32_t steps = 16 + 2 * shape.key_dim;
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
  for (std::uint32_t k = 0; k < rounds(1500, 150); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const std::uint32_t tokens = 1 + random.below(80), first = k % 2 == 0 ? 0 : random.below(tokens);
    both_ends<standard> ends(hard_cache(k % 3 == 0 ? mixed : shape, tokens, hard_kinds_in_range, random),
                             pc::coding::planes, first);
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
    for (std::uint32_t layer = 0; layer < ends.original.shape.layers; ++layer)
      for (std::uint32_t tile = 0; tile < ends.sent.map().tiles(layer); ++tile) {
        const pc::status s = ends.received.place_base(layer, tile, 1, hostile(ends.base(layer, tile, 1)));
        CHECK((s.ok() || s == pc::errc::corrupt));
        if (!s.ok()) {
          ++refused;
          CHECK(ends.received.place_base(layer, tile, 1, ends.base(layer, tile, 1)).ok());
        }
      }
    REQUIRE(ends.received.base_complete());
    const auto order = shuffled_tokens(first, tokens, random);
    for (const std::uint32_t plane : {1u, 2u}) {
      const pc::status s = ends.received.place_upgrade(plane, order, hostile(ends.upgrade(plane, order)));
      CHECK((s.ok() || s == pc::errc::corrupt));
      if (!s.ok())
        break;
    }
    bool prefix_untouched = true;
    ends.arrived.each_of_first(first, [&](std::uint16_t x) { prefix_untouched &= x == untouched; });
    CHECK(prefix_untouched);
  }
  CHECK(refused > 0);
}

namespace {

// Two threads of which each takes every other piece, the last ones first.
void two_threads(std::size_t count, const std::function<void(std::size_t)>& piece) {
  const auto part = [&](std::size_t odd) {
    for (std::size_t i = count; i-- > 0;)
      if (i % 2 == odd)
        piece(i);
  };
  std::thread other([&] { part(1); });
  part(0);
  other.join();
}

// A small cache's base, in one frame for each layer, placed by one thread and by two.
void placed_alike(std::uint64_t seed, bool hostile, std::uint32_t& refused) {
  CAPTURE(seed);
  random_source random(seed);
  const std::uint32_t tokens = 1 + random.below(1500);
  const test_cache cache = hard_cache(seed % 3 == 0 ? mixed : shape, tokens, hard_kinds_in_range, random);
  both_ends<standard> one(cache, pc::coding::planes), two(cache, pc::coding::planes);
  for (std::uint32_t layer = 0; layer < cache.shape.layers; ++layer) {
    const std::uint32_t tiles = one.sent.map().tiles(layer);
    const std::uint32_t there = random.below(tiles); // one that is passed over
    for (auto* ends : {&one, &two})
      REQUIRE(ends->received.place_base(layer, there, 1, one.base(layer, there, 1)).ok());
    bytes frame = one.base(layer, 0, tiles);
    if (hostile) {
      std::size_t at = 0; // of a tile: its header, or its scalars
      for (std::uint32_t tile = random.below(tiles), i = 0; i < tile; ++i)
        at += one.sent.base_bytes(layer, i);
      if (random.below(4) == 0)
        frame.resize(random.below(static_cast<std::uint32_t>(frame.size() + 40)));
      else
        for (std::uint32_t i = 0; i < 40 && at + i < frame.size(); ++i)
          frame[at + i] ^= static_cast<std::byte>(random.bits());
    }
    const pc::status a = one.received.place_base(layer, 0, tiles, frame);
    const pc::status b = two.received.place_base(layer, 0, tiles, frame, two_threads);
    CHECK(a == b.code);
    CHECK(a.message() == b.message());
    CHECK((hostile || a.ok()));
    refused += a.ok() ? 0 : 1;
    for (std::uint32_t tile = 0; tile < tiles; ++tile)
      REQUIRE(one.received.has_tile(layer, tile) == two.received.has_tile(layer, tile));
    CHECK(one.received.base_complete() == two.received.base_complete());
  }
  CHECK(one.arrived.keys == two.arrived.keys);
  CHECK(one.arrived.values == two.arrived.values);
}

} // namespace

TEST_CASE("assembly: bases placed by two threads are what one makes of them, good or bad") {
  std::uint32_t refused = 0;
  for (std::uint32_t k = 0; k < rounds(60, 2); ++k) {
    placed_alike(first_seed() + k, false, refused);
    CHECK(refused == 0);
  }
  for (std::uint32_t k = 0; k < rounds(200, 8); ++k)
    placed_alike(first_seed() + k, true, refused);
  CHECK(refused > 0);
}

TEST_CASE("assembly: of neighbours that come together, those before a bad row are taken") {
  std::uint32_t refused = 0, within = 0;
  for (std::uint32_t k = 0; k < rounds(400, 60); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const std::uint32_t tokens = 1 + random.below(200);
    const pc::geometry small{pc::number::bf16, 1, 1, 16, 24};
    const test_cache cache = hard_cache(small, tokens, hard_kinds_in_range, random);
    both_ends<standard> bad(cache, pc::coding::planes), good(cache, pc::coding::planes);
    bad.place_all_bases();
    good.place_all_bases();
    std::vector<std::uint32_t> order(tokens);
    std::iota(order.begin(), order.end(), 0u);
    for (const std::uint32_t plane : {1u, 2u}) {
      // Where each row ends in the frame: K's, then V's.
      std::vector<std::size_t> ends;
      bytes frame;
      std::vector<std::size_t> parts;
      bad.sent.give_upgrade(plane, order, [&](auto part) {
        frame.insert(frame.end(), part.begin(), part.end());
        parts.push_back(frame.size());
      });
      std::size_t next = 0;
      for (const bool is_value : {false, true})
        for (const std::uint32_t token : order) {
          const pc::tile_id id{0, is_value, bad.sent.map().place(token).page};
          const bool stored = bad.received.has_stored_tile(0, bad.sent.map().index(id));
          ends.push_back(stored ? (ends.empty() ? 0 : ends.back()) : parts.at(next++));
        }
      test_cache expected = bad.arrived;
      REQUIRE(good.received.place_upgrade(plane, order, frame).ok());
      const bool is_last = plane == 2 || random.coin();
      std::size_t at = frame.size(); // of what is wrong
      if (is_last && !frame.empty()) {
        at = random.below(static_cast<std::uint32_t>(frame.size()));
        if (plane == 1 || random.coin())
          frame.resize(at);
        else
          frame[at] ^= std::byte{0xFF};
      }
      const pc::status s = bad.received.place_upgrade(plane, order, frame);
      if (s.ok() && is_last)
        break; // other numbers, but good ones
      for (std::size_t i = 0; i < ends.size(); ++i) {
        const bool is_value = i >= tokens;
        const std::size_t dim = is_value ? 24 : 16, first = (is_value ? i - tokens : i) * dim;
        auto& to = (is_value ? expected.values : expected.keys)[0];
        const auto& from = (is_value ? good.arrived.values : good.arrived.keys)[0];
        if (s.ok() || ends[i] <= at)
          std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(first), dim,
                      to.begin() + static_cast<std::ptrdiff_t>(first));
      }
      CHECK(bad.arrived == expected);
      if (!s.ok()) {
        CHECK(s == pc::errc::corrupt);
        ++refused;
        within += ends.front() <= at ? 1 : 0;
        break;
      }
    }
  }
  CHECK(refused > 0);
  CHECK(within > 0);
}

TEST_CASE("assembly: what it keeps is bounded beforehand, and let go") {
  both_ends<standard> ends(test_cache(shape, 100), pc::coding::planes);
  const std::uint64_t needed = decltype(ends.received)::bytes_needed(ends.sent.map());
  CHECK(needed > 0);
  CHECK(needed < shape.raw_bytes(128)); // the tails are decoded as they come, and not kept
  using map = pc::tile_map<standard>;
  using received = decltype(ends.received);
  CHECK(received::bytes_needed(map{shape, 100, 64}) < needed); // one page of two
  const auto by_heads = [](std::vector<std::uint32_t> heads) {
    return received::bytes_needed(map{{pc::number::bf16, 2, 0, 16, 24, heads}, 100});
  };
  CHECK(by_heads({2, 2}) == needed);
  CHECK(by_heads({1, 3}) == needed);
  CHECK(by_heads({1, 1}) < needed);
  ends.place_all_bases();
  ends.received.release_codes();
  CHECK(ends.received.base_complete());
}

namespace {

// All of a cache, base and then plane by plane, into memory that is laid out in another way.
template <class Policy>
void carry(test::cache_memory& from, test::cache_memory& to, const pc::tile_map<Policy>& map,
           pc::coding how) {
  pc::coded_cache<Policy, pc::cpu> sent(map, how);
  pc::assembly<Policy, pc::cpu> received(map, to.pages());
  bytes part;
  const auto add = [&](auto some) { part.insert(part.end(), some.begin(), some.end()); };
  for (std::uint32_t layer = 0; layer < map.shape.layers; ++layer) {
    sent.put(layer, from.view<pc::kv_view>(layer));
    part.clear();
    sent.give_base(layer, 0, map.tiles(layer), add);
    CHECK(received.place_base(layer, 0, map.tiles(layer), part).ok());
  }
  std::vector<std::uint32_t> tokens(map.count());
  std::iota(tokens.begin(), tokens.end(), map.first);
  for (std::uint32_t plane = Policy::base_planes; plane < Policy::planes::count; ++plane) {
    part.clear();
    sent.give_upgrade(plane, tokens, add);
    CHECK(received.place_upgrade(plane, tokens, part).ok());
  }
}

template <class Policy>
void from_any_into_any(std::uint32_t count) {
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    test::dice random(seed);
    const pc::geometry g = test::random_geometry(random);
    const std::uint32_t tokens = test::random_tokens(random);
    const std::uint32_t first = random.one_in(2) ? 0 : random.below(tokens);
    const pc::coding how = random.one_in(8) ? pc::coding::raw : pc::coding::planes;
    test::cache_memory from(g, tokens, random), to(g, tokens, random), other(g, tokens, random);
    const std::string way = from.description() + " -> " + to.description() + ", " + other.description();
    CAPTURE(way);
    CAPTURE(first);
    test::fill(from, g.dtype, random);
    const pc::tile_map<Policy> map{g, tokens, first};
    carry(from, to, map, how);
    if (Policy::planes::has_tail || how == pc::coding::raw)
      CHECK(to.received(from, first));
    else { // not exact, but the same in every layout
      carry(from, other, map, how);
      CHECK(other.received(to, first));
      CHECK(to.received(other, first));
    }
  }
}

} // namespace

TEST_CASE("assembly: from any layout, page size and stride into any other") {
  from_any_into_any<standard>(rounds(200, 12));
  from_any_into_any<finer>(rounds(80, 6));
  from_any_into_any<eight>(rounds(80, 6));
  from_any_into_any<from_two>(rounds(80, 6));
  from_any_into_any<lossy>(rounds(80, 6));
}

// What it takes for one plane after the other in any order of tokens, into pages of the sent type and into
// pages of another: at every step these hold the conversion of those.
template <class Policy>
void converts_what_pages_would_hold(pc::number sent, pc::number held, std::uint64_t seed) {
  CAPTURE(seed);
  CAPTURE(static_cast<int>(sent));
  CAPTURE(static_cast<int>(held));
  random_source random(seed);
  const pc::geometry g{sent, 2, 2, 8 * (1 + random.below(4)), 8 * (1 + random.below(72))};
  const std::uint32_t tokens = 1 + random.below(80), first = random.coin() ? 0 : random.below(tokens);
  const auto scale = [&](pc::number of) {
    return pc::value_bytes(of) == 1 ? static_cast<float>(0.1 + random.uniform()) : 1.0f;
  };
  const pc::kv_scales scales{scale(held), scale(held), scale(sent), scale(sent)};
  // Numbers of 8 bits need half of the room; what lies behind them must stay as it is.
  const auto in_place = [&](test_cache& cache, std::uint32_t layer, pc::number of) {
    const auto pages = cache.view<pc::kv_pages>(layer);
    return pc::value_bytes(of) == 1 ? pages.fp8() : pages;
  };
  test_cache source(g, tokens), plain(g, tokens), other(g, tokens), wanted(g, tokens);
  const auto fill = [&](std::vector<std::uint16_t>& to, std::uint32_t width) {
    pc::with_format(sent, [&]<class Number>(Number) {
      const auto values = hard_tile<Number>({tokens, width}, false, hard_kinds_in_range, random);
      for (std::uint32_t i = 0; i < values.size(); ++i)
        pc::detail::store_pattern<Number>(reinterpret_cast<std::byte*>(to.data()), i, values[i]);
    });
  };
  for (std::uint32_t layer = 0; layer < g.layers; ++layer) {
    fill(source.keys[layer], g.kv_heads * g.key_dim);
    fill(source.values[layer], g.kv_heads * g.value_dim);
  }
  for (test_cache* const cache : {&plain, &other, &wanted})
    cache->each_of_first(tokens, [](std::uint16_t& x) { x = untouched; });
  const pc::tile_map<Policy> map{g, tokens, first};
  pc::coded_cache<Policy, pc::cpu> coded(map, random.below(5) == 0 ? pc::coding::raw : pc::coding::planes);
  std::vector<pc::kv_pages> as_sent, converted;
  for (std::uint32_t layer = 0; layer < g.layers; ++layer) {
    const auto view = source.view<pc::kv_view>(layer);
    coded.put(layer, pc::value_bytes(sent) == 1 ? view.fp8() : view);
    as_sent.push_back(in_place(plain, layer, sent));
    converted.push_back(in_place(other, layer, held).holding(held, scales));
  }
  pc::assembly<Policy, pc::cpu> to_plain(map, as_sent), to_other(map, converted);
  const auto same = [&] {
    for (std::uint32_t layer = 0; layer < g.layers; ++layer)
      for (std::uint32_t token = first; token < tokens; ++token)
        for (std::uint32_t head = 0; head < g.kv_heads; ++head)
          for (const bool is_value : {false, true}) {
            std::uint16_t row[pc::max_head_dim];
            const std::uint32_t dim = is_value ? g.value_dim : g.key_dim;
            as_sent[layer].read(is_value, token, head, dim, row);
            in_place(wanted, layer, held)
                .holding(held, scales)
                .receiving(sent)
                .write(is_value, token, head, dim, row);
          }
    return other == wanted;
  };
  const auto given = [](auto&& give) {
    bytes all;
    give([&](auto part) { all.insert(all.end(), part.begin(), part.end()); });
    return all;
  };
  for (std::uint32_t layer = 0; layer < g.layers; ++layer) {
    const std::uint32_t tiles = map.tiles(layer);
    const bytes base = given([&](auto sink) { coded.give_base(layer, 0, tiles, sink); });
    CHECK(to_plain.place_base(layer, 0, tiles, base).ok());
    CHECK(to_other.place_base(layer, 0, tiles, base).ok());
  }
  CHECK(same());
  auto order = shuffled_tokens(first, tokens, random);
  for (std::vector<std::uint32_t> held_by(tokens, Policy::base_planes); !order.empty();) {
    const std::size_t i = random.below(static_cast<std::uint32_t>(order.size()));
    const std::vector<std::uint32_t> one{order[i]};
    const std::uint32_t plane = held_by[one[0]]++;
    const bytes upgrade = given([&](auto sink) { coded.give_upgrade(plane, one, sink); });
    CHECK(to_plain.place_upgrade(plane, one, upgrade).ok());
    CHECK(to_other.place_upgrade(plane, one, upgrade).ok());
    if (plane + 1 == Policy::planes::count)
      order.erase(order.begin() + static_cast<std::ptrdiff_t>(i));
    if (random.below(40) == 0)
      CHECK(same());
  }
  for (std::uint32_t layer = 0; layer < g.layers; ++layer) // all is there
    for (std::uint32_t token = first; token < tokens; ++token) {
      std::uint16_t a[pc::max_head_dim], b[pc::max_head_dim];
      as_sent[layer].read(true, token, 1, g.value_dim, a);
      in_place(source, layer, sent).read(true, token, 1, g.value_dim, b);
      CHECK(std::memcmp(a, b, g.value_dim * std::size_t{pc::value_bytes(sent)}) == 0);
    }
  CHECK(same());
}

TEST_CASE("assembly: pages of another type hold the conversion of what pages of the sent type would hold") {
  using short_code = pc::precision_policy<pc::tiers<4, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                          pc::values<pc::per_token>>;
  constexpr pc::number all[] = {pc::number::fp16, pc::number::bf16, pc::number::fp8_e4m3,
                                pc::number::fp8_e5m2};
  std::uint64_t seed = first_seed();
  for (std::uint32_t k = 0; k < rounds(3, 1); ++k)
    for (const pc::number sent : all)
      for (const pc::number held : all) {
        converts_what_pages_would_hold<short_code>(sent, held, seed++);
        if (pc::value_bytes(sent) == 2)
          converts_what_pages_would_hold<four_of_two>(sent, held, seed++);
      }
}

} // namespace code_assembly_test
