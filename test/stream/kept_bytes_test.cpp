// What the tokens that are kept take: never more than was counted, and not much less.
#include "planecast/planecast.hpp"
#include "planecast/stream/kept_bytes.hpp"

#include "code/rows.hpp"
#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <vector>

using namespace planecast;
using planecast_test::rounds;

namespace {

using policy = test::default_policy;

struct sent {
  std::uint64_t bytes = 0, counted = 0, stored_tiles = 0;
};

/// All of a request's data lane, up to a tier, by the default order.
sent send_all(const geometry& g, std::uint32_t tokens, coding how, int until, std::uint32_t chunk,
              test::dice& dice) {
  test::stream_pair streams(g, {.chunk_bytes = chunk});
  test::cache_memory from(g, tokens, dice), to(g, tokens, dice);
  test::fill(from, g.dtype, dice);
  auto shot = streams.out.open({.id = 1, .tokens = tokens, .how = how});
  auto kv = streams.in.expect({.id = 1, .tokens = tokens}, to.pages());
  for (std::uint32_t l = 0; l < g.layers; ++l)
    REQUIRE(shot.put(l, from.view<kv_view>(l)).ok());
  plan_options options;
  options.until = until;
  REQUIRE(shot.plan(budget::everything(), {}, options).ok());
  REQUIRE(streams.run(kv, [&] { return shot.reached(focused); }));
  const std::uint32_t end = policy::planes::holding(static_cast<std::uint32_t>(until));
  return {shot.metrics().data_bytes, detail::kept_bytes<policy>({g, tokens}, end, how, chunk),
          shot.metrics().stored_tiles};
}

} // namespace

TEST_CASE("kept bytes: no request takes more than is counted, unless tiles are stored below lossless") {
  int below = 0;
  for (unsigned seed = 0; seed < rounds(200, 70); ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const geometry g = test::random_geometry(dice);
    const int until = dice.one_in(2) ? lossless : dice.one_in(2) ? 8 : 4;
    const coding how = dice.one_in(3) ? coding::raw : dice.one_in(2) ? coding::planes : coding::automatic;
    const auto least = static_cast<std::uint32_t>(least_chunk_bytes<policy>(g));
    const sent s = send_all(g, test::random_tokens(dice), how, until, least + dice.below(20000), dice);
    if (how == coding::planes && until != lossless && s.stored_tiles > 0)
      continue;
    CHECK(s.bytes <= s.counted);
    below += how == coding::planes && until != lossless ? 1 : 0;
  }
  CHECK(below > 10);
}

TEST_CASE("kept bytes: raw and tiers of bits are counted within a hundredth") {
  const geometry g{number::bf16, 2, 2, 64, 64};
  for (const auto& up_to : {std::pair{coding::raw, lossless}, {coding::planes, 8}, {coding::planes, 4}}) {
    const auto [how, until] = up_to;
    CAPTURE(up_to.second);
    test::dice dice(1);
    const sent s = send_all(g, 400, how, until, 64 * 1024, dice);
    CHECK(s.bytes <= s.counted);
    CHECK(static_cast<double>(s.bytes) > 0.99 * static_cast<double>(s.counted));
  }
}
