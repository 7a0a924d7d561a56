// How blocks of threads take the tiles of a base frame: codes to where they are kept, values to the engine's
// pages.
#pragma once

#include "planecast/cuda/detail/kept_codes.hpp"
#include "planecast/cuda/detail/row_places.hpp"
#include "planecast/cuda/detail/show_tile.hpp"
#include "planecast/cuda/device.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A tile that the host found in a frame, and found good.
struct base_entry {
  std::uint32_t tile;   ///< its number in the layer
  std::uint32_t at;     ///< where it begins in the payload
  std::uint32_t stored; ///< 1 if it is stored
};

/// A block takes the tile of an entry. It converts where the pages ask for it, or they never do.
template <class Number, class Tiles, bool MayConvert = true>
struct base_program {
  static constexpr std::uint32_t phases = 2;    ///< the codes, then what they tell
  static constexpr std::uint32_t threads = 128; ///< of a block, as where tiles are decoded

  Tiles tiles;
  kept_layer layer;
  const base_entry* entries;
  const std::byte* payload; ///< begins at a multiple of 16

  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const base_entry e = entries[at.block];
    const std::uint32_t page = e.tile % tiles.pages(), row = e.tile / tiles.pages(), head = row / 2;
    const bool is_value = row % 2 == 1;
    const std::byte* const from = payload + e.at;
    const bool aligned = e.at % 16 == 0;
    const row_places<std::byte> places{layer.rows(is_value), memory};
    tiles.with_layout(is_value, page, [&](auto layout) {
      if constexpr (Phase == 0) {
        places.find(at, tiles.first_of(page), layout.shape.tokens, head);
        if (at.thread == 0)
          layer.stored[e.tile] = static_cast<std::uint8_t>(e.stored);
      }
      if (e.stored != 0) {
        if constexpr (Phase == 1)
          show_stored(at, layout, from, aligned, places, is_value);
        return;
      }
      std::byte* const codes = tiles.codes(layer, head, is_value, page);
      if constexpr (Phase == 0)
        copy(at, codes, from, layout.plane_at(Tiles::base_planes), aligned);
      else
        show_tile<Number>(at, layout, codes, Tiles::base_planes,
                          [&](std::uint32_t token, std::uint32_t g, const packed_patterns& x) {
                            layer.template write_values<Number, MayConvert>(
                                is_value, places.values_before(token), g, x);
                          });
    });
  }

private:
  PLANECAST_HOST_DEVICE static void copy(block_place at, std::byte* to, const std::byte* from,
                                         std::uint32_t bytes, bool aligned) noexcept {
    const std::uint32_t words = aligned ? bytes / 16 : 0;
    for (std::uint32_t i = at.thread; i < words; i += at.threads)
      store_aligned(to + 16 * i, load_aligned<four_words>(from + 16 * i));
    for (std::uint32_t i = 16 * words + at.thread; i < bytes; i += at.threads)
      to[i] = from[i];
  }
  template <class Layout>
  PLANECAST_HOST_DEVICE void show_stored(block_place at, Layout layout, const std::byte* tile, bool aligned,
                                         const row_places<std::byte>& places, bool is_value) const noexcept {
    const std::uint32_t groups = layout.shape.dim / group_size;
    for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups; i += at.threads)
      layer.template write_values<Number, MayConvert>(
          is_value, places.values_before(i / groups), i % groups,
          load_packed<Number>(tile + tile_header_bytes + Number::bits * i, aligned));
  }
};

/// Enqueues it for some entries.
template <class Number, class Tiles, device Device>
void launch_base(Device& on, const Tiles& tiles, const kept_layer& layer, const base_entry* entries,
                 const std::byte* payload, std::uint32_t count) {
  const std::uint32_t memory = row_places<std::byte>::bytes(Tiles::page_tokens);
  if (layer.converts())
    on.launch(device_queue::code, base_program<Number, Tiles, true>{tiles, layer, entries, payload}, count,
              memory);
  else
    on.launch(device_queue::code, base_program<Number, Tiles, false>{tiles, layer, entries, payload}, count,
              memory);
}

} // namespace planecast::inline v0::detail
