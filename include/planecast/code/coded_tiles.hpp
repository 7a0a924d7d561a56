// A request's coded tiles at the sender: at rest in the host's memory, given out plane by plane.
#pragma once

#include "planecast/code/item_map.hpp"
#include "planecast/code/spread.hpp"
#include "planecast/code/tile_map.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// One layer's tiles as whoever coded them hands them over. Tiles have the numbers of the map; tail_ends are
/// by head, K then V, then token: where each token's tails end, from tails_at() of its tile on.
struct coded_layer {
  /// Where a tile lies among the bytes, and what became of it.
  struct place {
    std::size_t at = 0;      ///< where it begins
    std::uint32_t bytes = 0; ///< of it
    bool stored = false;     ///< it holds the values as they are
  };
  std::shared_ptr<const std::byte> bytes; ///< of all tiles
  std::uint64_t used = 0;                 ///< of the bytes
  std::vector<place> tiles;               ///< by number
  std::vector<std::uint32_t> tail_ends;   ///< of every token in every tile
};

/// Holds the tiles of one request, whichever backend coded them, and what of them has to be known for a plan.
/// Preconditions: layers, tiles, tokens and planes that are named are the map's; of what is asked about a
/// layer, or handed out, the layer was taken; and nothing was cleared.
template <class Policy>
class coded_tiles {
public:
  using map_type = tile_map<Policy>;      ///< which tiles there are
  using planes = typename Policy::planes; ///< the policy's

  /// Empty: layers are taken.
  explicit coded_tiles(map_type map)
      : map_(std::move(map)), layers_(map_.shape.layers),
        upgrade_bytes_((planes::count - Policy::base_planes) * std::size_t{map_.count()}),
        spread_(upgrade_bytes_.size()) {}

  /// Which tiles it is made of.
  [[nodiscard]] const map_type& map() const noexcept { return map_; }
  /// Whether a layer was taken.
  [[nodiscard]] bool has(std::uint32_t layer) const noexcept { return !layers_[layer].tiles.empty(); }
  /// Tiles so far that hold the values as they are.
  [[nodiscard]] std::uint64_t stored_tiles() const noexcept { return stored_tiles_; }
  /// Forgets the bytes of all tiles, when none are to be handed out or planned any more. has() stays as it
  /// was.
  void clear() noexcept {
    for (held_layer& layer : layers_) {
      layer.bytes.reset();
      layer.used = 0;
      std::vector<std::uint32_t>().swap(layer.tail_ends);
      std::vector<std::uint32_t>().swap(layer.upgrade_bytes);
      std::vector<double>().swap(layer.spread);
    }
    std::vector<std::uint32_t>().swap(upgrade_bytes_);
    std::vector<double>().swap(spread_);
  }
  /// Bytes that it holds: tiles, and the lengths of their parts.
  [[nodiscard]] std::uint64_t bytes() const noexcept {
    std::uint64_t sum =
        upgrade_bytes_.capacity() * sizeof(std::uint32_t) + spread_.capacity() * sizeof(double);
    for (const held_layer& layer : layers_)
      sum += layer.used + layer.spread.capacity() * sizeof(double) +
             (layer.tail_ends.capacity() + layer.upgrade_bytes.capacity()) * sizeof(std::uint32_t);
    return sum;
  }

  /// Takes a layer that was not there before.
  /// Errors: std::bad_alloc passes, and the layer is then not there.
  void take(std::uint32_t layer_index, coded_layer coded) {
    held_layer layer{std::move(coded), {}, {}};
    layer.upgrade_bytes.resize(upgrade_bytes_.size());
    layer.spread.resize(map_.count());
    std::array<kind_spread, 2> kinds{kind_spread{std::vector<double>(map_.count())},
                                     kind_spread{std::vector<double>(map_.count())}};
    const auto tiles = static_cast<std::uint32_t>(layer.tiles.size());
    for (std::uint32_t i = 0; i < tiles; ++i) // from here on nothing fails
      map_.with_layout(layer_index, map_.tile(i), [&](auto layout) {
        count(layout, layer, i, map_.base_planes(layer_index), kinds[map_.tile(i).is_value]);
      });
    for (const kind_spread& kind : kinds)
      for (std::size_t t = 0; kind.sum > 0 && t < kind.of.size(); ++t)
        layer.spread[t] +=
            kind.of[t] / kind.sum * static_cast<double>(kind.coded) / static_cast<double>(kind.values);
    for (std::size_t i = 0; i < upgrade_bytes_.size(); ++i)
      upgrade_bytes_[i] += layer.upgrade_bytes[i];
    for (std::uint32_t plane = map_.base_planes(layer_index); plane < planes::count; ++plane)
      for (std::uint32_t t = 0; t < map_.count(); ++t)
        spread_[upgrade(plane, map_.first + t)] += layer.spread[t];
    layers_[layer_index] = std::move(layer);
  }

  /// Bytes of an upgrade: one token's plane over all layers and heads that were put.
  [[nodiscard]] std::uint32_t upgrade_bytes(std::uint32_t plane, std::uint32_t token) const noexcept {
    return upgrade_bytes_[upgrade(plane, token)];
  }
  /// Likewise of one layer.
  [[nodiscard]] std::uint32_t upgrade_bytes(std::uint32_t layer, std::uint32_t plane,
                                            std::uint32_t token) const noexcept {
    return layers_[layer].upgrade_bytes[upgrade(plane, token)];
  }
  /// The squared error that an upgrade takes away, of one token over all layers that were put, as the scales
  /// tell it: step² · 4^(missing bits) / 12 for each value, that of a middle of open cells. Layers count
  /// alike, and their keys and values: a square is divided by the mean step² of the coded values of its layer
  /// and kind, and by their number with the stored ones. Stored tiles have no error, nor has what a layer has
  /// from its base on.
  [[nodiscard]] double error_removed(std::uint32_t plane, std::uint32_t token) const noexcept {
    return spread_[upgrade(plane, token)] * detail::error_removed_by<planes>(plane);
  }
  /// Likewise of one layer.
  [[nodiscard]] double error_removed(std::uint32_t layer, std::uint32_t plane,
                                     std::uint32_t token) const noexcept {
    if (plane < map_.base_planes(layer))
      return 0;
    return layers_[layer].spread[token - map_.first] * detail::error_removed_by<planes>(plane);
  }
  /// Bytes of a tile's part in the base: header, scalars, the lowest planes; or all of it if it is stored.
  [[nodiscard]] std::uint32_t base_bytes(std::uint32_t layer, std::uint32_t tile) const noexcept {
    const bool stored = layers_[layer].tiles[tile].stored;
    return map_.with_layout(layer, map_.tile(tile), [&](auto layout) {
      return stored ? layout.stored_bytes() : layout.plane_at(map_.base_planes(layer));
    });
  }

  /// Hands out the base of tiles first … first + count − 1 of a layer: sink(bytes) for each, in order.
  template <class Sink>
  void give_base(std::uint32_t layer, std::uint32_t first, std::uint32_t count, Sink&& sink) const {
    const held_layer& from = layers_[layer];
    for (std::uint32_t tile = first; tile < first + count; ++tile)
      sink(std::span(from.bytes.get() + from.tiles[tile].at, base_bytes(layer, tile)));
  }

  /// Hands out one plane of some tokens, in the order (layer, head, K then V, token as listed).
  template <class Sink>
  void give_upgrade(std::uint32_t plane, std::span<const std::uint32_t> tokens, Sink&& sink) const {
    give_upgrade(plane, detail::listed_items(map_.shape.layers, tokens), sink);
  }
  /// Likewise of the tokens that are listed for each layer.
  template <class Sink>
  void give_upgrade(std::uint32_t plane, const detail::listed_items& items, Sink&& sink) const {
    for (std::uint32_t layer = 0; layer < map_.shape.layers; ++layer)
      for (std::uint32_t head = 0; head < map_.shape.heads(layer) && !items.of(layer).empty(); ++head)
        for (const bool is_value : {false, true})
          for (const std::uint32_t token : items.of(layer)) {
            const auto [page, row] = map_.place(token);
            give_row(layer, {head, is_value, page}, plane, row, sink);
          }
  }

private:
  struct held_layer : coded_layer {
    std::vector<std::uint32_t> upgrade_bytes; // per plane above the base, per token
    std::vector<double> spread;               // per token: squares of its values' steps, normalised
  };
  // Of a layer's keys, or of its values.
  struct kind_spread {
    std::vector<double> of; // per token
    double sum = 0;         // over its tokens
    std::uint64_t coded = 0, values = 0;
  };

  std::size_t upgrade(std::uint32_t plane, std::uint32_t token) const noexcept {
    return (plane - Policy::base_planes) * std::size_t{map_.count()} + token - map_.first;
  }

  template <class Layout>
  void count(Layout layout, held_layer& layer, std::uint32_t tile, std::uint32_t base_planes,
             kind_spread& kind) noexcept {
    const tile_id id = map_.tile(tile);
    const std::uint32_t* const ends = &layer.tail_ends[map_.ends_at(id)];
    stored_tiles_ += layer.tiles[tile].stored ? 1 : 0;
    kind.values += layout.shape.values();
    if (layer.tiles[tile].stored)
      return;
    const std::size_t first = map_.first_of(id.page) - map_.first;
    kind.coded += layout.shape.values();
    kind.sum += detail::add_spread(layout, layer.bytes.get() + layer.tiles[tile].at, kind.of.data() + first);
    std::uint32_t* const bytes = layer.upgrade_bytes.data() + first;
    for (std::uint32_t plane = base_planes; plane < planes::count; ++plane)
      for (std::uint32_t t = 0; t < layout.shape.tokens; ++t)
        bytes[(plane - Policy::base_planes) * std::size_t{map_.count()} + t] +=
            plane < planes::fixed ? layout.row_bytes(plane) : ends[t] - (t == 0 ? 0 : ends[t - 1]);
  }

  template <class Sink>
  void give_row(std::uint32_t layer_index, tile_id id, std::uint32_t plane, std::uint32_t row,
                Sink& sink) const {
    const held_layer& layer = layers_[layer_index];
    const coded_layer::place place = layer.tiles[map_.index(id)];
    if (place.stored || plane < map_.base_planes(layer_index))
      return;
    map_.with_layout(layer_index, id, [&](auto layout) {
      const auto tile = std::span<const std::byte>(layer.bytes.get() + place.at, place.bytes);
      if (plane < planes::fixed)
        return sink(tile.subspan(layout.plane_row_at(plane, row), layout.row_bytes(plane)));
      const std::uint32_t* const ends = &layer.tail_ends[map_.ends_at(id)];
      const std::uint32_t begin = row == 0 ? 0 : ends[row - 1];
      sink(tile.subspan(layout.tails_at() + begin, ends[row] - begin));
    });
  }

  map_type map_;
  std::vector<held_layer> layers_;
  std::vector<std::uint32_t> upgrade_bytes_; // per plane above the base, per token, over all layers
  std::vector<double> spread_;               // likewise, of the layers in which it is an upgrade
  std::uint64_t stored_tiles_ = 0;
};

} // namespace planecast::inline v0
