// Streams from and to a device's memory, beside the same from and to the processor's.
#pragma once

#include "stream/both_ends.hpp"
#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <memory>

namespace planecast_test {

/// A cache whose channels lie side by side, as a device wants them.
template <template <class> class Allocator = std::allocator>
test::basic_cache_memory<Allocator> device_memory(const planecast::geometry& g, std::uint32_t tokens,
                                                  test::dice& random) {
  using namespace planecast;
  for (;;) {
    test::basic_cache_memory<Allocator> made(g, tokens, random);
    bool fits = true;
    for (std::uint32_t l = 0; l < g.layers; ++l)
      for (const bool is_value : {false, true})
        fits = fits && made.template view<kv_view>(l).array_at(is_value).strides.contiguous();
    if (fits)
      return made;
  }
}

/// A request over two streams, of the processor's memory and of a device's: the same frames cross, and after
/// each the same values are there.
template <class Policy, class Backend, template <class> class Allocator = std::allocator>
void same_from_device(std::uint64_t seed, typename Backend::order engine) {
  using namespace planecast;
  using host_pair = test::stream_pair<Policy>;
  using device_pair = test::stream_pair<Policy, test::gated<loopback>, Backend>;
  CAPTURE(seed);
  test::dice random(seed);
  const geometry g = test::random_geometry(random);
  const std::uint32_t n = test::random_tokens(random), first = random.one_in(3) ? random.below(n) : 0;
  test::both_ends ends(random, g, n);
  auto source = device_memory<Allocator>(g, n, random), here_pages = device_memory<Allocator>(g, n, random),
       there_pages = here_pages; // the same layout
  test::fill(source, g.dtype, random);
  ends.plan.until = Policy::tiers::bits(Policy::tiers::count - 1);
  const auto how = test::small_chunks(
      random, host_pair::sender::least_chunk_bytes(g, ends.per_layer ? order_scope::per_layer
                                                                     : order_scope::across_layers));
  if (random.one_in(2)) // frames of some layers alone, where orders are per layer
    ends.per_layer = true;
  const coding as = random.one_in(6) ? coding::raw : coding::planes;

  host_pair here(g, how);
  device_pair device(g, how);
  auto kv = here.in.expect({.id = 1, .tokens = n, .first = first}, here_pages.pages());
  auto kv_there = device.in.expect({.id = 1, .tokens = n, .first = first}, there_pages.pages(), engine);
  auto shot = here.out.open({.id = 1, .tokens = n, .first = first, .how = as});
  auto shot_there = device.out.open({.id = 1, .tokens = n, .first = first, .how = as});
  here.door->allowed = device.door->allowed = 0;
  if (random.one_in(2)) { // each end knows of the other, so that what is coded leaves at once
    here.settle();
    device.settle();
  }
  for (std::uint32_t l = 0; l < g.layers; ++l) {
    CHECK(shot.put(l, source.template view<kv_view>(l)).ok());
    CHECK(shot_there.put(l, source.template view<kv_view>(l), engine).ok());
  }
  REQUIRE(ends.planned(shot, budget::base()).ok());
  REQUIRE(ends.planned(shot_there, budget::base()).ok());
  CHECK(shot_there.reached(source_free));
  CHECK(shot_there.metrics().light_bytes == shot.metrics().light_bytes);
  CHECK(shot_there.metrics().stored_tiles == shot.metrics().stored_tiles);

  for (std::size_t frame = 0; !kv.reached(focused) || !kv_there.reached(focused); ++frame) {
    REQUIRE(frame < 5000);
    here.door->allowed = device.door->allowed = frame;
    here.run(
        kv, [&] { return kv.reached(focused); }, 6);
    device.run(
        kv_there, [&] { return kv_there.reached(focused); }, 6);
    CAPTURE(frame);
    CAPTURE(kv_there.status().message());
    REQUIRE(kv_there.status().ok());
    CHECK(kv.tier() == kv_there.tier());
    REQUIRE((there_pages.values() == here_pages.values()));
  }
  CHECK((device.door->data == here.door->data));
  if (Policy::planes::has_tail)
    CHECK(there_pages.received(source, first));
}

} // namespace planecast_test
