// A request's planes at the receiver: put together as they come, and decoded into the engine's pages.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/code/arrived_planes.hpp"
#include "planecast/code/backend.hpp"
#include "planecast/code/executor.hpp"

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
/// Values are sharpened from the kept codes, never from the pages, which may hold another type of numbers
/// (kv_pages::holding): each time they are decoded to the sent type and then converted.
/// Preconditions: layers, tiles, tokens and planes that are named are the map's; place_base() looks itself.
/// Errors: what takes bytes says `corrupt`, and is not called again then. What was taken before stays.
template <class Policy, class Backend>
requires backend<Backend>
class assembly : public arrived_planes<Policy> {
  using arrived = arrived_planes<Policy>;
  using arrived::state;
  using typename arrived::found_tile, typename arrived::tile_state;

public:
  using map_type = tile_map<Policy>;      ///< which tiles there are
  using planes = typename Policy::planes; ///< the policy's
  using arrived::map;

  /// Empty. Borrows what the views point to, for as long as it lives.
  /// Preconditions: one view per layer, each of the sequence's tokens.
  assembly(map_type tiles, std::vector<kv_pages> pages)
      : arrived(std::move(tiles)), pages_(std::move(pages)), codes_(this->code_bytes()) {
    for (kv_pages& view : pages_)
      view = view.receiving(map().shape.dtype);
    if (map().shape.raw_bytes(map().count()) > past_cache_bytes)
      stores_ = stores::past_cache;
  }

  /// Forgets the codes, when no plane is to come any more. The pages stay as they are.
  void release_codes() noexcept { std::vector<std::byte>().swap(codes_); }

  /// Takes the base of tiles first … first + count − 1 of a layer and writes their values, in pieces on the
  /// executor's threads. Tiles that are there already are passed over. What is before a bad tile is taken.
  status place_base(std::uint32_t layer, std::uint32_t first, std::uint32_t count,
                    std::span<const std::byte> bytes, const executor& threads = {}) {
    if (!this->has_tiles(layer, first, count))
      return {errc::corrupt, "base: tiles that the request does not have"};
    std::vector<found_tile> found; // where they begin, so that threads can take them
    status result;
    for (std::uint32_t i = first; i < first + count && result.ok(); ++i) {
      found_tile tile{i};
      result = this->find_tile(layer, tile, bytes);
      if (!result.ok() || state(layer, i) != tile_state::missing)
        continue;
      if (threads)
        found.push_back(tile);
      else {
        write_tile(layer, tile);
        this->take_tile(layer, tile);
      }
    }
    const std::size_t pieces = (found.size() + piece_tiles - 1) / piece_tiles;
    detail::run_pieces(threads, pieces, [&](std::size_t piece) {
      for (std::size_t i = piece * piece_tiles; i < std::min((piece + 1) * piece_tiles, found.size()); ++i)
        write_tile(layer, found[i]);
    });
    for (const found_tile& tile : found)
      this->take_tile(layer, tile);
    if (result.ok() && !bytes.empty())
      return {errc::corrupt, "base: bytes beyond its tiles"};
    return result;
  }

  /// Takes one plane of some tokens, in the order (layer, head, K then V, token), and sharpens their values.
  /// Preconditions: the base is complete; every token is one of the map's and holds just the planes below.
  status place_upgrade(std::uint32_t plane, std::span<const std::uint32_t> tokens,
                       std::span<const std::byte> bytes) {
    return place_upgrade(plane, detail::listed_items(map().shape.layers, tokens), bytes);
  }
  /// Likewise of the tokens that are listed for each layer.
  status place_upgrade(std::uint32_t plane, const detail::listed_items& items,
                       std::span<const std::byte> bytes) {
    for (std::uint32_t layer = 0; layer < map().shape.layers; ++layer)
      for (std::uint32_t head = 0; head < map().shape.heads(layer) && !items.of(layer).empty(); ++head)
        for (const bool is_value : {false, true})
          for (auto rest = items.of(layer); !rest.empty();) {
            // Neighbours of one page go together.
            const auto [page, row] = map().place(rest[0]);
            const std::uint32_t last = map().tokens_of(page) - row;
            std::uint32_t rows = 1;
            while (rows < last && rows < rest.size() && rest[rows] == rest[0] + rows)
              ++rows;
            if (const status s = place_rows(layer, {head, is_value, page}, plane, row, rows, bytes); !s)
              return s;
            rest = rest.subspan(rows);
          }
    if (!bytes.empty())
      return {errc::corrupt, "upgrade: bytes beyond its tokens"};
    this->take_plane(plane, items);
    return {};
  }

private:
  static constexpr std::size_t piece_tiles = 8; // that one thread takes at a time

  std::byte* codes(std::uint32_t layer, tile_id id) noexcept {
    return codes_.data() + this->codes_at(layer, id);
  }

  // Room for some rows of values beside the pages, of two bytes each; narrower ones need less.
  using some_rows = std::array<std::uint16_t, std::size_t{8} * max_head_dim>;

  // Calls f(first row, rows, target_rows) for parts of a tile's rows row … row + count − 1 whose values can
  // be written at once: straight into the pages where channels lie side by side and values are as they are
  // sent, else by a copy.
  template <class F>
  void write(std::uint32_t layer, tile_id id, std::uint32_t dim, std::uint32_t row, std::uint32_t count,
             F&& f) {
    const kv_pages& pages = pages_[layer];
    while (count > 0) {
      const std::uint32_t token = map().first_of(id.page) + row;
      const auto run = pages.rows(id.is_value, token, id.head, count);
      std::uint32_t done = run.tokens;
      if (done != 0)
        f(row, done, target_rows{run.first, run.step, stores_});
      else {
        some_rows values;
        const auto rows = target_rows::of(values.data(), dim);
        done = std::min(count, static_cast<std::uint32_t>(values.size()) / dim);
        f(row, done, rows);
        for (std::uint32_t t = 0; t < done; ++t)
          pages.write(id.is_value, token + t, id.head, dim, rows[t]);
      }
      row += done;
      count -= done;
    }
  }

  // Writes what a tile that was found says. Different tiles may be written at the same time.
  void write_tile(std::uint32_t layer, const found_tile& tile) noexcept {
    const tile_id id = map().tile(tile.index);
    map().with_layout(layer, id, [&](auto layout) {
      if (tile.stored)
        return write(layer, id, layout.shape.dim, 0, layout.shape.tokens,
                     [&](std::uint32_t row, std::uint32_t count, target_rows out) {
                       const std::size_t row_bytes = layout.value_bytes * std::size_t{layout.shape.dim};
                       for (std::uint32_t t = 0; t < count; ++t)
                         std::memcpy(out[t], tile.bytes.data() + tile_header_bytes + (row + t) * row_bytes,
                                     row_bytes);
                     });
      std::byte* const to = codes(layer, id);
      std::memcpy(to, tile.bytes.data(), tile.bytes.size());
      show(layout, layer, id, to, 0, layout.shape.tokens, map().base_planes(layer));
    });
  }

  // Takes rows row … row + count − 1 of one tile from the front of bytes.
  status place_rows(std::uint32_t layer, tile_id id, std::uint32_t plane, std::uint32_t row,
                    std::uint32_t count, std::span<const std::byte>& bytes) {
    if (plane < map().base_planes(layer) || state(layer, map().index(id)) == tile_state::stored)
      return {};
    return map().with_layout(layer, id, [&](auto layout) -> status {
      std::byte* const tile = codes(layer, id);
      if (plane == planes::fixed)
        return place_tails(layout, layer, id, tile, row, count, bytes);
      const std::size_t row_bytes = layout.row_bytes(plane);
      const auto whole = static_cast<std::uint32_t>(std::min<std::size_t>(count, bytes.size() / row_bytes));
      if (whole > 0) {
        std::memcpy(tile + layout.plane_row_at(plane, row), bytes.data(), whole * row_bytes);
        show(layout, layer, id, tile, row, whole, plane + 1);
        bytes = bytes.subspan(whole * row_bytes);
      }
      return whole == count ? status{} : status{errc::corrupt, "upgrade: a row is cut short"};
    });
  }

  // Likewise of their tails. What turns out to be corrupt stays out of the pages: rows are decoded beside
  // them, some at a time, and where those are corrupt once more, one by one, up to the row that is.
  template <class Layout>
  status place_tails(Layout layout, std::uint32_t layer, tile_id id, const std::byte* tile, std::uint32_t row,
                     std::uint32_t count, std::span<const std::byte>& bytes) {
    const std::uint32_t dim = layout.shape.dim;
    some_rows values;
    const auto rows = target_rows::of(values.data(), dim);
    const auto room = static_cast<std::uint32_t>(values.size()) / dim;
    for (std::uint32_t done = 0, some = room; done < count;) {
      some = std::min(some, count - done);
      std::size_t used = 0;
      const status s =
          Backend::decode_exact(map().shape.dtype, layout, tile, row + done, some, bytes, rows, used);
      if (!s.ok() && some == 1)
        return s;
      if (!s.ok()) {
        some = 1;
        continue;
      }
      for (std::uint32_t t = 0; t < some; ++t)
        pages_[layer].write(id.is_value, map().first_of(id.page) + row + done + t, id.head, dim, rows[t]);
      bytes = bytes.subspan(used);
      done += some;
    }
    return {};
  }

  template <class Layout>
  void show(Layout layout, std::uint32_t layer, tile_id id, const std::byte* tile, std::uint32_t row,
            std::uint32_t count, std::uint32_t plane_count) {
    write(layer, id, layout.shape.dim, row, count,
          [&](std::uint32_t first, std::uint32_t rows, target_rows out) {
            Backend::decode(map().shape.dtype, layout, tile, first, rows, plane_count, out);
          });
  }

  std::vector<kv_pages> pages_;
  std::vector<std::byte> codes_;
  stores stores_ = stores::cached;
};

} // namespace planecast::inline v0
