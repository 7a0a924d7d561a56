// What the tokens that are kept take: never more than was counted, and not much less.
#include "planecast/planecast.hpp"
#include "planecast/stream/kept_bytes.hpp"

#include "code/rows.hpp"
#include "support/cache_case.hpp"
#include "support/layered_scores.hpp"
#include "support/stream_pair.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

namespace stream_kept_bytes_test {

using namespace planecast;
using planecast_test::rounds;

namespace {

using policy = test::default_policy;

struct sent {
  std::uint64_t bytes = 0, counted = 0, as_greedy = 0, stored_tiles = 0;
};

/// All of a request's data lane, up to a tier, in one of the orders.
sent send_all(const geometry& g, std::uint32_t tokens, const keep_options& how, std::uint32_t chunk,
              test::dice& dice) {
  test::stream_pair streams(g, {.chunk_bytes = chunk});
  test::cache_memory from(g, tokens, dice), to(g, tokens, dice);
  test::fill(from, g.dtype, dice);
  auto shot = streams.out.open({.id = 1, .tokens = tokens, .how = how.how});
  auto kv = streams.in.expect({.id = 1, .tokens = tokens}, to.pages());
  for (std::uint32_t l = 0; l < g.layers; ++l)
    REQUIRE(shot.put(l, from.view<kv_view>(l)).ok());
  plan_options options;
  options.until = how.until;
  options.order = how.order;
  options.window_bytes = how.window_bytes;
  options.pinned = {dice.below(5), dice.below(9)};
  const test::layered_scores scores(g.layers, tokens, dice);
  const status planned = how.scope == order_scope::per_layer
                             ? shot.plan(budget::everything(), scores, options)
                             : shot.plan(budget::everything(), scores.of[0], options);
  REQUIRE(planned.ok());
  REQUIRE(streams.run(kv, [&] { return shot.reached(focused); }));
  const std::uint32_t end = policy::planes::holding(static_cast<std::uint32_t>(how.until));
  return {shot.metrics().data_bytes, detail::kept_bytes<policy>({g, tokens}, end, how, chunk),
          detail::kept_bytes<policy>({g, tokens}, end, {how.until, how.how}, chunk),
          shot.metrics().stored_tiles};
}

} // namespace

TEST_CASE("kept bytes: no request takes more than is counted, unless tiles are stored below lossless") {
  int below = 0, more = 0;
  // Until both have come often enough.
  constexpr int enough = rounds(10, 3);
  for (unsigned seed = 0; seed < rounds(200, 20) || ((below <= enough || more <= enough) && seed < 1000);
       ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const geometry g = test::random_geometry(dice);
    keep_options how;
    how.until = dice.one_in(2) ? lossless : dice.one_in(2) ? 8 : 4;
    how.how = dice.one_in(3) ? coding::raw : dice.one_in(2) ? coding::planes : coding::automatic;
    how.order = dice.one_in(2) ? plan_order::greedy : plan_order::worth;
    how.scope = dice.one_in(2) ? order_scope::across_layers : order_scope::per_layer;
    how.window_bytes = dice.one_in(2) ? 0 : dice.one_in(2) ? 1 : 1 + dice.below(5000);
    const auto least = static_cast<std::uint32_t>(least_chunk_bytes<policy>(g));
    const sent s = send_all(g, test::random_tokens(dice), how, least + dice.below(20000), dice);
    more += s.bytes > s.as_greedy ? 1 : 0;
    const bool in_bits = how.how == coding::planes && how.until != lossless;
    if (in_bits && s.stored_tiles > 0)
      continue;
    CHECK(s.bytes <= s.counted);
    below += in_bits ? 1 : 0;
  }
  CHECK(below > enough);
  CHECK(more > enough); // else the order would not have to be told
}

TEST_CASE("kept bytes: raw and tiers of bits are counted within a hundredth") {
  const geometry g{number::bf16, 2, 2, 64, 64};
  for (const keep_options& how :
       {keep_options{.how = coding::raw}, keep_options{.until = 8}, keep_options{.until = 4},
        keep_options{.until = 8, .order = plan_order::worth},
        keep_options{.until = 8, .scope = order_scope::per_layer},
        keep_options{.until = 8, .order = plan_order::worth, .scope = order_scope::per_layer}}) {
    CAPTURE(how.until);
    CAPTURE(static_cast<int>(how.order));
    CAPTURE(static_cast<int>(how.scope));
    test::dice dice(1);
    const sent s = send_all(g, 400, how, 64 * 1024, dice);
    CHECK(s.bytes <= s.counted);
    CHECK(static_cast<double>(s.bytes) > 0.99 * static_cast<double>(s.counted));
  }
}

} // namespace stream_kept_bytes_test
