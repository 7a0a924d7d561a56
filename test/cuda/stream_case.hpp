// Streams from and to a device's memory, beside the same from and to the processor's.
#pragma once

#include "stream/both_ends.hpp"
#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <memory>
#include <vector>

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

/// Pages that may hold another type of numbers than is sent, at scales of their own.
class other_pages {
public:
  other_pages(const planecast::geometry& g, test::dice& random) : held_(g.dtype) {
    if (!random.one_in(2))
      return;
    const auto scale = [&](planecast::number of) {
      return planecast::value_bytes(of) == 1 ? static_cast<float>(random.between(1, 1000)) / 300.0f : 1.0f;
    };
    held_ = static_cast<planecast::number>(random.between(1, 4));
    scales_ = {scale(held_), scale(held_), scale(g.dtype), scale(g.dtype)};
    are_ = held_ != g.dtype || planecast::value_bytes(held_) == 1;
  }
  explicit operator bool() const noexcept { return are_; }
  std::vector<planecast::kv_pages> operator()(std::vector<planecast::kv_pages> pages) const {
    for (planecast::kv_pages& view : pages)
      if (are_)
        view = view.holding(held_, scales_);
    return pages;
  }

private:
  planecast::number held_;
  planecast::kv_scales scales_;
  bool are_ = false;
};

/// Whether tokens of two caches are the same, bit for bit.
inline bool same_pages(const planecast::geometry& g, const std::vector<planecast::kv_pages>& a,
                       const std::vector<planecast::kv_pages>& b) {
  bool same = true;
  for (std::uint32_t l = 0; l < g.layers; ++l)
    for (std::uint32_t t = 0; t < a[l].tokens(); ++t)
      for (std::uint32_t h = 0; h < g.heads(l); ++h)
        for (const bool is_value : {false, true}) {
          std::array<std::byte, std::size_t{2} * planecast::max_head_dim> x{}, y{};
          a[l].read(is_value, t, h, is_value ? g.value_dim : g.key_dim, x.data());
          b[l].read(is_value, t, h, is_value ? g.value_dim : g.key_dim, y.data());
          same = same && x == y;
        }
  return same;
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
  const other_pages other(g, random);
  const auto pages = other(here_pages.pages()), pages_there = other(there_pages.pages());
  auto kv = here.in.expect({.id = 1, .tokens = n, .first = first}, pages);
  auto kv_there = device.in.expect({.id = 1, .tokens = n, .first = first}, pages_there, engine);
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
    REQUIRE((!other || same_pages(g, pages, pages_there)));
  }
  CHECK((device.door->data == here.door->data));
  if (Policy::planes::has_tail && !other)
    CHECK(there_pages.received(source, first));
}

} // namespace planecast_test
