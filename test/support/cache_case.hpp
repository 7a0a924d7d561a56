// A random cache of random shape, at both ends.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/cache/kv_view.hpp"
#include "planecast/cache/number.hpp"

#include "support/dice.hpp"
#include "support/engine_arrays.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace test {

/// One side's memory: every layer's K and V as a random engine would have them, in arrays of any named
/// layout, padded or not, at slots in order, behind a slot mapping, a block table or a page table. Where a
/// value lies is worked out here by hand, not by the library.
template <template <class> class Allocator>
class basic_cache_memory {
public:
  basic_cache_memory(const planecast::geometry& shape, std::uint32_t tokens, dice& random)
      : shape_(shape), tokens_(tokens) {
    draw_slots(random);
    draw_arrays(random);
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      for (const bool is_value : {false, true})
        if (const std::size_t n = number_of(l, is_value); n == arrays_.size())
          arrays_.emplace_back(array(is_value).size(lengths_of(l, is_value), gap_[is_value]), untouched);
  }

  template <class View>
  View view(std::uint32_t layer) {
    std::uint16_t* const keys = arrays_[number_of(layer, false)].data();
    std::uint16_t* const values = arrays_[number_of(layer, true)].data();
    const std::uint32_t in_array = array(false).has(planecast::axis::layer) ? layer : 0;
    const lengths n = lengths_of(layer, false);
    if (keys == values && gap_[0] == 0)
      return View(array(false).layout, keys, n.extents(), slots_, in_array);
    const auto k = array(false).placed(n, gap_[0], in_array);
    const auto v = array(true).placed(lengths_of(layer, true), gap_[1], in_array);
    if (in_order_)
      return View(keys + k.keys, k.strides, values + v.values, v.strides, tokens_);
    return View(keys + k.keys, k.strides, values + v.values, v.strides, slots_);
  }
  std::vector<planecast::kv_pages> pages() {
    std::vector<planecast::kv_pages> all;
    for (std::uint32_t l = 0; l < shape_.layers; ++l)
      all.push_back(view<planecast::kv_pages>(l));
    return all;
  }

  /// f(token, pattern) for every value of the cache, in the order layer, token, head, K then V, channel.
  template <class F>
  void each_of_token(F&& f) {
    for (std::uint32_t l = 0; l < shape_.layers; ++l)
      for (std::uint32_t t = 0; t < tokens_; ++t)
        for (std::uint32_t h = 0; h < shape_.heads(l); ++h)
          for (const bool is_value : {false, true}) {
            auto& from = arrays_[number_of(l, is_value)];
            const lengths n = lengths_of(l, is_value);
            place p = place_of(l, is_value, t, h);
            for (p.c = 0; p.c < n.hs; ++p.c)
              f(t, from[array(is_value).at(n, gap_[is_value], p)]);
          }
  }
  /// f(pattern), likewise.
  template <class F>
  void each(F&& f) {
    each_of_token([&](std::uint32_t, std::uint16_t& x) { f(x); });
  }
  std::vector<std::uint16_t> values() {
    std::vector<std::uint16_t> all;
    each([&](std::uint16_t& x) { all.push_back(x); });
    return all;
  }
  /// Whether tokens first … tokens − 1 are `sent`'s, bit for bit, and nothing else was ever written.
  template <template <class> class Other>
  bool received(basic_cache_memory<Other>& sent, std::uint32_t first = 0) {
    const std::vector<std::uint16_t> wanted = sent.values();
    std::size_t i = 0, written = 0;
    bool same = true;
    each_of_token([&](std::uint32_t t, std::uint16_t x) {
      same = same && x == (t < first ? untouched : wanted[i]);
      written += t < first ? 0u : 1u;
      ++i;
    });
    return same && i == wanted.size() && untouched_values() == all_values() - written;
  }
  /// Values that no token has: nobody may have written there.
  [[nodiscard]] std::size_t untouched_values() const {
    std::size_t n = 0;
    for (const auto& a : arrays_)
      n += static_cast<std::size_t>(std::count(a.begin(), a.end(), untouched));
    return n;
  }
  [[nodiscard]] std::size_t all_values() const {
    std::size_t n = 0;
    for (const auto& a : arrays_)
      n += a.size();
    return n;
  }
  /// How it is laid out, for a test that fails.
  [[nodiscard]] std::string description() const {
    return std::string(array(false).name) + " and " + array(true).name + ", blocks of " +
           std::to_string(block_size_) + (in_order_ ? ", in order" : "");
  }
  static constexpr std::uint16_t untouched = 0x7FFF; // a NaN in both formats

private:
  // Slots of shuffled blocks, or in order, or all over the place, said in any of the ways there are.
  void draw_slots(dice& random) {
    block_size_ = random.one_in(2) ? 1u << random.below(6) : random.between(1, 33);
    const std::uint32_t needed = (tokens_ + block_size_ - 1) / block_size_;
    blocks_ = std::max(1u, needed + random.below(3));
    std::vector<std::int32_t> table(blocks_);
    std::iota(table.begin(), table.end(), 0);
    std::shuffle(table.begin(), table.end(), random.engine());
    const std::uint32_t how = random.below(6);
    in_order_ = how == 0;
    for (std::uint32_t t = 0; t < tokens_; ++t)
      slot_of_.push_back(
          in_order_ ? t : static_cast<std::size_t>(table[t / block_size_]) * block_size_ + t % block_size_);
    if (how == 1) { // pages of one slot
      slot_of_.resize(std::size_t{blocks_} * block_size_);
      std::iota(slot_of_.begin(), slot_of_.end(), std::size_t{0});
      std::shuffle(slot_of_.begin(), slot_of_.end(), random.engine());
      slot_of_.resize(tokens_);
    }
    switch (how) {
    case 0:
      slots_ = planecast::token_slots::first(tokens_);
      break;
    case 2:
      slots_ = planecast::token_slots::blocks(table, block_size_, tokens_);
      break;
    case 3: { // the second of three sequences; the others have pages that are not there
      std::vector<std::int32_t> indices(2, 0x7FFFFFFF);
      indices.insert(indices.end(), table.begin(), table.begin() + needed);
      indices.push_back(0x7FFFFFFF);
      const auto end = static_cast<std::int32_t>(2 + needed);
      const auto last = static_cast<std::int32_t>(tokens_ - (needed - 1) * block_size_);
      slots_ = planecast::token_slots::paged(indices, std::vector<std::int32_t>{0, 2, end, end + 1},
                                             std::vector<std::int32_t>{1, last, 1}, 1, block_size_);
      break;
    }
    case 4:
      slots_ = planecast::token_slots(mapping<std::int32_t>(random));
      break;
    default:
      slots_ = planecast::token_slots(mapping<std::int64_t>(random));
    }
  }
  template <class Int>
  std::vector<Int> mapping(dice& random) const {
    std::vector<Int> m;
    for (const std::size_t slot : slot_of_) {
      while (random.one_in(20))
        m.push_back(-1);
      m.push_back(static_cast<Int>(slot));
    }
    return m;
  }

  // One array of both, if keys and values are of one width; else an array for each, alike or not.
  void draw_arrays(dice& random) {
    using planecast::axis;
    const bool both = shape_.key_dim == shape_.value_dim && random.one_in(2);
    const auto draw = [&] {
      for (;;) {
        const engine_array& a = engine_arrays[random.below(std::size(engine_arrays))];
        if (a.has(axis::two) == both && (!a.has(axis::layer) || shape_.uniform_heads() != 0))
          return &a;
      }
    };
    for (const bool is_value : {false, true}) {
      const bool like_keys = is_value && both;
      array_[is_value] = like_keys ? array_[0] : draw();
      pack_[is_value] = like_keys ? pack_[0] : 1u << random.below(4);
      gap_[is_value] = like_keys ? gap_[0] : random.one_in(2) ? random.below(20) : 0;
    }
  }

  [[nodiscard]] const engine_array& array(bool is_value) const { return *array_[is_value]; }
  // Which of the arrays holds a layer's keys, or values.
  [[nodiscard]] std::size_t number_of(std::uint32_t layer, bool is_value) const {
    if (array(is_value).has(planecast::axis::layer))
      return 0;
    return array(is_value).has(planecast::axis::two) ? layer : 2 * std::size_t{layer} + is_value;
  }
  [[nodiscard]] lengths lengths_of(std::uint32_t layer, bool is_value) const {
    const bool blocks = array(is_value).has(planecast::axis::block);
    return {.layers = array(is_value).has(planecast::axis::layer) ? shape_.layers : 1,
            .nb = blocks ? blocks_ : 1,
            .bs = blocks ? block_size_ : std::size_t{blocks_} * block_size_,
            .nh = shape_.heads(layer),
            .hs = is_value ? shape_.value_dim : shape_.key_dim,
            .x = pack_[is_value]};
  }
  [[nodiscard]] place place_of(std::uint32_t layer, bool is_value, std::uint32_t token,
                               std::uint32_t head) const {
    const std::size_t slot = slot_of_[token], per_block = lengths_of(layer, is_value).bs;
    return {array(is_value).has(planecast::axis::layer) ? layer : 0, is_value, slot / per_block,
            slot % per_block, head};
  }

  planecast::geometry shape_;
  std::uint32_t tokens_ = 0, block_size_ = 0, blocks_ = 0;
  bool in_order_ = false;
  std::vector<std::size_t> slot_of_; // the same as slots_, written down apart
  planecast::token_slots slots_;
  const engine_array* array_[2] = {}; // of keys, of values
  std::size_t pack_[2] = {}, gap_[2] = {};
  std::vector<std::vector<std::uint16_t, Allocator<std::uint16_t>>> arrays_;
};
/// In memory as any other.
using cache_memory = basic_cache_memory<std::allocator>;

inline planecast::geometry random_geometry(dice& random) {
  planecast::geometry g;
  g.dtype = random.one_in(2) ? planecast::number::fp16 : planecast::number::bf16;
  g.layers = random.between(1, 3);
  if (random.one_in(4))
    for (std::uint32_t l = 0; l < g.layers; ++l)
      g.kv_heads_by_layer.push_back(random.between(1, 3));
  else
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
template <template <class> class Allocator>
void fill(basic_cache_memory<Allocator>& cache, planecast::number dtype, dice& random) {
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
