// A request's layers at the sender, coded where a device has them and brought to the host.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/code/coded_cache.hpp"
#include "planecast/code/coded_tiles.hpp"
#include "planecast/cuda/detail/launch_coding.hpp"
#include "planecast/cuda/detail/pack_program.hpp"
#include "planecast/cuda/detail/slot_tables.hpp"
#include "planecast/cuda/detail/store_program.hpp"
#include "planecast/cuda/device.hpp"
#include "planecast/cuda/device_tiles.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// Codes layers in the device's memory and holds their tiles in the host's, pinned. put() enqueues; a layer
/// is there once it has come to rest, which come_to_rest() looks for. Layers may be under way at the same
/// time: while one is copied to the host, the next is coded. Each takes, of the device's memory, about twice
/// its own size.
/// Preconditions: those of coded_tiles; one thread at a time.
/// Errors: throws `error` where the device fails; what is under way is then lost.
template <class Policy, device Device>
class device_coded_cache : public coded_tiles<Policy> {
public:
  using map_type = tile_map<Policy>;    ///< which tiles there are
  using order = typename Device::order; ///< a queue of the caller's
  using coded_tiles<Policy>::map;

  /// Empty. What is to be decided is coded into planes until code_as() says something else.
  device_coded_cache(std::shared_ptr<Device> on, map_type tiles, coding how)
      : coded_tiles<Policy>(std::move(tiles)), on_(std::move(on)), how_(how) {}
  device_coded_cache(const device_coded_cache&) = delete;
  device_coded_cache& operator=(const device_coded_cache&) = delete;
  ~device_coded_cache() { settle(); }

  /// How layers that are put from now on are coded.
  void code_as(coding how) noexcept { how_ = how; }

  /// Begins to code one layer, behind what the caller has enqueued in its own queue so far. Where three are
  /// under way then, it waits for the first of them.
  /// Preconditions: the view's arrays are in the device's memory and stay as they are until the layer has
  /// come to rest; the view has the tokens of the map's sequence; the layer was not put before.
  /// Errors: throws std::invalid_argument for fp32 values and for channels that do not lie side by side, too.
  void put(std::uint32_t layer, const kv_view& view, order behind) {
    detail::check_for_device("put", *on_, view);
    coding_layer made;
    made.layer = layer;
    try {
      map().with_policy(layer, [&]<class Layer>(Layer) {
        with_format(map().shape.dtype,
                    [&]<class Number>(Number) { begin<Number, Layer>(made, view, behind); });
      });
    } catch (...) { // what it has begun works on memory that is about to go
      finish_all();
      throw;
    }
    under_way_.push_back(std::move(made));
    while (under_way_.size() > most_under_way)
      advance(true);
  }

  /// A layer that has come to rest since, if one has; with `wait`, once one has, where any is under way.
  std::optional<std::uint32_t> come_to_rest(bool wait) {
    while (at_rest_.empty() && !under_way_.empty() && advance(wait)) {
    }
    if (at_rest_.empty())
      return std::nullopt;
    const std::uint32_t layer = at_rest_.front();
    at_rest_.pop_front();
    return layer;
  }
  /// Whether a layer is under way, or has come to rest unnoticed.
  [[nodiscard]] bool busy() const noexcept { return !under_way_.empty() || !at_rest_.empty(); }

  /// As coded_tiles says, once nothing is under way.
  void clear() noexcept {
    settle();
    tables_ = {};
    coded_tiles<Policy>::clear();
  }

private:
  static constexpr std::size_t most_under_way = 2;

  // What became of a layer's tiles: those of K, then those of V; and where their tails end, likewise.
  struct numbers {
    std::uint32_t tiles, ends;

    [[nodiscard]] std::size_t ends_at() const noexcept { return sizeof(encoded_tile) * tiles; }
    [[nodiscard]] std::size_t bytes() const noexcept { return ends_at() + 4 * std::size_t{ends}; }
  };
  struct coding_layer {
    std::uint32_t layer = 0;
    numbers has{};
    std::shared_ptr<std::byte> tiles, packed, numbers_there, starts; // the device's
    std::shared_ptr<std::byte> numbers_here, bytes_here;             // the host's
    std::uint64_t total = 0;
    typename Device::mark last; // behind the numbers' copy, then behind the tiles'
  };

  template <class Number, class Layer>
  void begin(coding_layer& made, const kv_view& view, order behind) {
    using key_tiles = device_tiles<typename Layer::key_quantizer, typename Policy::planes>;
    using value_tiles = device_tiles<typename Layer::value_quantizer, typename Policy::planes>;
    const std::uint32_t heads = map().shape.heads(made.layer), width = value_bytes(map().shape.dtype);
    key_tiles keys{map().tokens, map().first, heads, map().shape.key_dim, Policy::page_tokens, width};
    value_tiles values{map().tokens, map().first, heads, map().shape.value_dim, Policy::page_tokens, width};

    made.has = {2 * keys.tiles(), static_cast<std::uint32_t>(2 * keys.ends())};
    made.tiles = on_->memory(keys.memory_bytes() + values.memory_bytes());
    made.packed = on_->memory(map().stored_bytes(made.layer));
    made.numbers_there = on_->memory(made.has.bytes());
    made.starts = on_->memory(8 * std::size_t{made.has.tiles});
    made.numbers_here = on_->pinned(made.has.bytes());
    const auto key_rows = tables_.rows(*on_, view, false), value_rows = tables_.rows(*on_, view, true);
    auto* const coded = reinterpret_cast<encoded_tile*>(made.numbers_there.get());
    auto* const ends = reinterpret_cast<std::uint32_t*>(made.numbers_there.get() + made.has.ends_at());
    auto* const starts = reinterpret_cast<std::uint64_t*>(made.starts.get());
    keys.bytes = made.tiles.get();
    keys.tail_ends = ends;
    keys.coded = coded;
    values.bytes = made.tiles.get() + keys.memory_bytes();
    values.tail_ends = ends + keys.ends();
    values.coded = coded + keys.tiles();

    const auto launch = [&](const auto& program, std::uint32_t blocks, std::uint32_t bytes) {
      on_->launch(device_queue::code, program, blocks, bytes);
    };
    on_->after(device_queue::code, behind);
    const auto code = [&](const auto& tiles, const device_rows<const std::byte>& rows) {
      if (how_ == coding::raw)
        store<Number>(tiles, rows, launch);
      else
        detail::launch_encode<Number>(tiles, rows, on_->tuning(), launch);
    };
    code(keys, key_rows);
    code(values, value_rows);
    launch(detail::starts_program{coded, starts, made.has.tiles}, 1,
           detail::starts_program::memory_bytes(on_->tuning().threads));
    launch(detail::pack_program{coded, starts, keys.bytes, values.bytes, keys.stride(), values.stride(),
                                keys.tiles(), made.packed.get()},
           made.has.tiles, 0);
    on_->follow(device_queue::tell, on_->set(device_queue::code));
    on_->to_host(device_queue::tell, made.numbers_here.get(), made.numbers_there.get(), made.has.bytes());
    made.last = on_->set(device_queue::tell);
  }
  template <class Number, quantizer Q, class Planes, class Launch>
  static void store(const device_tiles<Q, Planes>& to, const device_rows<const std::byte>& from,
                    Launch&& launch) {
    launch(detail::store_program<Number, Q, Planes>{to, from, detail::whole_groups(from, to.value_bytes)},
           to.tiles(), 0);
  }

  // A step with the first layer under way. False if it is not ready for one.
  bool advance(bool wait) {
    coding_layer& front = under_way_.front();
    if (wait)
      on_->wait(front.last);
    else if (!on_->passed(front.last))
      return false;
    if (front.bytes_here == nullptr) { // it is known now how much there is to copy
      const auto* const coded = reinterpret_cast<const encoded_tile*>(front.numbers_here.get());
      for (std::uint32_t i = 0; i < front.has.tiles; ++i)
        front.total += detail::align_up(coded[i].bytes, tile_alignment);
      front.bytes_here = on_->pinned(front.total);
      on_->to_host(device_queue::move, front.bytes_here.get(), front.packed.get(), front.total);
      front.last = on_->set(device_queue::move);
      return true;
    }
    at_rest_.push_back(front.layer); // what fails leaves it as it was
    try {
      this->take(front.layer, at_host(front));
    } catch (...) {
      at_rest_.pop_back();
      throw;
    }
    under_way_.pop_front();
    return true;
  }

  // The map's numbers of what has come.
  coded_layer at_host(const coding_layer& from) const {
    const auto* const coded = reinterpret_cast<const encoded_tile*>(from.numbers_here.get());
    const auto* const ends =
        reinterpret_cast<const std::uint32_t*>(from.numbers_here.get() + from.has.ends_at());
    const std::uint32_t pages = map().pages(), count = map().count(), heads = map().shape.heads(from.layer);
    coded_layer layer{from.bytes_here, from.total, {}, {}};
    layer.tiles.resize(from.has.tiles);
    layer.tail_ends.resize(from.has.ends);
    std::uint64_t at = 0;
    for (const bool is_value : {false, true})
      for (std::uint32_t head = 0; head < heads; ++head) {
        const std::uint32_t row = (is_value ? heads : 0) + head; // of a head's tiles, in the device's order
        for (std::uint32_t page = 0; page < pages; ++page) {
          const encoded_tile& tile = coded[row * pages + page];
          layer.tiles[map().index({head, is_value, page})] = {at, tile.bytes, tile.stored};
          at += detail::align_up(tile.bytes, tile_alignment);
        }
        std::memcpy(&layer.tail_ends[map().ends_at({head, is_value, 0})], ends + std::size_t{row} * count,
                    4 * std::size_t{count});
      }
    return layer;
  }

  // Nothing that is under way may outlive the memory it works on.
  void settle() noexcept {
    if (!under_way_.empty())
      finish_all();
    under_way_.clear();
    at_rest_.clear();
  }
  void finish_all() noexcept {
    for (const device_queue q : {device_queue::code, device_queue::tell, device_queue::move})
      on_->finish(q);
  }

  std::shared_ptr<Device> on_;
  coding how_;
  detail::slot_tables<Device> tables_;
  std::deque<coding_layer> under_way_;
  std::deque<std::uint32_t> at_rest_;
};

} // namespace planecast::inline v0
