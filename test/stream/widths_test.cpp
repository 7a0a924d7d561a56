// Whole transfers of every dtype, through policies of every kind, between arrays of every width.
#include "planecast/planecast.hpp"

#include "code/rows.hpp"
#include "support/stream_pair.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <optional>
#include <type_traits>
#include <vector>

namespace stream_widths_test {

using namespace planecast;
using planecast_test::first_seed, planecast_test::random_source, planecast_test::rounds;

namespace {

using usual = test::default_policy;
using short_code = precision_policy<tiers<4, lossless>, keys<balanced>, values<per_token_groups<64>>>;
using in_groups = precision_policy<tiers<2, 4, lossless>, keys<per_channel_groups<128, 32>>,
                                   values<per_token>, planes<2, 2, tail>>;
using careful = precision_policy<tiers<8, lossless>, keys<per_token>, values<balanced>, planes<4, 4, tail>>;
using with_edges = layered_policy<usual, edges<1, 2, careful>>;
using raw_edges =
    layered_policy<short_code,
                   edges<1, 1, precision_policy<tiers<4, lossless>, keys<verbatim>, values<verbatim>>>>;

/// A cache in rows of heads, values of so many bytes each; 4 are fp32.
struct arrays {
  geometry shape;
  std::uint32_t tokens = 0, width = 0;
  std::optional<number> held = {}; // where it is another type than the geometry's
  kv_scales scales = {};
  std::vector<std::vector<std::byte>> k, v; // by layer

  arrays(const geometry& g, std::uint32_t n, std::uint32_t bytes) : shape(g), tokens(n), width(bytes) {
    for (std::uint32_t layer = 0; layer < g.layers; ++layer) {
      k.emplace_back(std::size_t{n} * g.heads(layer) * g.key_dim * width, std::byte{0x5A});
      v.emplace_back(std::size_t{n} * g.heads(layer) * g.value_dim * width, std::byte{0x5A});
    }
  }
  template <class View>
  View view(std::uint32_t layer) {
    const View plain(k[layer].data(), kv_strides::nhd(shape.heads(layer), shape.key_dim), v[layer].data(),
                     kv_strides::nhd(shape.heads(layer), shape.value_dim), tokens);
    if constexpr (std::is_same_v<View, kv_pages>)
      if (held)
        return plain.holding(*held, scales);
    return width == 1 ? plain.fp8() : width == 4 ? plain.fp32_as(shape.dtype) : plain;
  }
  std::vector<kv_pages> pages() {
    std::vector<kv_pages> all;
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      all.push_back(view<kv_pages>(layer));
    return all;
  }
  void fill(bool wild, random_source& random) {
    for (auto* const all : {&k, &v})
      for (auto& layer : *all)
        for (std::size_t i = 0; i < layer.size(); i += width) {
          const auto x = static_cast<float>(random.gaussian());
          if (wild && random.below(40) == 0)
            for (std::uint32_t b = 0; b < width; ++b)
              layer[i + b] = static_cast<std::byte>(random.bits());
          else if (width == 4)
            detail::store(&layer[i], std::bit_cast<std::uint32_t>(x));
          else
            with_format(shape.dtype, [&]<class Number>(Number) {
              detail::store_pattern<Number>(&layer[i], 0, Number::nearest(x));
            });
        }
  }
  /// It will hold another type, at scales of its own.
  void hold(number dtype, random_source& random) {
    const auto scale = [&](number of) {
      return value_bytes(of) == 1 ? static_cast<float>(0.05 + random.uniform()) : 1.0f;
    };
    held = dtype;
    scales = {scale(dtype), scale(dtype), scale(shape.dtype), scale(shape.dtype)};
  }
  /// What it then holds of such a cache: patterns(), each converted.
  [[nodiscard]] std::vector<std::uint16_t> converted(std::vector<std::uint16_t> patterns) const {
    const std::size_t keys = std::size_t{tokens} * shape.all_heads() * shape.key_dim;
    for (std::size_t i = 0; i < patterns.size(); ++i)
      with_format(shape.dtype, [&]<class From>(From) {
        with_format(*held, [&]<class To>(To) {
          const bool is_value = i >= keys, same = From::id == To::id;
          const float times = is_value ? scales.sent_values : scales.sent_keys,
                      over = is_value ? scales.values : scales.keys;
          if (!same || times != over)
            patterns[i] = detail::converted<From, To>(patterns[i], times, over);
        });
      });
    return patterns;
  }
  /// Patterns that it holds; fp32 rounded, or cut where it is known to hold no more than a pattern.
  [[nodiscard]] std::vector<std::uint16_t> patterns(bool cut = false) const {
    std::vector<std::uint16_t> all;
    for (const auto* const both : {&k, &v})
      for (const auto& layer : *both)
        for (std::size_t i = 0; i < layer.size(); i += width) {
          if (width == 1)
            all.push_back(static_cast<std::uint16_t>(layer[i]));
          else if (width == 2)
            all.push_back(detail::load<std::uint16_t>(&layer[i]));
          else {
            const auto bits = detail::load<std::uint32_t>(&layer[i]);
            const auto x = std::bit_cast<float>(bits);
            const bool brain = shape.dtype == number::bf16;
            std::uint16_t pattern = brain ? bf16::from_fp32(x) : fp16::from_fp32(x);
            if (cut && std::isnan(x)) // of which a conversion makes another
              pattern = static_cast<std::uint16_t>(
                  brain ? bits >> 16 : (bits >> 16 & 0x8000u) | 0x7C00u | (bits >> 13 & 0x3FFu));
            all.push_back(pattern);
          }
        }
    return all;
  }
};

// One transfer with a cut at random, to first light and to the end.
template <class Policy>
void transfer(number dtype, std::uint64_t seed) {
  CAPTURE(seed);
  CAPTURE(static_cast<int>(dtype));
  CAPTURE(Policy::fingerprint());
  random_source random(seed);
  geometry model{.dtype = dtype,
                 .layers = 1 + random.below(6),
                 .kv_heads = 1 + random.below(2),
                 .key_dim = 8 * (1 + random.below(10)),
                 .value_dim = 8 * (1 + random.below(10))};
  shard part{};
  if (random.coin())
    part = shard::layers(random.below(model.layers), 0);
  const geometry shape = model.of(part);
  constexpr std::uint32_t rests[] = {0, 1, 6, 7, 63};
  const std::uint32_t tokens = std::max(1u, 64 * random.below(3) + rests[random.below(5)]);
  const auto any_width = [&] { return value_bytes(dtype) == 1 ? 1u : random.below(3) == 0 ? 4u : 2u; };
  constexpr number any_number[] = {number::bf16, number::fp16, number::fp8_e4m3, number::fp8_e5m2};
  const bool other = random.coin();
  const number held = any_number[random.below(4)];
  arrays source(shape, tokens, any_width()), target(shape, tokens, other ? value_bytes(held) : any_width());
  if (other)
    target.hold(held, random);
  source.fill(random.below(3) == 0, random);

  test::stream_pair<Policy> pair(model, {.carries = part}, {.carries = part});
  auto kv = pair.in.expect({.id = 1, .tokens = tokens}, target.pages());
  auto shot =
      pair.out.open({.id = 1, .tokens = tokens, .how = random.below(6) == 0 ? coding::raw : coding::planes});
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
    REQUIRE(shot.put(part.layer_first + layer, source.view<kv_view>(layer)).ok());
  const double share = 0.2 + 0.8 * random.uniform();
  status planned = shot.plan(budget::of_raw(share));
  const bool feasible = planned.ok();
  if (!feasible) {
    CHECK(planned == errc::infeasible);
    planned = shot.plan(budget::everything());
  }
  REQUIRE(planned.ok());
  REQUIRE(pair.run(kv, [&] { return kv.reached(focused); }));
  CHECK(kv.status().ok());
  if (feasible)
    CHECK(static_cast<double>(kv.metrics().light_bytes) <=
          std::floor(share * static_cast<double>(shape.raw_bytes(tokens))));
  CHECK(kv.unsharp().empty());
  CHECK(kv.tier() == static_cast<int>(Policy::tiers::count) - 1);
  if (other)
    CHECK(target.patterns() == target.converted(source.patterns()));
  else
    CHECK(target.patterns(true) == source.patterns());
}

template <class Policy>
void transfers(std::vector<number> dtypes) {
  for (std::uint32_t k = 0; k < rounds(25, 4); ++k)
    transfer<Policy>(dtypes[k % dtypes.size()], first_seed() + k);
}
const std::vector<number> of_16_bits{number::bf16, number::fp16};
const std::vector<number> all_numbers{number::fp8_e4m3, number::bf16, number::fp8_e5m2, number::fp16};

} // namespace

TEST_CASE("widths: caches of 16 bits and of fp32 arrive as they were, or as they were rounded or converted") {
  transfers<usual>(of_16_bits);
  transfers<with_edges>(of_16_bits);
}
TEST_CASE("widths: caches of every dtype arrive through short codes, groups and raw edges") {
  transfers<in_groups>(all_numbers);
  transfers<raw_edges>(all_numbers);
}

TEST_CASE("widths: MLA's joint rows: the latent in tiers, the RoPE part exact from the base on") {
  const std::uint32_t tokens = 130, row = 576, block = 16;
  const geometry model = geometry::mla(number::bf16, 3);
  CHECK(model.raw_bytes(1) == 3 * 2 * row);
  random_source random(first_seed());
  const kv_extents extents{.blocks = 9, .block_size = block, .heads = 1, .dim = row};
  std::vector<std::vector<std::uint16_t>> from, to;
  for (int layer = 0; layer < 3; ++layer) {
    from.emplace_back(9 * block * row);
    for (std::uint16_t& x : from.back())
      x = bf16::nearest(static_cast<float>(random.gaussian()));
    to.emplace_back(9 * block * row, std::uint16_t{0x1234});
  }
  const std::vector<std::int32_t> here{8, 1, 2, 3, 4, 5, 6, 7, 0}, there{0, 2, 1, 3, 4, 5, 8, 7, 6};
  test::stream_pair<mla_policy> pair(model);
  std::vector<kv_pages> pages;
  for (auto& layer : to)
    pages.push_back(
        kv_pages::mla(layouts::nb_bs_hs, layer.data(), extents, token_slots::blocks(there, block, tokens)));
  auto kv = pair.in.expect({.id = 1, .tokens = tokens}, pages);
  auto shot = pair.out.open({.id = 1, .tokens = tokens});
  for (std::uint32_t layer = 0; layer < 3; ++layer)
    REQUIRE(shot.put(layer, kv_view::mla(layouts::nb_bs_hs, from[layer].data(), extents,
                                         token_slots::blocks(here, block, tokens)))
                .ok());
  const auto equal = [&](std::uint32_t begin, std::uint32_t end) {
    bool same = true;
    for (std::uint32_t layer = 0; layer < 3; ++layer)
      for (std::uint32_t t = 0; t < tokens; ++t) {
        const std::size_t a = (static_cast<std::size_t>(here[t / block]) * block + t % block) * row;
        const std::size_t b = (static_cast<std::size_t>(there[t / block]) * block + t % block) * row;
        for (std::uint32_t c = begin; c < end; ++c)
          same = same && from[layer][a + c] == to[layer][b + c];
      }
    return same;
  };
  pair.door->allowed = 0;
  const status least = shot.plan(budget::bytes(1));
  REQUIRE(least == errc::infeasible);
  REQUIRE(shot.plan(budget::bytes(least.there)).ok());
  pair.door->allowed = 1'000'000;
  REQUIRE(pair.run(kv, [&] { return kv.reached(first_light); }));
  CHECK(equal(512, 576));
  CHECK(kv.metrics().light_bytes < model.raw_bytes(tokens) * 2 / 5);
  REQUIRE(pair.run(kv, [&] { return kv.reached(focused); }));
  CHECK(equal(0, 576));
  std::size_t untouched = 0; // the rows that no token has
  for (const auto& layer : to)
    untouched += static_cast<std::size_t>(std::ranges::count(layer, 0x1234));
  CHECK(untouched >= 3u * (9 * block - tokens) * row);
}

TEST_CASE("widths: a view of values of another width is refused, and so is a code as long as the value") {
  const geometry model{.dtype = number::fp8_e4m3, .layers = 1, .kv_heads = 1, .key_dim = 64, .value_dim = 64};
  CHECK_THROWS_AS(test::stream_pair<usual>{model}, const error&);
  test::stream_pair<in_groups> pair(model);
  arrays wide(model, 4, 2);
  CHECK_THROWS_AS((void)pair.in.expect({.id = 1, .tokens = 4}, wide.pages()), const std::invalid_argument&);
  auto shot = pair.out.open({.id = 1, .tokens = 4});
  CHECK_THROWS_AS((void)shot.put(0, wide.view<kv_view>(0)), const std::invalid_argument&);
  geometry half = model;
  half.dtype = number::fp16;
  test::stream_pair<usual> other(half);
  arrays narrow(half, 4, 1);
  CHECK_THROWS_AS((void)other.in.expect({.id = 1, .tokens = 4}, narrow.pages()),
                  const std::invalid_argument&);
  arrays scaled(half, 4, 2); // numbers that are sent as themselves, with scales
  scaled.held = number::bf16;
  scaled.scales.sent_keys = 2;
  CHECK_THROWS_AS((void)other.in.expect({.id = 1, .tokens = 4}, scaled.pages()),
                  const std::invalid_argument&);
  geometry rounded = half;
  rounded.dtype = number::bf16; // fp32 that travels as another type
  arrays single(rounded, 4, 4);
  CHECK_THROWS_AS((void)other.in.expect({.id = 1, .tokens = 4}, single.pages()),
                  const std::invalid_argument&);
}

TEST_CASE("widths: layers count in the model, whatever a stream carries of it") {
  const geometry model{.dtype = number::bf16, .layers = 8, .kv_heads = 1, .key_dim = 16, .value_dim = 24};
  const std::uint32_t tokens = 70;
  arrays source(model, tokens, 2);
  random_source random(first_seed());
  source.fill(false, random);
  using cache = coded_cache<with_edges, cpu>;
  const auto base_of = [&](const cache& c, std::uint32_t layer) {
    std::vector<std::byte> bytes;
    c.give_base(layer, 0, c.map().tiles(layer), [&](std::span<const std::byte> piece) {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
    });
    return bytes;
  };
  cache whole({model, tokens}, coding::planes);
  for (std::uint32_t layer = 0; layer < 8; ++layer)
    whole.put(layer, source.view<kv_view>(layer));
  for (const auto& [first, count] : {std::pair{0u, 3u}, {3u, 2u}, {5u, 3u}, {7u, 1u}}) {
    cache part({model.of(shard::layers(first, count)), tokens, 0, first, 8}, coding::planes);
    for (std::uint32_t layer = 0; layer < count; ++layer) {
      part.put(layer, source.view<kv_view>(first + layer));
      const std::uint32_t number = first + layer;
      CAPTURE(number);
      CHECK(part.map().base_planes(layer) == (first + layer < 1 || first + layer >= 6 ? 2u : 1u));
      CHECK(base_of(part, layer) == base_of(whole, first + layer));
    }
  }
  CHECK(usual::fingerprint() != with_edges::fingerprint());
  CHECK(with_edges::fingerprint() != layered_policy<usual, edges<2, 1, careful>>::fingerprint());
  CHECK(with_edges::fingerprint() != layered_policy<usual, edges<1, 2, usual>>::fingerprint());
}

// What coding can cost at most: the header of each tile. Then the stream's own: the order, 4 bytes a token,
// the plan, and 64 bytes a frame: some 900 bytes for a page, which is below 2% from 64 KiB on.
template <class Policy>
void never_much_above_raw(number dtype, std::uint64_t seed) {
  CAPTURE(seed);
  CAPTURE(static_cast<int>(dtype));
  random_source random(seed);
  const geometry shape{.dtype = dtype,
                       .layers = 4,
                       .kv_heads = 2 + random.below(2),
                       .key_dim = 64 + 8 * random.below(9),
                       .value_dim = 64 + 8 * random.below(9)};
  const std::uint32_t tokens = Policy::page_tokens * (1 + random.below(2));
  arrays source(shape, tokens, value_bytes(dtype)), target(shape, tokens, value_bytes(dtype));
  source.fill(true, random);
  if (random.below(3) != 0) // noise; else mostly numbers
    for (auto* const both : {&source.k, &source.v})
      for (auto& layer : *both)
        for (std::byte& b : layer)
          b = static_cast<std::byte>(random.bits());
  test::stream_pair<Policy> pair(shape);
  auto kv = pair.in.expect({.id = 1, .tokens = tokens}, target.pages());
  auto shot = pair.out.open({.id = 1, .tokens = tokens});
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
    REQUIRE(shot.put(layer, source.view<kv_view>(layer)).ok());
  REQUIRE(shot.plan(budget::everything()).ok());
  REQUIRE(pair.run(kv, [&] { return kv.reached(focused); }));
  CHECK(target.patterns() == source.patterns());
  const auto raw = static_cast<double>(shape.raw_bytes(tokens));
  REQUIRE(raw >= 65536);
  CHECK(static_cast<double>(kv.metrics().data_bytes) <= 1.02 * raw);
}

TEST_CASE("widths: no stream of 64 KiB or more is above raw and 2%") {
  for (std::uint32_t k = 0; k < rounds(12, 2); ++k)
    for (const number dtype : all_numbers) {
      never_much_above_raw<in_groups>(dtype, first_seed() + k);
      if (value_bytes(dtype) == 2)
        never_much_above_raw<usual>(dtype, first_seed() + k);
    }
}

} // namespace stream_widths_test
