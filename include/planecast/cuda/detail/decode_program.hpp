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
template <class Number, quantizer Q, class Planes, class Rows = device_rows<std::byte>>
struct decode_program {
  static constexpr std::uint32_t phases = 1;    ///< threads need nothing of each other
  static constexpr std::uint32_t threads = 128; ///< of a block: each has more to do, and finds its place once
  static constexpr std::uint32_t blocks_held = decoders_held<Q>;

  device_tiles<Q, Planes> from;
  Rows to;
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
      // A token's own scalars are on their way, too; those of channels stay.
      constexpr std::uint32_t sets = rows_of_group<Q> == row_kind::one ? batch : 1;
      const column_rulers<Number, Q, Planes> column(layout, tile, g);
      column_rulers<Number, Q, Planes> rulers[] = {column, column, column, column};
      for (std::uint32_t token = mine.first_token; token < mine.tokens; token += batch * mine.token_step) {
        plane_parts<Planes> parts[batch];
        PLANECAST_DEVICE_UNROLL
        for (std::uint32_t i = 0; i < batch; ++i) {
          const std::uint32_t is = min(token + i * mine.token_step, mine.tokens - 1);
          if (sets != 1)
            rulers[i].move_to(is);
          parts[i] = plane_parts<Planes>::load(layout, tile, is, g, planes);
        }
        PLANECAST_DEVICE_UNROLL
        for (std::uint32_t i = 0; i < batch; ++i)
          if (const std::uint32_t is = token + i * mine.token_step; is < mine.tokens) {
            auto& by = rulers[i % sets];
            if (sets == 1)
              by.move_to(is);
            store_group<Number>(to, whole, first + is, head, g, shown_group(by, parts[i].codes(), bits));
          }
      }
    }
  }
};

/// A block restores its tile's original values.
template <class Number, quantizer Q, class Planes, class Rows = device_rows<std::byte>>
struct decode_exact_program {
  static constexpr std::uint32_t phases = 3; ///< lengths of the groups' tails, where they begin, the values
  static constexpr std::uint32_t threads = 128; ///< of a block: each has more to do, and finds its place once
  static constexpr std::uint32_t blocks_held = decoders_held<Q>;

  device_tiles<Q, Planes> from;
  Rows to;
  std::uint32_t* corrupt; ///< becomes 1 where tails do not fit their cells
  bool whole;             ///< groups of channels lie at multiples of their bytes
  bool keep;              ///< the block's memory has room for what is known of the cells

  /// Bytes of a block's memory: a number for each group, and the cells of each.
  PLANECAST_HOST_DEVICE static std::uint32_t memory_bytes(tile_shape s, bool keep) noexcept {
    return begins_bytes(s) + (keep ? 4 * s.values() : 0);
  }

  /// What a thread knows of its tile, found once for all phases.
  struct thread_of {
    block_place at;
    std::byte* memory;
    tile_layout<Q, Planes> layout;
    columns mine;
    const std::byte* tile;
    std::uint32_t first, head; ///< position of the tile's first token
    std::uint32_t tail_bytes;  ///< that the tile says it has
    bool stored;
  };
  PLANECAST_HOST_DEVICE thread_of prepared(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t page = at.block % from.pages();
    const auto layout = from.layout(page);
    const encoded_tile is = from.coded[at.block];
    const std::uint32_t bytes = min(is.bytes, layout.stored_bytes());
    return {at,
            memory,
            layout,
            {at, layout.shape},
            from.tile(at.block),
            from.first_of(page),
            at.block / from.pages(),
            bytes > layout.tails_at() ? bytes - layout.tails_at() : 0,
            is.stored};
  }
  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(const thread_of& t) const noexcept {
    if (t.stored) {
      if (Phase == 2)
        decode_stored<Number>(t.at, t.layout, t.tile, true, to, t.first, t.head, whole);
    } else if constexpr (Phase == 1)
      add_up(t);
    else
      for (std::uint32_t g = t.mine.first_group; g < t.mine.groups; g += t.mine.group_step) {
        column_rulers<Number, Q, Planes> rulers(t.layout, t.tile, g);
        for (std::uint32_t token = t.mine.first_token; token < t.mine.tokens; token += t.mine.token_step) {
          std::byte* const kept = t.memory + begins_bytes(t.layout.shape) + 16 * (token * t.mine.groups + g);
          cells found;
          if (Phase == 2 && keep)
            found = cells::load(kept, 2 * t.layout.shape.values());
          else {
            rulers.move_to(token);
            found = cells::find(rulers, t.tile, load_codes(t.layout, t.tile, token, g, Planes::fixed));
          }
          if constexpr (Phase == 2)
            restore(t, found, token, g);
          else {
            begin(t, token, g) = found.tail_bits();
            if (keep)
              found.store(kept, 2 * t.layout.shape.values());
          }
        }
      }
  }

private:
  using cells = group_cells<Number, Q, Planes>;

  PLANECAST_HOST_DEVICE static std::uint32_t begins_bytes(tile_shape s) noexcept {
    return align_up(4 * columns::padded_count(s), 16u);
  }
  // Bits of a group's tails; later, where they begin.
  PLANECAST_HOST_DEVICE static std::uint32_t& begin(const thread_of& t, std::uint32_t token,
                                                    std::uint32_t g) noexcept {
    return reinterpret_cast<std::uint32_t*>(t.memory)[t.mine.padded(token, g)];
  }
  PLANECAST_HOST_DEVICE void add_up(const thread_of& t) const noexcept {
    const std::uint32_t* const ends = from.ends_of(t.at.block);
    for (std::uint32_t token = t.at.thread; token < t.mine.tokens; token += t.at.threads) {
      const std::uint32_t first = token == 0 ? 0 : ends[token - 1], end = ends[token];
      std::uint32_t sum = 0;
      for (std::uint32_t g = 0; g < t.mine.groups; ++g) {
        std::uint32_t& of_group = begin(t, token, g);
        const std::uint32_t bits = of_group;
        of_group = 8 * first + sum;
        sum += bits;
      }
      const bool fits = first <= end && end <= t.tail_bytes && end - first == (sum + 7) / 8;
      if (!fits || !padded_with_zeros(t.tile + t.layout.tails_at() + first, sum))
        meet_or(*corrupt, 1);
    }
  }
  PLANECAST_HOST_DEVICE void restore(const thread_of& t, const cells& of, std::uint32_t token,
                                     std::uint32_t g) const noexcept {
    const std::byte* const tails = t.tile + t.layout.tails_at();
    packed_patterns x;
    if (!of.exact(tail_words::of(tails, tails + t.tail_bytes), begin(t, token, g), x))
      meet_or(*corrupt, 1);
    store_group<Number>(to, whole, t.first + token, t.head, g, x);
  }
};

} // namespace planecast::inline v0::detail
