// Scores of a request's items, and their ranking, where layers are told apart.
#pragma once

#include "planecast/code/item_map.hpp"
#include "planecast/plan/importance.hpp"
#include "planecast/plan/layered_importance.hpp"
#include "planecast/plan/falling_order.hpp"
#include "planecast/plan/radix_sort.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

namespace planecast::inline v0 {

/// Items with their scores: pinned ones first, and within the pinned and the others by position, then by
/// layer.
struct scored_items {
  std::vector<std::uint32_t> items; ///< numbers of an item_map
  std::vector<float> scores;        ///< one for each
  std::uint32_t pinned = 0;         ///< so many of them, the first, are pinned
};

/// Lists a request's items. scores[index of an item] is that item's, as item_map::index() counts. Sinks are
/// counted from the beginning of the sequence, whether or not it is carried; recent tokens from its end. A
/// token is pinned in all layers.
/// Preconditions: no score is NaN, there is one for each item, and they are numberable (throws
/// std::invalid_argument); infinities are fine.
inline scored_items list_items(const item_map& map, std::span<const float> scores, pinned_tokens pins = {}) {
  if (!map.numberable() || scores.size() != map.count())
    throw std::invalid_argument("planecast: one score for each item is needed, and items of 32 bits");
  if (std::ranges::any_of(scores, [](float s) { return std::isnan(s); }))
    throw std::invalid_argument("planecast: an importance score is NaN");
  const std::uint32_t sinks_end = std::clamp(pins.sinks, map.first, map.tokens);
  const std::uint32_t recent = std::max(sinks_end, map.tokens - std::min(map.tokens, pins.recent));
  scored_items all;
  all.items.reserve(scores.size());
  all.scores.reserve(scores.size());
  const auto add = [&](std::uint32_t from, std::uint32_t to) {
    for (std::uint32_t token = from; token < to; ++token)
      for (std::uint32_t layer = 0; layer < map.layers; ++layer) {
        all.items.push_back(map.item(layer, token));
        all.scores.push_back(scores[map.index(all.items.back())]);
      }
  };
  add(map.first, sinks_end);
  add(recent, map.tokens);
  all.pinned = static_cast<std::uint32_t>(all.items.size());
  add(sinks_end, recent);
  return all;
}

/// Ranks items: pinned ones as they are listed, then the others by falling score, equal ones as listed. The
/// ranking's `tokens` are items.
inline ranking rank_items(const scored_items& all) {
  struct keyed {
    std::uint32_t key, item;
  };
  std::vector<keyed> others(all.items.size() - all.pinned);
  for (std::size_t i = 0; i < others.size(); ++i)
    others[i] = {detail::falling_key(all.scores[all.pinned + i]), all.items[all.pinned + i]};
  detail::radix_sort(others, [](const keyed& k) { return std::uint64_t{k.key}; });
  ranking r{{all.items.begin(), all.items.begin() + all.pinned}, all.pinned};
  r.tokens.reserve(all.items.size());
  for (const keyed& k : others)
    r.tokens.push_back(k.item);
  return r;
}

namespace detail {
// What an importance says of a request's items, by their index.
template <class I>
std::vector<float> scores_of(const I& i, const item_map& map) {
  std::vector<float> scores(map.count());
  if constexpr (layered_importance<I>) {
    const std::size_t per_layer = map.tokens - map.first;
    for (std::uint32_t layer = 0; layer < map.layers; ++layer)
      i.score(layer, map.first, std::span(scores).subspan(layer * per_layer, per_layer));
  } else
    i.score(map.first, scores);
  return scores;
}
} // namespace detail

} // namespace planecast::inline v0
