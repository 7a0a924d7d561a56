// A request's planes at the receiver: put together as they come, and decoded into the engine's pages.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/code/backend.hpp"
#include "planecast/code/cell.hpp"
#include "planecast/code/tile_map.hpp"

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
template <class Policy, class Backend>
requires backend<Backend>
class assembly {
public:
  using map_type = tile_map<Policy>;
  using planes = typename Policy::planes;

  /// Precondition: one view per layer, each of the map's tokens. Borrows what the views point to.
  assembly(map_type map, std::vector<kv_pages> pages)
      : map_(map), pages_(std::move(pages)),
        tiles_(std::size_t{map.tiles_per_layer()} * map.shape.layers, tile_state::missing),
        missing_(tiles_.size()), held_(map.tokens, 0) {
    codes_.resize(map.shape.layers * code_bytes_per_layer());
  }

  [[nodiscard]] const map_type& map() const noexcept { return map_; }

  /// Bytes that an assembly of this shape keeps.
  [[nodiscard]] static std::uint64_t bytes_needed(const map_type& map) noexcept {
    const auto [key, value] = code_bytes(map);
    return std::uint64_t{map.shape.layers} * map.shape.kv_heads * map.pages() * (key + value) +
           std::uint64_t{map.tiles_per_layer()} * map.shape.layers + map.tokens;
  }
  /// Forgets the codes, when no plane is to come any more.
  void release_codes() noexcept { std::vector<std::byte>().swap(codes_); }

  [[nodiscard]] bool base_complete() const noexcept { return missing_ == 0; }
  [[nodiscard]] bool has_tile(std::uint32_t layer, std::uint32_t tile) const noexcept {
    return state(layer, tile) != tile_state::missing;
  }
  /// A stored tile is exact from the base on.
  [[nodiscard]] bool has_stored_tile(std::uint32_t layer, std::uint32_t tile) const noexcept {
    return state(layer, tile) == tile_state::stored;
  }
  /// Planes of a token that are in the pages, once the base is complete.
  [[nodiscard]] std::uint32_t planes_held(std::uint32_t token) const noexcept {
    return base_complete() ? Policy::base_planes + held_[token] : 0;
  }
  /// Tokens that have plane p.
  [[nodiscard]] std::uint32_t tokens_holding(std::uint32_t plane) const noexcept {
    if (!base_complete())
      return 0;
    return plane < Policy::base_planes ? map_.tokens : holding_[plane - Policy::base_planes];
  }

  /// Takes the base of tiles first … first + count − 1 of a layer and writes their values.
  status place_base(std::uint32_t layer, std::uint32_t first, std::uint32_t count,
                    std::span<const std::byte> bytes) {
    if (layer >= map_.shape.layers || first > map_.tiles_per_layer() ||
        count > map_.tiles_per_layer() - first)
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
    for (std::uint32_t layer = 0; layer < map_.shape.layers; ++layer)
      for (std::uint32_t head = 0; head < map_.shape.kv_heads; ++head)
        for (const bool is_value : {false, true})
          for (const std::uint32_t token : tokens)
            if (const status s = place_row(layer, {head, is_value, token / map_type::page_tokens}, plane,
                                           token % map_type::page_tokens, bytes);
                !s)
              return s;
    if (!bytes.empty())
      return {errc::corrupt, "upgrade: bytes beyond its tokens"};
    for (const std::uint32_t token : tokens)
      ++held_[token];
    holding_[plane - Policy::base_planes] += static_cast<std::uint32_t>(tokens.size());
    return {};
  }

private:
  enum class tile_state : std::uint8_t { missing, coded, stored };

  // Room for the codes of a whole page of keys, and of values: all of a tile but its tails.
  static std::pair<std::uint64_t, std::uint64_t> code_bytes(const map_type& map) noexcept {
    std::array<std::uint64_t, 2> bytes{};
    std::size_t i = 0;
    map.with_whole_layouts([&](auto layout) { bytes[i++] = layout.tails_at(); });
    return {detail::align_up(bytes[0], std::uint64_t{tile_alignment}),
            detail::align_up(bytes[1], std::uint64_t{tile_alignment})};
  }
  std::size_t code_bytes_per_layer() const noexcept {
    const auto [key, value] = code_bytes(map_);
    return std::size_t{map_.shape.kv_heads} * map_.pages() * (key + value);
  }
  std::byte* codes(std::uint32_t layer, tile_id id) noexcept {
    const auto [key, value] = code_bytes(map_);
    const std::size_t pages = map_.pages();
    return codes_.data() + layer * code_bytes_per_layer() + id.head * pages * (key + value) +
           (id.is_value ? pages * key + id.page * value : id.page * key);
  }
  tile_state state(std::uint32_t layer, std::uint32_t tile) const noexcept {
    return tiles_[std::size_t{layer} * map_.tiles_per_layer() + tile];
  }

  void write(std::uint32_t layer, tile_id id, std::uint32_t row, const void* values, std::uint32_t dim) {
    const std::uint32_t token = id.page * map_type::page_tokens + row;
    std::byte* const to =
        id.is_value ? pages_[layer].value(token, id.head) : pages_[layer].key(token, id.head);
    std::memcpy(to, values, 2 * std::size_t{dim});
  }

  // Takes one tile from the front of bytes.
  status place_tile(std::uint32_t layer, std::uint32_t index, std::span<const std::byte>& bytes) {
    tile_state& tile = tiles_[std::size_t{layer} * map_.tiles_per_layer() + index];
    const tile_id id = map_.tile(index);
    return map_.with_layout(id, [&](auto layout) -> status {
      if (bytes.size() < tile_header_bytes)
        return {errc::corrupt, "base: a tile's header is cut short"};
      const bool stored = detail::load<std::uint32_t>(bytes.data()) == stored_tile;
      for (std::uint32_t i = 4; i < tile_header_bytes; ++i)
        if (bytes[i] != std::byte{0})
          return {errc::corrupt, "base: a tile's header has bits that mean nothing"};
      const std::size_t length = stored ? layout.stored_bytes() : layout.plane_at(Policy::base_planes);
      if (bytes.size() < length)
        return {errc::corrupt, "base: a tile is cut short"};
      if (!stored && !valid_cells(layout, bytes.data()))
        return {errc::corrupt, "base: a tile's scalars are out of range"};
      if (tile == tile_state::missing) {
        if (stored)
          for (std::uint32_t row = 0; row < layout.shape.tokens; ++row)
            write(layer, id, row, bytes.data() + tile_header_bytes + std::size_t{row} * layout.shape.dim * 2,
                  layout.shape.dim);
        else {
          std::byte* const to = codes(layer, id);
          std::memcpy(to, bytes.data(), length);
          for (std::uint32_t row = 0; row < layout.shape.tokens; ++row)
            show(layout, layer, id, to, row, Policy::base_planes);
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
    if (state(layer, map_.index(id)) == tile_state::stored)
      return {};
    return map_.with_layout(id, [&](auto layout) -> status {
      std::byte* const tile = codes(layer, id);
      if (plane == planes::fixed) {
        std::array<std::uint16_t, max_head_dim> values;
        std::size_t used = 0;
        if (const status s =
                Backend::decode_exact(map_.shape.dtype, layout, tile, row, bytes, values.data(), used);
            !s)
          return s;
        write(layer, id, row, values.data(), layout.shape.dim);
        bytes = bytes.subspan(used);
        return {};
      }
      if (bytes.size() < layout.row_bytes(plane))
        return {errc::corrupt, "upgrade: a row is cut short"};
      std::memcpy(tile + layout.plane_row_at(plane, row), bytes.data(), layout.row_bytes(plane));
      show(layout, layer, id, tile, row, plane + 1);
      bytes = bytes.subspan(layout.row_bytes(plane));
      return {};
    });
  }

  template <class Layout>
  void show(Layout layout, std::uint32_t layer, tile_id id, const std::byte* tile, std::uint32_t row,
            std::uint32_t plane_count) {
    std::array<std::uint16_t, max_head_dim> values;
    Backend::decode(map_.shape.dtype, layout, tile, row, plane_count, values.data());
    write(layer, id, row, values.data(), layout.shape.dim);
  }

  template <class Layout>
  bool valid_cells(Layout layout, const std::byte* tile) const noexcept {
    return with_format(map_.shape.dtype, [&]<class Number>(Number) {
      for (std::uint32_t row = 0; row < layout.rows(); ++row)
        if (!cells<Number, planes::code_bits>{detail::load<std::uint16_t>(tile + layout.low_at(row)),
                                              detail::load<std::uint16_t>(tile + layout.step_at(row))}
                 .valid())
          return false;
      return true;
    });
  }

  map_type map_;
  std::vector<kv_pages> pages_;
  std::vector<std::byte> codes_;
  std::vector<tile_state> tiles_;
  std::size_t missing_;
  std::vector<std::uint8_t> held_; // planes above the base, per token
  std::array<std::uint32_t, planes::count> holding_{};
};

} // namespace planecast::inline v0
