// How a block of threads decodes a tile: from its first planes, or to the last bit.
#pragma once

#include "planecast/cuda/detail/columns.hpp"
#include "planecast/cuda/detail/decode_group.hpp"
#include "planecast/cuda/detail/group_sums.hpp"
#include "planecast/cuda/detail/show_tile.hpp"
#include "planecast/cuda/device_rows.hpp"
#include "planecast/cuda/device_tiles.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A block shows what the first planes of its tile tell.
template <class Number, quantizer Q, class Planes, class Rows = device_rows<std::byte>>
struct decode_program {
  static constexpr std::uint32_t phases = 2;    ///< where rows are, then what they are
  static constexpr std::uint32_t threads = 128; ///< of a block: each has more to do, and finds its place once
  static constexpr std::uint32_t blocks_held = decoders_held<Q>;

  device_tiles<Q, Planes> from;
  Rows to;
  std::uint32_t planes;
  bool whole; ///< groups of channels lie at multiples of their bytes

  /// Bytes of a block's memory.
  static constexpr std::uint32_t memory_bytes(tile_shape s) noexcept {
    return row_places<std::byte>::bytes(s.tokens);
  }

  /// What a thread knows of its tile, found once for both phases.
  struct thread_of {
    block_place at;
    std::byte* memory;
    tile_layout<Q, Planes> layout;
    std::uint32_t page;
  };
  PLANECAST_HOST_DEVICE thread_of prepared(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t page = at.block % from.pages();
    return {at, memory, from.layout(page), page};
  }
  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(const thread_of& t) const noexcept {
    const row_places<std::byte> places{rows_of(to), t.memory};
    if constexpr (Phase == 0)
      places.find(t.at, from.first_of(t.page), t.layout.shape.tokens, t.at.block / from.pages());
    else
      show(t, places);
  }

private:
  PLANECAST_HOST_DEVICE void show(const thread_of& t, const row_places<std::byte>& places) const noexcept {
    const tile_layout<Q, Planes> layout = t.layout;
    const std::byte* const tile = from.tile(t.at.block);
    if (from.coded[t.at.block].stored)
      return decode_stored<Number>(t.at, layout, tile, true, to, places, whole);
    show_tile<Number>(t.at, layout, tile, planes,
                      [&](std::uint32_t token, std::uint32_t g, const packed_patterns& x) {
                        store_group<Number>(to, places.values_before(token), g, x, whole);
                      });
  }
};

/// A block restores its tile's original values.
template <class Number, quantizer Q, class Planes, class Rows = device_rows<std::byte>>
struct decode_exact_program {
  /// Where rows are, lengths of the groups' tails, where they begin, the values; or the values at once, where
  /// threads side by side can say how long their groups' tails are.
  static constexpr std::uint32_t phases = 4;
  static constexpr std::uint32_t threads = 128; ///< of a block: each has more to do, and finds its place once
  // With six, ptxas of CUDA 13.0 spills registers where fp16 has a ruler for each channel.
  static constexpr std::uint32_t blocks_held =
      Number::id == number::fp16 && rows_of_group<Q> == row_kind::each ? 5 : decoders_held<Q>;

  device_tiles<Q, Planes> from;
  Rows to;
  std::uint32_t* corrupt; ///< becomes 1 where tails do not fit their cells
  bool whole;             ///< groups of channels lie at multiples of their bytes
  bool keep;              ///< the block's memory has room for what is known of the cells

  /// Bytes of a block's memory: a number for each group, where rows are, and the cells of each group.
  PLANECAST_HOST_DEVICE static std::uint32_t memory_bytes(tile_shape s, bool keep) noexcept {
    return cells_at(s) + (keep ? 4 * s.values() : 0);
  }

  /// What a thread knows of its tile, found once for all phases.
  struct thread_of {
    block_place at;
    std::byte* memory;
    tile_layout<Q, Planes> layout;
    columns mine;
    const std::byte* tile;
    const std::uint32_t* ends; ///< of its tokens' tails
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
            from.ends_of(at.block),
            from.first_of(page),
            at.block / from.pages(),
            bytes > layout.tails_at() ? bytes - layout.tails_at() : 0,
            is.stored};
  }
  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(const thread_of& t) const noexcept {
    if constexpr (Phase == 0) {
      places(t).find(t.at, t.first, t.mine.tokens, t.head);
      if (!t.stored && group_sums::possible(t.at, t.mine))
        for (std::uint32_t token = t.at.thread; token < t.mine.tokens; token += t.at.threads)
          begin(t, token, 0) = first_of(t, token);
    } else if (t.stored) {
      if (Phase == 1)
        decode_stored<Number>(t.at, t.layout, t.tile, true, to, places(t), whole);
    } else if (group_sums::possible(t.at, t.mine)) {
      if constexpr (Phase == 1)
        restore_at_once(t);
      else if constexpr (Phase == 2)
        for (std::uint32_t token = t.at.thread; token < t.mine.tokens; token += t.at.threads)
          check(t, token, begin(t, token, 1));
    } else if constexpr (Phase == 2)
      add_up(t);
    else
      for (std::uint32_t g = t.mine.first_group; g < t.mine.groups; g += t.mine.group_step) {
        column_rulers<Number, Q, Planes> rulers(t.layout, t.tile, g);
        for (std::uint32_t token = t.mine.first_token; token < t.mine.tokens; token += t.mine.token_step) {
          std::byte* const kept = t.memory + cells_at(t.layout.shape) + 16 * (token * t.mine.groups + g);
          cells found;
          if (Phase == 3 && keep)
            found = cells::load(kept, 2 * t.layout.shape.values());
          else {
            rulers.move_to(token);
            found = cells::find(rulers, t.tile, load_codes(t.layout, t.tile, token, g, Planes::fixed));
          }
          if constexpr (Phase == 3)
            restore(t, found, found.counts(), tails_of(t), token, g, begin(t, token, g));
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
  PLANECAST_HOST_DEVICE static std::uint32_t cells_at(tile_shape s) noexcept {
    return begins_bytes(s) + row_places<std::byte>::bytes(s.tokens);
  }
  PLANECAST_HOST_DEVICE row_places<std::byte> places(const thread_of& t) const noexcept {
    return {rows_of(to), t.memory + begins_bytes(t.layout.shape)};
  }
  // Bits of a group's tails; later, where they begin. If the values are restored at once, only of the first
  // two: where the token's begin, in bytes, and how many bits it has.
  PLANECAST_HOST_DEVICE static std::uint32_t& begin(const thread_of& t, std::uint32_t token,
                                                    std::uint32_t g) noexcept {
    return reinterpret_cast<std::uint32_t*>(t.memory)[t.mine.padded(token, g)];
  }
  // Where a token's tails begin, in bytes.
  PLANECAST_HOST_DEVICE static std::uint32_t first_of(const thread_of& t, std::uint32_t token) noexcept {
    return token == 0 ? 0 : t.ends[token - 1];
  }
  // Whether a token's tails are where they should be, so many bits of them.
  PLANECAST_HOST_DEVICE void check(const thread_of& t, std::uint32_t token,
                                   std::uint32_t bits) const noexcept {
    const std::uint32_t first = first_of(t, token), end = t.ends[token];
    const bool fits = first <= end && end <= t.tail_bytes && end - first == (bits + 7) / 8;
    if (!fits || !padded_with_zeros(t.tile + t.layout.tails_at() + first, bits))
      meet_or(*corrupt, 1);
  }
  PLANECAST_HOST_DEVICE void add_up(const thread_of& t) const noexcept {
    for (std::uint32_t token = t.at.thread; token < t.mine.tokens; token += t.at.threads) {
      const std::uint32_t first = first_of(t, token);
      std::uint32_t sum = 0;
      for (std::uint32_t g = 0; g < t.mine.groups; ++g) {
        std::uint32_t& of_group = begin(t, token, g);
        const std::uint32_t bits = of_group;
        of_group = 8 * first + sum;
        sum += bits;
      }
      check(t, token, sum);
    }
  }
  PLANECAST_HOST_DEVICE void restore_at_once(const thread_of& t) const noexcept {
    const auto sums = group_sums::of(t.at, t.mine);
    const tail_words tails = tails_of(t);
    column_rulers<Number, Q, Planes> rulers(t.layout, t.tile, sums.g);
    PLANECAST_DEVICE_NO_UNROLL
    for (std::uint32_t next = t.mine.first_token; next < t.mine.tokens + sums.tokens_before;
         next += t.mine.token_step) {
      const std::uint32_t token = min(next, t.mine.tokens - 1); // the warp's last ones may have it twice
      const std::uint32_t first = begin(t, token, 0);
      rulers.move_to(token);
      const cells found =
          cells::find(rulers, t.tile, load_codes(t.layout, t.tile, token, sums.g, Planes::fixed));
      const tail_counts counts = found.counts();
      const std::uint32_t bits = counts.all(), before = sums.before(bits, [&](std::uint32_t other) {
        return cells_of<Number>(t.layout, t.tile, token, other).tail_bits();
      });
      if (sums.g + 1 == sums.groups)
        begin(t, token, 1) = before + bits;
      restore(t, found, counts, tails, token, sums.g, 8 * first + before);
    }
  }
  PLANECAST_HOST_DEVICE static tail_words tails_of(const thread_of& t) noexcept {
    const std::byte* const tails = t.tile + t.layout.tails_at();
    if (Planes::bits_before(Planes::fixed) % 4 == 0) // as every other part of a tile is
      return tail_words::of_aligned(tails, t.tail_bytes);
    return tail_words::of(tails, tails + t.tail_bytes);
  }
  PLANECAST_HOST_DEVICE void restore(const thread_of& t, const cells& of, const tail_counts& counts,
                                     const tail_words& tails, std::uint32_t token, std::uint32_t g,
                                     std::uint32_t bit) const noexcept {
    packed_patterns x;
    if (!of.exact(tails, bit, counts, x))
      meet_or(*corrupt, 1);
    store_group<Number>(to, places(t).values_before(token), g, x, whole);
  }
};

} // namespace planecast::inline v0::detail
