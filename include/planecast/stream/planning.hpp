// From scores to an order of upgrades that was cut: what plan() does with a request's sizes.
#pragma once

#include "planecast/plan/cut.hpp"
#include "planecast/plan/layered_ranking.hpp"
#include "planecast/plan/worth.hpp"
#include "planecast/stream/frame.hpp"
#include "planecast/stream/messages.hpp"
#include "planecast/stream/options.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

/// Puts a request's upgrades, planes base … end − 1, in order. `sizes` is asked as coded_cache is: for
/// upgrade_bytes() and error_removed(), across layers or of one.
/// Errors: as the importance and the ranking have them.
template <class I, class Sizes>
upgrade_order order_upgrades(const I& by, const item_map& items, const Sizes& sizes, std::uint32_t base,
                             std::uint32_t end, const plan_options& how, std::uint32_t chunk_bytes) {
  upgrade_order order;
  if (how.order == plan_order::worth) {
    const auto bytes_of = [&](std::uint32_t plane, std::uint32_t item) {
      return layered_importance<I> ? sizes.upgrade_bytes(items.layer(item), plane, items.token(item))
                                   : sizes.upgrade_bytes(plane, item);
    };
    const auto removed_by = [&](std::uint32_t plane, std::uint32_t item) {
      return layered_importance<I> ? sizes.error_removed(items.layer(item), plane, items.token(item))
                                   : sizes.error_removed(plane, item);
    };
    order = worth_order(list_items(items, scores_of(by, items), how.pinned), base, end, bytes_of, removed_by,
                        how.window_bytes != 0 ? how.window_bytes : chunk_bytes,
                        (chunk_bytes - plan_fixed_bytes) / plan_run_bytes);
  } else if constexpr (layered_importance<I>)
    order = greedy_order(rank_items(list_items(items, scores_of(by, items), how.pinned)), base, end);
  else
    order = greedy_order(rank_tokens(by, items.count(), how.pinned, items.first), base, end);
  order.per_layer = layered_importance<I>;
  return order;
}

/// Cuts that order into frames of at most chunk_bytes, and at `available` bytes.
template <class Sizes>
cut_order cut_upgrades(const upgrade_order& order, const item_map& items, const Sizes& sizes,
                       std::uint32_t chunk_bytes, std::uint64_t available) {
  const chunk_rule rule{chunk_bytes, frame_header_bytes};
  if (order.per_layer)
    return cut(
        order,
        [&](std::uint32_t plane, std::uint32_t item) {
          return sizes.upgrade_bytes(items.layer(item), plane, items.token(item));
        },
        rule, available);
  return cut(
      order, [&](std::uint32_t plane, std::uint32_t item) { return sizes.upgrade_bytes(plane, item); }, rule,
      available);
}

} // namespace planecast::inline v0::detail
