// How blocks of threads take a frame of upgrades.
#pragma once

#include "planecast/cuda/detail/decode_group.hpp"
#include "planecast/cuda/detail/group_lanes.hpp"
#include "planecast/cuda/detail/upgrade_frame.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// What a thread knows of its block's part of a frame.
struct upgrade_thread {
  block_place at;
  upgrade_part part;
  const kept_layer& layer;
  upgrade_rows rows;
  std::byte* memory; ///< of the block, behind its rows

  PLANECAST_HOST_DEVICE upgrade_thread(const upgrade_frame& frame, block_place here, std::byte* all) noexcept
      : at(here), part(frame.parts[here.block]), layer(frame.layers[part.layer]), rows{all},
        memory(all + upgrade_rows::bytes) {}

  PLANECAST_HOST_DEVICE bool is_value() const noexcept { return part.row % 2 == 1; }
  template <class Tiles>
  PLANECAST_HOST_DEVICE std::uint32_t groups(const Tiles& tiles) const noexcept {
    return tiles.dim(is_value()) / group_size;
  }
  /// Calls f with what says where the parts of a row's tile lie.
  template <class Tiles, class F>
  PLANECAST_HOST_DEVICE void with_layouts(const Tiles& tiles, const F& f) const noexcept {
    tiles.with_layout_type(is_value(), [&]<class Layout>(Layout) {
      f([&](const upgrade_row& row) {
        return Layout{{row.tokens, tiles.dim(is_value())}, tiles.value_bytes};
      });
    });
  }
};

/// A block says how long its part's tails are.
template <class Number, class Tiles>
struct upgrade_lengths_program {
  static constexpr std::uint32_t phases = 3; ///< where rows are, how long, how long all of them
  static constexpr std::uint32_t threads = 128;
  static constexpr std::uint32_t memory_bytes = upgrade_rows::bytes + 16; ///< of a block

  Tiles tiles;
  upgrade_frame frame;
  std::uint32_t policy; ///< layers of others are passed over

  PLANECAST_HOST_DEVICE upgrade_thread prepared(block_place at, std::byte* memory) const noexcept {
    return {frame, at, memory};
  }
  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(const upgrade_thread& t) const noexcept {
    if (t.layer.policy != policy)
      return;
    auto& sum = *reinterpret_cast<std::uint32_t*>(t.memory);
    if constexpr (Phase == 0) {
      if (t.at.thread == 0)
        sum = 0;
      t.rows.find(t.at, tiles, frame, t.layer, t.part, [](std::uint32_t) { return 0u; });
    } else if constexpr (Phase == 1)
      find(t, sum);
    else if (t.at.thread == 0) {
      frame.part_bytes[t.at.block] = sum;
      meet_add(frame.many_bytes[t.at.block / upgrade_frame::many], std::uint64_t{sum});
    }
  }

private:
  PLANECAST_HOST_DEVICE void find(const upgrade_thread& t, std::uint32_t& sum) const noexcept {
    const group_lanes lanes(t.at, t.groups(tiles));
    t.with_layouts(tiles, [&](const auto& layout_of) {
      lanes.each(t.part.count, [&](std::uint32_t number, bool there) {
        const upgrade_row row = t.rows.of(number);
        const auto bits_of = [&](std::uint32_t g) {
          return row.tokens == 0 ? 0 : cells_of<Number>(layout_of(row), row.codes, row.token, g).tail_bits();
        };
        std::uint32_t bits = 0;
        for (std::uint32_t g = lanes.lane; g < lanes.groups; g += lanes.lanes)
          bits += bits_of(g);
        const std::uint32_t bytes = (lanes.sum(bits, bits_of) + 7) / 8;
        if (lanes.lane != 0 || !there)
          return;
        frame.row_bytes[std::size_t{t.at.block} * upgrade_rows::most + number] =
            static_cast<std::uint16_t>(bytes);
        meet_add(sum, bytes);
      });
    });
  }
};

/// A block takes its part's rows of one plane: into the codes, but for tails, and their values to the pages.
/// What is not a value of its cell stays out of the pages, with the seven beside it, and the frame is
/// corrupt.
/// Preconditions: of tails, it is known how long they are; else all rows have their bytes.
template <class Number, class Tiles, std::uint32_t Plane, bool MayConvert = true>
struct upgrade_program {
  using planes = typename Tiles::planes;
  static constexpr bool takes_tails = Plane == planes::fixed;
  static constexpr std::uint32_t phases = 3; ///< where rows are, where they begin, what they are
  static constexpr std::uint32_t threads = 128;
  static constexpr std::uint32_t memory_bytes = upgrade_rows::bytes + 16; ///< of a block

  Tiles tiles;
  upgrade_frame frame;
  std::uint32_t policy; ///< layers of others are passed over

  PLANECAST_HOST_DEVICE upgrade_thread prepared(block_place at, std::byte* memory) const noexcept {
    return {frame, at, memory};
  }
  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(const upgrade_thread& t) const noexcept {
    if (t.layer.policy != policy)
      return;
    if constexpr (Phase == 0) {
      if (takes_tails && t.at.thread == 0)
        begin(t) = *frame.bytes_before;
      t.rows.find(t.at, tiles, frame, t.layer, t.part, [&](std::uint32_t row) -> std::uint32_t {
        if constexpr (takes_tails)
          return frame.row_bytes[std::size_t{t.at.block} * upgrade_rows::most + row];
        else
          return t.groups(tiles) * planes::width(Plane);
      });
    } else if constexpr (Phase == 1) {
      t.rows.place(t.at, t.part.count);
      if constexpr (takes_tails)
        add_parts_before(t);
    } else
      t.with_layouts(tiles, [&](const auto& layout_of) {
        if constexpr (takes_tails)
          take_tails(t, layout_of);
        else
          take_codes(t, layout_of);
      });
  }

private:
  PLANECAST_HOST_DEVICE static std::uint64_t& begin(const upgrade_thread& t) noexcept {
    return *reinterpret_cast<std::uint64_t*>(t.memory);
  }
  PLANECAST_HOST_DEVICE void write(const upgrade_thread& t, const upgrade_row& row, std::uint32_t g,
                                   const packed_patterns& x) const noexcept {
    t.layer.template write_values<Number, MayConvert>(t.is_value(), row.values_before, g, x);
  }

  template <class LayoutOf>
  PLANECAST_HOST_DEVICE void take_codes(const upgrade_thread& t, const LayoutOf& layout_of) const noexcept {
    constexpr std::uint32_t width = planes::width(Plane), bits = planes::bits_before(Plane + 1);
    const group_lanes lanes(t.at, t.groups(tiles));
    const std::byte* const payload = frame.payload + t.part.begin;
    for (std::uint32_t g = lanes.lane; g < lanes.groups; g += lanes.lanes)
      for (std::uint32_t number = lanes.row; number < t.part.count; number += lanes.step) {
        const upgrade_row row = t.rows.of(number);
        if (row.tokens == 0)
          continue;
        const auto layout = layout_of(row);
        auto parts = plane_parts<planes>::load(layout, row.codes, row.token, g, Plane);
        parts.of[Plane] = plane_part::of_aligned(payload + row.begin + g * width, width);
        const auto rulers = rulers_of<Number>(layout, row.codes, row.token, g);
        parts.of[Plane].store(layout, row.codes, Plane, row.token, g);
        write(t, row, g, shown_group(rulers, parts.codes(), bits));
      }
  }

  PLANECAST_HOST_DEVICE void add_parts_before(const upgrade_thread& t) const noexcept {
    const std::uint32_t whole = t.at.block / upgrade_frame::many, first = whole * upgrade_frame::many;
    std::uint64_t sum = 0;
    for (std::uint32_t i = t.at.thread; i < whole; i += t.at.threads)
      sum += frame.many_bytes[i];
    for (std::uint32_t i = first + t.at.thread; i < t.at.block; i += t.at.threads)
      sum += frame.part_bytes[i];
    if (sum != 0)
      meet_add(begin(t), sum);
  }
  template <class LayoutOf>
  PLANECAST_HOST_DEVICE void take_tails(const upgrade_thread& t, const LayoutOf& layout_of) const noexcept {
    const std::uint64_t first = begin(t), all = frame.payload_bytes;
    if (t.at.block + 1 == frame.count && t.at.thread == 0) {
      *frame.bytes_so_far = first + frame.part_bytes[t.at.block];
      if (frame.last && *frame.bytes_so_far != all)
        meet_or(*frame.corrupt, 1);
    }
    const group_lanes lanes(t.at, t.groups(tiles));
    lanes.each_group(t.part.count, [&](std::uint32_t number, std::uint32_t g, bool there,
                                       std::uint32_t& turns) {
      const upgrade_row row = t.rows.of(number);
      const bool in_payload = row.tokens != 0 && first + row.begin + row.bytes <= all;
      const auto cells = [&](std::uint32_t of_row) {
        const auto layout = layout_of(row);
        decltype(cells_of<Number>(layout, row.codes, row.token, of_row)) are{};
        if (in_payload && of_row < lanes.groups)
          are = cells_of<Number>(layout, row.codes, row.token, of_row);
        return are;
      };
      const auto of_group = cells(g);
      const tail_counts counts = of_group.counts();
      const std::uint32_t bits = counts.all(), bit = lanes.before(g, bits, turns, [&](std::uint32_t other) {
        return cells(other).tail_bits();
      });
      if (!there || !in_payload)
        return;
      const std::byte* const from = frame.payload + first + row.begin;
      packed_patterns x;
      bool good = of_group.exact(tail_words::of(from, frame.payload + all), bit, counts, x);
      if (g + 1 == lanes.groups) // its end is the row's
        good = padded_with_zeros(from, bit + bits) && good;
      if (good)
        write(t, row, g, x);
      else
        meet_or(*frame.corrupt, 1);
    });
  }
};

} // namespace planecast::inline v0::detail
