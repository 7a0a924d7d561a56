// How a block of threads counts what a layer's base takes on a stream.
#pragma once

#include "planecast/config.hpp"
#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/device_tiles.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// One block. Tiles go as a stream sends them: by head, K then V, by page; and so do frames, each as full as
/// it gets. Phase 0 writes down the bytes that tiles can have, 1 adds them up for a few tiles at a time, and
/// 2, a single thread, fills frames with these, and with single tiles where a frame ends among them.
template <class KeyQuantizer, class ValueQuantizer, class Planes>
struct base_bytes_program {
  static constexpr std::uint32_t phases = 3;
  static constexpr std::uint32_t together = 32; ///< tiles, a bit each

  device_tiles<KeyQuantizer, Planes> keys;
  device_tiles<ValueQuantizer, Planes> values;
  std::uint32_t base_planes, chunk_bytes, header_bytes;
  std::uint64_t* bytes;
  bool add;

  /// Bytes of the block's memory.
  PLANECAST_HOST_DEVICE constexpr std::uint64_t memory_bytes() const noexcept {
    return 4 * kinds + sizeof(few_tiles) * std::uint64_t{fews()};
  }

  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    auto* const sizes = reinterpret_cast<std::uint32_t*>(memory);
    auto* const few = reinterpret_cast<few_tiles*>(memory + 4 * kinds);
    if constexpr (Phase == 0) {
      for (std::uint32_t kind = at.thread; kind < kinds; kind += at.threads) {
        const std::uint32_t where = kind / 2 % 3, // the first page, one between, or the last
            page = where == 0   ? 0
                   : where == 1 ? min(1u, keys.pages() - 1)
                                : keys.pages() - 1;
        sizes[kind] = kind < kinds / 2 ? size_of(keys.layout(page), kind % 2 != 0)
                                       : size_of(values.layout(page), kind % 2 != 0);
      }
    } else if constexpr (Phase == 1) {
      for (std::uint32_t f = at.thread; f < fews(); f += at.threads) {
        few_tiles sum{0, 0};
        tile_place tile = place_of(f * together);
        for (std::uint32_t i = 0; i < together && f * together + i < tiles(); ++i, step(tile)) {
          const bool stored =
              (tile.row % 2 == 0 ? keys.coded : values.coded)[tile.row / 2 * keys.pages() + tile.page].stored;
          sum.bytes += sizes[kind_of(tile, stored)];
          sum.stored |= (stored ? 1u : 0u) << i;
        }
        few[f] = sum;
      }
    } else if (at.thread == 0) {
      std::uint64_t all = 0, frames = 1, in_frame = 0;
      for (std::uint32_t f = 0; f < fews(); ++f) {
        const few_tiles is = few[f];
        all += is.bytes;
        if (in_frame + is.bytes <= chunk_bytes) {
          in_frame += is.bytes;
          continue;
        }
        tile_place tile = place_of(f * together);
        for (std::uint32_t i = 0; i < together && f * together + i < tiles(); ++i, step(tile)) {
          const std::uint32_t more = sizes[kind_of(tile, (is.stored >> i & 1) != 0)];
          if (in_frame + more > chunk_bytes) {
            ++frames;
            in_frame = 0;
          }
          in_frame += more;
        }
      }
      *bytes = (add ? *bytes : 0) + all + frames * header_bytes;
    }
  }

private:
  static constexpr std::uint32_t kinds = 12; // of K or V, by page, coded or stored

  struct few_tiles {
    std::uint32_t bytes, stored; // all of them; the i-th is, if the i-th bit is set
  };
  struct tile_place {
    std::uint32_t row, page; // row: twice the head, one more for V
  };

  PLANECAST_HOST_DEVICE constexpr std::uint32_t tiles() const noexcept { return 2 * keys.tiles(); }
  PLANECAST_HOST_DEVICE constexpr std::uint32_t fews() const noexcept {
    return tiles() / together + (tiles() % together != 0 ? 1 : 0);
  }
  PLANECAST_HOST_DEVICE tile_place place_of(std::uint32_t tile) const noexcept {
    return {tile / keys.pages(), tile % keys.pages()};
  }
  PLANECAST_HOST_DEVICE void step(tile_place& tile) const noexcept {
    if (++tile.page == keys.pages())
      tile = {tile.row + 1, 0};
  }
  PLANECAST_HOST_DEVICE std::uint32_t kind_of(tile_place tile, bool stored) const noexcept {
    const std::uint32_t where = tile.page == 0 ? 0 : tile.page + 1 == keys.pages() ? 2 : 1;
    return (tile.row % 2 * 3 + where) * 2 + (stored ? 1 : 0);
  }
  template <class Layout>
  PLANECAST_HOST_DEVICE std::uint32_t size_of(Layout layout, bool stored) const noexcept {
    return stored ? layout.stored_bytes() : layout.plane_at(base_planes);
  }
};

} // namespace planecast::inline v0::detail
