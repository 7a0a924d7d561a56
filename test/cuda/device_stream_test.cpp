// Streams whose caches lie in a device's memory, over a device on the host that does what it is told when it
// likes: the same bytes cross as from the processor's memory, and the same values arrive at every step.
#include "planecast/cuda/device_assembly.hpp"
#include "planecast/cuda/device_coded_cache.hpp"

#include "code/rows.hpp"
#include "cuda/host_device.hpp"
#include "cuda/stream_case.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <doctest/doctest.h>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cuda_device_stream_test {

using namespace planecast;
using planecast_test::device_memory, planecast_test::host_device, planecast_test::on_host_device,
    planecast_test::rounds;

namespace {

template <class Policy>
using device_pair = test::stream_pair<Policy, test::gated<loopback>, on_host_device>;

template <class Policy>
void as_on_the_host(std::uint64_t seed) {
  host_device::next = {.seed = seed + 1};
  host_device::engine engine;
  planecast_test::same_from_device<Policy, on_host_device>(seed, &engine);
  CHECK_FALSE(host_device::stuck);
  CHECK_FALSE(host_device::written_beyond);
}

// A layer's values, from one memory to another of the same layout.
void copy_layer(test::cache_memory& from, test::cache_memory& to, const geometry& g, std::uint32_t layer) {
  for (std::uint32_t t = 0; t < to.view<kv_view>(layer).tokens(); ++t)
    for (std::uint32_t h = 0; h < g.heads(layer); ++h)
      for (const bool is_value : {false, true}) {
        const std::uint32_t dim = is_value ? g.value_dim : g.key_dim;
        std::array<std::uint16_t, max_head_dim> row;
        from.view<kv_view>(layer).read(is_value, t, h, dim, row.data());
        to.view<kv_pages>(layer).write(is_value, t, h, dim, row.data());
      }
}

using edged = layered_policy<test::default_policy,
                             edges<1, 1,
                                   precision_policy<tiers<8, lossless>, keys<per_token>,
                                                    planecast::values<balanced>, planes<4, 4, tail>>>>;

} // namespace

TEST_CASE("device stream: what crosses and what arrives is what it is from the host's memory") {
  const std::uint64_t before = host_device::programs;
  for (std::uint64_t seed = 0; seed < rounds(30, 4); ++seed)
    as_on_the_host<test::default_policy>(seed);
  CHECK(host_device::programs > before);
}
TEST_CASE("device stream: other policies") {
  using pairs = precision_policy<tiers<2, 4, 8, lossless>, keys<per_channel_groups<32, 16>>,
                                 planecast::values<per_token_groups<24>>, planes<2, 2, 2, 2, tail>>;
  using ends_at_8 = precision_policy<tiers<4, 8>, keys<balanced>, planecast::values<verbatim>>;
  for (std::uint64_t seed = 100; seed < 100 + rounds(12, 4); ++seed) {
    as_on_the_host<edged>(seed);
    as_on_the_host<pairs>(seed);
    as_on_the_host<ends_at_8>(seed);
  }
}

TEST_CASE(
    "device stream: a layer is read behind what its engine has enqueued, and may change after source_free") {
  for (std::uint64_t seed = 0; seed < rounds(20, 6); ++seed) {
    CAPTURE(seed);
    test::dice random(seed);
    host_device::next = {.seed = seed};
    const geometry g{number::bf16, 4, 2, 24, 16};
    const std::uint32_t n = test::random_tokens(random);
    device_pair<test::default_policy> streams(g);
    test::cache_memory source = device_memory(g, n, random), target = device_memory(g, n, random);
    test::cache_memory computed = source;
    test::fill(computed, g.dtype, random);
    host_device::engine engine;
    auto kv = streams.in.expect({.id = 1, .tokens = n}, target.pages(), &engine);
    auto shot = streams.out.open({.id = 1, .tokens = n});
    std::uint32_t later = 0;
    for (std::uint32_t l = 0; l < g.layers; ++l) {
      engine.add([&, l] { copy_layer(computed, source, g, l); });
      REQUIRE(shot.put(l, source.view<kv_view>(l), &engine).ok());
      engine.add([&, l] { later = l + 1; }); // behind the layer, and of no concern to it
      CHECK(engine.tasks.size() <= 7);       // three under way, and what stands behind them
    }
    REQUIRE(streams.run(kv, [&] { return shot.reached(source_free); }));
    source.each([](std::uint16_t& x) { x = 0x1234; });
    REQUIRE(shot.plan(budget::base()).ok());
    REQUIRE(streams.run(kv, [&] { return kv.reached(focused) && shot.reached(focused); }));
    CHECK(target.received(computed));
    CHECK(shot.bytes_held() == 0);
    CHECK_FALSE(host_device::written_beyond);
  }
}

TEST_CASE("device stream: where a device fails, its request ends at both ends, and says so") {
  const geometry g{number::bf16, 4, 2, 24, 16};
  for (const bool at_sender : {true, false}) {
    CAPTURE(at_sender);
    std::uint64_t call = 0; // that fails
    for (bool failed = true; failed; call += rounds(5, 1) == 5 ? 1 : 6) {
      REQUIRE(call < 1000);
      CAPTURE(call);
      test::dice random(call);
      test::cache_memory source = device_memory(g, 100, random), target = device_memory(g, 100, random);
      test::fill(source, g.dtype, random);
      host_device::next = {.seed = call};
      if (at_sender)
        host_device::made_first = {{.fails_after = call}};
      else
        host_device::made_first = {{}, {.fails_after = call}};
      device_pair<test::default_policy> streams(g); // each end has a device of its own, the sender first
      host_device::engine engine;
      auto shot = streams.out.open({.id = 1, .tokens = 100});
      try {
        auto kv = streams.in.expect({.id = 1, .tokens = 100}, target.pages(), &engine);
        streams.settle(); // each knows of the other
        for (std::uint32_t l = 0; l < g.layers; ++l)
          (void)shot.put(l, source.view<kv_view>(l), &engine);
        if (shot.status().ok())
          (void)shot.plan(budget::base());
        streams.run(
            kv, [&] { return kv.reached(quiesced) && shot.reached(quiesced) && shot.bytes_held() == 0; },
            500);
        failed = !kv.reached(focused);
        CHECK(shot.status().code == (!failed ? errc::ok : at_sender ? errc::device : errc::cancelled));
        CHECK(kv.status().code == (!failed ? errc::ok : at_sender ? errc::cancelled : errc::device));
        CHECK(shot.bytes_held() == 0);
      } catch (const error& e) { // expect() found no memory
        CHECK(e.status() == errc::device);
        CHECK_FALSE(at_sender);
      }
      CHECK_FALSE(host_device::written_beyond);
      CHECK_FALSE(host_device::stuck);
    }
    CHECK(call > 30);
  }
}

TEST_CASE("device stream: each end keeps as much memory for later as its options say") {
  const geometry g{number::bf16, 4, 2, 64, 64};
  const auto kept_with = [&](const spare_limits& at_sender, const spare_limits& at_receiver) {
    host_device::next = {.seed = 7, .keeps_spare = true};
    host_device::most_kept = {0, 0};
    device_pair<test::default_policy> streams(g, {.spare = at_sender}, {.spare = at_receiver});
    host_device::engine engine;
    for (std::uint64_t id = 1; id < 4; ++id) { // one after another: what one gives back the next takes
      test::dice random(id);
      test::cache_memory source = device_memory(g, 150, random), target = device_memory(g, 150, random);
      test::fill(source, g.dtype, random);
      auto kv = streams.in.expect({.id = id, .tokens = 150}, target.pages(), &engine);
      auto shot = streams.out.open({.id = id, .tokens = 150});
      for (std::uint32_t l = 0; l < g.layers; ++l)
        REQUIRE(shot.put(l, source.view<kv_view>(l), &engine).ok());
      REQUIRE(shot.plan(budget::base()).ok());
      REQUIRE(streams.run(kv, [&] { return kv.reached(focused) && shot.reached(focused); }));
      CHECK(target.received(source));
      CHECK_FALSE(host_device::written_beyond);
    }
    return host_device::most_kept;
  };
  constexpr spare_limits nothing{0, 0};
  const spare_limits usual = kept_with({}, {}), of_sender = kept_with({}, nothing),
                     of_receiver = kept_with(nothing, {}), none = kept_with(nothing, nothing),
                     few = kept_with({100'000, 60'000}, {50'000, 30'000});
  CHECK(usual.device_bytes > 300'000); // so much there would be to keep
  CHECK(usual.pinned_bytes > 150'000);
  for (const spare_limits& one : {of_sender, of_receiver}) {
    CHECK(one.device_bytes > 100'000);
    CHECK(one.device_bytes <= usual.device_bytes);
    CHECK(one.pinned_bytes > 60'000);
    CHECK(one.pinned_bytes <= usual.pinned_bytes);
  }
  CHECK(none.device_bytes == 0);
  CHECK(none.pinned_bytes == 0);
  CHECK(few.device_bytes > 0);
  CHECK(few.device_bytes <= 100'000);
  CHECK(few.pinned_bytes > 0);
  CHECK(few.pinned_bytes <= 60'000);
}

TEST_CASE("device stream: what kernels cannot follow is refused") {
  const geometry g{number::bf16, 1, 1, 16, 16};
  device_pair<test::default_policy> streams(g);
  host_device::engine engine;
  std::vector<std::uint16_t> k(16 * 8), v(16 * 8);
  const kv_strides across{.token = 1, .head = 0, .channel = 8};
  auto shot = streams.out.open({.id = 1, .tokens = 8});
  CHECK_THROWS_AS((void)shot.put(0, kv_view(k.data(), across, v.data(), across, 8), &engine),
                  const std::invalid_argument&);
  CHECK_THROWS_AS((void)streams.in.expect({.id = 1, .tokens = 8},
                                          {kv_pages(k.data(), across, v.data(), across, 8)}, &engine),
                  const std::invalid_argument&);
  std::vector<float> wide(16 * 8);
  const kv_strides plain = kv_strides::nhd(1, 16);
  host_device::host_only = reinterpret_cast<const std::byte*>(v.data());
  CHECK_THROWS_AS((void)shot.put(0, kv_view(k.data(), plain, v.data(), plain, 8), &engine),
                  const std::invalid_argument&);
  host_device::host_only = nullptr;
  CHECK_THROWS_AS(
      (void)shot.put(0, kv_view(wide.data(), plain, wide.data(), plain, 8).fp32_as(number::bf16), &engine),
      const std::invalid_argument&);
  CHECK(shot.status().ok());
}

TEST_CASE("device stream: bad bytes are corrupt to a device as they are to the processor") {
  planecast_test::frames_taken found;
  for (std::uint64_t seed = 0; seed < rounds(300, 30); ++seed) {
    host_device::next = {.seed = seed};
    host_device::engine engine;
    planecast_test::bad_bytes_to_device<test::default_policy, host_device>(seed, &engine, found);
    CHECK_FALSE(host_device::written_beyond);
  }
  CHECK(found.taken > 100);
  CHECK(found.refused > 20);
}

// Frames of more parts than are worked on at a time, of rows that have many groups.
TEST_CASE("device stream: where parts of a frame begin hangs on all before them") {
  planecast_test::frames_taken found;
  const auto take = [&](std::uint64_t seed, const geometry& g, std::uint32_t n) {
    CAPTURE(seed);
    host_device::next = {.seed = seed};
    host_device::engine engine;
    test::dice random(seed);
    planecast_test::bad_bytes_to_device<test::default_policy, host_device>(random, g, n, true, &engine,
                                                                           found);
    CHECK_FALSE(host_device::written_beyond);
  };
  for (std::uint64_t seed = 0; seed < rounds(12, 3); ++seed)
    take(seed, {number::bf16, 2, 36, 576, 8}, 3);
  CHECK(found.taken > 2 * rounds(12, 3)); // bases alone
}
TEST_CASE(
    "device stream: what is written waits for the engine, also behind a frame with nothing for a device") {
  const geometry g{number::bf16, 1, 1, 16, 16};
  constexpr std::uint32_t n = 128; // two pages, of which the first is stored
  std::vector<std::uint16_t> from(std::size_t{n} * 16), to(2 * from.size());
  test::dice random(3);
  for (std::size_t i = 0; i < from.size(); ++i)
    from[i] = i < from.size() / 2 ? 0x7F80 : bf16::nearest(static_cast<float>(random.between(1, 1000)));
  const kv_strides nhd = kv_strides::nhd(1, 16);
  coded_cache<test::default_policy, cpu> sent({g, n}, coding::planes);
  sent.put(0, kv_view(from.data(), nhd, from.data(), nhd, n));
  host_device::next = {.seed = 4};
  host_device::engine engine;
  device_assembly<test::default_policy, host_device> taken(
      std::make_shared<host_device>(), {g, n}, {kv_pages(to.data(), nhd, &to[from.size()], nhd, n)}, &engine);
  std::vector<std::byte> bytes;
  const auto gather = [&](std::span<const std::byte> piece) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
  };
  sent.give_base(0, 0, sent.map().tiles(0), gather);
  REQUIRE(taken.place_base(0, 0, sent.map().tiles(0), bytes).ok());
  REQUIRE(taken.finish().ok());
  for (const std::uint32_t token : {0u, 64u}) {
    CAPTURE(token);
    const std::array<std::uint32_t, 1> one{token};
    const detail::listed_items items(1, one);
    bytes.clear();
    sent.give_upgrade(1, items, gather);
    CHECK(bytes.empty() == (token == 0));
    const std::uint16_t before = to[std::size_t{token} * 16];
    engine.add([&, before, at = std::size_t{token} * 16] { CHECK(to[at] == before); });
    REQUIRE(taken.place_upgrade(1, items, bytes).ok());
    REQUIRE(taken.finish().ok());
  }
  CHECK(engine.done == 2);
}

// Tails of values that are all alike take no bytes, so that one frame may be about any number of rows.
TEST_CASE("device stream: a frame of many rows without bytes") {
  const geometry g{number::bf16, 1, 4, 8, 8};
  const std::uint32_t n = 33000;
  host_device::next = {.seed = 5};
  device_pair<test::default_policy> streams(g);
  std::vector<std::uint16_t> from(std::size_t{n} * 4 * 8, 0x3F80), to(2 * from.size());
  from[100] = 0x4000;
  const kv_strides nhd = kv_strides::nhd(4, 8);
  const std::vector<kv_pages> pages{kv_pages(to.data(), nhd, &to[from.size()], nhd, n)};
  host_device::engine engine;
  auto kv = streams.in.expect({.id = 1, .tokens = n}, pages, &engine);
  auto shot = streams.out.open({.id = 1, .tokens = n});
  REQUIRE(shot.put(0, kv_view(from.data(), nhd, from.data(), nhd, n), &engine).ok());
  REQUIRE(shot.plan(budget::base()).ok());
  REQUIRE(streams.run(kv, [&] { return kv.reached(focused); }));
  for (std::size_t part = 0; part < 2; ++part)
    CHECK(std::equal(from.begin(), from.end(), to.begin() + static_cast<std::ptrdiff_t>(part * from.size())));
  CHECK_FALSE(host_device::written_beyond);
}

} // namespace cuda_device_stream_test
