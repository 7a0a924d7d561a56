// What blocks do to rank tokens and to cut their upgrades, on the host; sort and scan between them are the
// standard library's.
#include "planecast/cuda/detail/base_bytes_program.hpp"
#include "planecast/cuda/detail/cut_programs.hpp"
#include "planecast/cuda/detail/order_programs.hpp"
#include "planecast/planecast.hpp"

#include "cuda/cut_case.hpp"
#include "cuda/host_block.hpp"
#include "cuda/order_case.hpp"
#include "support/cache_case.hpp"
#include "support/dice.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace cuda_order_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

struct on_host {
  template <class T>
  using allocator = std::allocator<T>;

  random_source random;

  std::string rank(const float* scores, std::uint32_t count, pc::pinned_tokens pins, std::uint32_t first,
                   std::uint32_t* ranked, std::uint32_t* not_a_number) {
    const pc::pinned_tokens are = pc::detail::pinned_among(count, pins, first);
    const std::uint32_t others = count - are.sinks - are.recent, threads = 1 + random.below(64);
    std::vector<std::uint32_t> keys(others), positions(others), order(others);
    if (!run_on_host(pc::detail::order_program{scores, count, first, are, ranked, keys.data(),
                                               positions.data(), not_a_number},
                     (count + threads - 1) / threads, threads, 0, random))
      return "a block writes beyond its memory";
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return keys[a] < keys[b]; });
    for (std::uint32_t k = 0; k < others; ++k)
      ranked[are.sinks + are.recent + k] = positions[order[k]];
    return "";
  }

  std::string cut(const pc::device_upgrades& of, pc::device_cut* to) {
    const std::uint32_t all = of.count * of.planes, threads = 1 + random.below(64);
    std::vector<std::uint64_t> sums(all);
    std::vector<std::uint32_t> next(all);
    std::vector<pc::detail::chain_exit> exits(all);
    bool whole = run_on_host(pc::detail::list_bytes_program{of, sums.data()}, (all + threads - 1) / threads,
                             threads, 0, random);
    std::partial_sum(sums.begin(), sums.end(), sums.begin());
    whole = whole && run_rounds_on_host(pc::detail::link_program{of, sums.data(), next.data(), exits.data()},
                                        (all + pc::detail::cut_segment - 1) / pc::detail::cut_segment,
                                        threads, pc::detail::link_program::memory_bytes, random);
    whole = whole && run_on_host(pc::detail::cut_program{of, sums.data(), next.data(), exits.data(), to}, 1,
                                 threads, pc::detail::cut_program::memory_bytes, random);
    return whole ? "" : "a block writes beyond its memory";
  }
  template <class Q, class Planes>
  std::string upgrade_bytes(const pc::device_tiles<Q, Planes>& tiles, std::uint32_t base_planes,
                            std::uint32_t* bytes, bool add) {
    const std::uint32_t threads = 1 + random.below(64);
    return run_on_host(pc::detail::upgrade_bytes_program<Q, Planes>{tiles, base_planes, bytes, add},
                       (tiles.tokens - tiles.first + threads - 1) / threads, threads, 0, random)
               ? ""
               : "a block writes beyond its memory";
  }
  template <class KeyQuantizer, class ValueQuantizer, class Planes>
  std::string base_bytes(const pc::device_tiles<KeyQuantizer, Planes>& keys,
                         const pc::device_tiles<ValueQuantizer, Planes>& values, std::uint32_t base_planes,
                         const pc::device_upgrades& of, std::uint64_t* bytes, bool add) {
    const pc::detail::base_bytes_program<KeyQuantizer, ValueQuantizer, Planes> program{
        keys, values, base_planes, of.chunk_bytes, of.header_bytes, bytes, add};
    return run_on_host(program, 1, 1 + random.below(64), program.memory_bytes(), random)
               ? ""
               : "a block writes beyond its memory";
  }
};

// Tiles as cuda::encode leaves them, with memory of their own.
template <class Q, class Planes>
struct coded_here {
  pc::device_tiles<Q, Planes> are;
  std::vector<std::byte> bytes;
  std::vector<std::uint32_t> ends;
  std::vector<pc::encoded_tile> coded;

  coded_here(const pc::device_tiles<Q, Planes>& shape, pc::number dtype, const pc::kv_view& view,
             bool is_value, bool raw)
      : are(shape), ends(are.ends()), coded(are.tiles()) {
    are.tail_ends = ends.data();
    are.coded = coded.data();
    for (std::uint32_t k = 0; k < are.tiles(); ++k) {
      const auto layout = are.layout(k % are.pages());
      std::vector<std::uint16_t> values(layout.shape.values());
      bytes.resize(layout.bound());
      view.read(is_value, are.first_of(k % are.pages()), layout.shape.tokens, k / are.pages(), are.dim,
                values.data());
      const auto rows = pc::source_rows::of(values.data(), are.dim);
      coded[k] = raw ? pc::store_tile(layout, rows, bytes.data(), are.ends_of(k))
                     : pc::cpu::encode(dtype, layout, rows, bytes.data(), are.ends_of(k));
    }
  }
};

// What wrong comes of a request that is ranked and cut by blocks, beside its sender's plan.
template <class Policy>
std::string planned_trouble(on_host& run, std::uint64_t seed) {
  using key_tiles = pc::device_tiles<typename Policy::key_quantizer, typename Policy::planes>;
  using value_tiles = pc::device_tiles<typename Policy::value_quantizer, typename Policy::planes>;
  test::dice dice(seed);
  const pc::geometry shape = test::random_geometry(dice);
  const std::uint32_t tokens = test::random_tokens(dice), first = dice.one_in(2) ? 0 : dice.below(tokens),
                      count = tokens - first;
  const pc::request asked{7, tokens, first, dice.one_in(5) ? pc::coding::raw : pc::coding::planes};
  test::cache_memory cache(shape, tokens, dice);
  test::fill(cache, shape.dtype, dice);
  std::vector<float> scores(tokens);
  draw_scores(run.random, scores.data(), tokens);
  const pc::pinned_tokens pins{dice.below(6), dice.below(40)};
  const int until = dice.one_in(3) ? 4 : dice.one_in(2) ? 8 : int{pc::lossless};
  const std::uint64_t least = pc::least_chunk_bytes<Policy>(shape);

  pc::device_upgrades of;
  of.count = count;
  of.first = first;
  const pc::pinned_tokens pinned = pc::detail::pinned_among(count, pins, first);
  of.pinned = pinned.sinks + pinned.recent;
  of.planes = Policy::planes::holding(static_cast<std::uint32_t>(until)) - Policy::base_planes;
  of.chunk_bytes = static_cast<std::uint32_t>(least + dice.below(dice.one_in(2) ? 1 : 8 * least));
  std::vector<std::uint32_t> ranked(count), bytes((Policy::planes::count - Policy::base_planes) * count);
  std::uint64_t base = 0;
  const auto layers = [&](auto&& each) {
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      each(l, cache.template view<pc::kv_view>(l));
  };
  layers([&](std::uint32_t l, const pc::kv_view& view) {
    const std::uint32_t heads = shape.heads(l), width = pc::value_bytes(shape.dtype);
    const bool raw = asked.how == pc::coding::raw;
    const coded_here keys(key_tiles{tokens, first, heads, shape.key_dim, Policy::page_tokens, width},
                          shape.dtype, view, false, raw);
    const coded_here values(value_tiles{tokens, first, heads, shape.value_dim, Policy::page_tokens, width},
                            shape.dtype, view, true, raw);
    run.upgrade_bytes(keys.are, Policy::base_planes, bytes.data(), l > 0);
    run.upgrade_bytes(values.are, Policy::base_planes, bytes.data(), true);
    run.base_bytes(keys.are, values.are, Policy::base_planes, of, &base, l > 0);
  });
  run.rank(scores.data() + first, count, pins, first, ranked.data(), nullptr);
  of.ranked = ranked.data();
  of.bytes = bytes.data();
  of.base = &base;
  const std::uint64_t all = base + of.plan_bytes();
  for (const std::uint64_t ceiling : {all - 1, all, all + dice.below(all), 3 * all, ~std::uint64_t{0}}) {
    pc::detail::outgoing_request<Policy, pc::cpu> planned(asked, 1, shape, 0, of.chunk_bytes);
    layers([&](std::uint32_t l, const pc::kv_view& view) { planned.put(l, view); });
    const pc::status s = planned.make_plan(pc::budget::bytes(ceiling), pc::given_scores(scores),
                                           {.pinned = pins, .until = until});
    of.available = ceiling > of.plan_bytes() ? ceiling - of.plan_bytes() : 0;
    pc::device_cut cut;
    run.cut(of, &cut);
    if (s.ok() != (cut.infeasible == 0))
      return "feasible for one of the two";
    if (s.ok() && planned.metrics.base_bytes != all)
      return "a base of " + std::to_string(all) + " instead of " + std::to_string(planned.metrics.base_bytes);
    if (s.ok() && planned.metrics.light_bytes != all + cut.bytes)
      return "first light of " + std::to_string(all + cut.bytes) + " instead of " +
             std::to_string(planned.metrics.light_bytes);
  }
  return "";
}

} // namespace

TEST_CASE("cuda order: blocks rank as the CPU does") {
  for (std::uint32_t k = 0; k < rounds(300, 60); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(order_trouble(on_host{random_source(~seed)}, seed, 2000) == "");
  }
}

TEST_CASE("cuda order: blocks cut as the CPU does") {
  for (std::uint32_t k = 0; k < rounds(150, 20); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(cut_trouble(on_host{random_source(~seed)}, seed, 4000) == "");
  }
}
TEST_CASE("cuda order: blocks rank a million tokens as the CPU does") {
  for (std::uint32_t k = 0; k < 3; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    CHECK(order_trouble(on_host{random_source(~seed)}, random, rounds(1'048'576, 30'000)) == "");
  }
}
TEST_CASE("cuda order: blocks cut the upgrades of a million tokens as the CPU does") {
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  random_source random(seed); // more than 2³² bytes in all
  CHECK(cut_trouble(on_host{random_source(~seed)}, random, rounds(1'048'576, 30'000), 2, 1'000'000, 3) == "");
}
TEST_CASE("cuda order: bytes of upgrades are those of planes and tails") {
  for (std::uint32_t k = 0; k < rounds(50, 10); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    on_host run{random_source(~seed)};
    CHECK(upgrade_bytes_trouble<pc::per_channel<64>, pc::planes<4, 4, pc::tail>>(run, seed) == "");
    CHECK(upgrade_bytes_trouble<pc::per_token, pc::planes<2, 1, 1>>(run, seed) == "");
  }
}

TEST_CASE("cuda order: the bytes of a base are those of its tiles and of their frames' headers") {
  for (std::uint32_t k = 0; k < rounds(200, 30); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    on_host run{random_source(~seed)};
    CHECK(base_bytes_trouble<pc::per_channel<64>, pc::per_token, pc::planes<4, 4, pc::tail>>(run, seed) ==
          "");
    CHECK(base_bytes_trouble<pc::per_token, pc::balanced, pc::planes<2, 1, 1>>(run, seed) == "");
  }
}
TEST_CASE("cuda order: a request that blocks rank and cut is its sender's plan") {
  using usual = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                     pc::values<pc::per_token>>;
  for (std::uint32_t k = 0; k < rounds(40, 6); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    on_host run{random_source(~seed)};
    CHECK(planned_trouble<usual>(run, seed) == "");
  }
}

} // namespace cuda_order_test
