// Caches of hard tiles, at both ends of a request.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/cache/kv_view.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace planecast_test {

/// Layers of keys and values, tokens × heads × dim.
struct test_cache {
  planecast::geometry shape;
  std::uint32_t tokens = 0;
  std::vector<std::vector<std::uint16_t>> keys, values;

  test_cache(planecast::geometry g, std::uint32_t n) : shape(std::move(g)), tokens(n) {
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
      keys.emplace_back(n * shape.heads(layer) * shape.key_dim);
      values.emplace_back(n * shape.heads(layer) * shape.value_dim);
    }
  }

  template <class View>
  [[nodiscard]] View view(std::uint32_t layer) {
    using planecast::kv_strides;
    return View(keys[layer].data(), kv_strides::nhd(shape.heads(layer), shape.key_dim), values[layer].data(),
                kv_strides::nhd(shape.heads(layer), shape.value_dim), tokens);
  }
  [[nodiscard]] std::vector<planecast::kv_pages> pages() {
    std::vector<planecast::kv_pages> all;
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      all.push_back(view<planecast::kv_pages>(layer));
    return all;
  }
  /// f(value) for every value of the first tokens.
  template <class F>
  void each_of_first(std::uint32_t count, F&& f) {
    for (auto* const all : {&keys, &values})
      for (auto& layer : *all)
        std::for_each_n(layer.begin(), layer.size() / tokens * count, f);
  }
  friend bool operator==(const test_cache& a, const test_cache& b) {
    return a.keys == b.keys && a.values == b.values;
  }
};

/// Keys hard by channel, values hard by token.
inline test_cache hard_cache(const planecast::geometry& shape, std::uint32_t tokens, std::uint32_t kinds,
                             random_source& random) {
  test_cache cache(shape, tokens);
  const auto fill = [&](std::vector<std::uint16_t>& to, std::uint32_t width, bool by_channel) {
    const planecast::tile_shape all{tokens, width};
    planecast::with_format(shape.dtype, [&]<class Number>(Number) {
      to = hard_tile<Number>(all, by_channel, kinds, random);
    });
  };
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
    fill(cache.keys[layer], shape.heads(layer) * shape.key_dim, true);
    fill(cache.values[layer], shape.heads(layer) * shape.value_dim, false);
  }
  return cache;
}

} // namespace planecast_test
