#include "planecast/code/coded_cache.hpp"
#include "planecast/code/spread.hpp"
#include "planecast/cpu/cpu.hpp"
#include "planecast/policy/layered_policy.hpp"

#include "code/caches.hpp"

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace code_spread_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

// Rows of channels of one half of a page each, which the library knows nothing of.
struct half_pages {
  static constexpr std::uint32_t page_tokens = 64;
  static constexpr std::uint32_t scale_rows(pc::tile_shape s) noexcept { return 2 * s.dim; }
  static constexpr std::uint32_t scale_row(pc::tile_shape s, std::uint32_t t, std::uint32_t c) noexcept {
    return (t < 32 ? 0 : s.dim) + c;
  }
  static constexpr std::uint64_t fingerprint() noexcept { return 99; }
};
// The same rows as per_channel<64>, under another name.
struct own_channels : pc::per_channel<64> {};
struct own_tokens : pc::per_token {};

template <class Q>
std::vector<double> spread_of(pc::tile_shape s, std::uint64_t seed, double& sum) {
  random_source random(seed);
  const pc::tile_layout<Q, pc::planes<4, 4, pc::tail>> layout{s};
  std::vector<std::byte> tile(layout.bound());
  for (std::uint32_t row = 0; row < layout.rows(); ++row)
    pc::detail::store(&tile[layout.step_at(row)], static_cast<std::uint16_t>(0x3C00 + random.below(0x400)));
  std::vector<double> by_hand(s.tokens), out(s.tokens, 1.0);
  for (std::uint32_t t = 0; t < s.tokens; ++t)
    for (std::uint32_t c = 0; c < s.dim; ++c) {
      const double step = static_cast<double>(
          pc::bf16::value(pc::detail::load<std::uint16_t>(&tile[layout.step_at(Q::scale_row(s, t, c))])));
      by_hand[t] += step * step;
    }
  sum = pc::detail::add_spread(layout, tile.data(), out.data());
  double all = 0;
  for (std::uint32_t t = 0; t < s.tokens; ++t) {
    CHECK(out[t] == doctest::Approx(1 + by_hand[t])); // added to what was there
    all += by_hand[t];
  }
  CHECK(sum == doctest::Approx(all));
  return out;
}

} // namespace

TEST_CASE("spread: squares of every value's step, whatever the quantizer") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    for (const pc::tile_shape s : {pc::tile_shape{64, 16}, {1, 8}, {33, 24}}) {
      double a = 0, b = 0;
      CHECK(spread_of<pc::per_channel<64>>(s, seed, a).back() ==
            doctest::Approx(spread_of<own_channels>(s, seed, b).back()));
      CHECK(a == doctest::Approx(b));
      CHECK(spread_of<pc::per_token>(s, seed, a).back() ==
            doctest::Approx(spread_of<own_tokens>(s, seed, b).back()));
      spread_of<half_pages>(s, seed, a);
    }
  }
}

TEST_CASE("spread: what the planes take away is in the end all there is") {
  CHECK(pc::detail::error_removed_by<pc::planes<4, 4, pc::tail>>(1) == doctest::Approx((256 - 1) / 12.0));
  CHECK(pc::detail::error_removed_by<pc::planes<4, 4, pc::tail>>(2) == doctest::Approx(1 / 12.0));
  CHECK(pc::detail::error_removed_by<pc::planes<4, pc::tail>>(1) == doctest::Approx(1 / 12.0));
  using finer = pc::planes<2, 2, 2, 2, pc::tail>;
  double sum = 0;
  for (std::uint32_t plane = 1; plane < finer::count; ++plane)
    sum += pc::detail::error_removed_by<finer>(plane);
  CHECK(sum == doctest::Approx(std::pow(4.0, 6) / 12));
}

namespace {
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
} // namespace

TEST_CASE("coded_cache: the error that an upgrade removes is near the one that is measured") {
  // Gaussian rows: a value lies anywhere in its cell.
  const pc::geometry shape{pc::number::bf16, 2, 2, 64, 64};
  constexpr std::uint32_t tokens = 128;
  test_cache cache(shape, tokens);
  random_source random(first_seed());
  std::uint32_t layer_number = 0;
  for (auto* all : {&cache.keys, &cache.values})
    for (auto& layer : *all) {
      const float scale = ++layer_number % 2 == 0 ? 1.0f : 1000.0f; // layers count alike
      for (std::size_t i = 0; i < layer.size(); ++i) {
        const float of_token = i / (64 * 2) % tokens < 40 ? 3.0f : 1.0f;
        layer[i] = pc::bf16::nearest(scale * of_token * static_cast<float>(random.gaussian()));
      }
    }
  pc::coded_cache<policy, pc::cpu> coded({shape, tokens}, pc::coding::planes);
  for (std::uint32_t l = 0; l < shape.layers; ++l)
    coded.put(l, cache.view<pc::kv_view>(l));
  const double all_refines = 2 * 2 * 255 / 12.0; // layers, K and V
  double sum = 0, across = 0;
  for (std::uint32_t t = 0; t < tokens; ++t) {
    across += coded.error_removed(1, t);
    double of_layers = 0;
    for (std::uint32_t l = 0; l < shape.layers; ++l) {
      of_layers += coded.error_removed(l, 1, t);
      CHECK(coded.error_removed(l, 1, t) == doctest::Approx(255 * coded.error_removed(l, 2, t)));
    }
    CHECK(coded.error_removed(1, t) == doctest::Approx(of_layers));
    sum += of_layers;
  }
  CHECK(sum == doctest::Approx(all_refines));
  CHECK(across == doctest::Approx(all_refines));
  // Values are coded token by token: those of a token that is three times as large err nine times as much.
  const double large = coded.error_removed(0, 1, 5), small = coded.error_removed(0, 1, 100);
  CHECK(large > 1.5 * small);
  for (std::uint32_t plane : {1u, 2u})
    for (std::uint32_t t = 0; t < tokens; ++t) {
      std::uint32_t bytes = 0;
      for (std::uint32_t l = 0; l < shape.layers; ++l)
        bytes += coded.upgrade_bytes(l, plane, t);
      CHECK(coded.upgrade_bytes(plane, t) == bytes);
    }
}

TEST_CASE("coded_cache: stored tiles have no error, and do not make others count for more") {
  const pc::geometry shape{pc::number::bf16, 1, 2, 16, 16};
  random_source random(first_seed());
  test_cache cache = hard_cache(shape, 64, 1, random);
  pc::coded_cache<policy, pc::cpu> raw({shape, 64}, pc::coding::raw);
  raw.put(0, cache.view<pc::kv_view>(0));
  CHECK(raw.error_removed(1, 5) == 0);
  CHECK(raw.error_removed(0, 2, 63) == 0);

  for (auto* all : {&cache.keys[0], &cache.values[0]})
    for (std::size_t i = 0; i < all->size(); ++i) {
      const bool second_head = i / 16 % 2 == 1;
      (*all)[i] = second_head ? static_cast<std::uint16_t>(random.below(0x10000))
                              : pc::bf16::nearest(static_cast<float>(random.gaussian()));
    }
  pc::coded_cache<policy, pc::cpu> half({shape, 64}, pc::coding::planes);
  half.put(0, cache.view<pc::kv_view>(0));
  REQUIRE(half.stored_tiles() == 2);
  double sum = 0;
  for (std::uint32_t t = 0; t < 64; ++t)
    sum += half.error_removed(2, t);
  CHECK(sum == doctest::Approx(2 * 0.5 / 12));
}

TEST_CASE("spread: what a layer's base holds is no upgrade's to remove") {
  using sharp_edges = pc::layered_policy<
      policy, pc::edges<1, 0,
                        pc::precision_policy<pc::tiers<8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                             pc::values<pc::per_token>, policy::planes>>>;
  std::vector<std::uint16_t> memory(2 * 64 * 16);
  for (std::size_t i = 0; i < memory.size(); ++i)
    memory[i] = pc::bf16::nearest(static_cast<float>(i * 37 % 101) - 50.0f);
  const auto strides = pc::kv_strides::nhd(1, 16);
  const pc::kv_view view(memory.data(), strides, memory.data() + 64 * 16, strides, 64);
  pc::coded_cache<sharp_edges, pc::cpu> coded(
      {{.dtype = pc::number::bf16, .layers = 2, .kv_heads = 1, .key_dim = 16, .value_dim = 16}, 64},
      pc::coding::planes);
  coded.put(0, view);
  coded.put(1, view);
  for (const std::uint32_t t : {0u, 63u}) {
    CHECK(coded.error_removed(0, 1, t) == 0);
    CHECK(coded.error_removed(1, 1, t) > 0);
    CHECK(coded.error_removed(1, t) == doctest::Approx(coded.error_removed(1, 1, t)));
    CHECK(coded.error_removed(2, t) ==
          doctest::Approx(coded.error_removed(0, 2, t) + coded.error_removed(1, 2, t)));
  }
}

} // namespace code_spread_test
