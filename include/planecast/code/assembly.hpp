// A request's planes at the receiver: put together as they come, and decoded into the engine's pages.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/code/backend.hpp"
#include "planecast/code/item_map.hpp"
#include "planecast/code/scalars.hpp"
#include "planecast/code/tile_map.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// Keeps the codes of one request and writes the best values it has into the pages of its engine. Bytes come
/// from the wire: whatever is wrong with them is a status, and nothing is read or written out of bounds.
/// Tokens are named by their position in the sequence; those before the map's first are never touched.
/// Preconditions: layers, tiles, tokens and planes that are named are the map's; place_base() looks itself.
/// Errors: what takes bytes says `corrupt`, and is not called again then. What was taken before stays.
template <class Policy, class Backend>
requires backend<Backend>
class assembly {
public:
  using map_type = tile_map<Policy>;      ///< which tiles there are
  using planes = typename Policy::planes; ///< the policy's

  /// Empty. Borrows what the views point to, for as long as it lives.
  /// Preconditions: one view per layer, each of the sequence's tokens.
  assembly(map_type map, std::vector<kv_pages> pages)
      : map_(std::move(map)), pages_(std::move(pages)), tiles_(map_.all_tiles(), tile_state::missing),
        missing_(tiles_.size()), held_(std::size_t{map_.shape.layers} * map_.count(), 0) {
    std::size_t code_bytes_before = 0;
    for (std::uint32_t layer = 0, heads = 0; layer < map_.shape.layers; ++layer) {
      heads_before_.push_back(heads);
      codes_before_.push_back(code_bytes_before);
      code_bytes_before += layer_code_bytes(map_, layer);
      heads += map_.shape.heads(layer);
    }
    codes_.resize(code_bytes_before);
    if (map_.shape.raw_bytes(map_.count()) > past_cache_bytes)
      stores_ = stores::past_cache;
  }

  /// Which tiles it is made of.
  [[nodiscard]] const map_type& map() const noexcept { return map_; }

  /// Bytes that an assembly of this shape keeps.
  [[nodiscard]] static std::uint64_t bytes_needed(const map_type& map) noexcept {
    std::uint64_t bytes = map.all_tiles() + std::uint64_t{map.shape.layers} * map.count();
    for (std::uint32_t layer = 0; layer < map.shape.layers; ++layer)
      bytes += layer_code_bytes(map, layer);
    return bytes;
  }
  /// Forgets the codes, when no plane is to come any more. The pages stay as they are.
  void release_codes() noexcept { std::vector<std::byte>().swap(codes_); }

  /// Whether the base of every tile is there. Before, no upgrade may be placed.
  [[nodiscard]] bool base_complete() const noexcept { return missing_ == 0; }
  /// Whether a tile's base is there, and so its values in the pages.
  [[nodiscard]] bool has_tile(std::uint32_t layer, std::uint32_t tile) const noexcept {
    return state(layer, tile) != tile_state::missing;
  }
  /// Whether it is there and stored: then it is exact from the base on.
  [[nodiscard]] bool has_stored_tile(std::uint32_t layer, std::uint32_t tile) const noexcept {
    return state(layer, tile) == tile_state::stored;
  }
  /// How many planes of a token of a layer are in the pages; 0 until the base is complete.
  [[nodiscard]] std::uint32_t planes_held(std::uint32_t layer, std::uint32_t token) const noexcept {
    return base_complete() ? Policy::base_planes + held_[held_at(layer, token)] : 0;
  }
  /// How many planes of a token all layers have.
  [[nodiscard]] std::uint32_t planes_held(std::uint32_t token) const noexcept {
    std::uint32_t least = planes::count;
    for (std::uint32_t layer = 0; layer < map_.shape.layers; ++layer)
      least = std::min(least, planes_held(layer, token));
    return least;
  }
  /// Whether every token has that plane in the pages, in all layers.
  [[nodiscard]] bool all_hold(std::uint32_t plane) const noexcept {
    return base_complete() &&
           (plane < Policy::base_planes || holding_[plane - Policy::base_planes] == held_.size());
  }

  /// Takes the base of tiles first … first + count − 1 of a layer and writes their values. Tiles that are
  /// there already are passed over.
  status place_base(std::uint32_t layer, std::uint32_t first, std::uint32_t count,
                    std::span<const std::byte> bytes) {
    if (layer >= map_.shape.layers || first > map_.tiles(layer) || count > map_.tiles(layer) - first)
      return {errc::corrupt, "base: tiles that the request does not have"};
    for (std::uint32_t i = first; i < first + count; ++i)
      if (const status s = place_tile(layer, i, bytes); !s)
        return s;
    if (!bytes.empty())
      return {errc::corrupt, "base: bytes beyond its tiles"};
    return {};
  }

  /// Takes one plane of some tokens, in the order (layer, head, K then V, token), and sharpens their values.
  /// Preconditions: the base is complete; every token is one of the map's and holds just the planes below.
  status place_upgrade(std::uint32_t plane, std::span<const std::uint32_t> tokens,
                       std::span<const std::byte> bytes) {
    return place_upgrade(plane, detail::listed_items(map_.shape.layers, tokens), bytes);
  }
  /// Likewise of the tokens that are listed for each layer.
  status place_upgrade(std::uint32_t plane, const detail::listed_items& items,
                       std::span<const std::byte> bytes) {
    for (std::uint32_t layer = 0; layer < map_.shape.layers; ++layer)
      for (std::uint32_t head = 0; head < map_.shape.heads(layer) && !items.of(layer).empty(); ++head)
        for (const bool is_value : {false, true})
          for (const std::uint32_t token : items.of(layer)) {
            const auto [page, row] = map_.place(token);
            if (const status s = place_row(layer, {head, is_value, page}, plane, row, bytes); !s)
              return s;
          }
    if (!bytes.empty())
      return {errc::corrupt, "upgrade: bytes beyond its tokens"};
    for (std::uint32_t layer = 0; layer < map_.shape.layers; ++layer) {
      for (const std::uint32_t token : items.of(layer))
        ++held_[held_at(layer, token)];
      holding_[plane - Policy::base_planes] += items.of(layer).size();
    }
    return {};
  }

private:
  enum class tile_state : std::uint8_t { missing, coded, stored };

  std::size_t held_at(std::uint32_t layer, std::uint32_t token) const noexcept {
    return std::size_t{layer} * map_.count() + (token - map_.first);
  }
  // Room for the codes of a whole page of keys, and of values: all of a tile but its tails.
  static std::pair<std::uint64_t, std::uint64_t> code_bytes(const map_type& map,
                                                            std::uint32_t layer) noexcept {
    std::array<std::uint64_t, 2> bytes{};
    std::size_t i = 0;
    map.with_whole_layouts(layer,
                           [&](auto layout) { bytes[i++] = layout.always_stored() ? 0 : layout.tails_at(); });
    return {detail::align_up(bytes[0], std::uint64_t{tile_alignment}),
            detail::align_up(bytes[1], std::uint64_t{tile_alignment})};
  }
  static std::uint64_t layer_code_bytes(const map_type& map, std::uint32_t layer) noexcept {
    const auto [key, value] = code_bytes(map, layer);
    return map.shape.heads(layer) * map.pages() * (key + value);
  }
  std::byte* codes(std::uint32_t layer, tile_id id) noexcept {
    const auto [key, value] = code_bytes(map_, layer);
    return codes_.data() + codes_before_[layer] + id.head * map_.pages() * (key + value) +
           (id.is_value ? map_.pages() * key + id.page * value : id.page * key);
  }
  std::size_t number(std::uint32_t layer, std::uint32_t tile) const noexcept {
    return std::size_t{heads_before_[layer]} * 2 * map_.pages() + tile;
  }
  tile_state state(std::uint32_t layer, std::uint32_t tile) const noexcept {
    return tiles_[number(layer, tile)];
  }

  // Calls f(first row, rows, target_rows) for parts of a tile's rows row … row + count − 1 whose values can
  // be written at once: straight into the pages where channels lie side by side, else by a copy.
  template <class F>
  void write(std::uint32_t layer, tile_id id, std::uint32_t dim, std::uint32_t row, std::uint32_t count,
             F&& f) {
    const kv_pages& pages = pages_[layer];
    while (count > 0) {
      const std::uint32_t token = map_.first_of(id.page) + row;
      const auto run = pages.rows(id.is_value, token, id.head, count);
      if (run.tokens != 0)
        f(row, run.tokens, target_rows{run.first, run.step, stores_});
      else {
        std::array<std::uint16_t, max_head_dim> values;
        f(row, 1u, target_rows::of(values.data(), dim)); // one row: narrower values need less
        pages.write(id.is_value, token, id.head, dim, values.data());
      }
      const std::uint32_t done = run.tokens != 0 ? run.tokens : 1;
      row += done;
      count -= done;
    }
  }

  // Takes one tile from the front of bytes.
  status place_tile(std::uint32_t layer, std::uint32_t index, std::span<const std::byte>& bytes) {
    tile_state& tile = tiles_[number(layer, index)];
    const tile_id id = map_.tile(index);
    return map_.with_layout(layer, id, [&](auto layout) -> status {
      if (bytes.size() < tile_header_bytes)
        return {errc::corrupt, "base: a tile's header is cut short"};
      const bool stored = detail::load<std::uint32_t>(bytes.data()) == stored_tile;
      for (std::uint32_t i = 4; i < tile_header_bytes; ++i)
        if (bytes[i] != std::byte{0})
          return {errc::corrupt, "base: a tile's header has bits that mean nothing"};
      const std::size_t length = stored ? layout.stored_bytes() : layout.plane_at(map_.base_planes(layer));
      if (bytes.size() < length)
        return {errc::corrupt, "base: a tile is cut short"};
      if (!stored && !with_format(map_.shape.dtype, [&]<class Number>(Number) {
            return valid_scalars<Number>(layout, bytes.data());
          }))
        return {errc::corrupt, "base: a tile's scalars are out of range"};
      if (tile == tile_state::missing) {
        if (stored)
          write(layer, id, layout.shape.dim, 0, layout.shape.tokens,
                [&](std::uint32_t row, std::uint32_t count, target_rows out) {
                  const std::size_t row_bytes = layout.value_bytes * std::size_t{layout.shape.dim};
                  for (std::uint32_t t = 0; t < count; ++t)
                    std::memcpy(out[t], bytes.data() + tile_header_bytes + (row + t) * row_bytes, row_bytes);
                });
        else {
          std::byte* const to = codes(layer, id);
          std::memcpy(to, bytes.data(), length);
          show(layout, layer, id, to, 0, layout.shape.tokens, map_.base_planes(layer));
        }
        tile = stored ? tile_state::stored : tile_state::coded;
        --missing_;
      }
      bytes = bytes.subspan(length);
      return {};
    });
  }

  // Takes one token's row of one tile from the front of bytes.
  status place_row(std::uint32_t layer, tile_id id, std::uint32_t plane, std::uint32_t row,
                   std::span<const std::byte>& bytes) {
    if (plane < map_.base_planes(layer) || state(layer, map_.index(id)) == tile_state::stored)
      return {};
    return map_.with_layout(layer, id, [&](auto layout) -> status {
      std::byte* const tile = codes(layer, id);
      if (plane == planes::fixed) {
        std::array<std::uint16_t, max_head_dim> values; // what turns out to be corrupt stays out of the pages
        std::size_t used = 0;
        if (const status s = Backend::decode_exact(map_.shape.dtype, layout, tile, row, 1, bytes,
                                                   target_rows::of(values.data(), layout.shape.dim), used);
            !s)
          return s;
        pages_[layer].write(id.is_value, map_.first_of(id.page) + row, id.head, layout.shape.dim,
                            values.data());
        bytes = bytes.subspan(used);
        return {};
      }
      if (bytes.size() < layout.row_bytes(plane))
        return {errc::corrupt, "upgrade: a row is cut short"};
      std::memcpy(tile + layout.plane_row_at(plane, row), bytes.data(), layout.row_bytes(plane));
      show(layout, layer, id, tile, row, 1, plane + 1);
      bytes = bytes.subspan(layout.row_bytes(plane));
      return {};
    });
  }

  template <class Layout>
  void show(Layout layout, std::uint32_t layer, tile_id id, const std::byte* tile, std::uint32_t row,
            std::uint32_t count, std::uint32_t plane_count) {
    write(layer, id, layout.shape.dim, row, count,
          [&](std::uint32_t first, std::uint32_t rows, target_rows out) {
            Backend::decode(map_.shape.dtype, layout, tile, first, rows, plane_count, out);
          });
  }

  map_type map_;
  std::vector<kv_pages> pages_;
  std::vector<std::uint32_t> heads_before_; // of a layer: the heads of all layers before it
  std::vector<std::size_t> codes_before_;   // likewise the bytes of their codes
  std::vector<std::byte> codes_;
  std::vector<tile_state> tiles_;
  std::size_t missing_;
  stores stores_ = stores::cached;
  std::vector<std::uint8_t> held_;                     // planes above the base, per layer, per token
  std::array<std::uint64_t, planes::count> holding_{}; // tokens of layers, by plane above the base
};

} // namespace planecast::inline v0
