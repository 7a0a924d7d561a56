// A request's planes at the receiver, put together and decoded in a device's memory.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/code/arrived_planes.hpp"
#include "planecast/code/executor.hpp"
#include "planecast/cuda/detail/base_program.hpp"
#include "planecast/cuda/detail/launch_upgrades.hpp"
#include "planecast/cuda/detail/slot_tables.hpp"
#include "planecast/cuda/device.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// As `assembly`, with codes and pages in the device's memory. Frames are brought there through pinned
/// memory; what is taken is in the pages once finish() was called. Until then the pages are the device's.
/// Preconditions: those of assembly; one thread at a time. Nothing else works on the pages from the first
/// call that takes bytes to finish().
/// Errors: what takes bytes says `corrupt` where the host sees it, else finish() does; `error` is thrown
/// where the device fails. Nothing is to be taken after either.
template <class Policy, device Device>
class device_assembly : public arrived_planes<Policy> {
  using arrived = arrived_planes<Policy>;
  using typename arrived::found_tile, typename arrived::tile_state;

public:
  using map_type = tile_map<Policy>;      ///< which tiles there are
  using planes = typename Policy::planes; ///< the policy's
  using order = typename Device::order;   ///< a queue of the caller's
  using arrived::map;

  /// Empty. Borrows what the views point to, for as long as it lives. What is written into the pages waits
  /// for what the caller has enqueued in its own queue by then.
  /// Preconditions: one view per layer, each of the sequence's tokens.
  /// Errors: throws std::invalid_argument for fp32 values, for channels that do not lie side by side, and
  /// for pages that the device does not reach; `error` where the device has no memory.
  device_assembly(std::shared_ptr<Device> on, map_type tiles, const std::vector<kv_pages>& pages,
                  order behind)
      : arrived(std::move(tiles)), on_(std::move(on)), behind_(behind) {
    for (const kv_pages& view : pages)
      detail::check_for_device("expect", *on_, view);
    try {
      prepare(pages);
    } catch (...) {
      settle();
      throw;
    }
  }
  device_assembly(const device_assembly&) = delete;
  device_assembly& operator=(const device_assembly&) = delete;
  ~device_assembly() { settle(); }

  /// Forgets the codes, when no plane is to come any more. The pages stay as they are.
  void release_codes() noexcept {
    settle();
    codes_.reset();
    stored_.reset();
    layers_there_.reset();
    tables_ = {};
  }

  /// Takes the base of tiles first … first + count − 1 of a layer. Tiles that are there already are passed
  /// over. What is before a bad tile is taken.
  status place_base(std::uint32_t layer, std::uint32_t first, std::uint32_t count,
                    std::span<const std::byte> bytes, const executor& = {}) {
    if (!this->has_tiles(layer, first, count))
      return {errc::corrupt, "base: tiles that the request does not have"};
    const std::span<const std::byte> payload = bytes;
    std::vector<detail::base_entry> entries;
    status result;
    for (std::uint32_t i = first; i < first + count && result.ok(); ++i) {
      found_tile tile{i};
      result = this->find_tile(layer, tile, bytes);
      if (!result.ok() || this->state(layer, i) != tile_state::missing)
        continue;
      entries.push_back(
          {i, static_cast<std::uint32_t>(tile.bytes.data() - payload.data()), tile.stored ? 1u : 0u});
      this->take_tile(layer, tile);
    }
    begin();
    if (!entries.empty()) {
      const auto there = bring(payload), list = bring(std::as_bytes(std::span(entries)));
      map().with_policy(layer, [&]<class Layer>(Layer) {
        with_format(map().shape.dtype, [&]<class Number>(Number) {
          detail::launch_base<Number>(*on_, tiles<Layer>(), layers_[layer],
                                      reinterpret_cast<const detail::base_entry*>(list.get()), there.get(),
                                      static_cast<std::uint32_t>(entries.size()));
        });
      });
    }
    if (result.ok() && !bytes.empty())
      return {errc::corrupt, "base: bytes beyond its tiles"};
    return result;
  }

  /// Takes one plane of the tokens that are listed for each layer, in the order (layer, head, K then V,
  /// token).
  /// Preconditions: the base is complete; every token is one of the map's and holds just the planes below.
  status place_upgrade(std::uint32_t plane, const detail::listed_items& items,
                       std::span<const std::byte> payload) {
    std::vector<std::uint32_t> tokens;
    std::vector<detail::upgrade_list> lists;
    std::uint64_t rows = 0;
    for (std::uint32_t layer = 0; layer < map().shape.layers; ++layer) {
      const std::span<const std::uint32_t> own = items.of(layer);
      const bool as_before = layer > 0 && own.data() == items.of(layer - 1).data() &&
                             own.size() == items.of(layer - 1).size(); // an empty one begins where others do
      const auto at = as_before ? lists.back().first : static_cast<std::uint32_t>(tokens.size());
      if (!as_before)
        tokens.insert(tokens.end(), own.begin(), own.end());
      lists.push_back({at, static_cast<std::uint32_t>(own.size()), rows});
      rows += std::uint64_t{2} * map().shape.heads(layer) * own.size();
    }
    begin();
    if (rows > 0)
      take_rows(plane, lists, rows, tokens, payload);
    else if (!payload.empty())
      return {errc::corrupt, "upgrade: bytes beyond its tokens"};
    this->take_plane(plane, items);
    for (std::uint32_t layer = 0; layer < map().shape.layers; ++layer)
      unchecked_planes_.push_back({plane, layer, {items.of(layer).begin(), items.of(layer).end()}});
    return {};
  }

  /// Waits until all that was taken is in the pages.
  /// Errors: `corrupt` if a plane was not what it should be; planes that were taken since the last call then
  /// count as not there.
  status finish() {
    if (!unchecked_)
      return {};
    on_->to_host(device_queue::code, corrupt_here_.get(), corrupt_.get(), 4);
    drain();
    unchecked_ = is_behind_ = false;
    std::uint32_t corrupt = 0;
    std::memcpy(&corrupt, corrupt_here_.get(), 4);
    const auto taken = std::exchange(unchecked_planes_, {});
    if (corrupt == 0)
      return {};
    for (const auto& [plane, layer, tokens] : taken)
      this->lose_plane(plane, layer, tokens);
    return {errc::corrupt, "upgrade: a plane that does not fit what came before it"};
  }

private:
  static constexpr std::uint64_t most_rows = 1u << 18; // that are worked on at a time
  static constexpr std::uint64_t most_staged = std::uint64_t{64} << 20;

  std::uint32_t policy_of(std::uint32_t layer) const {
    return map().with_policy(layer, [&]<class Layer>(Layer) {
      std::uint32_t number = 0, found = 0;
      Policy::with_each([&]<class Each>(Each) {
        if (std::is_same_v<Each, Layer>)
          found = number;
        ++number;
      });
      return found;
    });
  }
  void prepare(const std::vector<kv_pages>& pages) {
    codes_ = on_->memory(std::max<std::uint64_t>(this->code_bytes(), 1));
    stored_ = on_->memory(map().all_tiles());
    for (std::uint32_t layer = 0; layer < map().shape.layers; ++layer) {
      const kv_pages view = pages[layer].receiving(map().shape.dtype);
      const auto keys = tables_.rows(*on_, view, false), values = tables_.rows(*on_, view, true);
      const std::uint32_t heads = map().shape.heads(layer), width = view.value_bytes();
      most_heads_ = std::max(most_heads_, heads);
      layers_.push_back({keys, values, codes_.get() + this->codes_at(layer),
                         reinterpret_cast<std::uint8_t*>(stored_.get()) + this->number(layer, 0), heads,
                         policy_of(layer), detail::whole_groups(keys, width),
                         detail::whole_groups(values, width), detail::numbers_of(view, false),
                         detail::numbers_of(view, true)});
    }
    layers_there_ = bring(std::as_bytes(std::span(layers_)));
    const std::uint32_t nothing[2] = {0, 0};
    corrupt_ = bring(std::as_bytes(std::span(nothing)));
    corrupt_here_ = on_->pinned(4);
  }

  template <class Layer>
  detail::kept_tiles<Layer> tiles() const noexcept {
    const geometry& shape = map().shape;
    return {map().tokens,  map().first,     Policy::page_tokens,
            shape.key_dim, shape.value_dim, value_bytes(shape.dtype)};
  }

  // Copies to the device, through pinned memory that stays until finish(), with zeros up to a whole word:
  // kernels read words.
  std::shared_ptr<std::byte> bring(std::span<const std::byte> bytes) {
    const std::size_t whole = detail::align_up(bytes.size(), std::size_t{4});
    auto here = on_->pinned(whole), there = on_->memory(whole);
    std::memcpy(here.get(), bytes.data(), bytes.size());
    std::memset(here.get() + bytes.size(), 0, whole - bytes.size());
    on_->to_device(device_queue::code, there.get(), here.get(), whole);
    keep(std::move(here), whole);
    keep(there, whole);
    return there;
  }
  template <class T>
  T* room(std::size_t count) {
    const std::size_t bytes = std::max<std::size_t>(sizeof(T) * count, 1);
    keep(on_->memory(bytes), bytes);
    return reinterpret_cast<T*>(staged_.back().get());
  }
  void keep(std::shared_ptr<std::byte> memory, std::uint64_t bytes) {
    staged_.push_back(std::move(memory));
    staged_bytes_ += bytes;
    unchecked_ = true;
  }
  // Before something is taken: behind the caller's work, and with room for it.
  void begin() {
    if (staged_bytes_ > most_staged)
      drain();
    if (!std::exchange(is_behind_, true))
      on_->after(device_queue::code, behind_);
  }
  // Waits, and lets go of what was in use.
  void drain() {
    on_->wait(on_->set(device_queue::code));
    staged_.clear();
    staged_bytes_ = 0;
  }

  void take_rows(std::uint32_t plane, std::span<const detail::upgrade_list> lists, std::uint64_t all_rows,
                 std::span<const std::uint32_t> tokens, std::span<const std::byte> payload) {
    const std::uint32_t per_layer = 2 * most_heads_,
                        all = static_cast<std::uint32_t>(lists.size()) * per_layer;
    const auto rows_of = [&](std::uint32_t segment) -> std::uint64_t {
      const std::uint32_t layer = segment / per_layer;
      return segment / 2 % most_heads_ < layers_[layer].heads ? lists[layer].count : 0;
    };
    const std::uint64_t none = 0;
    detail::upgrade_frame frame{};
    frame.layers = reinterpret_cast<const detail::kept_layer*>(layers_there_.get());
    frame.lists = reinterpret_cast<const detail::upgrade_list*>(bring(std::as_bytes(lists)).get());
    frame.tokens = reinterpret_cast<const std::uint32_t*>(bring(std::as_bytes(tokens)).get());
    frame.most_heads = most_heads_;
    frame.most_groups = std::max(map().shape.key_dim, map().shape.value_dim) / detail::group_size;
    frame.plane = plane;
    frame.payload = payload.empty() ? nullptr : bring(payload).get();
    frame.payload_bytes = static_cast<std::uint32_t>(payload.size());
    frame.taken = reinterpret_cast<std::uint64_t*>(bring(std::as_bytes(std::span(&none, 1))).get());
    frame.corrupt = reinterpret_cast<std::uint32_t*>(corrupt_.get());
    std::uint64_t most = 0; // rows of a segment, then of those that are worked on at a time
    for (std::uint32_t layer = 0; layer < lists.size(); ++layer)
      most = std::max<std::uint64_t>(most, lists[layer].count);
    most = std::max(most, most_rows);
    most = std::min(most, all_rows);
    frame.bits = room<std::uint32_t>(plane == planes::fixed ? most * frame.most_groups : 1);
    frame.bytes = room<std::uint32_t>(most);
    frame.row_at = room<std::uint32_t>(most);
    frame.begins = room<std::uint32_t>(all);
    for (std::uint32_t first = 0; first < all; first += frame.segments) {
      std::uint64_t rows = rows_of(first);
      frame.segments = 1;
      while (first + frame.segments < all && rows + rows_of(first + frame.segments) <= most_rows)
        rows += rows_of(first + frame.segments++);
      frame.first_segment = first;
      frame.last = first + frame.segments == all;
      with_format(map().shape.dtype, [&]<class Number>(Number) {
        detail::launch_upgrades<Number, Policy>(*on_, frame,
                                                [&]<class Layer>(Layer) { return tiles<Layer>(); });
      });
      frame.rows_before += rows;
    }
  }
  // Nothing that is under way may outlive the memory it works on.
  void settle() noexcept {
    on_->finish(device_queue::code);
    staged_.clear();
    staged_bytes_ = 0;
  }

  struct unchecked_plane {
    std::uint32_t plane, layer;
    std::vector<std::uint32_t> tokens;
  };

  std::shared_ptr<Device> on_;
  detail::slot_tables<Device> tables_;
  std::vector<detail::kept_layer> layers_;
  std::uint32_t most_heads_ = 0;
  std::shared_ptr<std::byte> codes_, stored_, layers_there_, corrupt_, corrupt_here_;
  std::vector<std::shared_ptr<std::byte>> staged_; // in use until the device has done what it was told
  std::uint64_t staged_bytes_ = 0;
  order behind_;           // whose work is waited for
  bool is_behind_ = false; // whether it is, since finish()
  bool unchecked_ = false; // whether something was taken since
  std::vector<unchecked_plane> unchecked_planes_;
};

} // namespace planecast::inline v0
