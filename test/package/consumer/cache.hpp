// A small cache as an engine might hold it, and the policy that codes it.
#pragma once

#include <planecast/planecast.hpp>

#include <cstdint>
#include <vector>

namespace pc = planecast;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;

inline const pc::geometry model{
    .dtype = pc::number::bf16, .layers = 2, .kv_heads = 2, .key_dim = 32, .value_dim = 32};
constexpr std::uint32_t tokens = 100;
inline const auto strides = pc::kv_strides::nhd(model.kv_heads, model.key_dim);

struct layer {
  std::vector<std::uint16_t> k = std::vector<std::uint16_t>(tokens * 2 * 32), v = k;
  bool operator==(const layer&) const = default;
};

inline std::vector<layer> some_cache() {
  std::vector<layer> cache(model.layers);
  std::uint32_t state = 1;
  for (layer& l : cache)
    for (auto* values : {&l.k, &l.v})
      for (std::uint16_t& x : *values)
        x = pc::bf16::nearest(
            static_cast<float>(static_cast<std::int32_t>(state = state * 1664525 + 1013904223)));
  return cache;
}

inline std::vector<pc::kv_pages> pages_of(std::vector<layer>& cache) {
  std::vector<pc::kv_pages> pages;
  for (layer& l : cache)
    pages.emplace_back(l.k.data(), strides, l.v.data(), strides, tokens);
  return pages;
}

template <class Request>
void put_all(Request& shot, const std::vector<layer>& cache) {
  for (std::uint32_t l = 0; l < model.layers; ++l)
    pc::check(shot.put(l, {cache[l].k.data(), strides, cache[l].v.data(), strides, tokens}));
  pc::check(shot.plan(pc::budget::of_raw(0.5)));
}
