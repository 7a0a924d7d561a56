#include "planecast/stream/messages.hpp"

#include "stream/scripted.hpp"
#include "support/dice.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

namespace stream_messages_test {

using namespace planecast;

namespace {

const geometry shape{number::bf16, 32, 8, 128, 64};
const shard part{4, 16, 1, 2};
const hello sender{role::sender, 1000, shape, part, 64, 3, 0xABCDEF};
const hello receiver{role::receiver, 1000, shape, part, 64, 3, 0xABCDEF};

test::message payload_of(const hello& h) {
  const test::message m = test::frame_of(h);
  return {m.begin() + frame_header_bytes, m.end()};
}
test::message payload_of(const upgrade_plan& p) {
  test::message m(frame_header_bytes + p.bytes());
  frame_writer w(m);
  p.write(w);
  CHECK(w.finish({}).size() == m.size());
  return {m.begin() + frame_header_bytes, m.end()};
}

// A plan over `tokens` tokens, as bytes of its definition.
test::message plan_of(std::uint64_t light, std::vector<upgrade_run> runs, std::uint32_t ranks = 5,
                      std::uint32_t scope = 0) {
  test::message m =
      test::numbers(light, static_cast<std::uint32_t>(runs.size()), ranks, scope, std::uint32_t{0});
  for (const upgrade_run& r : runs) {
    test::append(m, r.plane);
    test::append(m, r.first);
    test::append(m, r.count);
  }
  return m;
}
// The same over all tokens, each once and in their order.
status read(const test::message& m, std::uint32_t tokens, std::uint32_t base = 1, std::uint32_t planes = 3) {
  upgrade_plan p;
  const item_map map{1, tokens, 0};
  if (const status s = p.read(m, map, base, planes); !s)
    return s;
  std::iota(p.order.items.begin(), p.order.items.end(), 0u);
  for (const std::uint32_t item : p.order.items)
    if (!map.has(item))
      return {};
  return p.check(map, base);
}

} // namespace

TEST_CASE("hello: two that agree, either way") {
  CHECK(sender.compare(payload_of(receiver)).ok());
  CHECK(receiver.compare(payload_of(sender)).ok());
}

TEST_CASE("hello: what it is on the wire") {
  const test::message m = payload_of(sender);
  REQUIRE(m.size() == hello::bytes);
  const std::uint64_t fields[] = {1,  1000, 2,        32, 8,  128, 64, shape.fingerprint(),
                                  64, 3,    0xABCDEF, 4,  16, 1,   2,  0};
  REQUIRE(m.size() == 8 * std::size(fields));
  for (std::size_t i = 0; i < 16; ++i)
    CHECK(detail::load<std::uint64_t>(&m[8 * i]) == fields[i]);
  test::message room(frame_header_bytes + hello::bytes);
  frame_writer w(room);
  sender.write(w);
  w.finish({.kind = frame_kind::hello});
  CHECK(room == test::frame_of(sender));
}

TEST_CASE("hello: a shard of all says how many layers there are, however it was written") {
  const auto layers_said = [](const shard& s) {
    const hello h{role::sender, 1000, shape, s, 64, 3, 0};
    const test::message m = payload_of(h);
    return std::pair(detail::load<std::uint64_t>(&m[88]), detail::load<std::uint64_t>(&m[96]));
  };
  using numbers = std::pair<std::uint64_t, std::uint64_t>;
  CHECK(layers_said({}) == numbers{0, 32});
  CHECK(layers_said({0, 32, 0, 1}) == numbers{0, 32});
  CHECK(layers_said({5, 0, 0, 1}) == numbers{5, 27});
  hello all = sender, counted = receiver;
  all.carried = {};
  counted.carried = shard::layers(0, 32);
  CHECK(all.compare(payload_of(counted)).ok());
}

TEST_CASE("hello: heads by layer are compared by fingerprint, and a uniform number however it was written") {
  hello mine = sender, theirs = receiver;
  mine.model.kv_heads_by_layer.assign(32, 8);
  CHECK(mine.compare(payload_of(theirs)).ok());
  CHECK(theirs.compare(payload_of(mine)).ok());
  mine.model.kv_heads_by_layer[3] = 4;
  CHECK(std::string(mine.compare(payload_of(theirs)).about) == "geometry: kv_heads, 0 where layers differ");
  CHECK(mine.compare(payload_of(theirs)).here == 0);
  theirs.model.kv_heads_by_layer.assign(32, 8);
  theirs.model.kv_heads_by_layer[4] = 4;
  const status s = mine.compare(payload_of(theirs));
  CHECK(s == errc::mismatch);
  CHECK(std::string(s.about) == "geometry: kv_heads_by_layer, as fingerprints");
  CHECK(s.here == mine.model.fingerprint());
  CHECK(s.there == theirs.model.fingerprint());
}

TEST_CASE("hello: the first field that differs is named, with both values") {
  const char* names[] = {"role",
                         "chunk_bytes",
                         "geometry: dtype, 1 for fp16, 2 for bf16, 3 for fp8 e4m3, 4 for fp8 e5m2",
                         "geometry: layers",
                         "geometry: kv_heads, 0 where layers differ",
                         "geometry: key_dim",
                         "geometry: value_dim",
                         "geometry: kv_heads_by_layer, as fingerprints",
                         "policy: page_tokens",
                         "policy: planes",
                         "policy: tiers, keys, values or planes, as fingerprints",
                         "shard: layer_first",
                         "shard: layer_count",
                         "shard: rank",
                         "shard: ranks",
                         "hello: reserved field"};
  for (std::size_t i = 2; i < 16; ++i) {
    CAPTURE(i);
    test::message theirs = payload_of(receiver);
    const auto here = detail::load<std::uint64_t>(&theirs[8 * i]);
    for (const std::uint64_t there : {here + 1, here ^ 0x8000'0000'0000'0000u, here + 0x1'0000'0000u}) {
      detail::store(&theirs[8 * i], there);
      if (i < 15) // a later difference does not hide it
        detail::store(&theirs[120], std::uint64_t{5});
      const status s = sender.compare(theirs);
      CHECK(s == errc::mismatch);
      CHECK(std::string(s.about) == names[i]);
      CHECK(s.here == here);
      CHECK(s.there == there);
    }
  }
}

TEST_CASE("hello: the peer has the other role") {
  for (const hello& mine : {sender, receiver})
    for (const std::uint64_t there : {std::uint64_t{0}, static_cast<std::uint64_t>(mine.who),
                                      std::uint64_t{3}, ~std::uint64_t{0}, std::uint64_t{0x1'0000'0001u}}) {
      test::message theirs = payload_of(mine);
      detail::store(theirs.data(), there);
      const status s = mine.compare(theirs);
      CHECK(s == errc::mismatch);
      CHECK(std::string(s.about) == "role");
      CHECK(s.there == there);
    }
}

TEST_CASE("hello: the sender's chunks fit the receiver's slots, whoever looks") {
  for (const std::uint32_t from : {1u, 999u, 1000u, 1001u, 0xFFFFFFFFu})
    for (const std::uint32_t to : {1u, 999u, 1000u, 1001u, 0xFFFFFFFFu}) {
      hello s = sender, r = receiver;
      s.chunk_bytes = from;
      r.chunk_bytes = to;
      CHECK(s.compare(payload_of(r)).ok() == (from <= to));
      CHECK(r.compare(payload_of(s)).ok() == (from <= to));
      if (from > to) {
        CHECK(std::string(s.compare(payload_of(r)).about) == "chunk_bytes");
        CHECK(r.compare(payload_of(s)) == errc::mismatch);
      }
    }
}

TEST_CASE("hello: another length is no hello") {
  const test::message theirs = payload_of(receiver);
  for (std::size_t length = 0; length < theirs.size(); ++length)
    CHECK(sender.compare(std::span(theirs).first(length)) == errc::corrupt);
  test::message longer = theirs;
  longer.push_back(std::byte{0});
  CHECK(sender.compare(longer) == errc::corrupt);
}

TEST_CASE("plan: comes back as it went") {
  for (unsigned seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const std::uint32_t tokens = dice.between(1, 300), base = dice.between(1, 3);
    const std::uint32_t end = base + dice.below(4), planes = end + dice.below(2);
    std::vector<float> scores(tokens);
    std::generate(scores.begin(), scores.end(), [&] { return dice.gaussian(); });
    upgrade_plan out;
    out.order = greedy_order(rank_tokens(scores, {dice.below(9), dice.below(40)}), base, end);
    const std::uint64_t upgrades = std::uint64_t{tokens} * (end - base);
    out.light_upgrades = dice.one_in(4) ? upgrades : dice.below(upgrades + 1);

    upgrade_plan in;
    in.order.runs = {{9, 9, 9}}; // forgotten
    in.order.items = {9};
    const item_map map{dice.between(1, 3), tokens, 0};
    REQUIRE(in.read(payload_of(out), map, base, planes).ok());
    CHECK(in.order.runs == out.order.runs);
    CHECK(!in.order.per_layer);
    CHECK(in.order.items == std::vector<std::uint32_t>(out.order.items.size(), upgrade_plan::unknown));
    in.order.items = out.order.items;
    CHECK(in.check(map, base).ok());
    CHECK(in.light_upgrades == out.light_upgrades);
  }
}

TEST_CASE("plan: any order that gives every token its planes one by one") {
  CHECK(read(plan_of(0, {}), 5).ok());
  CHECK(read(plan_of(10, {{1, 0, 5}, {2, 0, 5}}), 5).ok());
  CHECK(read(plan_of(3, {{1, 4, 1}, {2, 4, 1}, {1, 1, 3}}), 5).ok());
  CHECK(read(plan_of(1, {{1, 2, 1}}), 5).ok()); // others stay where they are
}

TEST_CASE("plan: nonsense is refused") {
  const auto refused = [](const test::message& m, std::uint32_t tokens = 5) {
    return read(m, tokens) == errc::corrupt;
  };
  CHECK(refused(plan_of(0, {{2, 0, 5}})));                       // no plane below it
  CHECK(refused(plan_of(0, {{0, 0, 5}})));                       // the base is no upgrade
  CHECK(refused(plan_of(0, {{1, 0, 5}, {1, 0, 1}})));            // twice
  CHECK(refused(plan_of(0, {{1, 0, 3}, {1, 2, 2}})));            // overlapping
  CHECK(refused(plan_of(0, {{1, 0, 4}, {2, 0, 5}})));            // one of them has nothing below it
  CHECK(refused(plan_of(0, {{1, 0, 5}, {2, 0, 5}, {3, 0, 5}}))); // no such plane
  CHECK(refused(plan_of(0, {{0x101, 0, 5}})));                   // nor this one
  CHECK(refused(plan_of(0, {{1, 0, 0}})));                       // empty
  CHECK(refused(plan_of(0, {{1, 5, 1}})));                       // ranks out of range
  CHECK(refused(plan_of(0, {{1, 0, 6}})));
  CHECK(refused(plan_of(0, {{1, 4, 2}})));
  CHECK(refused(plan_of(0, {{1, 6, 0xFFFFFFFFu}})));
  CHECK(refused(plan_of(0, {{1, 1, 0xFFFFFFFFu}})));
  CHECK(refused(plan_of(0, {{1, 0xFFFFFFFFu, 2}})));
  CHECK(refused(plan_of(6, {{1, 0, 5}}))); // cut beyond the end
  CHECK(refused(plan_of(1, {})));
  CHECK(refused(plan_of(~std::uint64_t{0}, {{1, 0, 5}})));
  CHECK(refused(plan_of(0, {{1, 0, 1}}, 0)));                    // no ranks
  CHECK(refused(plan_of(0, {{1, 0, 5}}, 11)));                   // more than upgrades of 5 tokens
  CHECK(refused(plan_of(0, {{1, 0, 5}}, 0xFFFFFFFFu)));          //
  CHECK(refused(plan_of(0, {{1, 0, 5}, {2, 0, 5}, {1, 0, 1}}))); // more upgrades than there are
  CHECK(refused(plan_of(0, {{1, 0, 5}}, 5, 2)));                 // no such scope
  CHECK(refused(plan_of(0, {{1, 0, 5}}, 5, 0x101)));             //

  test::message m = plan_of(2, {{1, 0, 5}, {2, 0, 5}});
  for (std::size_t length = 0; length < m.size(); ++length)
    CHECK(refused({m.begin(), m.begin() + static_cast<std::ptrdiff_t>(length)}));
  m.push_back(std::byte{0});
  CHECK(refused(m));
  m = plan_of(2, {{1, 0, 5}});
  m[20] = std::byte{1}; // must be zero
  CHECK(refused(m));
  for (const std::uint32_t count : {0u, 2u, 0x15555556u, 0xFFFFFFFFu}) { // 0x15555556 · 12 wraps to 8
    m = plan_of(2, {{1, 0, 5}});
    detail::store(&m[8], count);
    CHECK(refused(m));
  }
}

TEST_CASE("plan: whatever bytes come, runs are in range") {
  for (unsigned seed = 0; seed < 20000; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const std::uint32_t tokens = dice.between(1, 12), first = dice.below(3);
    test::message m;
    if (dice.one_in(4)) {
      m.resize(dice.below(100));
      std::generate(m.begin(), m.end(), [&] { return static_cast<std::byte>(dice.below(256)); });
    } else {
      std::vector<upgrade_run> runs(dice.below(5));
      for (upgrade_run& r : runs)
        r = {dice.below(4), dice.below(tokens + 2), dice.below(tokens + 2)};
      m = plan_of(dice.below(12), runs, dice.below(tokens + 2), dice.below(dice.one_in(20) ? 3 : 2));
      if (dice.one_in(4))
        m[dice.below(m.size())] = static_cast<std::byte>(dice.below(256));
    }
    upgrade_plan p;
    const item_map layered{dice.between(1, 3), tokens + first, first};
    if (!p.read(m, layered, 1, 3).ok())
      continue;
    const item_map map = p.items_of(layered);
    CHECK(map.layers == (p.order.per_layer ? layered.layers : 1));
    REQUIRE(p.order.items.size() <= 2 * map.count());
    for (std::uint32_t& item : p.order.items)
      do
        item = dice.below(map.layers * map.tokens);
      while (!map.has(item));
    std::vector<std::uint32_t> held(map.count(), 1);
    std::uint64_t upgrades = 0;
    bool good = true;
    for (const upgrade_run& r : p.order.runs)
      for (std::uint32_t rank = r.first; rank < r.first + r.count; ++rank, ++upgrades)
        good = good && held.at(map.index(p.order.items.at(rank)))++ == r.plane;
    CHECK(p.light_upgrades <= upgrades);
    CHECK(p.check(layered, 1).ok() == good);
  }
}

TEST_CASE("hello: chunks are chosen by the shape, so that the default ends of any model agree") {
  using policy = precision_policy<tiers<4, 8, lossless>, keys<per_channel<64>>, planecast::values<per_token>>;
  for (const geometry& g : {geometry{number::bf16, 32, 8, 128, 128},
                            {number::bf16, 32, 32, 128, 128},
                            {number::fp16, 80, 64, 128, 128},
                            {number::bf16, 1, 1, 8, 8}}) {
    const hello sends = hello::of<policy>(role::sender, 0, 512 * 1024, g, {});
    const hello takes = hello::of<policy>(role::receiver, 0, 1024 * 1024, g, {});
    CHECK(sends.chunk_bytes >= least_chunk_bytes<policy>(g));
    CHECK(sends.chunk_bytes >= 512 * 1024);
    const std::uint64_t of_a_layer = least_chunk_bytes<policy>(g, order_scope::per_layer);
    CHECK((g.layers == 1 ? of_a_layer == least_chunk_bytes<policy>(g) : of_a_layer < sends.chunk_bytes / 2));
    CHECK(hello::of<policy>(role::sender, static_cast<std::uint32_t>(of_a_layer), 1, g, {}).chunk_bytes ==
          of_a_layer);
    CHECK(takes.chunk_bytes >= sends.chunk_bytes);
  }
}

TEST_CASE("hello: chunks are as long as the shard needs, not the model; a shard that is none of it throws") {
  using policy = precision_policy<tiers<4, 8, lossless>, keys<per_channel<64>>, planecast::values<per_token>>;
  geometry g{number::bf16, 32, 0, 16, 16, std::vector<std::uint32_t>(32, 8)};
  std::fill_n(g.kv_heads_by_layer.begin() + 16, 16, 2u);
  const shard part_of_it{16, 16, 0, 2};
  const std::uint64_t enough = least_chunk_bytes<policy>(g.of(part_of_it));
  CHECK(enough < least_chunk_bytes<policy>(g));
  const auto of = [&](const shard& s, std::uint64_t chunk) {
    return hello::of<policy>(role::sender, static_cast<std::uint32_t>(chunk), 512, g, s);
  };
  CHECK(of(part_of_it, enough).chunk_bytes == enough);
  CHECK(of(part_of_it, 0).chunk_bytes == std::max<std::uint64_t>(enough, 512));
  const std::uint64_t least = least_chunk_bytes<policy>(g.of(part_of_it), order_scope::per_layer);
  CHECK(least <= enough); // which is room for orders across layers, too
  CHECK(of(part_of_it, least).chunk_bytes == least);
  CHECK_THROWS_AS(of(part_of_it, least - 1), error);
  CHECK_THROWS_AS(of({}, least - 1), error);
  for (const shard& s : {shard{32, 0, 0, 1}, shard{0, 33, 0, 1}, shard{31, 2, 0, 1}, shard{0, 0, 2, 2},
                         shard{0, 0, 0, 3}, shard{0, 0, 0, 0}})
    CHECK_THROWS_AS(of(s, 1 << 20), error);
}

namespace {
struct page_of_one { // a user's quantizer, whose tiles are shorter than a plan
  static constexpr std::uint32_t page_tokens = 1;
  static constexpr std::uint32_t scale_rows(tile_shape) noexcept { return 1; }
  static constexpr std::uint32_t scale_row(tile_shape, std::uint32_t, std::uint32_t) noexcept { return 0; }
  static constexpr std::uint64_t fingerprint() noexcept { return 77; }
};
} // namespace

TEST_CASE("messages: the least chunk holds a plan, even where tiles are tiny") {
  using policy = precision_policy<tiers<1, 2, 4, 8, lossless>, keys<page_of_one>, values<page_of_one>,
                                  planes<1, 1, 2, 4, tail>>;
  const geometry tiny{.layers = 1, .kv_heads = 1, .key_dim = 8, .value_dim = 8};
  const std::uint64_t least = least_chunk_bytes<policy>(tiny);
  std::vector<float> scores(50);
  upgrade_plan plan;
  plan.order = greedy_order(rank_tokens(scores, {}), policy::base_planes, policy::planes::count);
  CHECK(plan.order.runs.size() == 2 * (policy::planes::count - policy::base_planes));
  CHECK(plan.bytes() <= least);
}

} // namespace stream_messages_test
