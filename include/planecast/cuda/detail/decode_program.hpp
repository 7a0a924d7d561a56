// How a block of threads decodes a tile: from its first planes, or to the last bit.
#pragma once

#include "planecast/cuda/detail/decode_group.hpp"
#include "planecast/cuda/detail/group_lanes.hpp"
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
      return decode_stored<Number>(t.at, layout, tile, to, places, whole);
    show_tile<Number>(t.at, layout, tile, planes,
                      [&](std::uint32_t token, std::uint32_t g, const packed_patterns& x) {
                        store_group<Number>(to, places.values_before(token), g, x, whole);
                      });
  }
};

/// A block restores its tile's original values.
template <class Number, quantizer Q, class Planes, class Rows = device_rows<std::byte>>
struct decode_exact_program {
  static constexpr std::uint32_t phases = 3;    ///< where rows and their tails are, the values, their lengths
  static constexpr std::uint32_t threads = 128; ///< of a block: each has more to do, and finds its place once
  static constexpr std::uint32_t blocks_held = decoders_held<Q>;

  device_tiles<Q, Planes> from;
  Rows to;
  std::uint32_t* corrupt; ///< becomes 1 where tails do not fit their cells
  bool whole;             ///< groups of channels lie at multiples of their bytes

  /// Bytes of a block's memory: where rows are, and their tails.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t memory_bytes(tile_shape s) noexcept {
    return row_places<std::byte>::bytes(s.tokens) + align_up(sizeof_tails * s.tokens, 16u);
  }

  /// What a thread knows of its tile, found once for all phases.
  struct thread_of {
    block_place at;
    std::byte* memory;
    tile_layout<Q, Planes> layout;
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
    const std::uint32_t tokens = t.layout.shape.tokens;
    if constexpr (Phase == 0) {
      places(t).find(t.at, t.first, tokens, t.head);
      for (std::uint32_t token = t.at.thread; !t.stored && token < tokens; token += t.at.threads)
        tails_of(t, token).first = first_of(t, token);
    } else if constexpr (Phase == 1) {
      if (t.stored)
        decode_stored<Number>(t.at, t.layout, t.tile, to, places(t), whole);
      else
        restore(t);
    } else
      for (std::uint32_t token = t.at.thread; !t.stored && token < tokens; token += t.at.threads)
        check(t, token, tails_of(t, token).bits);
  }

private:
  using cells = group_cells<Number, Q, Planes>;

  // Where a token's tails begin, in bytes, and how many bits they have.
  struct tails_of_token {
    std::uint32_t first, bits;
  };
  static constexpr std::uint32_t sizeof_tails = 8;

  PLANECAST_HOST_DEVICE row_places<std::byte> places(const thread_of& t) const noexcept {
    return {rows_of(to), t.memory};
  }
  PLANECAST_HOST_DEVICE static tails_of_token& tails_of(const thread_of& t, std::uint32_t token) noexcept {
    return reinterpret_cast<tails_of_token*>(t.memory +
                                             row_places<std::byte>::bytes(t.layout.shape.tokens))[token];
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
  PLANECAST_HOST_DEVICE void restore(const thread_of& t) const noexcept {
    const group_lanes lanes(t.at, t.layout.shape.dim / group_size);
    const tail_words tails = words_of(t);
    std::uint32_t column = min(lanes.lane, lanes.groups - 1); // whose rulers they are
    column_rulers<Number, Q, Planes> rulers(t.layout, t.tile, column);
    lanes.each_group(
        t.layout.shape.tokens, [&](std::uint32_t token, std::uint32_t g, bool there, std::uint32_t& turns) {
          if (there && g != column)
            rulers = column_of<Number>(t.layout, t.tile, column = g);
          rulers.move_to(token);
          const cells found =
              cells::find(rulers, t.tile, load_codes(t.layout, t.tile, token, column, Planes::fixed));
          const tail_counts counts = found.counts();
          const std::uint32_t bits = there ? counts.all() : 0;
          const std::uint32_t before = lanes.before(g, bits, turns, [&](std::uint32_t other) {
            return cells_of<Number>(t.layout, t.tile, token, other).tail_bits();
          });
          if (!there)
            return;
          tails_of_token& of = tails_of(t, token);
          if (g + 1 == lanes.groups)
            of.bits = before + bits;
          packed_patterns x;
          if (!found.exact(tails, 8 * of.first + before, counts, x))
            meet_or(*corrupt, 1);
          store_group<Number>(to, places(t).values_before(token), g, x, whole);
        });
  }
  PLANECAST_HOST_DEVICE static tail_words words_of(const thread_of& t) noexcept {
    const std::byte* const tails = t.tile + t.layout.tails_at();
    if (Planes::bits_before(Planes::fixed) % 4 == 0) // as every other part of a tile is
      return tail_words::of_aligned(tails, t.tail_bytes);
    return tail_words::of(tails, tails + t.tail_bytes);
  }
};

} // namespace planecast::inline v0::detail
