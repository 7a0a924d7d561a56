// One request at the receiver: frames that wait, the plan, and how far it has come.
#pragma once

#include "planecast/code/caches.hpp"
#include "planecast/stream/connection.hpp"
#include "planecast/stream/messages.hpp"
#include "planecast/stream/metrics.hpp"
#include "planecast/stream/outlook.hpp"
#include "planecast/stream/request.hpp"

#include <algorithm>
#include <compare>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// A page of one layer.
struct layer_page {
  std::uint32_t layer = 0; ///< by its number in the model
  std::uint32_t page = 0;  ///< of the policy's page_tokens each, counted from the sequence's position 0
  friend constexpr auto operator<=>(const layer_page&, const layer_page&) = default;
};

namespace detail {

template <class Policy, class Backend>
class incoming_request {
  using caches = detail::caches<Policy, Backend>;

public:
  using planes = typename Policy::planes;

  [[nodiscard]] static std::uint64_t bytes_needed(const geometry& shape, const request& r,
                                                  std::uint32_t first_layer = 0,
                                                  std::uint32_t model_layers = 0) {
    const std::uint64_t most_ranks =
        std::uint64_t{shape.layers} * (r.tokens - r.first) * (planes::count - Policy::base_planes);
    return arrived_planes<Policy>::bytes_needed({shape, r.tokens, r.first, first_layer, model_layers}) +
           4 * most_ranks;
  }

  /// `shape` is what the stream carries of a model of `model_layers` layers (0: it is all), from layer
  /// `first_layer` on.
  incoming_request(request r, const geometry& shape, std::uint32_t first_layer, std::vector<kv_pages> pages,
                   std::uint32_t model_layers = 0, executor threads = {},
                   const std::shared_ptr<typename caches::place>& where = {},
                   typename caches::order behind = {})
      : id(r), cache(caches::make_received(where, {shape, r.tokens, r.first, first_layer, model_layers},
                                           std::move(pages), behind)),
        layered_{shape.layers, r.tokens, r.first}, first_layer_(first_layer), threads_(std::move(threads)) {
    metrics.raw_bytes = shape.raw_bytes(std::uint64_t{cache.map().count()} + r.dropped);
    metrics.dropped = r.dropped;
    metrics.opened = std::chrono::steady_clock::now();
  }

  const request id;
  std::uint32_t opening = 0; ///< the sender's number of it; 0 until it is announced
  status result;
  request_metrics metrics;
  deadline::clock::time_point looked = deadline::clock::now(); ///< when its owner last asked for it
  typename caches::received cache;

  /// A frame that has come; it waits for apply().
  void stage(const frame_header& h, buffer memory) { staged_.emplace_back(h, std::move(memory)); }
  [[nodiscard]] std::size_t staged() const noexcept { return staged_.size(); }
  /// Numbers of frames that came and had to be given up: to be asked for when the request is looked at.
  void owe(std::uint64_t sequence) { owed_.push_back(sequence); }
  [[nodiscard]] std::vector<std::uint64_t> take_owed() noexcept { return std::exchange(owed_, {}); }

  /// Takes staged frames into the cache, those that may be: a plane waits for the planes below it. Calls
  /// done(buffer) for each that is used up. With `to_light`, no further than first light. An error ends the
  /// request.
  template <class Done>
  status apply(bool to_light, Done&& done) {
    for (bool again = true; again;) {
      again = false;
      for (auto it = staged_.begin(); it != staged_.end();) {
        const frame_header h = it->first;
        const auto [s, taken] = take(h, it->second.room().subspan(frame_header_bytes, h.payload_bytes));
        if (!s.ok())
          return s;
        if (taken) {
          count(h);
          done(std::move(it->second));
          it = staged_.erase(it);
          again = true;
          if (to_light && reached_first_light())
            return {};
        } else
          ++it;
      }
    }
    return {};
  }
  /// Gives all staged frames back unread: done(header, buffer).
  template <class Done>
  void drop(Done&& done) {
    for (auto& [h, memory] : staged_)
      done(h, std::move(memory));
    staged_.clear();
  }

  [[nodiscard]] bool reached_first_light() const noexcept {
    return cache.base_complete() && order_known_ && light_done_ == plan_.light_upgrades;
  }
  [[nodiscard]] bool reached_focus() const noexcept {
    return cache.base_complete() && order_known_ && done_ == planned_;
  }
  /// Index of the lowest tier that a token holds; −1 before the base is complete.
  [[nodiscard]] int tier() const noexcept {
    int reached = -1;
    std::uint32_t plane = 0;
    for (std::uint32_t i = 0; i < Policy::tiers::count; ++i) {
      for (const std::uint32_t end = planes::holding(Policy::tiers::bits(i)); plane < end; ++plane)
        if (!cache.all_hold(plane))
          return reached;
      reached = static_cast<int>(i);
    }
    return reached;
  }
  /// How long until everything planned is there; empty while that is not known.
  [[nodiscard]] std::optional<deadline::clock::duration> left() const noexcept {
    if (reached_focus())
      return deadline::clock::duration{};
    if (!cache.base_complete() || !order_known_)
      return std::nullopt;
    return outlook_.left(metrics.data_bytes, std::chrono::steady_clock::now());
  }
  [[nodiscard]] std::vector<layer_page> unsharp() const {
    const auto& map = cache.map();
    std::vector<layer_page> found;
    for (std::uint32_t layer = 0; layer < map.shape.layers; ++layer)
      for (std::uint32_t page = 0; page < map.pages(); ++page)
        if (!sharp(layer, page))
          found.push_back({first_layer_ + layer, map.first / Policy::page_tokens + page});
    return found;
  }

private:
  struct outcome {
    status result;
    bool taken = false;
  };
  struct numbered_run {
    upgrade_run run;
    std::uint64_t before = 0; // upgrades in the runs before it, in the order of the plan
    [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> place() const noexcept {
      return {run.plane, run.first};
    }
  };

  void count(const frame_header& h) noexcept {
    const std::uint64_t bytes = frame_header_bytes + h.payload_bytes;
    if (h.kind != frame_kind::upgrade)
      metrics.base_bytes += bytes;
    if (h.kind != frame_kind::upgrade || last_was_light_)
      metrics.light_bytes += bytes;
  }

  // A base frame is of one layer, others are of all.
  [[nodiscard]] bool covers_what_it_must(const frame_header& h) const noexcept {
    return h.kind == frame_kind::base
               ? h.layer_count == 1 && h.layer_first >= first_layer_
               : h.layer_count == cache.map().shape.layers && h.layer_first == first_layer_;
  }

  outcome take(const frame_header& h, std::span<const std::byte> payload) {
    if (!covers_what_it_must(h))
      return {{errc::corrupt, "data lane: a frame of other layers"}, true};
    switch (h.kind) {
    case frame_kind::base:
      return {cache.place_base(h.layer_first - first_layer_, h.first, h.count, payload, threads_), true};
    case frame_kind::order:
      if (!plan_known_)
        return {};
      return {take_order(h, payload), true};
    case frame_kind::plan:
      return {take_plan(payload), true};
    case frame_kind::upgrade:
      if (!order_known_ || !cache.base_complete())
        return {};
      return take_upgrade(h, payload);
    default:
      return {{errc::corrupt, "data lane: a frame that is not data"}, true};
    }
  }

  status take_plan(std::span<const std::byte> payload) {
    if (plan_known_)
      return {errc::corrupt, "plan: came twice"};
    if (const status s = plan_.read(payload, layered_, Policy::base_planes, planes::count); !s)
      return s;
    plan_known_ = true;
    return plan_.order.items.empty() ? order_complete() : status{};
  }

  status take_order(const frame_header& h, std::span<const std::byte> payload) {
    const status bad{errc::corrupt, "order: not what was planned"};
    std::vector<std::uint32_t>& items = plan_.order.items;
    const item_map map = plan_.items_of(layered_);
    if (h.first > items.size() || h.count > items.size() - h.first || h.count == 0 ||
        payload.size() != 4 * std::size_t{h.count})
      return bad;
    for (std::uint32_t i = 0; i < h.count; ++i) {
      const auto item = load<std::uint32_t>(&payload[4 * std::size_t{i}]);
      if (!map.has(item) || items[h.first + i] != upgrade_plan::unknown)
        return bad;
      items[h.first + i] = item;
    }
    ranks_known_ += h.count;
    return ranks_known_ == items.size() ? order_complete() : status{};
  }

  status order_complete() {
    if (const status s = plan_.check(layered_, Policy::base_planes); !s)
      return s;
    const geometry& shape = cache.map().shape;
    const std::uint64_t raw =
        shape.raw_bytes(1) / (plan_.order.per_layer ? shape.layers : 1); // of an upgrade
    for (const upgrade_run& run : plan_.order.runs) {
      runs_.push_back({run, planned_});
      planned_ += run.count;
      outlook_.plan(run.plane, run.count, raw * run.count, 8 * value_bytes(shape.dtype));
    }
    outlook_.begin(metrics.data_bytes, std::chrono::steady_clock::now());
    std::ranges::sort(runs_, {}, &numbered_run::place); // runs of one plane do not overlap
    order_known_ = true;
    return {};
  }

  outcome take_upgrade(const frame_header& h, std::span<const std::byte> payload) {
    const auto after = std::ranges::upper_bound(
        runs_, std::pair<std::uint32_t, std::uint32_t>(h.plane, h.first), {}, &numbered_run::place);
    const auto within = after == runs_.begin() ? runs_.end() : after - 1;
    if (within == runs_.end() || within->run.plane != h.plane || h.count == 0 ||
        h.count > within->run.count || h.first - within->run.first > within->run.count - h.count)
      return {{errc::corrupt, "upgrade: not one that was planned"}, true};
    const auto items = std::span<const std::uint32_t>(plan_.order.items).subspan(h.first, h.count);
    const item_map map = plan_.items_of(layered_);
    for (const std::uint32_t item : items) { // across layers all have the same
      const std::uint32_t held = cache.planes_held(map.layer(item), map.token(item));
      if (held > h.plane)
        return {{errc::corrupt, "upgrade: came twice"}, true};
      if (held < h.plane)
        return {};
    }
    const status s =
        plan_.order.per_layer
            ? cache.place_upgrade(h.plane, listed_items(map, items), payload)
            : cache.place_upgrade(h.plane, listed_items(cache.map().shape.layers, items), payload);
    const std::uint64_t begin = within->before + (h.first - within->run.first);
    const std::uint64_t light_end = std::min(begin + h.count, plan_.light_upgrades);
    last_was_light_ = light_end > begin;
    light_done_ += last_was_light_ ? light_end - begin : 0;
    done_ += h.count;
    outlook_.came(h.plane, h.count, payload.size());
    return {s, true};
  }

  [[nodiscard]] bool sharp(std::uint32_t layer, std::uint32_t page) const {
    const auto& map = cache.map();
    bool stored = true;
    for (std::uint32_t head = 0; head < map.shape.heads(layer); ++head)
      for (const bool is_value : {false, true}) {
        const std::uint32_t tile = map.index({head, is_value, page});
        if (!cache.has_tile(layer, tile))
          return false;
        stored = stored && cache.has_stored_tile(layer, tile);
      }
    if (stored)
      return true;
    const std::uint32_t first = map.first_of(page);
    for (std::uint32_t token = first; token < first + map.tokens_of(page); ++token)
      if (cache.planes_held(layer, token) < planes::count)
        return false;
    return true;
  }

  item_map layered_; // of an order per layer
  std::uint32_t first_layer_;
  executor threads_; // where bases are decoded
  std::list<std::pair<frame_header, buffer>> staged_;
  std::vector<std::uint64_t> owed_;
  upgrade_plan plan_;
  outlook<planes> outlook_;
  std::vector<numbered_run> runs_;
  std::size_t ranks_known_ = 0;
  bool plan_known_ = false, order_known_ = false, last_was_light_ = false;
  std::uint64_t planned_ = 0, done_ = 0, light_done_ = 0; // upgrades
};

} // namespace detail
} // namespace planecast::inline v0
