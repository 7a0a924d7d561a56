// A model whose cache lies spread over the ranks of an engine, and streams between two such engines.
#pragma once

#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace test {

/// A cache of a whole model, as patterns.
class model_cache {
public:
  model_cache(const planecast::geometry& model, std::uint32_t tokens, dice& random)
      : model_(model), tokens_(tokens) {
    cache_memory memory(model, tokens, random);
    fill(memory, model.dtype, random);
    patterns_ = memory.values();
  }

  [[nodiscard]] const planecast::geometry& model() const { return model_; }
  [[nodiscard]] std::uint32_t tokens() const { return tokens_; }

  /// Writes what a rank has of it: the layers and heads of a shard.
  void fill_rank(cache_memory& memory, const planecast::shard& own) const {
    std::vector<std::uint16_t> mine;
    for (std::uint32_t l = own.layer_first; l < own.layer_first + model_.of(own).layers; ++l)
      for (std::uint32_t t = 0; t < tokens_; ++t) {
        const std::uint32_t heads = model_.heads(l);
        const auto from = head(l, t, own.head_first(heads));
        mine.insert(mine.end(), from, from + own.head_count(heads) * (model_.key_dim + model_.value_dim));
      }
    std::size_t i = 0;
    memory.each([&](std::uint16_t& x) { x = mine.at(i++); });
  }

private:
  // Where the keys of a head begin; its values follow, then the next head.
  [[nodiscard]] std::vector<std::uint16_t>::const_iterator head(std::uint32_t layer, std::uint32_t token,
                                                                std::uint32_t h) const {
    std::size_t heads = 0;
    for (std::uint32_t l = 0; l < layer; ++l)
      heads += std::size_t{model_.heads(l)} * tokens_;
    heads += std::size_t{model_.heads(layer)} * token + h;
    return patterns_.begin() + static_cast<std::ptrdiff_t>(heads * (model_.key_dim + model_.value_dim));
  }

  planecast::geometry model_;
  std::uint32_t tokens_;
  std::vector<std::uint16_t> patterns_;
};

/// A rank of an engine: its piece of a model's cache, in arrays of its own.
struct engine_rank {
  planecast::geometry model;
  planecast::shard own;
  cache_memory memory;

  engine_rank(const planecast::geometry& m, const planecast::shard& s, std::uint32_t tokens, dice& random)
      : model(m), own(s), memory(m.of(s), tokens, random) {}

  [[nodiscard]] std::uint32_t layers_end() const { return own.layer_first + model.of(own).layers; }

  /// What a stream takes of one of its layers.
  template <class View>
  View view(const planecast::shard& carried, std::uint32_t layer) {
    const std::uint32_t heads = model.heads(layer);
    return memory.view<View>(layer - own.layer_first)
        .from_head(carried.head_first(heads) - own.head_first(heads));
  }
  std::vector<planecast::kv_pages> pages(const planecast::shard& carried) {
    std::vector<planecast::kv_pages> all;
    for (std::uint32_t l = carried.layer_first; l < carried.layer_first + model.of(carried).layers; ++l)
      all.push_back(view<planecast::kv_pages>(carried, l));
    return all;
  }
  template <class Shot>
  planecast::status put(Shot& shot, const planecast::shard& carried) {
    planecast::status s;
    for (std::uint32_t l = carried.layer_first; l < carried.layer_first + model.of(carried).layers; ++l)
      s = shot.put(l, view<planecast::kv_view>(carried, l));
    return s;
  }
};

/// A stream's ends, by the numbers of the ranks between which it runs, and what it carries.
struct route {
  std::size_t from = 0, to = 0;
  planecast::shard carried;
};

/// All the ranks of an engine: pipeline stages that end before these layers, each of `tensor` ranks.
inline std::vector<planecast::shard> ranks_of(std::span<const std::uint32_t> stage_ends,
                                              std::uint32_t tensor) {
  std::vector<planecast::shard> all;
  std::uint32_t first = 0;
  for (const std::uint32_t end : stage_ends) {
    for (std::uint32_t r = 0; r < tensor; ++r)
      all.push_back({first, end - first, r, tensor});
    first = end;
  }
  return all;
}

/// The streams between two engines: for each pair of stages that have layers in common, as many as the least
/// common multiple of their ranks.
inline std::vector<route> routes_between(const std::vector<planecast::shard>& from,
                                         const std::vector<planecast::shard>& to) {
  std::vector<route> all;
  for (std::size_t a = 0; a < from.size(); ++a)
    for (std::size_t b = 0; b < to.size(); ++b) {
      const std::uint32_t first = std::max(from[a].layer_first, to[b].layer_first);
      const std::uint32_t end =
          std::min(from[a].layer_first + from[a].layer_count, to[b].layer_first + to[b].layer_count);
      const std::uint32_t ranks = std::lcm(from[a].ranks, to[b].ranks);
      for (std::uint32_t r = 0; first < end && r < ranks; ++r)
        if (r / (ranks / from[a].ranks) == from[a].rank && r / (ranks / to[b].ranks) == to[b].rank)
          all.push_back({a, b, {first, end - first, r, ranks}});
    }
  return all;
}

} // namespace test
