// How blocks of threads take a frame of upgrades: one plane of some tokens, of all layers.
#pragma once

#include "planecast/cuda/detail/decode_group.hpp"
#include "planecast/cuda/detail/kept_codes.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

// Rows follow each other in a frame in the order (layer, head, K then V, token as listed), and of tails the
// codes alone tell how long they are. A segment is a layer's head, K or V, with one row for each token that
// is listed for the layer; a block works on one. First each says how long its rows are, then one block where
// the segments begin, then each takes its rows.

/// A layer's part of the list of tokens.
struct upgrade_list {
  std::uint32_t first, count; ///< of the tokens that are its own
  std::uint64_t rows_before;  ///< in the layers before it
};

/// Some segments of a frame, and room to work on them.
struct upgrade_frame {
  const kept_layer* layers;
  const upgrade_list* lists;   ///< of each layer
  const std::uint32_t* tokens; ///< by position
  std::uint32_t first_segment; ///< a layer has 2 · most_heads; those that it lacks are empty
  std::uint32_t segments;
  std::uint64_t rows_before; ///< of all layers, before the first segment
  std::uint32_t most_heads;
  std::uint32_t most_groups; ///< of a row: of keys or of values
  std::uint32_t plane;
  const std::byte* payload;
  std::uint32_t payload_bytes;
  std::uint32_t* bits;    ///< of tails, of each group of each row: where its own begin in the row's
  std::uint32_t* bytes;   ///< of each row
  std::uint32_t* row_at;  ///< of each row: where it begins in the payload, which ends there at the latest
  std::uint32_t* begins;  ///< of each segment, bytes; later, where it begins, likewise
  std::uint64_t* taken;   ///< bytes of the segments so far
  std::uint32_t* corrupt; ///< becomes 1 where the payload is not what its rows ask for
  bool last;              ///< nothing of the payload may be left behind these segments
};

/// What its blocks have in common.
template <class Layer>
struct upgrade_segment {
  using planes = typename Layer::planes;

  const kept_tiles<Layer>& tiles;
  const upgrade_frame& frame;
  std::uint32_t number; ///< in the whole frame

  PLANECAST_HOST_DEVICE const kept_layer& layer() const noexcept { return frame.layers[index()]; }
  PLANECAST_HOST_DEVICE std::uint32_t index() const noexcept { return number / (2 * frame.most_heads); }
  PLANECAST_HOST_DEVICE std::uint32_t head() const noexcept { return number / 2 % frame.most_heads; }
  PLANECAST_HOST_DEVICE bool is_value() const noexcept { return number % 2 == 1; }
  PLANECAST_HOST_DEVICE bool there() const noexcept { return head() < layer().heads; }
  PLANECAST_HOST_DEVICE std::uint32_t rows() const noexcept { return frame.lists[index()].count; }
  /// The number of its first row among those of the segments.
  PLANECAST_HOST_DEVICE std::uint32_t first_row() const noexcept {
    const upgrade_list& list = frame.lists[index()];
    const std::uint64_t all = list.rows_before + std::uint64_t{number % (2 * frame.most_heads)} * list.count;
    return static_cast<std::uint32_t>(all - frame.rows_before);
  }
  PLANECAST_HOST_DEVICE std::uint32_t groups() const noexcept { return tiles.dim(is_value()) / group_size; }
  PLANECAST_HOST_DEVICE std::uint32_t token(std::uint32_t row) const noexcept {
    return frame.tokens[frame.lists[index()].first + row];
  }
  /// Whether a row has bytes in the frame.
  PLANECAST_HOST_DEVICE bool has_bytes(std::uint32_t row) const noexcept {
    return frame.plane >= Layer::base_planes &&
           layer().stored[tiles.number(head(), is_value(), tiles.page_of(token(row)))] == 0;
  }
  /// Calls f(layout, codes, row of the tile) of a row's tile.
  template <class F>
  PLANECAST_HOST_DEVICE void with_tile(std::uint32_t row, F&& f) const noexcept {
    const std::uint32_t page = tiles.page_of(token(row)), of_tile = token(row) - tiles.first_of(page);
    std::byte* const codes = tiles.codes(layer(), head(), is_value(), page);
    tiles.with_layout(is_value(), page, [&](auto layout) { f(layout, codes, of_tile); });
  }
};

/// Phase 0 clears, 1 says what the groups' tails take, 2 how long rows are, 3 how long the segment is.
template <class Number, class Layer>
struct upgrade_lengths_program {
  static constexpr std::uint32_t phases = 4;
  static constexpr std::uint32_t memory_bytes = 16; ///< of a block
  using planes = typename Layer::planes;

  kept_tiles<Layer> tiles;
  upgrade_frame frame;
  std::uint32_t policy; ///< layers of others are passed over

  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const upgrade_segment<Layer> s{tiles, frame, frame.first_segment + at.block};
    if (s.layer().policy != policy)
      return;
    auto& sum = *reinterpret_cast<std::uint32_t*>(memory);
    if (!s.there()) {
      if (Phase == 3 && at.thread == 0)
        frame.begins[at.block] = 0;
      return;
    }
    const bool tails = planes::has_tail && frame.plane == planes::fixed;
    const std::uint32_t groups = s.groups(), first = s.first_row();
    if constexpr (Phase == 0) {
      if (at.thread == 0)
        sum = 0;
    } else if constexpr (Phase == 1) {
      for (std::uint32_t i = at.thread; tails && i < s.rows() * groups; i += at.threads)
        if (s.has_bytes(i / groups))
          s.with_tile(i / groups, [&](auto layout, const std::byte* codes, std::uint32_t token) {
            frame.bits[std::size_t{first + i / groups} * frame.most_groups + i % groups] =
                cells_of<Number>(layout, codes, token, i % groups).tail_bits();
          });
    } else if constexpr (Phase == 2) {
      for (std::uint32_t row = at.thread; row < s.rows(); row += at.threads) {
        std::uint32_t bytes = 0;
        if (s.has_bytes(row)) {
          if (tails) {
            std::uint32_t* const bits = frame.bits + std::size_t{first + row} * frame.most_groups;
            std::uint32_t before = 0;
            for (std::uint32_t g = 0; g < groups; ++g) {
              const std::uint32_t of_group = bits[g];
              bits[g] = before;
              before += of_group;
            }
            bytes = (before + 7) / 8;
          } else
            bytes = tiles.dim(s.is_value()) * planes::width(frame.plane) / 8;
        }
        frame.bytes[first + row] = bytes;
        meet_add(sum, bytes);
      }
    } else if (at.thread == 0)
      frame.begins[at.block] = sum;
  }
};

/// One block: where the segments begin, and whether the payload has their length.
struct upgrade_begins_program {
  static constexpr std::uint32_t phases = 3; ///< sums of the threads' parts, these added up, the beginnings

  upgrade_frame frame;

  /// Bytes of the block's memory.
  static constexpr std::uint32_t memory_bytes(std::uint32_t threads) noexcept { return 8 * threads; }

  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    auto* const sums = reinterpret_cast<std::uint64_t*>(memory);
    const std::uint32_t part = (frame.segments + at.threads - 1) / at.threads,
                        first = min(frame.segments, at.thread * part),
                        last = min(frame.segments, first + part);
    if constexpr (Phase == 0) {
      std::uint64_t sum = 0;
      for (std::uint32_t i = first; i < last; ++i)
        sum += frame.begins[i];
      sums[at.thread] = sum;
    } else if constexpr (Phase == 1) {
      if (at.thread != 0)
        return;
      std::uint64_t sum = *frame.taken;
      for (std::uint32_t i = 0; i < at.threads; ++i) {
        const std::uint64_t of_thread = sums[i];
        sums[i] = sum;
        sum += of_thread;
      }
      *frame.taken = sum;
      if (sum > frame.payload_bytes || (frame.last && sum != frame.payload_bytes))
        meet_or(*frame.corrupt, 1);
    } else {
      std::uint64_t sum = sums[at.thread];
      for (std::uint32_t i = first; i < last; ++i) {
        const std::uint32_t of_segment = frame.begins[i];
        frame.begins[i] = static_cast<std::uint32_t>(min(sum, std::uint64_t{frame.payload_bytes}));
        sum += of_segment;
      }
    }
  }
};

/// Phases 0 to 2 say where rows begin in the segment, 3 takes them: into the codes, and their values to the
/// pages. What is not a value of its cell stays out of the pages, with the seven beside it, and the frame is
/// corrupt.
template <class Number, class Layer>
struct upgrade_program {
  static constexpr std::uint32_t phases = 4;
  using planes = typename Layer::planes;

  kept_tiles<Layer> tiles;
  upgrade_frame frame;
  std::uint32_t policy; ///< layers of others are passed over

  /// Bytes of a block's memory.
  static constexpr std::uint32_t memory_bytes(std::uint32_t threads) noexcept { return 8 * threads; }

  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const upgrade_segment<Layer> s{tiles, frame, frame.first_segment + at.block};
    if (s.layer().policy != policy || !s.there())
      return;
    auto* const sums = reinterpret_cast<std::uint64_t*>(memory);
    const std::uint32_t first = s.first_row(), part = (s.rows() + at.threads - 1) / at.threads,
                        begin = min(s.rows(), at.thread * part), end = min(s.rows(), begin + part);
    if constexpr (Phase == 0) {
      std::uint64_t sum = 0;
      for (std::uint32_t row = begin; row < end; ++row)
        sum += frame.bytes[first + row];
      sums[at.thread] = sum;
    } else if constexpr (Phase == 1) {
      std::uint64_t sum = frame.begins[at.block];
      for (std::uint32_t i = 0; at.thread == 0 && i < at.threads; ++i) {
        const std::uint64_t of_thread = sums[i];
        sums[i] = sum;
        sum += of_thread;
      }
    } else if constexpr (Phase == 2) {
      std::uint64_t sum = sums[at.thread];
      for (std::uint32_t row = begin; row < end; ++row) {
        frame.row_at[first + row] = static_cast<std::uint32_t>(min(sum, std::uint64_t{frame.payload_bytes}));
        sum += frame.bytes[first + row];
      }
    } else {
      const std::uint32_t groups = s.groups();
      for (std::uint32_t i = at.thread; i < s.rows() * groups; i += at.threads)
        if (s.has_bytes(i / groups))
          s.with_tile(i / groups, [&](auto layout, std::byte* codes, std::uint32_t token) {
            take(s, layout, codes, token, i / groups, i % groups);
          });
    }
  }

private:
  template <class Layout>
  PLANECAST_HOST_DEVICE void take(const upgrade_segment<Layer>& s, Layout layout, std::byte* codes,
                                  std::uint32_t token, std::uint32_t row, std::uint32_t g) const noexcept {
    const std::uint32_t number = s.first_row() + row, begin = frame.row_at[number],
                        bytes = frame.bytes[number];
    if (bytes > frame.payload_bytes - begin)
      return; // it is known to be corrupt
    const std::byte* const from = frame.payload + begin;
    packed_patterns x;
    if (planes::has_tail && frame.plane == planes::fixed) {
      const std::uint32_t bit = frame.bits[std::size_t{number} * frame.most_groups + g];
      const auto cells = cells_of<Number>(layout, codes, token, g);
      bool good = cells.exact(tail_words::of(from, frame.payload + frame.payload_bytes), bit, x);
      if (g + 1 == s.groups()) // its end is the row's
        good = padded_with_zeros(from, bit + cells.tail_bits()) && good;
      if (!good)
        return meet_or(*frame.corrupt, 1);
    } else {
      const std::uint32_t width = planes::width(frame.plane);
      const auto part = plane_part::of_bytes(from + g * width, width);
      auto parts = plane_parts<planes>::load(layout, codes, token, g, frame.plane);
      part.store(layout, codes, frame.plane, token, g);
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t p = 0; p < planes::fixed; ++p) // chosen, and not indexed: they stay in registers
        parts.of[p] = {{p == frame.plane ? part.word[0] : parts.of[p].word[0],
                        p == frame.plane ? part.word[1] : parts.of[p].word[1]}};
      x = shown_group(rulers_of<Number>(layout, codes, token, g), parts.codes(),
                      planes::bits_before(frame.plane + 1));
    }
    s.layer().template write<Number>(s.is_value(), s.token(row), s.head(), g, x);
  }
};

} // namespace planecast::inline v0::detail
