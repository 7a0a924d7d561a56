// A request's tiles at the sender: coded once, given out plane by plane.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/code/backend.hpp"
#include "planecast/code/executor.hpp"
#include "planecast/code/item_map.hpp"
#include "planecast/code/spread.hpp"
#include "planecast/code/tile_map.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// How a cache goes out. Raw pays where the link is faster than the code.
enum class coding : std::uint8_t {
  planes,    ///< coded into planes
  raw,       ///< as it is, which is one plane and exact
  automatic, ///< the sender decides when the first layer is put, by the rates that it knows
};

/// Holds the tiles of one request. put() reads the engine's pages once; nothing of them is needed afterwards.
/// Preconditions: layers, tiles, tokens and planes that are named are the map's; of what is asked about a
/// layer, or handed out, the layer was put; and nothing was cleared.
template <class Policy, class Backend>
requires backend<Backend>
class coded_cache {
public:
  using map_type = tile_map<Policy>;      ///< which tiles there are
  using planes = typename Policy::planes; ///< the policy's

  /// Empty: layers are put. What is to be decided is coded into planes until code_as() says something else.
  coded_cache(map_type map, coding how)
      : map_(std::move(map)), how_(how), layers_(map_.shape.layers),
        upgrade_bytes_((planes::count - Policy::base_planes) * std::size_t{map_.count()}),
        spread_(upgrade_bytes_.size()) {}

  /// How layers that are put from now on are coded.
  void code_as(coding how) noexcept { how_ = how; }
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
    for (const coded_layer& layer : layers_)
      sum += layer.used + layer.spread.capacity() * sizeof(double) +
             (layer.tail_ends.capacity() + layer.upgrade_bytes.capacity()) * sizeof(std::uint32_t);
    return sum;
  }

  /// Codes one layer, in pieces on the executor's threads.
  /// Preconditions: the view has the tokens of the map's sequence; the layer was not put before.
  /// Errors: std::bad_alloc passes, and the layer is then not there.
  void put(std::uint32_t layer_index, const kv_view& view, const executor& threads = {}) {
    coded_layer layer;
    const std::uint32_t tiles = map_.tiles(layer_index);
    layer.tiles.resize(tiles);
    layer.tail_ends.resize(std::size_t{map_.count()} * 2 * map_.shape.heads(layer_index));
    layer.upgrade_bytes.resize(upgrade_bytes_.size());
    layer.spread.resize(map_.count());
    // A piece has room for its tiles as they would be stored, and for the last of them to be tried coded.
    // What stays unused was never touched: it takes addresses, not memory.
    const std::uint64_t stored = map_.stored_bytes(layer_index);
    const std::uint64_t pieces = std::clamp<std::uint64_t>(stored / piece_bytes, 1, tiles);
    const std::uint64_t most_tiles = (tiles + pieces - 1) / pieces;
    std::uint64_t tile_bytes = 0, bound = 0;
    map_.with_whole_layouts(layer_index, [&](auto layout) {
      tile_bytes =
          std::max(tile_bytes, std::uint64_t{detail::align_up(layout.stored_bytes(), tile_alignment)});
      bound = std::max(bound, std::uint64_t{layout.bound()});
    });
    const std::uint64_t room = std::min(most_tiles * tile_bytes, stored) + bound;
    layer.bytes = std::make_unique_for_overwrite<std::byte[]>(pieces * room);
    std::vector<std::uint64_t> used(pieces);
    detail::run_pieces(threads, pieces, [&](std::size_t piece) {
      std::uint64_t at = piece * room;
      for (std::uint64_t i = piece * most_tiles; i < std::min<std::uint64_t>((piece + 1) * most_tiles, tiles);
           ++i)
        at += put_tile(layer, layer_index, in_memory_order(layer_index, static_cast<std::uint32_t>(i)), at,
                       view);
      used[piece] = at - piece * room;
    });
    for (const std::uint64_t bytes : used)
      layer.used += bytes;
    std::array<kind_spread, 2> kinds{kind_spread{std::vector<double>(map_.count())},
                                     kind_spread{std::vector<double>(map_.count())}};
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
    const coded_layer& from = layers_[layer];
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
  struct tile_place {
    std::size_t at = 0;
    std::uint32_t bytes = 0;
    bool stored = false;
  };
  struct coded_layer {
    std::unique_ptr<std::byte[]> bytes;
    std::uint64_t used = 0; // of the bytes
    std::vector<tile_place> tiles;
    std::vector<std::uint32_t> tail_ends;     // per head, K then V, token: where its tails end in their tile
    std::vector<std::uint32_t> upgrade_bytes; // per plane above the base, per token
    std::vector<double> spread;               // per token: squares of its values' steps, normalised
  };

  static constexpr std::uint64_t piece_bytes =
      512 * 1024; // of values, about, that one thread takes at a time

  // The number of the i-th tile in the order (page, K then V, head), in which most engines have them: all
  // heads of some tokens lie together.
  std::uint32_t in_memory_order(std::uint32_t layer, std::uint32_t i) const noexcept {
    const std::uint32_t heads = map_.shape.heads(layer), of_page = i % (2 * heads);
    return map_.index({of_page % heads, of_page >= heads, i / (2 * heads)});
  }

  // Codes one tile to where it begins in the layer; returns its length there.
  std::uint64_t put_tile(coded_layer& layer, std::uint32_t layer_index, std::uint32_t index, std::uint64_t at,
                         const kv_view& view) const {
    const tile_id id = map_.tile(index);
    return map_.with_layout(layer_index, id, [&](auto layout) -> std::uint64_t {
      const tile_shape shape = layout.shape;
      const std::uint32_t token = map_.first_of(id.page);
      const auto run = view.rows(id.is_value, token, id.head, shape.tokens);
      source_rows values{run.first, run.step};
      std::unique_ptr<std::uint16_t[]> gathered; // where the page's rows do not lie at equal steps
      if (run.tokens < shape.tokens) {
        gathered = std::make_unique_for_overwrite<std::uint16_t[]>(shape.values());
        view.read(id.is_value, token, shape.tokens, id.head, shape.dim, gathered.get());
        values = source_rows::of(gathered.get(), shape.dim);
      }
      std::byte* const out = layer.bytes.get() + at;
      std::uint32_t* const ends = tail_ends(layer, id);
      const encoded_tile coded = how_ == coding::raw
                                     ? store_tile(layout, values, out, ends)
                                     : Backend::encode(map_.shape.dtype, layout, values, out, ends);
      layer.tiles[index] = {at, coded.bytes, coded.stored};
      return detail::align_up(coded.bytes, tile_alignment);
    });
  }

  // Of a layer's keys, or of its values.
  struct kind_spread {
    std::vector<double> of; // per token
    double sum = 0;         // over its tokens
    std::uint64_t coded = 0, values = 0;
  };

  std::size_t upgrade(std::uint32_t plane, std::uint32_t token) const noexcept {
    return (plane - Policy::base_planes) * std::size_t{map_.count()} + token - map_.first;
  }

  template <class Layer>
  auto* tail_ends(Layer& layer, tile_id id) const noexcept {
    return &layer.tail_ends[(std::size_t{id.head} * 2 + (id.is_value ? 1 : 0)) * map_.count() +
                            map_.first_of(id.page) - map_.first];
  }

  template <class Layout>
  void count(Layout layout, coded_layer& layer, std::uint32_t tile, std::uint32_t base_planes,
             kind_spread& kind) noexcept {
    const tile_id id = map_.tile(tile);
    const std::uint32_t* const ends = tail_ends(layer, id);
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
    const coded_layer& layer = layers_[layer_index];
    const tile_place place = layer.tiles[map_.index(id)];
    if (place.stored || plane < map_.base_planes(layer_index))
      return;
    map_.with_layout(layer_index, id, [&](auto layout) {
      const auto tile = std::span<const std::byte>(layer.bytes.get() + place.at, place.bytes);
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
  std::vector<std::uint32_t> upgrade_bytes_; // per plane above the base, per token, over all layers
  std::vector<double> spread_;               // likewise, of the layers in which it is an upgrade
  std::uint64_t stored_tiles_ = 0;
};

} // namespace planecast::inline v0
