// Scores of a request's items, and their ranking, where layers are told apart.
#pragma once

#include "planecast/code/item_map.hpp"
#include "planecast/plan/falling_order.hpp"
#include "planecast/plan/importance.hpp"
#include "planecast/plan/layered_importance.hpp"

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
  all.items.resize(scores.size());
  all.scores.resize(scores.size());
  const std::size_t per_layer = map.tokens - map.first;
  std::size_t listed = 0;
  const auto add = [&](std::uint32_t from, std::uint32_t to) {
    for (std::uint32_t token = from; token < to; ++token)
      for (std::uint32_t layer = 0; layer < map.layers; ++layer, ++listed) {
        all.items[listed] = map.item(layer, token);
        all.scores[listed] = scores[layer * per_layer + (token - map.first)];
      }
  };
  add(map.first, sinks_end);
  add(recent, map.tokens);
  all.pinned = static_cast<std::uint32_t>(listed);
  add(sinks_end, recent);
  return all;
}

/// Ranks items: pinned ones as they are listed, then the others by falling score, equal ones as listed. The
/// ranking's `tokens` are items.
inline ranking rank_items(const scored_items& all) {
  std::vector<detail::keyed_item> others(all.items.size() - all.pinned);
  for (std::size_t i = 0; i < others.size(); ++i)
    others[i] = {detail::falling_key(all.scores[all.pinned + i]), all.items[all.pinned + i]};
  detail::radix_sort(others);
  ranking r{all.items, all.pinned};
  std::ranges::transform(others, r.tokens.begin() + r.pinned, &detail::keyed_item::item);
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
