// A random cache of random shape, at both ends.
#pragma once

#include "planecast/planecast.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace test {

/// One side's memory: every layer's K and V, laid out as a random engine would: contiguous or in blocks
/// behind a shuffled slot mapping with padding, K and V of strides of their own.
class cache_memory {
public:
  cache_memory(const planecast::geometry& shape, std::uint32_t tokens, dice& random) : shape_(shape) {
    paged_ = random.one_in(2);
    const std::uint32_t block = 1u << random.below(6);
    const std::uint32_t blocks = (tokens + block - 1) / block + random.below(3);
    slots_ = paged_ ? blocks * block : tokens;
    keys_ = strides(shape.key_dim, block, random);
    values_ = strides(shape.value_dim, block, random);
    layers_.resize(shape.layers);
    for (layer& l : layers_) {
      l.keys.assign(size(keys_, shape.key_dim, block), untouched);
      l.values.assign(size(values_, shape.value_dim, block), untouched);
    }
    std::vector<std::uint32_t> order(blocks);
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), random.engine());
    for (std::uint32_t t = 0; t < tokens; ++t) {
      while (random.one_in(20))
        mapping_.push_back(-1);
      mapping_.push_back(std::int64_t{order[t / block]} * block + t % block);
    }
    tokens_ = tokens;
  }

  template <class View>
  View view(std::uint32_t layer_index) {
    layer& l = layers_[layer_index];
    if (paged_)
      return View(l.keys.data(), keys_, l.values.data(), values_, mapping_);
    return View(l.keys.data(), keys_, l.values.data(), values_, tokens_);
  }
  std::vector<planecast::kv_pages> pages() {
    std::vector<planecast::kv_pages> all;
    for (std::uint32_t l = 0; l < shape_.layers; ++l)
      all.push_back(view<planecast::kv_pages>(l));
    return all;
  }

  /// f(pattern) for every value of the cache, in the order layer, token, head, K then V, channel.
  template <class F>
  void each(F&& f) {
    for (std::uint32_t l = 0; l < shape_.layers; ++l) {
      const auto v = view<planecast::kv_pages>(l);
      for (std::uint32_t t = 0; t < tokens_; ++t)
        for (std::uint32_t h = 0; h < shape_.kv_heads; ++h) {
          auto* const k = reinterpret_cast<std::uint16_t*>(v.key(t, h));
          auto* const x = reinterpret_cast<std::uint16_t*>(v.value(t, h));
          std::for_each(k, k + shape_.key_dim, f);
          std::for_each(x, x + shape_.value_dim, f);
        }
    }
  }
  std::vector<std::uint16_t> values() {
    std::vector<std::uint16_t> all;
    each([&](std::uint16_t& x) { all.push_back(x); });
    return all;
  }
  /// Values that no token has: nobody may have written there.
  [[nodiscard]] std::size_t untouched_values() const {
    std::size_t n = 0;
    for (const layer& l : layers_)
      n += static_cast<std::size_t>(std::count(l.keys.begin(), l.keys.end(), untouched) +
                                    std::count(l.values.begin(), l.values.end(), untouched));
    return n;
  }
  [[nodiscard]] std::size_t all_values() const {
    std::size_t n = 0;
    for (const layer& l : layers_)
      n += l.keys.size() + l.values.size();
    return n;
  }
  static constexpr std::uint16_t untouched = 0x7FFF; // a NaN in both formats

private:
  struct layer {
    std::vector<std::uint16_t> keys, values;
  };

  planecast::kv_strides strides(std::uint32_t dim, std::uint32_t block, dice& random) const {
    const auto gap = static_cast<std::ptrdiff_t>(8 * random.below(3));
    planecast::kv_strides s = planecast::kv_strides::nhd(shape_.kv_heads, dim);
    s.token += gap;
    if (paged_ && random.one_in(2)) { // blocks with a gap between them; heads first within a block
      s.block_size = block;
      s.token = dim;
      s.head = static_cast<std::ptrdiff_t>(dim) * block;
      s.block = s.head * shape_.kv_heads + gap;
    }
    return s;
  }
  [[nodiscard]] std::size_t size(const planecast::kv_strides& s, std::uint32_t dim,
                                 std::uint32_t block) const {
    const std::size_t values = s.block_size != 0 ? slots_ / block * static_cast<std::size_t>(s.block)
                                                 : slots_ * static_cast<std::size_t>(s.token);
    return values + dim;
  }

  planecast::geometry shape_;
  bool paged_ = false;
  std::uint32_t slots_ = 0, tokens_ = 0;
  planecast::kv_strides keys_, values_;
  std::vector<layer> layers_;
  std::vector<std::int64_t> mapping_;
};

inline planecast::geometry random_geometry(dice& random) {
  planecast::geometry g;
  g.dtype = random.one_in(2) ? planecast::number::fp16 : planecast::number::bf16;
  g.layers = random.between(1, 3);
  g.kv_heads = random.between(1, 3);
  g.key_dim = 8 * random.between(1, 10);
  g.value_dim = random.one_in(2) ? g.key_dim : 8 * random.between(1, 10);
  return g;
}

/// Lengths around a page's boundaries, and others.
inline std::uint32_t random_tokens(dice& random) {
  constexpr std::uint32_t rests[] = {0, 1, 6, 7, 63};
  return random.one_in(3) ? random.between(1, 200)
                          : std::max(1u, 64 * random.below(3) + rests[random.below(5)]);
}

/// Mostly what real caches hold; now and then what they should not.
inline void fill(cache_memory& cache, planecast::number dtype, dice& random) {
  const bool wild = random.one_in(4);
  cache.each([&](std::uint16_t& x) {
    const float f = random.gaussian();
    x = planecast::with_format(dtype, [&]<class Number>(Number) { return Number::nearest(f); });
    if (wild && random.one_in(50))
      x = static_cast<std::uint16_t>(random.below(65536));
    if (x == cache_memory::untouched)
      x = 0;
  });
}

} // namespace test
