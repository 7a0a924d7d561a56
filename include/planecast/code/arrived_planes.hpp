// What of a request has come to the receiver: which tiles are there, and how many planes each token has.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/code/item_map.hpp"
#include "planecast/code/scalars.hpp"
#include "planecast/code/tile_map.hpp"
#include "planecast/status.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// Keeps account of one request's tiles and planes, wherever their codes are. Bytes come from the wire:
/// whatever is wrong with them is a status.
/// Preconditions: layers, tiles, tokens and planes that are named are the map's.
template <class Policy>
class arrived_planes {
public:
  using map_type = tile_map<Policy>;      ///< which tiles there are
  using planes = typename Policy::planes; ///< the policy's

  /// Nothing has come.
  explicit arrived_planes(map_type map)
      : map_(std::move(map)), tiles_(map_.all_tiles(), tile_state::missing), missing_(tiles_.size()),
        held_(std::size_t{map_.shape.layers} * map_.count(), 0) {
    std::uint64_t code_bytes_before = 0;
    for (std::uint32_t layer = 0, heads = 0; layer < map_.shape.layers; ++layer) {
      heads_before_.push_back(heads);
      codes_before_.push_back(code_bytes_before);
      code_bytes_before += layer_code_bytes(map_, layer);
      heads += map_.shape.heads(layer);
    }
    code_bytes_ = code_bytes_before;
  }

  /// Which tiles it is made of.
  [[nodiscard]] const map_type& map() const noexcept { return map_; }

  /// Bytes that a request of this shape keeps, codes included.
  [[nodiscard]] static std::uint64_t bytes_needed(const map_type& map) noexcept {
    std::uint64_t bytes = map.all_tiles() + std::uint64_t{map.shape.layers} * map.count();
    for (std::uint32_t layer = 0; layer < map.shape.layers; ++layer)
      bytes += layer_code_bytes(map, layer);
    return bytes;
  }

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

protected:
  enum class tile_state : std::uint8_t { missing, coded, stored };
  /// A tile in a frame of the base.
  struct found_tile {
    std::uint32_t index = 0;               ///< its number in the layer
    bool stored = false;                   ///< it holds the values as they are
    std::span<const std::byte> bytes = {}; ///< of it, in the frame
  };

  [[nodiscard]] bool has_tiles(std::uint32_t layer, std::uint32_t first, std::uint32_t count) const noexcept {
    return layer < map_.shape.layers && first <= map_.tiles(layer) && count <= map_.tiles(layer) - first;
  }
  // A tile's number among those of all layers.
  [[nodiscard]] std::size_t number(std::uint32_t layer, std::uint32_t tile) const noexcept {
    return std::size_t{heads_before_[layer]} * 2 * map_.pages() + tile;
  }
  [[nodiscard]] tile_state state(std::uint32_t layer, std::uint32_t tile) const noexcept {
    return tiles_[number(layer, tile)];
  }
  // Bytes of all codes, and where those of a layer and of a tile begin.
  [[nodiscard]] std::uint64_t code_bytes() const noexcept { return code_bytes_; }
  [[nodiscard]] std::uint64_t codes_at(std::uint32_t layer) const noexcept { return codes_before_[layer]; }
  [[nodiscard]] std::uint64_t codes_at(std::uint32_t layer, tile_id id) const noexcept {
    const auto [key, value] = code_bytes(map_, layer);
    return codes_before_[layer] + id.head * map_.pages() * (key + value) +
           (id.is_value ? map_.pages() * key + id.page * value : id.page * key);
  }
  // Finds one tile at the front of bytes, and what may be wrong with it.
  status find_tile(std::uint32_t layer, found_tile& tile, std::span<const std::byte>& bytes) const {
    return map_.with_layout(layer, map_.tile(tile.index), [&](auto layout) -> status {
      if (bytes.size() < tile_header_bytes)
        return {errc::corrupt, "base: a tile's header is cut short"};
      tile.stored = detail::load<std::uint32_t>(bytes.data()) == stored_tile;
      for (std::uint32_t i = 4; i < tile_header_bytes; ++i)
        if (bytes[i] != std::byte{0})
          return {errc::corrupt, "base: a tile's header has bits that mean nothing"};
      const std::size_t length =
          tile.stored ? layout.stored_bytes() : layout.plane_at(map_.base_planes(layer));
      if (bytes.size() < length)
        return {errc::corrupt, "base: a tile is cut short"};
      if (!tile.stored && !with_format(map_.shape.dtype, [&]<class Number>(Number) {
            return valid_scalars<Number>(layout, bytes.data());
          }))
        return {errc::corrupt, "base: a tile's scalars are out of range"};
      tile.bytes = bytes.first(length);
      bytes = bytes.subspan(length);
      return {};
    });
  }

  // A tile that was found is there now.
  void take_tile(std::uint32_t layer, const found_tile& tile) noexcept {
    tiles_[number(layer, tile.index)] = tile.stored ? tile_state::stored : tile_state::coded;
    --missing_;
  }
  // The items have one plane more now.
  void take_plane(std::uint32_t plane, const detail::listed_items& items) noexcept {
    for (std::uint32_t layer = 0; layer < map_.shape.layers; ++layer) {
      for (const std::uint32_t token : items.of(layer))
        ++held_[held_at(layer, token)];
      holding_[plane - Policy::base_planes] += items.of(layer).size();
    }
  }

  // Tokens of a layer have one plane less.
  void lose_plane(std::uint32_t plane, std::uint32_t layer, std::span<const std::uint32_t> tokens) noexcept {
    for (const std::uint32_t token : tokens)
      --held_[held_at(layer, token)];
    holding_[plane - Policy::base_planes] -= tokens.size();
  }

private:
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

  map_type map_;
  std::vector<std::uint32_t> heads_before_; // of a layer: the heads of all layers before it
  std::vector<std::uint64_t> codes_before_; // likewise the bytes of their codes
  std::uint64_t code_bytes_ = 0;
  std::vector<tile_state> tiles_;
  std::size_t missing_;
  std::vector<std::uint8_t> held_;                     // planes above the base, per layer, per token
  std::array<std::uint64_t, planes::count> holding_{}; // tokens of layers, by plane above the base
};

} // namespace planecast::inline v0
