#include "planecast/stream/sender.hpp"

#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <optional>
#include <string>

using namespace planecast;
using namespace std::chrono_literals;

namespace {

const geometry small{number::bf16, 2, 1, 16, 16};

struct caches {
  std::uint32_t tokens;
  test::dice dice{1};
  test::cache_memory source, target;

  explicit caches(std::uint32_t n, geometry g = small) : tokens(n), source(g, n, dice), target(g, n, dice) {
    test::fill(source, g.dtype, dice);
  }
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
  differ({number::fp16, 2, 1, 16, 16}, "dtype, 1 for fp16, 2 for bf16 (here 2, peer 1)");
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
