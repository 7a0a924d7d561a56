#include "planecast/stream/sender.hpp"

#include "support/cache_case.hpp"
#include "support/layered_scores.hpp"
#include "support/stream_pair.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <optional>
#include <string>

namespace stream_sender_test {

using namespace planecast;
using namespace std::chrono_literals;

namespace {

const geometry small{number::bf16, 2, 1, 16, 16};

struct caches {
  std::uint32_t tokens, layers;
  test::dice dice{1};
  test::cache_memory source, target;

  explicit caches(std::uint32_t n, geometry g = small)
      : tokens(n), layers(g.layers), source(g, n, dice), target(g, n, dice) {
    test::fill(source, g.dtype, dice);
  }
  [[nodiscard]] test::layered_scores layered() { return {layers, tokens, dice}; }
  template <class Shot>
  void put(Shot& shot) {
    for (std::uint32_t l = 0; l < small.layers; ++l)
      (void)shot.put(l, source.view<kv_view>(l));
  }
};

} // namespace

TEST_CASE("sender: what callers do wrong throws") {
  test::stream_pair streams(small);
  caches c(70), other(71);
  for (const std::uint32_t tokens : {0u, 0x1000'0000u, 0xFFFF'FFFFu}) // none, or more than can be numbered
    CHECK_THROWS_AS(streams.out.open({.id = 1, .tokens = tokens}), std::invalid_argument);
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  CHECK_THROWS_AS(streams.out.open({.id = 1, .tokens = 70}), std::invalid_argument);
  CHECK_THROWS_AS((void)shot.put(2, c.source.view<kv_view>(0)), std::invalid_argument);
  CHECK_THROWS_AS((void)shot.put(0, other.source.view<kv_view>(0)), std::invalid_argument);
  CHECK_THROWS_AS((void)shot.plan(budget::base()), std::logic_error);
  CHECK(shot.put(0, c.source.view<kv_view>(0)).ok());
  CHECK_THROWS_AS((void)shot.put(0, c.source.view<kv_view>(0)), std::invalid_argument);
  CHECK_FALSE(shot.reached(source_free));
  CHECK(shot.put(1, c.source.view<kv_view>(1)).ok());
  CHECK(shot.reached(source_free));
  for (const std::size_t scores : {1u, 69u, 71u})
    CHECK_THROWS_AS((void)shot.plan(budget::base(), std::vector<float>(scores)), std::invalid_argument);
  CHECK_THROWS_AS(
      (void)shot.plan(budget::base(), std::vector<float>(70, std::numeric_limits<float>::quiet_NaN())),
      std::invalid_argument);
  CHECK_THROWS_AS((void)shot.plan(budget::base(), {}, {.pinned = {}, .until = 5}), std::invalid_argument);
  CHECK(shot.plan(budget::base()).ok());
  CHECK_THROWS_AS((void)shot.plan(budget::base()), std::logic_error);
}

TEST_CASE("sender: shapes and chunks that cannot be are refused at once, with the number that would do") {
  using sender = test::stream_pair<>::sender;
  const auto make = [](geometry g, std::uint32_t chunk) {
    sender s(test::gated(loopback::pair().first, std::make_shared<test::gate>()), g, {.chunk_bytes = chunk});
  };
  CHECK_THROWS_AS(make({number::bf16, 2, 1, 12, 16}, 1 << 20), error);
  CHECK_THROWS_AS(make({number::bf16, 0, 1, 16, 16}, 1 << 20), error);
  CHECK_THROWS_AS(make({number::bf16, 2, 1, 16, 584}, 1 << 20), error);
  const auto least = static_cast<std::uint32_t>(sender::least_chunk_bytes(small));
  CHECK_NOTHROW(make(small, least));
  try {
    make(small, least - 1);
    FAIL("a chunk below the least was taken");
  } catch (const error& e) {
    CHECK(e.status() == errc::limit);
    CHECK(e.status().there == least);
  }
}

TEST_CASE("sender: nothing leaves before the receiver expects it") {
  test::stream_pair streams(small);
  caches c(70);
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  c.put(shot);
  CHECK(shot.plan(budget::base()).ok());
  streams.settle();
  CHECK(streams.door->data.empty());
  CHECK(shot.wait(first_light, 1ms) == errc::timeout);
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
  CHECK(streams.run(kv, [&] { return kv.reached(focused) && shot.reached(focused); }));
  CHECK(c.target.values() == c.source.values());
}

TEST_CASE("sender: layers leave as they are put, before there is a plan") {
  test::stream_pair streams(small);
  caches c(70);
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  streams.settle();
  CHECK(shot.put(0, c.source.view<kv_view>(0)).ok());
  streams.settle();
  CHECK(streams.door->data.size() == 1);
  CHECK(kv.poll().ok());
  CHECK(kv.tier() == -1);
  CHECK(shot.put(1, c.source.view<kv_view>(1)).ok());
  CHECK(streams.run(kv, [&] { return kv.tier() == 0; }));
  CHECK_FALSE(kv.reached(first_light)); // what belongs to it is not known without a plan
}

TEST_CASE("sender: the first light of a new request overtakes the focus of an old one") {
  const geometry g{number::bf16, 4, 2, 64, 64};
  const auto chunk = static_cast<std::uint32_t>(test::stream_pair<>::sender::least_chunk_bytes(g));
  test::stream_pair streams(g, {.chunk_bytes = chunk, .window_bytes = 1});
  test::dice dice(3);
  test::cache_memory source(g, 200, dice), first(g, 200, dice), second(g, 200, dice);
  test::fill(source, g.dtype, dice);
  const auto begin = [&](std::uint64_t id) {
    auto shot = streams.out.open({.id = id, .tokens = 200});
    for (std::uint32_t l = 0; l < g.layers; ++l)
      CHECK(shot.put(l, source.view<kv_view>(l)).ok());
    CHECK(shot.plan(budget::base()).ok());
    return shot;
  };
  auto old_kv = streams.in.expect({.id = 1, .tokens = 200}, first.pages());
  auto old_shot = begin(1);
  REQUIRE(streams.run(old_kv, [&] { return old_kv.reached(first_light); }));
  auto new_kv = streams.in.expect({.id = 2, .tokens = 200}, second.pages());
  auto new_shot = begin(2);
  const std::uint64_t before = old_shot.metrics().data_bytes;
  REQUIRE(streams.run([&] { return (void)old_kv.poll(), (void)new_kv.poll(), new_kv.reached(first_light); }));
  CHECK_FALSE(old_kv.reached(focused));
  // While it crossed, the old request sent no more than was in the window and a frame.
  CHECK(old_shot.metrics().data_bytes - before <= 4 * (chunk + frame_header_bytes));
  REQUIRE(streams.run([&] {
    return (void)old_kv.poll(), (void)new_kv.poll(), old_kv.reached(focused) && new_kv.reached(focused);
  }));
  CHECK(first.values() == source.values());
  CHECK(second.values() == source.values());
}

TEST_CASE("sender: cancel ends both ends, and nothing more is sent") {
  test::stream_pair streams(small, {.chunk_bytes = 8192, .window_bytes = 1});
  caches c(200);
  auto kv = streams.in.expect({.id = 1, .tokens = 200}, c.target.pages());
  auto shot = streams.out.open({.id = 1, .tokens = 200});
  c.put(shot);
  CHECK(shot.plan(budget::base()).ok());
  REQUIRE(streams.run(kv, [&] { return kv.reached(first_light); }));
  shot.cancel();
  CHECK(shot.status() == errc::cancelled);
  CHECK(shot.reached(quiesced));
  CHECK(shot.bytes_held() == 0);
  const std::size_t sent = streams.door->data.size();
  REQUIRE(streams.run(kv, [&] { return !kv.status().ok(); }));
  CHECK(kv.status() == errc::cancelled);
  CHECK(kv.wait(focused, 1s) == errc::cancelled);
  CHECK(kv.reached(quiesced));
  CHECK(streams.door->data.size() == sent);
  // The id is free again, and the connection works on.
  caches again(70);
  auto kv2 = streams.in.expect({.id = 1, .tokens = 70}, again.target.pages());
  auto shot2 = streams.out.open({.id = 1, .tokens = 70});
  again.put(shot2);
  CHECK(shot2.plan(budget::of_raw(1)).ok());
  CHECK(streams.run(kv2, [&] { return kv2.reached(focused); }));
}

TEST_CASE("sender: a prefill that goes on after its request was given up is told so") {
  test::stream_pair streams(small);
  caches c(70);
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  CHECK(shot.put(0, c.source.view<kv_view>(0)).ok());
  kv.cancel();
  CHECK(kv.status() == errc::cancelled);
  REQUIRE(streams.run([&] { return !shot.status().ok(); }));
  CHECK(shot.put(1, c.source.view<kv_view>(1)) == errc::cancelled);
  CHECK(shot.plan(budget::base()) == errc::cancelled);
}

TEST_CASE("sender: a handle that is dropped lets the transfer run on") {
  test::stream_pair streams(small);
  caches c(70);
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
  {
    auto shot = streams.out.open({.id = 1, .tokens = 70});
    c.put(shot);
    CHECK(shot.plan(budget::base()).ok());
  }
  CHECK(streams.run(kv, [&] { return kv.reached(focused); }));
  CHECK(c.target.values() == c.source.values());
}

TEST_CASE("sender: a handle may outlive it and says closed") {
  caches c(70);
  using sender = test::stream_pair<>::sender;
  std::optional<sender> out(std::in_place,
                            test::gated(loopback::pair().first, std::make_shared<test::gate>()), small);
  auto shot = out->open({.id = 1, .tokens = 70});
  out.reset();
  CHECK(shot.status() == errc::closed);
  CHECK(shot.wait(focused, 1h) == errc::closed);
}

TEST_CASE("sender: whatever the peers disagree on is named, with both values, at both ends") {
  const auto differ = [](const geometry& there, const std::string& names) {
    CAPTURE(names);
    test::stream_pair streams(small, there, {}, {});
    streams.settle();
    const status s = streams.out.wait_connected(1s);
    CHECK(s == errc::mismatch);
    CHECK(s.message().find(names) != std::string::npos);
    CHECK(streams.in.progress(deadline::passed()) == errc::mismatch);
  };
  differ({number::fp16, 2, 1, 16, 16},
         "dtype, 1 for fp16, 2 for bf16, 3 for fp8 e4m3, 4 for fp8 e5m2 (here 2, peer 1)");
  differ({number::bf16, 3, 1, 16, 16}, "layers (here 2, peer 3)");
  differ({number::bf16, 2, 4, 16, 16}, "kv_heads, 0 where layers differ (here 1, peer 4)");
  differ({number::bf16, 2, 1, 24, 16}, "key_dim (here 16, peer 24)");
  differ({number::bf16, 2, 1, 16, 8}, "value_dim (here 16, peer 8)");
  test::stream_pair chunks(small, {.chunk_bytes = 65536}, {.chunk_bytes = 65535});
  chunks.settle();
  CHECK(chunks.out.wait_connected(1s).message().find("chunk_bytes (here 65536, peer 65535)") !=
        std::string::npos);
}

TEST_CASE("sender: another policy at the other end is a mismatch") {
  using other = precision_policy<tiers<4, 8, lossless>, keys<per_token>, planecast::values<per_token>>;
  auto [a, b] = loopback::pair();
  plane_stream<test::default_policy, loopback>::sender out(std::move(a), small);
  plane_stream<other, loopback>::receiver in(std::move(b), small);
  (void)in.progress(10ms);
  CHECK(out.wait_connected(1s) == errc::mismatch);
}

TEST_CASE("sender: every wait ends by its deadline when the peer is silent, and at once when it is gone") {
  auto [a, b] = loopback::pair();
  auto door = std::make_shared<test::gate>();
  test::stream_pair<>::sender out(test::gated(std::move(a), door), small);
  auto shot = out.open({.id = 1, .tokens = 70});
  CHECK(out.wait_connected(5ms) == errc::timeout);
  CHECK(shot.wait(first_light, 5ms) == errc::timeout);
  b.abort();
  CHECK(shot.wait(first_light, 1h) == errc::closed);
  CHECK(out.wait_connected(1h) == errc::closed);
}

TEST_CASE("sender: a budget of time counts what was sent, and what goes before") {
  const geometry g{number::bf16, 4, 2, 64, 64};
  constexpr double rate = 1e6;
  const std::uint32_t n = 128;
  for (const bool behind_another : {false, true}) {
    CAPTURE(behind_another);
    test::stream_pair streams(g, {.window_bytes = 1, .link_rate = rate});
    CHECK(streams.out.bandwidth() == rate);
    test::dice dice(3);
    test::cache_memory source(g, n, dice), target(g, n, dice), other(g, n, dice);
    source.each([&](std::uint16_t& x) { x = bf16::nearest(dice.gaussian()); });
    std::optional<test::stream_pair<>::receiver::incoming> first;
    std::optional<test::stream_pair<>::sender::outgoing> shot_first;
    std::uint64_t queued = 0;
    streams.door->allowed = 0; // nothing crosses
    if (behind_another) {
      first.emplace(streams.in.expect({.id = 1, .tokens = n}, other.pages()));
      shot_first.emplace(streams.out.open({.id = 1, .tokens = n}));
      streams.settle();
      for (std::uint32_t l = 0; l < g.layers; ++l)
        CHECK(shot_first->put(l, source.view<kv_view>(l)).ok());
      CHECK(shot_first->plan(budget::of_raw(0.5)).ok());
      queued = shot_first->metrics().light_bytes;
    }
    auto kv = streams.in.expect({.id = 2, .tokens = n}, target.pages());
    auto shot = streams.out.open({.id = 2, .tokens = n});
    streams.settle();
    for (std::uint32_t l = 0; l < g.layers; ++l)
      CHECK(shot.put(l, source.view<kv_view>(l)).ok());
    const auto seconds = [](std::uint64_t bytes) {
      return std::chrono::duration<double>(static_cast<double>(bytes) / rate);
    };
    // Too little time for what must cross: says so, with the least.
    const status s = shot.plan(budget::within(seconds(queued + 1000), rate));
    REQUIRE(s == errc::infeasible);
    CHECK(s.here <= 1000);
    CHECK(shot.plan(budget::within(seconds(queued + s.there - 2), rate)) == errc::infeasible);
    const std::uint64_t light = s.there + g.raw_bytes(n) / 5;
    CHECK(shot.plan(budget::within(seconds(queued + light))).ok()); // at the rate of the options
    CHECK(shot.metrics().light_bytes <= light);
    CHECK(shot.metrics().light_bytes > light - 5000); // as near as an upgrade and a frame's header
    streams.door->allowed = std::numeric_limits<std::size_t>::max();
    CHECK(streams.run(kv, [&] { return kv.reached(focused); }));
  }
}

TEST_CASE("sender: what has crossed before the plan is not paid for again") {
  test::stream_pair streams(small, {.link_rate = 1e6});
  caches c(70);
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  streams.settle();
  c.put(shot);
  streams.settle();
  CHECK(kv.poll().ok());
  CHECK(kv.tier() == 0); // the base is there; plan and order are not
  const std::uint64_t crossed = shot.metrics().data_bytes;
  const status s = shot.plan(budget::within(0s));
  REQUIRE(s == errc::infeasible);
  CHECK(s.here == crossed);
  const double missing = static_cast<double>(s.there - crossed);
  CHECK(shot.plan(budget::within(std::chrono::duration<double>((missing + 0.5) / 1e6))).ok());
  CHECK(shot.metrics().light_bytes == s.there);
}

TEST_CASE("sender: a rate that was not measured yet is not guessed") {
  test::stream_pair streams(small);
  caches c(70);
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  c.put(shot);
  CHECK(!streams.out.bandwidth());
  CHECK(shot.plan(budget::within(1s)) == errc::unknown);
  CHECK(shot.plan(budget::within(1s), c.layered()) == errc::unknown);
  CHECK(shot.plan(budget::within(1s, 1e9)).ok()); // said by the caller
  CHECK(shot.metrics().light_bytes > shot.metrics().base_bytes);
}

TEST_CASE("sender: orders across layers need frames that hold a token of all of them") {
  const geometry g{number::bf16, 64, 1, 16, 16};
  using sender = test::stream_pair<>::sender;
  const std::uint64_t across = sender::least_chunk_bytes(g),
                      per_layer = sender::least_chunk_bytes(g, order_scope::per_layer);
  REQUIRE(per_layer < across);
  test::stream_pair streams(g, {.chunk_bytes = static_cast<std::uint32_t>(per_layer)});
  caches c(70, g);
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  for (std::uint32_t l = 0; l < g.layers; ++l)
    CHECK(shot.put(l, c.source.view<kv_view>(l)).ok());
  const status s = shot.plan(budget::base());
  CHECK(s == errc::limit);
  CHECK(s.here == per_layer);
  CHECK(s.there == across);
  CHECK_THROWS_AS((void)shot.plan(budget::base(), test::layered_scores(63, 70, c.dice)),
                  std::invalid_argument);
  CHECK(shot.plan(budget::base(), c.layered(), {.order = plan_order::worth}).ok());
  CHECK(streams.run(kv, [&] { return kv.reached(focused); }));
  CHECK(c.target.values() == c.source.values());
}

TEST_CASE("sender: coding::automatic is raw where coding costs more than it saves") {
  struct rates {
    double link, encode, decode, share;
    coding wanted;
  };
  for (const rates& r : {rates{1e9, 5e9, 0, 0.75, coding::planes},
                         {6e9, 5e9, 0, 0.75, coding::raw},
                         {1e9, 5e9, 0.9e9, 0.75, coding::raw},
                         {1e9, 5e9, 0, 1, coding::raw},
                         {0, 5e9, 0, 0.75, coding::planes}}) { // the link's rate is not known yet
    CAPTURE(r.link);
    CAPTURE(r.decode);
    test::stream_pair streams(
        small,
        {.link_rate = r.link, .encode_rate = r.encode, .decode_rate = r.decode, .coded_share = r.share});
    caches c(70);
    auto kv = streams.in.expect({.id = 1, .tokens = 70}, c.target.pages());
    auto shot = streams.out.open({.id = 1, .tokens = 70, .how = coding::automatic});
    CHECK(shot.metrics().coded_as == coding::automatic);
    c.put(shot);
    CHECK(shot.metrics().coded_as == r.wanted);
    CHECK(shot.plan(budget::of_raw(0.5)).ok()); // a ceiling for planes; what was found to go raw goes
    CHECK(streams.run(kv, [&] { return kv.reached(focused); }));
    CHECK(c.target.values() == c.source.values());
    auto told = streams.out.open({.id = 2, .tokens = 70, .how = coding::raw}); // whatever pays
    c.put(told);
    CHECK(told.metrics().coded_as == coding::raw);
  }
  for (const double bad : {-1.0, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(test::stream_pair(small, {.link_rate = bad}), std::invalid_argument);
}

} // namespace stream_sender_test
