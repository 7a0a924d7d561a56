// Codes a request's layers at the sender, tile by tile.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/code/backend.hpp"
#include "planecast/code/coded_tiles.hpp"
#include "planecast/code/executor.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// How a cache goes out. Raw pays where the link is faster than the code.
enum class coding : std::uint8_t {
  planes,    ///< coded into planes
  raw,       ///< as it is, which is one plane and exact
  automatic, ///< the sender decides when the first layer is put, by the rates that it knows
};

/// Codes layers and holds them. put() reads the engine's pages once; nothing of them is needed afterwards.
/// Preconditions: those of coded_tiles.
template <class Policy, class Backend>
requires backend<Backend>
class coded_cache : public coded_tiles<Policy> {
public:
  using map_type = tile_map<Policy>; ///< which tiles there are
  using coded_tiles<Policy>::map;

  /// Empty: layers are put. What is to be decided is coded into planes until code_as() says something else.
  coded_cache(map_type tiles, coding how) : coded_tiles<Policy>(std::move(tiles)), how_(how) {}

  /// How layers that are put from now on are coded.
  void code_as(coding how) noexcept { how_ = how; }

  /// Codes one layer, in pieces on the executor's threads.
  /// Preconditions: the view has the tokens of the map's sequence; the layer was not put before.
  /// Errors: std::bad_alloc passes, and the layer is then not there.
  void put(std::uint32_t layer_index, const kv_view& view, const executor& threads = {}) {
    coded_layer layer;
    const std::uint32_t tiles = map().tiles(layer_index);
    layer.tiles.resize(tiles);
    layer.tail_ends.resize(std::size_t{map().count()} * 2 * map().shape.heads(layer_index));
    // A piece has room for its tiles as they would be stored, and for the last of them to be tried coded.
    // What stays unused was never touched: it takes addresses, not memory.
    const std::uint64_t stored = map().stored_bytes(layer_index);
    const std::uint64_t pieces = std::clamp<std::uint64_t>(stored / piece_bytes, 1, tiles);
    const std::uint64_t most_tiles = (tiles + pieces - 1) / pieces;
    std::uint64_t tile_bytes = 0, bound = 0;
    map().with_whole_layouts(layer_index, [&](auto layout) {
      tile_bytes =
          std::max(tile_bytes, std::uint64_t{detail::align_up(layout.stored_bytes(), tile_alignment)});
      bound = std::max(bound, std::uint64_t{layout.bound()});
    });
    const std::uint64_t room = std::min(most_tiles * tile_bytes, stored) + bound;
    std::shared_ptr<std::byte[]> bytes(new std::byte[pieces * room]); // not filled with zeros
    std::vector<std::uint64_t> used(pieces);
    detail::run_pieces(threads, pieces, [&](std::size_t piece) {
      std::uint64_t at = piece * room;
      for (std::uint64_t i = piece * most_tiles; i < std::min<std::uint64_t>((piece + 1) * most_tiles, tiles);
           ++i)
        at += put_tile(bytes.get(), layer, layer_index,
                       in_memory_order(layer_index, static_cast<std::uint32_t>(i)), at, view);
      used[piece] = at - piece * room;
    });
    for (const std::uint64_t of_piece : used)
      layer.used += of_piece;
    layer.bytes = std::shared_ptr<const std::byte>(bytes, bytes.get());
    this->take(layer_index, std::move(layer));
  }

private:
  static constexpr std::uint64_t piece_bytes =
      512 * 1024; // of values, about, that one thread takes at a time

  // The number of the i-th tile in the order (page, K then V, head), in which most engines have them: all
  // heads of some tokens lie together.
  std::uint32_t in_memory_order(std::uint32_t layer, std::uint32_t i) const noexcept {
    const std::uint32_t heads = map().shape.heads(layer), of_page = i % (2 * heads);
    return map().index({of_page % heads, of_page >= heads, i / (2 * heads)});
  }

  // Codes one tile to where it begins in the layer; returns its length there.
  std::uint64_t put_tile(std::byte* bytes, coded_layer& layer, std::uint32_t layer_index, std::uint32_t index,
                         std::uint64_t at, const kv_view& view) const {
    const tile_id id = map().tile(index);
    return map().with_layout(layer_index, id, [&](auto layout) -> std::uint64_t {
      const tile_shape shape = layout.shape;
      const std::uint32_t token = map().first_of(id.page);
      const auto run = view.rows(id.is_value, token, id.head, shape.tokens);
      source_rows values{run.first, run.step};
      std::unique_ptr<std::uint16_t[]> gathered; // where the page's rows do not lie at equal steps
      if (run.tokens < shape.tokens) {
        gathered = std::make_unique_for_overwrite<std::uint16_t[]>(shape.values());
        view.read(id.is_value, token, shape.tokens, id.head, shape.dim, gathered.get());
        values = source_rows::of(gathered.get(), shape.dim);
      }
      std::byte* const out = bytes + at;
      std::uint32_t* const ends = &layer.tail_ends[map().ends_at(id)];
      const encoded_tile coded = how_ == coding::raw
                                     ? store_tile(layout, values, out, ends)
                                     : Backend::encode(map().shape.dtype, layout, values, out, ends);
      layer.tiles[index] = {at, coded.bytes, coded.stored};
      return detail::align_up(coded.bytes, tile_alignment);
    });
  }

  coding how_;
};

} // namespace planecast::inline v0
