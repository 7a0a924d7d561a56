#include "planecast/planecast.hpp"
#include "planecast/stream/request.hpp"

#include "code/rows.hpp"
#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <chrono>
#include <cstdint>
#include <doctest/doctest.h>
#include <optional>
#include <string>
#include <vector>

namespace stream_request_test {

using namespace planecast;

namespace {

using policy = test::default_policy;

/// A cache, the scores of its tokens, and the pages for those that are kept: where they would be, or side by
/// side.
struct scene {
  scene(unsigned seed, const geometry& g, std::uint32_t n, std::uint32_t chunk)
      : dice(seed), shape(g), tokens(n), streams(shape, {.chunk_bytes = chunk}), from(shape, n, dice),
        scores(n) {
    test::fill(from, shape.dtype, dice);
    for (float& s : scores)
      s = dice.gaussian();
  }
  std::vector<kv_pages> pages(const kept_tokens& kept, bool in_place) {
    to.emplace(shape, in_place ? tokens : kept.tokens(), dice);
    std::vector<kv_pages> all = to->pages();
    if (in_place)
      for (kv_pages& p : all)
        p = p.only(kept.positions());
    return all;
  }
  status put(test::stream_pair<>::sender::outgoing& shot, const kept_tokens& kept) {
    status s;
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      s = shot.put(l, from.view<kv_view>(l).only(kept.positions()));
    return s;
  }
  /// Whether the kept tokens are the source's, bit for bit, and nothing else was written.
  bool arrived(const kept_tokens& kept, bool in_place, bool exactly = true) {
    std::vector<std::vector<std::uint16_t>> sent(tokens), here(in_place ? tokens : kept.tokens());
    from.each_of_token([&](std::uint32_t t, std::uint16_t x) { sent[t].push_back(x); });
    to->each_of_token([&](std::uint32_t t, std::uint16_t x) { here[t].push_back(x); });
    bool same = true;
    std::size_t written = 0;
    for (std::uint32_t k = 0; k < kept.tokens(); ++k) {
      auto& values = here[in_place ? kept.positions()[k] : k];
      same = same && (!exactly || values == sent[kept.positions()[k]]);
      written += values.size();
      values.clear();
    }
    for (const auto& values : here)
      for (const std::uint16_t x : values)
        same = same && x == test::cache_memory::untouched;
    return same && to->untouched_values() == to->all_values() - written;
  }

  test::dice dice;
  geometry shape;
  std::uint32_t tokens;
  test::stream_pair<> streams;
  test::cache_memory from;
  std::optional<test::cache_memory> to;
  std::vector<float> scores;
};

std::uint64_t sum_of(const std::vector<std::vector<std::byte>>& messages) {
  std::uint64_t sum = 0;
  for (const auto& m : messages)
    sum += m.size();
  return sum;
}

} // namespace

TEST_CASE("request: goes out in planes unless it is told otherwise") {
  const request r{.id = 5, .tokens = 7};
  CHECK(r.id == 5);
  CHECK(r.tokens == 7);
  CHECK(r.how == coding::planes);
  CHECK(r.first == 0); // nothing of it is there yet
  CHECK(r.whole());
  CHECK(request{}.tokens == 0);
}

TEST_CASE("request: of kept tokens is one of a shorter sequence; of all tokens, as any other") {
  const kept_tokens kept({1, 4}, 6);
  const request r = request::keeping(5, kept, coding::raw);
  CHECK(r.id == 5);
  CHECK(r.tokens == 2);
  CHECK(r.how == coding::raw);
  CHECK(r.dropped == 4);
  CHECK(r.kept == kept.fingerprint());
  CHECK_FALSE(r.whole());
  CHECK(request::keeping(5, kept_tokens({0, 1}, 2)).whole());
}

TEST_CASE("request: what drops tokens stays within its budget, is exact where it is sent, and streams not") {
  unsigned exact = 0, dropping = 0, none = 0, short_of = 0;
  for (unsigned seed = 0; seed < planecast_test::rounds(150, 50); ++seed) {
    CAPTURE(seed);
    test::dice dice(1000 + seed);
    const geometry g = test::random_geometry(dice);
    const auto least = static_cast<std::uint32_t>(least_chunk_bytes<policy>(g));
    scene s(seed, g, test::random_tokens(dice), least + dice.below(10000));
    const ranking r = rank_tokens(s.scores, {dice.below(5), dice.below(20)});
    const double share = 0.01 * dice.between(1, 110);
    const budget b = budget::of_raw(share);
    const std::uint64_t ceiling = b.ceiling(g.raw_bytes(s.tokens), 0);
    const coding how = dice.one_in(3) ? coding::raw : dice.one_in(2) ? coding::planes : coding::automatic;
    plan_options options{.pinned = {dice.below(5), dice.below(9)}};
    options.until = dice.one_in(2) ? lossless : 8;
    options.order = dice.one_in(2) ? plan_order::greedy : plan_order::worth;
    const keep_options keep{.until = options.until, .how = how, .order = options.order};
    // As many as fit; or more, of which the plan then sharpens what fits.
    const bool too_many = dice.one_in(4);
    kept_tokens kept = s.streams.out.keep_within(r, b, keep);
    if (too_many)
      kept = keep_most(r, kept.tokens() + dice.below(30));
    if (kept.tokens() == 0) {
      ++none;
      CHECK(detail::kept_bytes<policy>({g, 1},
                                       policy::planes::holding(static_cast<std::uint32_t>(options.until)),
                                       keep, least) > ceiling);
      continue;
    }
    const bool in_place = dice.one_in(2);
    auto kv = s.streams.in.expect(request::keeping(7, kept), s.pages(kept, in_place));
    auto shot = s.streams.out.open(request::keeping(7, kept, how));
    REQUIRE(s.put(shot, kept).ok());
    s.streams.settle();
    const auto& data = s.streams.door->data;
    CHECK(data.empty() == (kept.dropped() > 0));
    CHECK(kv.whole() == (kept.dropped() == 0));
    CHECK(shot.metrics().dropped == kept.dropped());
    CHECK(kv.metrics().dropped == kept.dropped());
    CHECK(shot.metrics().raw_bytes == g.raw_bytes(s.tokens));
    CHECK(kv.metrics().raw_bytes == g.raw_bytes(s.tokens));

    const bool fits = !too_many && (options.until == lossless || shot.metrics().stored_tiles == 0);
    const status planned = shot.plan(b, kept.only(s.scores), options);
    if (!planned) { // and then nothing of it crosses
      CHECK_FALSE(fits);
      CHECK(planned == errc::infeasible);
      s.streams.settle();
      CHECK(data.empty() == (kept.dropped() > 0));
      ++short_of;
      continue;
    }
    REQUIRE(s.streams.run(kv, [&] { return shot.reached(focused); }));
    if (kept.dropped() == 0)
      continue; // it streams: what is behind the cut comes too
    ++dropping;
    CHECK(sum_of(data) <= ceiling);
    CHECK(shot.metrics().data_bytes == sum_of(data));
    CHECK(shot.metrics().light_bytes == sum_of(data)); // all of it is first light
    CHECK(kv.metrics().light_bytes == sum_of(data));
    const bool is_exact = fits && options.until == lossless;
    CHECK(s.arrived(kept, in_place, is_exact));
    if (fits)
      CHECK(kv.tier() >= (options.until == lossless ? 2 : 1));
    if (is_exact) {
      CHECK(kv.unsharp().empty());
      ++exact;
    }
  }
  CHECK(exact > planecast_test::rounds(15, 5));
  CHECK(dropping > exact + planecast_test::rounds(15, 5));
  CHECK(none > 0);
  CHECK(short_of > 0);
}

TEST_CASE("request: a coarser tier keeps more tokens in the same budget") {
  const geometry g{number::bf16, 2, 2, 64, 64};
  const test::stream_pair streams(g);
  const ranking r = rank_tokens(std::vector<float>(1000));
  const auto kept = [&](double share, const keep_options& how) {
    return streams.out.keep_within(r, budget::of_raw(share), how).tokens();
  };
  const std::uint32_t raw = kept(0.3, {.how = coding::raw}), eight = kept(0.3, {.until = 8}),
                      four = kept(0.25, {.until = 4});
  CHECK(raw > 280);
  CHECK(raw < 300);
  CHECK(eight > 540);
  CHECK(eight < 575);
  CHECK(four > 850);
  CHECK(kept(1, {.until = 8}) == 1000);
  CHECK(kept(0, {}) == 0);
  CHECK(streams.out.keep_within(r, budget::base()).tokens() == 0);         // no base is no budget
  CHECK(kept(0.3, {.until = 8, .scope = order_scope::per_layer}) < eight); // its order takes more
  CHECK(kept(0.9, {.order = plan_order::worth}) < kept(0.9, {}));
  CHECK_THROWS_AS((void)kept(0.3, {.until = 6}), std::invalid_argument);
}

TEST_CASE("request: a plane's end that is no tier of the policy is none to keep up to") {
  using from_eight = precision_policy<tiers<8, lossless>, keys<per_channel<64>>, planecast::values<per_token>,
                                      planes<4, 4, tail>>;
  const test::stream_pair<from_eight> streams(geometry{number::bf16, 1, 1, 64, 64});
  const ranking r = rank_tokens(std::vector<float>(100));
  CHECK_THROWS_AS((void)streams.out.keep_within(r, budget::of_raw(0.5), {.until = 4}), std::invalid_argument);
  CHECK(streams.out.keep_within(r, budget::of_raw(0.5), {.until = 8}).tokens() > 0);
}

TEST_CASE("request: what fits into a time is unknown until the link's rate is, as it is to plan()") {
  const geometry g{number::bf16, 2, 2, 64, 64};
  const ranking r = rank_tokens(std::vector<float>(1000));
  const test::stream_pair streams(g), told(g, {.link_rate = 1e6});
  const auto code = [&](budget b) {
    try {
      (void)streams.out.keep_within(r, b);
      return errc::ok;
    } catch (const error& e) {
      return e.status().code;
    }
  };
  CHECK(code(budget::within(std::chrono::seconds(1))) == errc::unknown);
  CHECK(code(budget::within(std::chrono::seconds(1), 1e5)) == errc::ok);
  CHECK(told.out.keep_within(r, budget::within(std::chrono::milliseconds(200))) ==
        told.out.keep_within(r, budget::bytes(200000)));
}

TEST_CASE("request: two ends that keep different tokens both say so, with both values") {
  const geometry g{number::bf16, 1, 1, 8, 8};
  const kept_tokens a({0, 2}, 3), b({1, 2}, 3), all({0, 1}, 2);
  for (const auto& lists : {std::pair{a, b}, {a, all}, {all, b}})
    for (const bool expected_first : {true, false}) {
      const kept_tokens &here = lists.first, &there = lists.second;
      scene s(1, g, 3, 4096);
      std::optional<test::stream_pair<>::receiver::incoming> kv;
      const auto expect = [&] {
        const std::vector<kv_pages> pages(
            1, kv_pages(nullptr, kv_strides::nhd(1, 8), nullptr, kv_strides::nhd(1, 8), 2));
        kv.emplace(s.streams.in.expect(request::keeping(7, there), pages));
      };
      if (expected_first)
        expect();
      auto shot = s.streams.out.open(request::keeping(7, here));
      s.streams.settle();
      if (!expected_first)
        expect();
      s.streams.settle();
      const status out = shot.status(), in = kv->status();
      CHECK(out == errc::mismatch);
      CHECK(in == errc::mismatch);
      CHECK(std::string(out.about) == "kept tokens of the request, as fingerprints, 0 where none is dropped");
      CHECK(out.here == here.fingerprint());
      CHECK(out.there == there.fingerprint());
      CHECK(in.here == there.fingerprint());
      CHECK(in.there == here.fingerprint());
      CHECK(s.streams.door->data.empty());
      CHECK(s.streams.out.progress(deadline::passed()).ok()); // the others go on
    }
}

} // namespace stream_request_test
