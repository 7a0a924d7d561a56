#include "planecast/cache/geometry.hpp"

#include "support/dice.hpp"

#include <doctest/doctest.h>
#include <string_view>
#include <vector>

namespace cache_geometry_test {

namespace pc = planecast;

namespace {
constexpr pc::geometry llama{pc::number::bf16, 32, 8, 128, 128};

pc::geometry with(auto change) {
  pc::geometry g = llama;
  change(g);
  return g;
}
} // namespace

TEST_CASE("geometry: what this version codes is accepted") {
  CHECK(llama.check().ok());
  CHECK(with([](auto& g) { g.dtype = pc::number::fp16; }).check().ok());
  CHECK(with([](auto& g) { g.dtype = pc::number::fp8_e4m3; }).check().ok());
  CHECK(with([](auto& g) { g.dtype = pc::number::fp8_e5m2; }).check().ok());
  CHECK(with([](auto& g) { g.key_dim = 576, g.value_dim = 512; }).check().ok());
  CHECK(with([](auto& g) { g.key_dim = 8; }).check().ok());
  CHECK(with([](auto& g) { g.kv_heads = 0, g.kv_heads_by_layer.assign(32, 0xFFFF); }).check().ok());
}

TEST_CASE("geometry: what it does not code is named") {
  const auto says = [](const pc::geometry& g, pc::errc code, std::string_view word) {
    const pc::status s = g.check();
    CAPTURE(word);
    CHECK(s == code);
    CHECK(std::string_view(s.about).find(word) != std::string_view::npos);
  };
  says(pc::geometry{}, pc::errc::limit, "layers");
  says(with([](auto& g) { g.dtype = pc::number{0}; }), pc::errc::unsupported, "dtype");
  says(with([](auto& g) { g.dtype = pc::number{5}; }), pc::errc::unsupported, "dtype");
  says(with([](auto& g) { g.layers = 0x10000; }), pc::errc::limit, "layers");
  says(with([](auto& g) { g.kv_heads = 0; }), pc::errc::limit, "kv_heads");
  says(with([](auto& g) { g.kv_heads = 0x10000; }), pc::errc::limit, "kv_heads");
  says(with([](auto& g) { g.key_dim = 0; }), pc::errc::limit, "head_dim");
  says(with([](auto& g) { g.value_dim = 584; }), pc::errc::limit, "head_dim");
  says(with([](auto& g) { g.value_dim = 100; }), pc::errc::unsupported, "multiple of 8");
  CHECK(with([](auto& g) { g.value_dim = 584; }).check().there == 584);
  const auto by_layer = [](std::vector<std::uint32_t> heads) {
    return with([&](auto& g) { g.kv_heads_by_layer = heads; });
  };
  says(by_layer(std::vector<std::uint32_t>(31, 8)), pc::errc::limit, "kv_heads_by_layer");
  says(by_layer(std::vector<std::uint32_t>(33, 8)), pc::errc::limit, "kv_heads_by_layer");
  CHECK(by_layer({8}).check().here == 32);
  CHECK(by_layer({8}).check().there == 1);
  std::vector<std::uint32_t> one_wrong(32, 8);
  one_wrong[31] = 0;
  says(by_layer(one_wrong), pc::errc::limit, "kv_heads");
  one_wrong[31] = 0x10000;
  says(by_layer(one_wrong), pc::errc::limit, "kv_heads");
  CHECK(by_layer(one_wrong).check().there == 0x10000);
}

TEST_CASE("geometry: layers may differ in their heads") {
  const pc::geometry g{pc::number::fp16, 3, 0, 64, 128, {4, 1, 2}};
  CHECK(g.check().ok());
  CHECK(g.heads(0) == 4);
  CHECK(g.heads(1) == 1);
  CHECK(g.heads(2) == 2);
  CHECK(g.all_heads() == 7);
  CHECK(g.uniform_heads() == 0);
  CHECK(g.values_per_token() == 7 * 192);
  CHECK(g.raw_bytes(10) == 10 * 7 * 192 * 2);
  CHECK(llama.heads(31) == 8);
  CHECK(llama.all_heads() == 256);
  CHECK(llama.uniform_heads() == 8);
  const pc::geometry listed = with([](auto& l) { l.kv_heads_by_layer.assign(32, 2); });
  CHECK(listed.heads(31) == 2); // the list is what counts
  CHECK(listed.all_heads() == 64);
  CHECK(listed.uniform_heads() == 2);
  const pc::geometry huge{pc::number::bf16, 0xFFFF, 0xFFFF, 576, 576};
  CHECK(huge.all_heads() == 0xFFFE0001u);
  CHECK(huge.raw_bytes(1) == std::uint64_t{0xFFFE0001} * 1152 * 2);
}

TEST_CASE("geometry: raw bytes count keys and values of every layer") {
  CHECK(llama.raw_bytes(1) == 32 * 8 * 256 * 2);
  CHECK(llama.raw_bytes(1'000'000) == 131'072'000'000u); // more than 32 bits hold
}

TEST_CASE("geometry: every field changes the fingerprint, and the fingerprint stays what it is") {
  const std::uint64_t mine = llama.fingerprint();
  CHECK(with([](auto& g) { g.dtype = pc::number::fp16; }).fingerprint() != mine);
  CHECK(with([](auto& g) { g.layers = 33; }).fingerprint() != mine);
  CHECK(with([](auto& g) { g.kv_heads = 4; }).fingerprint() != mine);
  CHECK(with([](auto& g) { g.key_dim = 64; }).fingerprint() != mine);
  CHECK(with([](auto& g) { g.value_dim = 64; }).fingerprint() != mine);
  CHECK(with([](auto& g) { g.value_dim = 64; }).fingerprint() !=
        with([](auto& g) { g.key_dim = 64; }).fingerprint());
  CHECK(mine == pc::fingerprint{}.add(2).add(32).add(8).add(128).add(128).value());
  CHECK(mine == 0x5cbaf6d00dcbe4afu);
}

TEST_CASE("geometry: the fingerprint tells shapes apart, not ways to write them") {
  const auto listed = [](std::vector<std::uint32_t> heads) {
    return pc::geometry{pc::number::bf16, static_cast<std::uint32_t>(heads.size()), 0, 128, 128,
                        std::move(heads)}
        .fingerprint();
  };
  CHECK(listed(std::vector<std::uint32_t>(32, 8)) == llama.fingerprint());
  CHECK(with([](auto& g) { g.kv_heads_by_layer.assign(32, 4); }).fingerprint() ==
        with([](auto& g) { g.kv_heads = 4; }).fingerprint());
  CHECK(listed({1, 2}) != listed({2, 1}));
  CHECK(listed({1, 2}) != listed({1, 3}));
  CHECK(listed({1, 2}) != listed({1, 2, 2}));
  CHECK(listed({1, 2}) ==
        pc::fingerprint{}.add(2).add(2).add(0).add(128).add(128).add(1).add(2).value()); // stays what it is
  const auto with_leftover = [](std::uint32_t kv_heads) {
    return pc::geometry{pc::number::bf16, 2, kv_heads, 64, 64, {1, 2}}.fingerprint();
  };
  CHECK(with_leftover(0) == with_leftover(7)); // kv_heads means nothing beside a list
}

TEST_CASE("geometry: a shard of it is a geometry") {
  const pc::geometry mixed{pc::number::fp16, 4, 0, 64, 128, {8, 2, 4, 1}};
  CHECK(llama.of(pc::shard{}) == llama);
  CHECK(mixed.of(pc::shard{}) == mixed);
  CHECK(llama.of(pc::shard::tensor(3, 4)) == with([](auto& g) { g.kv_heads = 2; }));
  CHECK(llama.of(pc::shard::tensor(3, 16)) == with([](auto& g) { g.kv_heads = 1; })); // replicated
  CHECK(llama.of(pc::shard::layers(30, 2)) == with([](auto& g) { g.layers = 2; }));
  CHECK(llama.of(pc::shard{30, 0, 1, 2}) == with([](auto& g) { g.layers = 2, g.kv_heads = 4; }));
  CHECK(mixed.of(pc::shard::layers(1, 2)).kv_heads_by_layer == std::vector<std::uint32_t>{2, 4});
  CHECK(mixed.of(pc::shard{2, 0, 0, 4}).kv_heads_by_layer == std::vector<std::uint32_t>{1, 1});
  CHECK(mixed.of(pc::shard::tensor(1, 2)).kv_heads_by_layer == std::vector<std::uint32_t>{4, 1, 2, 1});
  CHECK(mixed.of(pc::shard::tensor(1, 2)).check().ok());
}

TEST_CASE("geometry: shards of a layout without replication add up to it") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    test::dice random(seed);
    const std::uint32_t ranks = random.between(1, 8);
    pc::geometry g{pc::number::bf16, random.between(1, 6), 0, 64, 32, {}};
    for (std::uint32_t l = 0; l < g.layers; ++l)
      g.kv_heads_by_layer.push_back(ranks * random.between(1, 4));
    const std::uint32_t cut = random.between(1, g.layers); // pipelined in two, if there are two
    std::uint64_t raw = 0;
    for (std::uint32_t r = 0; r < ranks; ++r)
      for (const pc::shard s : {pc::shard{0, cut, r, ranks}, pc::shard{cut, 0, r, ranks}})
        if (s.layer_first < g.layers) {
          CHECK(g.check(s).ok());
          raw += g.of(s).raw_bytes(100);
        }
    CHECK(raw == g.raw_bytes(100));
  }
}

TEST_CASE("geometry: shards that cannot be carried are named") {
  const auto says = [](const pc::geometry& g, const pc::shard& s, pc::errc code, std::string_view word) {
    const pc::status found = g.check(s);
    CAPTURE(word);
    CHECK(found == code);
    CHECK(std::string_view(found.about).find(word) != std::string_view::npos);
  };
  const auto states = [](const pc::status& s, std::uint64_t limit, std::uint64_t asked) {
    CHECK(s.here == limit);
    CHECK(s.there == asked);
  };
  CHECK(llama.check(pc::shard{}).ok());
  CHECK(llama.check(pc::shard::tensor(7, 8)).ok());
  CHECK(llama.check(pc::shard::tensor(15, 16)).ok());
  CHECK(llama.check(pc::shard::layers(31, 1)).ok());
  CHECK(llama.check(pc::shard{31, 0, 0, 1}).ok());
  says(llama, pc::shard::layers(30, 3), pc::errc::limit, "shard: layer_count");
  says(llama, pc::shard{32, 0, 0, 1}, pc::errc::limit, "shard: layer_first");
  says(llama, pc::shard::tensor(4, 4), pc::errc::limit, "shard: rank");
  says(llama, pc::shard::tensor(0, 0), pc::errc::limit, "shard: rank");
  says(llama, pc::shard::tensor(0, 0x10000), pc::errc::limit, "shard: ranks");
  states(llama.check(pc::shard{32, 0, 0, 1}), 31, 32);
  states(llama.check(pc::shard::layers(30, 3)), 2, 3);
  states(llama.check(pc::shard::layers(1, 0xFFFFFFFF)), 31, 0xFFFFFFFF);
  CHECK(pc::geometry{}.check(pc::shard{}) == pc::errc::limit); // no heads to divide
  states(llama.check(pc::shard::tensor(4, 4)), 4, 4);
  states(llama.check(pc::shard::tensor(0, 0x10000)), 0xFFFF, 0x10000);
  says(llama, pc::shard::tensor(0, 3), pc::errc::unsupported, "ranks do not divide");
  says(llama, pc::shard::tensor(0, 12), pc::errc::unsupported, "ranks do not divide");
  const pc::geometry mixed{pc::number::fp16, 2, 0, 64, 64, {4, 6}};
  CHECK(mixed.check(pc::shard::tensor(0, 2)).ok());
  CHECK(mixed.check(pc::shard::tensor(0, 12)).ok());
  says(mixed, pc::shard::tensor(0, 4), pc::errc::unsupported, "ranks do not divide");
}

TEST_CASE("geometry: equal is what means the same") {
  pc::geometry listed = llama;
  listed.kv_heads_by_layer.assign(llama.layers, llama.kv_heads);
  listed.kv_heads = 3; // not looked at
  CHECK(listed == llama);
  CHECK(listed.fingerprint() == llama.fingerprint());
  listed.kv_heads_by_layer[5] += 1;
  CHECK(listed != llama);
  pc::geometry other = listed;
  CHECK(other == listed);
  std::swap(other.kv_heads_by_layer[5], other.kv_heads_by_layer[6]);
  CHECK(other != listed);
  CHECK(other.fingerprint() != listed.fingerprint());
}

TEST_CASE("geometry: a value of 8 bits takes one byte") {
  pc::geometry g{.dtype = pc::number::bf16, .layers = 2, .kv_heads = 3, .key_dim = 64, .value_dim = 32};
  CHECK(g.raw_bytes(10) == 10 * 2 * 3 * 96 * 2);
  g.dtype = pc::number::fp8_e5m2;
  CHECK(g.raw_bytes(10) == 10 * 2 * 3 * 96);
}

TEST_CASE("geometry: MLA has one head, of latents and RoPE parts") {
  const pc::geometry g = pc::geometry::mla(pc::number::bf16, 61);
  CHECK(g.check().ok());
  CHECK(g.layers == 61);
  CHECK(g.heads(60) == 1);
  CHECK(g.key_dim == 512);
  CHECK(g.value_dim == 64);
  CHECK(pc::geometry::mla(pc::number::fp16, 1, 256, 32).values_per_token() == 288);
}

} // namespace cache_geometry_test
