// One request at the sender: its codes, its plan, and the frames that the two make.
#pragma once

#include "planecast/code/caches.hpp"
#include "planecast/plan/budget.hpp"
#include "planecast/stream/messages.hpp"
#include "planecast/stream/metrics.hpp"
#include "planecast/stream/options.hpp"
#include "planecast/stream/planning.hpp"
#include "planecast/stream/request.hpp"
#include "planecast/stream/schedule.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace planecast::inline v0 {

namespace detail {

/// Of a budget by a rate that was not measured yet.
inline constexpr status no_rate_yet{errc::unknown,
                                    "budget: the link's rate, of which too little was seen so far"};

template <class Policy, class Backend>
class outgoing_request {
  using caches = detail::caches<Policy, Backend>;

public:
  using order = typename caches::order; ///< a queue of the caller's on its device

  /// `shape` is what the stream carries of a model of `model_layers` layers (0: it is all), from layer
  /// `first_layer` on.
  outgoing_request(request r, std::uint32_t number, const geometry& shape, std::uint32_t first_layer,
                   std::uint32_t chunk_bytes, std::uint32_t model_layers = 0,
                   const std::shared_ptr<typename caches::place>& where = {})
      : id(r), opening(number), shape_(shape), first_layer_(first_layer), chunk_bytes_(chunk_bytes),
        cache_(caches::make_sent(where, {shape, r.tokens, r.first, first_layer, model_layers}, r.how)),
        base_frames_(shape.layers), put_(shape.layers), queued_(shape.layers) {
    metrics.raw_bytes = shape.raw_bytes(std::uint64_t{r.tokens} - r.first + r.dropped);
    metrics.dropped = r.dropped;
    metrics.opened = std::chrono::steady_clock::now();
    metrics.coded_as = r.how;
  }

  const request id;
  const std::uint32_t opening; ///< names it on the wire, together with the id
  bool accepted = false;
  status result;
  request_metrics metrics;
  std::uint64_t sent_bytes = 0; ///< given to the transport, each frame once

  [[nodiscard]] std::uint64_t bytes_held() const noexcept { return cache_.bytes(); }
  void release() noexcept { cache_.clear(); }

  /// Decides how it is coded, unless the caller did.
  /// Preconditions: no layer was put.
  void decide(coding how) noexcept {
    metrics.coded_as = id.how == coding::automatic ? how : id.how;
    cache_.code_as(metrics.coded_as);
  }
  /// Whether any layer was put.
  [[nodiscard]] bool begun() const noexcept { return layers_put_ > 0; }

  /// Layers go by their numbers in the model. One that a device codes is there later: see collect().
  void put(std::uint32_t layer, const kv_view& view, const executor& threads = {},
           [[maybe_unused]] order behind = {}) {
    const std::uint32_t number = layer - first_layer_;
    // Two neighbouring frames are longer than one may be. Room before, so that a layer that is there has all
    // of its frames.
    base_frames_[number].reserve(2 * cache_.map().stored_bytes(number) / chunk_bytes_ + 2);
    if constexpr (layer_backend<Backend, Policy>) {
      (void)threads;
      cache_.put(number, view, behind);
    } else {
      cache_.put(number, view, threads);
      come_to_rest(number);
    }
    put_[number] = true;
    ++layers_put_;
  }
  /// Whether a layer was put.
  [[nodiscard]] bool has(std::uint32_t layer) const noexcept { return put_[layer - first_layer_]; }
  /// Whether a device is still coding what was put.
  [[nodiscard]] bool busy() const noexcept {
    if constexpr (layer_backend<Backend, Policy>)
      return cache_.busy();
    else
      return false;
  }
  /// Takes the layers that a device has coded meanwhile; with `wait`, all that it is coding. Whether there
  /// was one.
  bool collect(bool wait = false) {
    bool any = false;
    if constexpr (layer_backend<Backend, Policy>)
      while (const std::optional<std::uint32_t> layer = cache_.come_to_rest(wait)) {
        come_to_rest(*layer);
        any = true;
      }
    return any;
  }

  template <class I>
  requires importance<I> || layered_importance<I>
      status make_plan(budget b, const I& by, const plan_options& how, const link_load& link = {}) {
    if (layers_put_ != shape_.layers || planned_)
      throw std::logic_error(planned_ ? "planecast: plan: called twice"
                                      : "planecast: plan: called with " + std::to_string(layers_put_) +
                                            " of " + std::to_string(shape_.layers) + " layers put");
    collect(true);
    const std::uint32_t end = Policy::planes::holding(static_cast<std::uint32_t>(how.until));
    if (!Policy::tiers::has(how.until))
      throw std::invalid_argument("planecast: plan: no tier ends there");
    item_map items{1, id.tokens, id.first};
    if constexpr (layered_importance<I>) {
      if (by.layers() < shape_.layers)
        throw std::invalid_argument("planecast: plan: scores of fewer layers than the stream carries");
      items.layers = shape_.layers;
      if (!items.numberable())
        return {errc::limit, "plan: tokens of layers to order", 0xFFFF'FFFFu,
                std::uint64_t{items.layers} * items.tokens};
    } else if (const std::uint64_t least = least_chunk_bytes<Policy>(shape_); chunk_bytes_ < least)
      return {errc::limit, "plan: chunk_bytes, which are to hold one token of all layers", chunk_bytes_,
              least};
    if (b.needs_rate() && !(link.bytes_per_second > 0))
      return no_rate_yet;

    plan_.order = order_upgrades(by, items, cache_, Policy::base_planes, end, how, chunk_bytes_);
    const std::uint64_t base = base_bytes();
    std::uint64_t ceiling = b.ceiling(metrics.raw_bytes, base, link);
    if (id.how == coding::automatic && metrics.coded_as == coding::raw && id.whole())
      ceiling =
          std::max(ceiling, base); // all of it is the base, and gets there sooner than a part that is coded
    if (ceiling < base)
      return {errc::infeasible, "budget, in bytes", ceiling, base};
    cut_ = cut_upgrades(plan_.order, items, cache_, chunk_bytes_, ceiling - base);
    plan_.light_upgrades = cut_.light_upgrades;
    if (!id.whole())
      drop_focus();
    metrics.base_bytes = id.whole() ? base : base_bytes();
    metrics.light_bytes = metrics.base_bytes + cut_.light_bytes;
    planned_ = true;
    return {};
  }

  [[nodiscard]] bool planned() const noexcept { return planned_; }

  /// Puts into the schedule what may go now and is not there yet.
  void enqueue(schedule& to) {
    if (!accepted || (!id.whole() && !planned_)) // what drops tokens does not stream
      return;
    for (std::uint32_t layer = 0; layer < shape_.layers; ++layer) {
      if (queued_[layer] || base_frames_[layer].empty())
        continue;
      queued_[layer] = true;
      for (const base_frame& f : base_frames_[layer]) {
        frame_header h = header(frame_kind::base, f.first, f.count);
        h.layer_first = static_cast<std::uint16_t>(first_layer_ + layer);
        h.layer_count = 1;
        to.add({h, true, {}, frame_header_bytes + f.bytes});
      }
    }
    if (!planned_ || plan_queued_)
      return;
    plan_queued_ = true;
    to.add({header(frame_kind::plan, 0, 0), true, {}, frame_header_bytes + plan_.bytes()});
    each_order_frame([&](std::uint32_t first, std::uint32_t count) {
      to.add(
          {header(frame_kind::order, first, count), true, {}, frame_header_bytes + 4 * std::uint64_t{count}});
    });
    for (std::size_t i = 0; i < cut_.chunks.size(); ++i) {
      const upgrade_run& run = cut_.chunks[i].run;
      frame_header h = header(frame_kind::upgrade, run.first, run.count);
      h.plane = static_cast<std::uint8_t>(run.plane);
      to.add({h, i < cut_.light, {}, frame_header_bytes + std::uint64_t{cut_.chunks[i].bytes}});
    }
  }

  /// Gathers the payload of one of those frames.
  void fill(const frame_header& h, frame_writer& w) const {
    const auto add = [&](std::span<const std::byte> piece) { w.add(piece); };
    const std::span<const std::uint32_t> items = plan_.order.items;
    switch (h.kind) {
    case frame_kind::base:
      return cache_.give_base(h.layer_first - first_layer_, h.first, h.count, add);
    case frame_kind::order:
      return w.add(std::as_bytes(items.subspan(h.first, h.count)));
    case frame_kind::plan:
      return plan_.write(w);
    default:
      if (plan_.order.per_layer)
        return cache_.give_upgrade(
            h.plane, listed_items({shape_.layers, id.tokens, id.first}, items.subspan(h.first, h.count)),
            add);
      return cache_.give_upgrade(h.plane, items.subspan(h.first, h.count), add);
    }
  }

private:
  // Tiles of a layer that go together.
  struct base_frame {
    std::uint32_t first = 0, count = 0;
    std::uint64_t bytes = 0; // payload
  };

  // A layer's tiles are there.
  void come_to_rest(std::uint32_t layer) {
    split_base(layer);
    if (++layers_at_rest_ < shape_.layers)
      return;
    metrics.stored_tiles = cache_.stored_tiles();
    metrics.note(source_free);
    metrics.note(quiesced); // the pages were read into memory of our own
  }

  // Forgets what is behind the cut, and with it all that would be said of it.
  void drop_focus() {
    cut_.chunks.resize(cut_.light);
    cut_.bytes = cut_.light_bytes;
    std::vector<upgrade_run>& runs = plan_.order.runs;
    std::uint64_t left = plan_.light_upgrades;
    std::size_t used = 0;
    for (; left > 0; left -= runs[used++].count)
      runs[used].count = static_cast<std::uint32_t>(std::min<std::uint64_t>(runs[used].count, left));
    runs.resize(used);
    if (runs.empty())
      plan_.order.items.clear();
  }

  [[nodiscard]] frame_header header(frame_kind kind, std::uint32_t first,
                                    std::uint32_t count) const noexcept {
    return {.kind = kind,
            .request = id.id,
            .first = first,
            .count = count,
            .layer_first = static_cast<std::uint16_t>(first_layer_),
            .layer_count = static_cast<std::uint16_t>(shape_.layers),
            .opening = opening};
  }

  // Splits a layer's tiles into frames: once, for a cache has many tiles.
  void split_base(std::uint32_t layer) noexcept {
    const std::uint32_t tiles = cache_.map().tiles(layer);
    std::vector<base_frame>& frames = base_frames_[layer];
    frames.push_back({});
    for (std::uint32_t tile = 0; tile < tiles; ++tile) {
      const std::uint32_t more = cache_.base_bytes(layer, tile);
      if (frames.back().bytes + more > chunk_bytes_)
        frames.push_back({tile, 0, 0});
      frames.back().count += 1;
      frames.back().bytes += more;
    }
  }
  // Splits the order's items into frames: f(first rank, ranks).
  template <class F>
  void each_order_frame(F&& f) const {
    const std::uint64_t most = chunk_bytes_ / 4, count = plan_.order.items.size();
    for (std::uint64_t first = 0; first < count; first += most)
      f(static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(std::min(most, count - first)));
  }
  // What must cross before anything can be decoded from: base, order, plan, their headers.
  [[nodiscard]] std::uint64_t base_bytes() const {
    std::uint64_t sum = frame_header_bytes + plan_.bytes();
    for (std::uint32_t layer = 0; layer < shape_.layers; ++layer)
      for (const base_frame& f : base_frames_[layer])
        sum += frame_header_bytes + f.bytes;
    each_order_frame([&](auto, std::uint64_t ranks) { sum += frame_header_bytes + 4 * ranks; });
    return sum;
  }

  geometry shape_;
  std::uint32_t first_layer_;
  std::uint32_t chunk_bytes_;
  typename caches::sent cache_;
  upgrade_plan plan_;
  cut_order cut_;
  std::uint32_t layers_put_ = 0, layers_at_rest_ = 0;
  std::vector<std::vector<base_frame>> base_frames_; // of the layers that are there
  std::vector<bool> put_;                            // layers that were put
  std::vector<bool> queued_;                         // layers whose base is in the schedule
  bool planned_ = false, plan_queued_ = false;
};

} // namespace detail
} // namespace planecast::inline v0
