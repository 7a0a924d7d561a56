// A request's tiles at the sender: coded once, given out plane by plane.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/code/backend.hpp"
#include "planecast/code/tile_map.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// How a cache goes out: coded into planes, or raw, as it is, which is one plane and exact. Raw pays where
/// the link is faster than the code.
enum class coding : std::uint8_t { planes, raw };

/// Holds the tiles of one request. put() reads the engine's pages once; nothing of them is needed afterwards.
/// Preconditions: layers, tiles, tokens and planes that are named are the map's; of what is asked about a
/// layer, or handed out, the layer was put; and nothing was cleared.
template <class Policy, class Backend>
requires backend<Backend>
class coded_cache {
public:
  using map_type = tile_map<Policy>;      ///< which tiles there are
  using planes = typename Policy::planes; ///< the policy's

  /// Empty: layers are put.
  coded_cache(map_type map, coding how)
      : map_(std::move(map)), how_(how), layers_(map_.shape.layers),
        upgrade_bytes_((planes::count - Policy::base_planes) * std::size_t{map_.count()}) {}

  /// Which tiles it is made of.
  [[nodiscard]] const map_type& map() const noexcept { return map_; }
  /// Whether a layer was put.
  [[nodiscard]] bool has(std::uint32_t layer) const noexcept { return !layers_[layer].tiles.empty(); }
  /// Tiles so far that hold the values as they are.
  [[nodiscard]] std::uint64_t stored_tiles() const noexcept { return stored_tiles_; }
  /// Forgets the bytes of all tiles, when none are to be handed out or planned any more. has() stays as it
  /// was.
  void clear() noexcept {
    for (coded_layer& layer : layers_) {
      std::vector<std::byte>().swap(layer.bytes);
      std::vector<std::uint32_t>().swap(layer.tail_ends);
    }
    std::vector<std::uint32_t>().swap(upgrade_bytes_);
  }
  /// Bytes that it holds: tiles, and the lengths of their parts.
  [[nodiscard]] std::uint64_t bytes() const noexcept {
    std::uint64_t sum = upgrade_bytes_.capacity() * sizeof(std::uint32_t);
    for (const coded_layer& layer : layers_)
      sum += layer.bytes.capacity() + layer.tail_ends.capacity() * sizeof(std::uint32_t);
    return sum;
  }

  /// Codes one layer.
  /// Preconditions: the view has the tokens of the map's sequence; the layer was not put before.
  /// Errors: std::bad_alloc passes, and the layer is then not there.
  void put(std::uint32_t layer_index, const kv_view& view) {
    coded_layer layer;
    layer.tiles.resize(map_.tiles(layer_index));
    layer.tail_ends.resize(std::size_t{map_.count()} * 2 * map_.shape.heads(layer_index));
    layer.bytes.reserve(map_.stored_bytes(layer_index)); // no tile is longer than if it were stored
    std::vector<std::uint16_t> values;
    std::vector<std::byte> tile;
    for (std::uint32_t i = 0; i < map_.tiles(layer_index); ++i) {
      const tile_id id = map_.tile(i);
      map_.with_layout(id, [&](auto layout) {
        values.resize(layout.shape.values());
        tile.resize(layout.bound());
        for (std::uint32_t t = 0; t < layout.shape.tokens; ++t)
          view.read(id.is_value, map_.first_of(id.page) + t, id.head, layout.shape.dim,
                    &values[t * layout.shape.dim]);
        std::uint32_t* const ends = tail_ends(layer, id);
        const encoded_tile coded =
            how_ == coding::raw ? store_tile(layout, values.data(), tile.data(), ends)
                                : Backend::encode(map_.shape.dtype, layout, values.data(), tile.data(), ends);
        const std::size_t at = layer.bytes.size();
        layer.tiles[i] = {at, coded.stored};
        layer.bytes.resize(at + detail::align_up(coded.bytes, tile_alignment));
        std::memcpy(layer.bytes.data() + at, tile.data(), coded.bytes);
      });
    }
    layer.bytes.shrink_to_fit();
    for (std::uint32_t i = 0; i < map_.tiles(layer_index); ++i) // from here on nothing fails
      map_.with_layout(map_.tile(i), [&](auto layout) { count(layout, layer, i); });
    layers_[layer_index] = std::move(layer);
  }

  /// Bytes of an upgrade: one token's plane over all layers and heads that were put.
  [[nodiscard]] std::uint32_t upgrade_bytes(std::uint32_t plane, std::uint32_t token) const noexcept {
    return upgrade_bytes_[(plane - Policy::base_planes) * std::size_t{map_.count()} + token - map_.first];
  }
  /// Bytes of a tile's part in the base: header, scalars, the lowest planes; or all of it if it is stored.
  [[nodiscard]] std::uint32_t base_bytes(std::uint32_t layer, std::uint32_t tile) const noexcept {
    const bool stored = layers_[layer].tiles[tile].stored;
    return map_.with_layout(map_.tile(tile), [&](auto layout) {
      return stored ? layout.stored_bytes() : layout.plane_at(Policy::base_planes);
    });
  }

  /// Hands out the base of tiles first … first + count − 1 of a layer: sink(bytes) for each, in order.
  template <class Sink>
  void give_base(std::uint32_t layer, std::uint32_t first, std::uint32_t count, Sink&& sink) const {
    const coded_layer& from = layers_[layer];
    for (std::uint32_t tile = first; tile < first + count; ++tile)
      sink(std::span(from.bytes).subspan(from.tiles[tile].at, base_bytes(layer, tile)));
  }

  /// Hands out one plane of some tokens, in the order (layer, head, K then V, token as listed).
  template <class Sink>
  void give_upgrade(std::uint32_t plane, std::span<const std::uint32_t> tokens, Sink&& sink) const {
    for (std::uint32_t layer = 0; layer < map_.shape.layers; ++layer)
      for (std::uint32_t head = 0; head < map_.shape.heads(layer); ++head)
        for (const bool is_value : {false, true})
          for (const std::uint32_t token : tokens) {
            const auto [page, row] = map_.place(token);
            give_row(layers_[layer], {head, is_value, page}, plane, row, sink);
          }
  }

private:
  struct tile_place {
    std::size_t at = 0;
    bool stored = false;
  };
  struct coded_layer {
    std::vector<std::byte> bytes;
    std::vector<tile_place> tiles;
    std::vector<std::uint32_t> tail_ends; // per head, K then V, token: where its tails end in their tile
  };

  template <class Layer>
  auto* tail_ends(Layer& layer, tile_id id) const noexcept {
    return &layer.tail_ends[(std::size_t{id.head} * 2 + (id.is_value ? 1 : 0)) * map_.count() +
                            map_.first_of(id.page) - map_.first];
  }

  template <class Layout>
  void count(Layout layout, const coded_layer& layer, std::uint32_t tile) noexcept {
    const tile_id id = map_.tile(tile);
    const std::uint32_t* const ends = tail_ends(layer, id);
    stored_tiles_ += layer.tiles[tile].stored ? 1 : 0;
    if (layer.tiles[tile].stored)
      return;
    std::uint32_t* const bytes = upgrade_bytes_.data() + (map_.first_of(id.page) - map_.first);
    for (std::uint32_t plane = Policy::base_planes; plane < planes::count; ++plane)
      for (std::uint32_t t = 0; t < layout.shape.tokens; ++t)
        bytes[(plane - Policy::base_planes) * std::size_t{map_.count()} + t] +=
            plane < planes::fixed ? layout.row_bytes(plane) : ends[t] - (t == 0 ? 0 : ends[t - 1]);
  }

  template <class Sink>
  void give_row(const coded_layer& layer, tile_id id, std::uint32_t plane, std::uint32_t row,
                Sink& sink) const {
    const tile_place place = layer.tiles[map_.index(id)];
    if (place.stored)
      return;
    map_.with_layout(id, [&](auto layout) {
      const auto tile = std::span(layer.bytes).subspan(place.at);
      if (plane < planes::fixed)
        return sink(tile.subspan(layout.plane_row_at(plane, row), layout.row_bytes(plane)));
      const std::uint32_t* const ends = tail_ends(layer, id);
      const std::uint32_t begin = row == 0 ? 0 : ends[row - 1];
      sink(tile.subspan(layout.tails_at() + begin, ends[row] - begin));
    });
  }

  map_type map_;
  coding how_;
  std::vector<coded_layer> layers_;
  std::vector<std::uint32_t> upgrade_bytes_; // per plane above the base, per token
  std::uint64_t stored_tiles_ = 0;
};

} // namespace planecast::inline v0
