// A request's tiles at the sender: coded once, given out plane by plane.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/code/backend.hpp"
#include "planecast/code/tile_map.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace planecast::inline v0 {

/// How a cache goes out: coded into planes, or as it is, which is one plane and exact. The latter pays where
/// the link is faster than the code.
enum class coding : std::uint8_t { planes, raw };

/// Holds the tiles of one request. put() reads the engine's pages once; nothing of them is needed afterwards.
template <class Policy, class Backend>
requires backend<Backend>
class coded_cache {
public:
  using map_type = tile_map<Policy>;
  using planes = typename Policy::planes;

  coded_cache(map_type map, coding how)
      : map_(map), how_(how), layers_(map.shape.layers),
        upgrade_bytes_((planes::count - Policy::base_planes) * std::size_t{map.tokens}) {}

  [[nodiscard]] const map_type& map() const noexcept { return map_; }
  [[nodiscard]] bool has(std::uint32_t layer) const noexcept { return !layers_[layer].tiles.empty(); }
  [[nodiscard]] std::uint64_t stored_tiles() const noexcept { return stored_tiles_; }
  /// Forgets all tiles. has() stays as it was.
  void clear() noexcept {
    for (coded_layer& layer : layers_)
      std::vector<std::byte>().swap(layer.bytes);
  }
  /// Bytes held.
  [[nodiscard]] std::uint64_t bytes() const noexcept {
    std::uint64_t sum = 0;
    for (const coded_layer& layer : layers_)
      sum += layer.bytes.size();
    return sum;
  }

  /// Codes one layer. Preconditions: the view has the map's tokens; the layer was not put before.
  void put(std::uint32_t layer_index, const kv_view& view) {
    coded_layer& layer = layers_[layer_index];
    layer.tiles.resize(map_.tiles_per_layer());
    layer.tail_ends.resize(std::size_t{map_.tokens} * 2 * map_.shape.kv_heads);
    std::vector<std::uint16_t> values;
    std::vector<std::byte> tile;
    for (std::uint32_t i = 0; i < map_.tiles_per_layer(); ++i) {
      const tile_id id = map_.tile(i);
      map_.with_layout(id, [&](auto layout) {
        values.resize(layout.shape.values());
        tile.resize(layout.bound());
        const std::uint32_t first = id.page * map_type::page_tokens;
        for (std::uint32_t t = 0; t < layout.shape.tokens; ++t)
          std::memcpy(&values[t * layout.shape.dim],
                      id.is_value ? view.value(first + t, id.head) : view.key(first + t, id.head),
                      2 * std::size_t{layout.shape.dim});
        std::uint32_t* const ends = tail_ends(layer, id);
        const encoded_tile coded =
            how_ == coding::raw ? store_tile(layout, values.data(), tile.data(), ends)
                                : Backend::encode(map_.shape.dtype, layout, values.data(), tile.data(), ends);
        const std::size_t at = layer.bytes.size();
        layer.tiles[i] = {at, coded.stored};
        layer.bytes.resize(at + detail::align_up(coded.bytes, tile_alignment));
        std::memcpy(layer.bytes.data() + at, tile.data(), coded.bytes);
        count(layout, id, coded.stored, ends);
      });
    }
  }

  /// Bytes of an upgrade: one token's plane over all layers and heads.
  [[nodiscard]] std::uint32_t upgrade_bytes(std::uint32_t plane, std::uint32_t token) const noexcept {
    return upgrade_bytes_[(plane - Policy::base_planes) * std::size_t{map_.tokens} + token];
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
    for (const coded_layer& layer : layers_)
      for (std::uint32_t head = 0; head < map_.shape.kv_heads; ++head)
        for (const bool is_value : {false, true})
          for (const std::uint32_t token : tokens)
            give_row(layer, {head, is_value, token / map_type::page_tokens}, plane,
                     token % map_type::page_tokens, sink);
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
    return &layer.tail_ends[(std::size_t{id.head} * 2 + (id.is_value ? 1 : 0)) * map_.tokens +
                            id.page * map_type::page_tokens];
  }

  template <class Layout>
  void count(Layout layout, tile_id id, bool stored, const std::uint32_t* ends) noexcept {
    stored_tiles_ += stored ? 1 : 0;
    if (stored)
      return;
    for (std::uint32_t plane = Policy::base_planes; plane < planes::count; ++plane)
      for (std::uint32_t t = 0; t < layout.shape.tokens; ++t)
        upgrade_bytes_[(plane - Policy::base_planes) * std::size_t{map_.tokens} +
                       id.page * map_type::page_tokens + t] +=
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
