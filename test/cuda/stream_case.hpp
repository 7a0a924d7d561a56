// Streams from and to a device's memory, beside the same from and to the processor's.
#pragma once

#include "planecast/cuda/device_assembly.hpp"

#include "stream/both_ends.hpp"
#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace planecast_test {

/// The twin that a cache has in a device's memory; here it is the cache itself, on a device that reaches the
/// host's. Views are asked for before bring(), which takes what the cache holds there; fetch() takes what is
/// there into the cache.
struct no_twin {
  template <class T>
  using allocator = std::allocator<T>;
  template <class View>
  View there(const View& view) {
    return view;
  }
  void bring() {}
  void fetch() {}
};

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
  other_pages(const planecast::geometry& g, test::dice& random, bool always) : held_(g.dtype) {
    if (!random.one_in(2) && !always)
      return;
    const auto scale = [&](planecast::number of) {
      return planecast::value_bytes(of) == 1 ? static_cast<float>(random.between(1, 1000)) / 300.0f : 1.0f;
    };
    do
      held_ = static_cast<planecast::number>(random.between(1, 4));
    while (always && held_ == g.dtype);
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

/// Whether no byte is in two rows. Strides count values: where K and V share an array with gaps, narrower
/// pages, which begin where the wider ones do, would be written over each other, in whatever order.
inline bool rows_lie_apart(const planecast::geometry& g, const std::vector<planecast::kv_pages>& pages) {
  std::vector<std::pair<const std::byte*, const std::byte*>> rows;
  for (std::uint32_t l = 0; l < g.layers; ++l)
    for (std::uint32_t t = 0; t < pages[l].tokens(); ++t)
      for (std::uint32_t h = 0; h < g.heads(l); ++h)
        for (const bool is_value : {false, true}) {
          const std::byte* const row = is_value ? pages[l].value(t, h) : pages[l].key(t, h);
          rows.emplace_back(row, row + (is_value ? g.value_dim : g.key_dim) * pages[l].value_bytes());
        }
  std::ranges::sort(rows);
  for (std::size_t i = 1; i < rows.size(); ++i)
    if (rows[i].first < rows[i - 1].second)
      return false;
  return true;
}

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
template <class Policy, class Backend, class Twin = no_twin>
void same_from_device(std::uint64_t seed, typename Backend::order engine, bool always_other_pages = false) {
  using namespace planecast;
  using host_pair = test::stream_pair<Policy>;
  using device_pair = test::stream_pair<Policy, test::gated<loopback>, Backend>;
  CAPTURE(seed);
  test::dice random(seed);
  const geometry g = test::random_geometry(random);
  const std::uint32_t n = test::random_tokens(random), first = random.one_in(3) ? random.below(n) : 0;
  test::both_ends ends(random, g, n);
  Twin source_there, target_there;
  const other_pages other(g, random, always_other_pages);
  auto source = device_memory<Twin::template allocator>(g, n, random),
       here_pages = device_memory<Twin::template allocator>(g, n, random);
  while (!rows_lie_apart(g, other(here_pages.pages())))
    here_pages = device_memory<Twin::template allocator>(g, n, random);
  auto there_pages = here_pages; // the same layout
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
  const auto pages = other(here_pages.pages()), pages_at_host = other(there_pages.pages());
  std::vector<kv_pages> pages_there =
      pages_at_host; // where values of another width lie, and then of what type
  for (kv_pages& view : pages_there)
    view = target_there.there(view);
  pages_there = other(std::move(pages_there));
  target_there.bring();
  std::vector<kv_view> layers_there;
  for (std::uint32_t l = 0; l < g.layers; ++l)
    layers_there.push_back(source_there.there(source.template view<kv_view>(l)));
  source_there.bring();
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
    CHECK(shot_there.put(l, layers_there[l], engine).ok());
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
    target_there.fetch();
    REQUIRE((there_pages.values() == here_pages.values()));
    REQUIRE((!other || same_pages(g, pages, pages_at_host)));
  }
  CHECK((device.door->data == here.door->data));
  if (Policy::planes::has_tail && !other)
    CHECK(there_pages.received(source, first));
  const auto as_it_was = source.values();
  source_there.fetch();
  CHECK((source.values() == as_it_was));
}

/// What became of frames.
struct frames_taken {
  std::uint32_t taken = 0, refused = 0;
};

/// Any frames, as a bad peer may send them: what the processor's assembly takes a device takes, and what the
/// one calls corrupt the other does. With `whole` the base is good, and each
/// plane comes in one frame.
template <class Policy, class Device, class Twin = no_twin>
void bad_bytes_to_device(test::dice& random, const planecast::geometry& g, std::uint32_t n, bool whole,
                         typename Device::order engine, frames_taken& found) {
  using namespace planecast;
  Twin there;
  auto source = device_memory<Twin::template allocator>(g, n, random),
       here = device_memory<Twin::template allocator>(g, n, random), at_host = here;
  test::fill(source, g.dtype, random);
  std::vector<kv_pages> pages = at_host.pages();
  for (kv_pages& view : pages)
    view = there.there(view);
  there.bring();
  coded_cache<Policy, cpu> sent({g, n}, coding::planes);
  const auto device = std::make_shared<Device>();
  assembly<Policy, cpu> on_host({g, n}, here.pages());
  device_assembly<Policy, Device> on_device(device, {g, n}, pages, engine);
  bool good = true, spoils = !whole; // so far; whether frames are spoiled
  const auto take = [&](auto&& payload_of, auto&& place) {
    std::vector<std::byte> bytes;
    payload_of(
        [&](std::span<const std::byte> piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
    if (spoils && random.one_in(4)) {
      const std::size_t at = bytes.empty() ? 0 : random.below(static_cast<std::uint32_t>(bytes.size()));
      if (random.one_in(2) && !bytes.empty())
        bytes[at] ^= std::byte{1} << random.below(8);
      else if (random.one_in(2))
        bytes.resize(at);
      else
        bytes.push_back(std::byte{0});
    }
    const status expected = place(on_host, bytes), said = place(on_device, bytes),
                 in_the_end = on_device.finish();
    CAPTURE(expected.message());
    CAPTURE(said.message());
    CHECK((said.ok() ? in_the_end : said).code == expected.code);
    good = good && expected.ok();
    (expected.ok() ? found.taken : found.refused) += 1;
    if (good) {
      there.fetch();
      REQUIRE((at_host.values() == here.values()));
    }
  };
  for (std::uint32_t l = 0; l < g.layers && good; ++l) {
    sent.put(l, source.template view<kv_view>(l));
    const std::uint32_t tiles = sent.map().tiles(l);
    take([&](auto&& sink) { sent.give_base(l, 0, tiles, sink); },
         [&](auto& to, std::span<const std::byte> bytes) { return to.place_base(l, 0, tiles, bytes); });
  }
  spoils = true;
  const item_map map{g.layers, n}; // tokens of a layer each: a frame may lack any of the layers
  std::vector<std::uint32_t> tokens(map.count());
  std::iota(tokens.begin(), tokens.end(), 0u);
  if (random.one_in(2))
    std::shuffle(tokens.begin(), tokens.end(), random.engine());
  for (std::uint32_t plane = 1; plane < 3 && good; ++plane)
    for (std::uint32_t first = 0; first < map.count() && good;) {
      const std::uint32_t count = whole ? map.count() : random.between(1, map.count() - first);
      const detail::listed_items items(map, std::span(tokens).subspan(first, count));
      take([&](auto&& sink) { sent.give_upgrade(plane, items, sink); },
           [&](auto& to, std::span<const std::byte> bytes) { return to.place_upgrade(plane, items, bytes); });
      first += count;
    }
  for (std::uint32_t l = 0; l < g.layers; ++l)
    for (std::uint32_t t = 0; t < n; ++t)
      REQUIRE(on_device.planes_held(l, t) == on_host.planes_held(l, t));
  if (good)
    CHECK(on_device.all_hold(2));
  there.fetch(); // nothing beside the pages was written
}
/// The same of any shape.
template <class Policy, class Device, class Twin = no_twin>
void bad_bytes_to_device(std::uint64_t seed, typename Device::order engine, frames_taken& found) {
  CAPTURE(seed);
  test::dice random(seed);
  const planecast::geometry g = test::random_geometry(random);
  const std::uint32_t n = random.between(1, 130);
  bad_bytes_to_device<Policy, Device, Twin>(random, g, n, false, engine, found);
}

} // namespace planecast_test
