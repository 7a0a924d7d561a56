// How a block of threads decodes a tile: from its first planes, or to the last bit.
#pragma once

#include "planecast/cuda/detail/columns.hpp"
#include "planecast/cuda/detail/decode_group.hpp"
#include "planecast/cuda/device_rows.hpp"
#include "planecast/cuda/device_tiles.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A block shows what the first planes of its tile tell.
template <class Number, quantizer Q, class Planes>
struct decode_program {
  static constexpr std::uint32_t phases = 1; ///< threads need nothing of each other

  device_tiles<Q, Planes> from;
  device_rows<std::byte> to;
  std::uint32_t planes;
  bool whole; ///< groups of channels lie at multiples of their bytes

  /// All of it.
  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte*) const noexcept {
    const std::uint32_t page = at.block % from.pages(), head = at.block / from.pages();
    const auto layout = from.layout(page);
    const std::byte* const tile = from.tile(at.block);
    const std::uint32_t first = from.first_of(page);
    if (from.coded[at.block].stored)
      return decode_stored<Number>(at, layout, tile, true, to, first, head, whole);
    const columns mine(at, layout.shape);
    const std::uint32_t bits = Planes::bits_before(planes);
    constexpr std::uint32_t batch = 4; // so many are on their way to a thread at once
    for (std::uint32_t g = mine.first_group; g < mine.groups; g += mine.group_step) {
      const column_rulers<Number, Q, Planes> column(layout, tile, g);
      for (std::uint32_t token = mine.first_token; token < mine.tokens; token += batch * mine.token_step) {
        column_rulers<Number, Q, Planes> rulers[batch] = {column, column, column, column};
        packed_codes q[batch];
        PLANECAST_DEVICE_UNROLL
        for (std::uint32_t i = 0; i < batch; ++i) {
          const std::uint32_t is = min(token + i * mine.token_step, mine.tokens - 1);
          rulers[i].move_to(is);
          q[i] = load_codes(layout, tile, is, g, planes);
        }
        PLANECAST_DEVICE_UNROLL
        for (std::uint32_t i = 0; i < batch; ++i)
          if (const std::uint32_t is = token + i * mine.token_step; is < mine.tokens)
            store_packed<Number>(to.row(first + is, head, layout.value_bytes) + g * Number::bits,
                                 shown_group(rulers[i], q[i], bits), whole);
      }
    }
  }
};

/// A block restores its tile's original values.
template <class Number, quantizer Q, class Planes>
struct decode_exact_program {
  static constexpr std::uint32_t phases = 3; ///< lengths of the groups' tails, where they begin, the values

  device_tiles<Q, Planes> from;
  device_rows<std::byte> to;
  std::uint32_t* corrupt; ///< becomes 1 where tails do not fit their cells
  bool whole;             ///< groups of channels lie at multiples of their bytes
  bool keep;              ///< the block's memory has room for what is known of the cells

  /// Bytes of a block's memory: a number for each group, and the cells of each.
  PLANECAST_HOST_DEVICE static std::uint32_t memory_bytes(tile_shape s, bool keep) noexcept {
    return begins_bytes(s) + (keep ? 4 * s.values() : 0);
  }

  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t page = at.block % from.pages(), head = at.block / from.pages();
    const auto layout = from.layout(page);
    const std::byte* const tile = from.tile(at.block);
    const std::uint32_t first = from.first_of(page);
    if (from.coded[at.block].stored) {
      if (Phase == 2)
        decode_stored<Number>(at, layout, tile, true, to, first, head, whole);
      return;
    }
    const columns mine(at, layout.shape);
    auto* const begins = reinterpret_cast<std::uint32_t*>(memory);
    if constexpr (Phase == 1)
      add_up(at, layout, mine, begins);
    else
      for (std::uint32_t g = mine.first_group; g < mine.groups; g += mine.group_step) {
        column_rulers<Number, Q, Planes> rulers(layout, tile, g);
        for (std::uint32_t token = mine.first_token; token < mine.tokens; token += mine.token_step) {
          std::byte* const kept = memory + begins_bytes(layout.shape) + 32 * (token * mine.groups + g);
          std::uint32_t& begin = begins[mine.padded(token, g)];
          cells found;
          if (Phase == 2 && keep)
            found = load_aligned<aligned_cells>(kept).are;
          else {
            rulers.move_to(token);
            found = cells::find(rulers, tile, load_codes(layout, tile, token, g, Planes::fixed));
          }
          if constexpr (Phase == 2)
            restore(at, layout, found, token, g, begin, head, first);
          else {
            begin = found.tail_bits();
            if (keep)
              store_aligned(kept, aligned_cells{found});
          }
        }
      }
  }

private:
  using cells = group_cells<Number, Q, Planes>;
  using layout_type = tile_layout<Q, Planes>;
  struct alignas(16) aligned_cells {
    cells are;
  };

  PLANECAST_HOST_DEVICE static std::uint32_t begins_bytes(tile_shape s) noexcept {
    return align_up(4 * columns::padded_count(s), 16u);
  }
  // Bytes that a slot has for tails.
  PLANECAST_HOST_DEVICE static std::uint32_t room(layout_type layout) noexcept {
    return layout.stored_bytes() > layout.tails_at() ? layout.stored_bytes() - layout.tails_at() : 0;
  }
  PLANECAST_HOST_DEVICE void add_up(block_place at, layout_type layout, const columns& mine,
                                    std::uint32_t* begins) const noexcept {
    const std::uint32_t* const ends = from.ends_of(at.block);
    const std::byte* const tails = from.tile(at.block) + layout.tails_at();
    for (std::uint32_t token = at.thread; token < mine.tokens; token += at.threads) {
      const std::uint32_t begin = token == 0 ? 0 : ends[token - 1];
      std::uint32_t sum = 0;
      for (std::uint32_t g = 0; g < mine.groups; ++g) {
        std::uint32_t& of_group = begins[mine.padded(token, g)];
        const std::uint32_t bits = of_group;
        of_group = 8 * begin + sum;
        sum += bits;
      }
      const bool fits =
          begin <= ends[token] && ends[token] <= room(layout) && ends[token] - begin == (sum + 7) / 8;
      if (!fits || !padded_with_zeros(tails + begin, sum))
        meet_or(*corrupt, 1);
    }
  }
  PLANECAST_HOST_DEVICE void restore(block_place at, layout_type layout, const cells& of, std::uint32_t token,
                                     std::uint32_t g, std::uint32_t bit, std::uint32_t head,
                                     std::uint32_t first) const noexcept {
    const std::byte* const tails = from.tile(at.block) + layout.tails_at();
    packed_patterns x;
    if (!of.exact(tail_words::of(tails, tails + room(layout)), bit, x))
      meet_or(*corrupt, 1);
    store_packed<Number>(to.row(first + token, head, layout.value_bytes) + g * Number::bits, x, whole);
  }
};

} // namespace planecast::inline v0::detail
