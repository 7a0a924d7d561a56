// A request's planes at the receiver, put together and decoded in a device's memory.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/code/arrived_planes.hpp"
#include "planecast/code/executor.hpp"
#include "planecast/cuda/detail/base_program.hpp"
#include "planecast/cuda/detail/launch_upgrades.hpp"
#include "planecast/cuda/detail/slot_tables.hpp"
#include "planecast/cuda/detail/staging.hpp"
#include "planecast/cuda/detail/upgrade_parts.hpp"
#include "planecast/cuda/device.hpp"

#include <algorithm>
#include <array>
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
      stored_in_[layer] += tile.stored ? 1 : 0;
      this->take_tile(layer, tile);
    }
    if (!entries.empty()) {
      begin();
      const auto there = staged_.template bring<2>(*on_, {payload, std::as_bytes(std::span(entries))});
      map().with_policy(layer, [&]<class Layer>(Layer layer_policy) {
        with_format(map().shape.dtype, [&]<class Number>(Number) {
          detail::launch_base<Number>(*on_, tiles(layer_policy), layers_[layer],
                                      reinterpret_cast<const detail::base_entry*>(there[1]), there[0],
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
    detail::listed_plane taken(plane, map().shape.layers, items);
    unchecked_planes_.reserve(unchecked_planes_.size() + 1); // nothing fails once it counts as there
    if (const status s = take_rows(taken, payload); !s.ok())
      return s;
    this->take_plane(plane, items);
    unchecked_planes_.push_back(std::move(taken));
    return {};
  }

  /// Waits until all that was taken is in the pages.
  /// Errors: `corrupt` if a plane was not what it should be; planes that were taken since the last call then
  /// count as not there.
  status finish() {
    if (!is_behind_) { // nothing was enqueued
      unchecked_planes_.clear();
      return {};
    }
    on_->to_host(device_queue::code, corrupt_here_.get(), reinterpret_cast<const std::byte*>(corrupt_), 4);
    drain();
    is_behind_ = false;
    std::uint32_t corrupt = 0;
    std::memcpy(&corrupt, corrupt_here_.get(), 4);
    const auto taken = std::exchange(unchecked_planes_, {});
    if (corrupt == 0)
      return {};
    for (const detail::listed_plane& of : taken)
      for (std::uint32_t layer = 0; layer < map().shape.layers; ++layer)
        this->lose_plane(of.plane, layer, of.of(layer));
    return {errc::corrupt, "upgrade: a plane that does not fit what came before it"};
  }

private:
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
    stored_in_.resize(map().shape.layers);
    for (std::uint32_t layer = 0; layer < map().shape.layers; ++layer) {
      const kv_pages view = pages[layer].receiving(map().shape.dtype);
      const auto keys = tables_.rows(*on_, view, false), values = tables_.rows(*on_, view, true);
      const std::uint32_t width = view.value_bytes();
      layers_.push_back({keys, values, codes_.get() + this->codes_at(layer),
                         reinterpret_cast<std::uint8_t*>(stored_.get()) + this->number(layer, 0),
                         policy_of(layer), detail::whole_groups(keys, width),
                         detail::whole_groups(values, width), detail::numbers_of(view, false),
                         detail::numbers_of(view, true)});
      converts_ = converts_ || layers_.back().converts();
    }
    const std::uint32_t good = 0;
    const auto there = constants_.template bring<2>(
        *on_, {std::as_bytes(std::span(layers_)), std::as_bytes(std::span(&good, 1))});
    layers_there_ = reinterpret_cast<const detail::kept_layer*>(there[0]);
    corrupt_ = reinterpret_cast<std::uint32_t*>(there[1]);
    corrupt_here_ = on_->pinned(4);
  }

  template <class Layer>
  detail::kept_tiles<Layer, Policy::page_tokens> tiles(Layer) const noexcept {
    const geometry& shape = map().shape;
    return {map().tokens, map().first, shape.key_dim, shape.value_dim, value_bytes(shape.dtype)};
  }

  // Before something is taken: behind the caller's work, and with room for it.
  void begin() {
    if (staged_.bytes() > most_staged)
      drain();
    if (!std::exchange(is_behind_, true))
      on_->after(device_queue::code, behind_);
  }
  // Waits, and lets go of what was in use.
  void drain() {
    on_->wait(on_->set(device_queue::code));
    staged_.release();
  }

  status take_rows(const detail::listed_plane& of, std::span<const std::byte> payload) {
    detail::upgrade_cutter cutter(
        map(), of,
        [&](std::uint32_t layer, std::uint32_t tile) { return this->has_stored_tile(layer, tile); },
        [&](std::uint32_t layer) { return stored_in_[layer] != 0; });
    const bool tails = of.plane == planes::fixed;
    detail::upgrade_frame frame{};
    frame.layers = layers_there_;
    frame.payload_bytes = static_cast<std::uint32_t>(payload.size());
    frame.corrupt = corrupt_;
    while (!cutter.done() && cutter.bytes() <= payload.size()) {
      const auto parts = cutter.next(detail::parts_at_a_time<Device>, payload.size());
      if (parts.empty() || cutter.bytes() > payload.size())
        break;
      if (frame.tokens == nullptr)
        begin();
      bring_parts(frame, parts, tails, of.tokens, payload);
      frame.last = cutter.done();
      with_format(map().shape.dtype, [&]<class Number>(Number) {
        detail::launch_upgrades<Number, Policy>(
            [&](const auto& program, std::uint32_t blocks, std::uint32_t memory) {
              on_->launch(device_queue::code, program, blocks, memory);
            },
            of.plane, frame, converts_, [&](auto layer_policy) { return tiles(layer_policy); });
      });
    }
    if (cutter.bytes() > payload.size())
      return {errc::corrupt, "upgrade: a row is cut short"};
    if (cutter.bytes() < payload.size() && (!tails || frame.tokens == nullptr))
      return {errc::corrupt, "upgrade: bytes beyond its tokens"};
    return {};
  }
  // Some parts; with the first all else that they need.
  void bring_parts(detail::upgrade_frame& frame, std::span<const detail::upgrade_part> parts, bool tails,
                   std::span<const std::uint32_t> tokens, std::span<const std::byte> payload) {
    const bool first = frame.tokens == nullptr;
    // Of tails: bytes before the first parts, then those so far, and those of many parts each.
    const std::vector<std::uint64_t> zeros(tails ? 2 + parts.size() / detail::upgrade_frame::many + 1 : 0);
    const std::span<const std::byte> nothing;
    const auto there =
        staged_.template bring<4>(*on_, {std::as_bytes(parts), std::as_bytes(std::span(zeros)),
                                         first ? std::as_bytes(tokens) : nothing, first ? payload : nothing});
    frame.count = static_cast<std::uint32_t>(parts.size());
    frame.parts = reinterpret_cast<const detail::upgrade_part*>(there[0]);
    auto* const sums = reinterpret_cast<std::uint64_t*>(there[1]);
    frame.bytes_before = first ? sums : frame.bytes_so_far;
    frame.bytes_so_far = sums + 1;
    frame.many_bytes = sums + 2;
    if (!first)
      return;
    frame.tokens = reinterpret_cast<const std::uint32_t*>(there[2]);
    frame.payload = there[3];
    if (tails) {
      frame.row_bytes = staged_.template room<std::uint16_t>(*on_, parts.size() * detail::upgrade_rows::most);
      frame.part_bytes = staged_.template room<std::uint32_t>(*on_, parts.size());
    }
  }
  // Nothing that is under way may outlive the memory it works on.
  void settle() noexcept {
    on_->finish(device_queue::code);
    staged_.release();
  }

  std::shared_ptr<Device> on_;
  detail::slot_tables<Device> tables_;
  std::vector<detail::kept_layer> layers_;
  bool converts_ = false;                // whether any of them does
  std::vector<std::uint32_t> stored_in_; // of each layer: tiles that are stored
  std::shared_ptr<std::byte> codes_, stored_, corrupt_here_;
  detail::staging<Device> constants_; // what follows
  const detail::kept_layer* layers_there_ = nullptr;
  std::uint32_t* corrupt_ = nullptr;
  detail::staging<Device> staged_; // in use until the device has done what it was told
  order behind_;                   // whose work is waited for
  bool is_behind_ = false;         // whether it is, since finish(): something was enqueued
  std::vector<detail::listed_plane> unchecked_planes_;
};

} // namespace planecast::inline v0
