// How blocks of threads write a frame's payload, once it is known where its rows are, and sum it.
#pragma once

#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/detail/gather_rows_programs.hpp"
#include "planecast/cuda/device_gather.hpp"
#include "planecast/stream/checksum.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A block writes and sums a part of the payload: some blocks of the checksum. Phases 0 and 1 find the part's
/// first row and its last, 2 the rows in which its groups of words begin, 3 takes the words, 4 and 5 add up
/// what they give.
struct gather_program {
  static constexpr std::uint32_t phases = 6;
  static constexpr std::uint32_t block_bytes = checksum_block, blocks = 8; ///< of the checksum
  static constexpr std::uint32_t part_bytes = blocks * block_bytes;        ///< of the payload
  static constexpr std::uint32_t group_bytes = 32, pairs = 4; ///< of words that are summed together

  gather_target to;
  std::uint32_t rows;

  /// Bytes of a block's memory.
  static constexpr std::uint32_t memory_bytes(std::uint32_t threads) noexcept {
    return sizeof(shared) + sums_of_threads::memory_bytes(threads);
  }
  /// How many blocks there are for so much room.
  static constexpr std::uint32_t grid(std::uint32_t room) noexcept {
    return room / part_bytes + (room % part_bytes != 0 ? 1 : 0);
  }

  /// One phase.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const std::uint64_t length = to.result->bytes;
    const std::uint32_t first = at.block * part_bytes;
    if (length > to.room || first >= length)
      return;
    const auto all = static_cast<std::uint32_t>(length);
    const std::uint32_t bytes = min(all - first, part_bytes), groups = (bytes - 1) / group_bytes + 1,
                        here = (bytes - 1) / block_bytes + 1,                // blocks of the checksum
        behind = (all - 1) / block_bytes - (first / block_bytes + here - 1); // likewise
    shared& s = *reinterpret_cast<shared*>(memory);
    const sums_of_threads threads(memory + sizeof(shared), at.threads);
    const gather_room room(rows);
    if constexpr (Phase == 0) { // one thread each finds the first byte and the last
      for (std::uint32_t i = at.thread; i < block_bytes / 4; i += at.threads)
        s.keys[i] = checksum_key(i);
      for (std::uint32_t i = at.thread; i < blocks; i += at.threads)
        s.factors[i] = power(i);
      const std::uint32_t* const starts = room.starts(to.workspace);
      for (std::uint32_t i = at.thread; i < room.groups; i += at.threads)
        note_where(s.group, i, starts[i], starts[i + 1], first, first + bytes - 1);
    } else if constexpr (Phase == 1) {
      for (std::uint32_t end = 0; end < 2; ++end) {
        const std::uint32_t begin = s.group[end] * rows_together;
        for (std::uint32_t i = at.thread; i < min(rows - begin, rows_together); i += at.threads) {
          const std::uint32_t row = begin + i, position = end == 0 ? first : first + bytes - 1;
          if (begin_of(row) <= position && position < begin_of(row + 1))
            s.row[end] = row;
        }
      }
    } else if constexpr (Phase == 2) {
      for (std::uint32_t i = at.thread; i < groups; i += at.threads)
        s.rows[i] = row_of(first + i * group_bytes, s.row[0], s.row[1]);
    } else if constexpr (Phase == 3) {
      std::uint64_t sum = 0;
      for (std::uint32_t i = at.thread; i < groups * pairs; i += at.threads) {
        const std::uint32_t word = i / pairs * 8 + i % pairs, key = word % (block_bytes / 4),
                            row = s.rows[i / pairs];
        const std::uint32_t a = take(first + 4 * word, row, all), b = take(first + 4 * word + 16, row, all);
        sum += checksum_pair(a, s.keys[key], b, s.keys[key + 4]) *
               s.factors[here - 1 - word / (block_bytes / 4)];
      }
      threads.sums[at.thread] = sum;
    } else if constexpr (Phase == 4) {
      threads.add_sets(at);
    } else if (at.thread == 0)
      meet_add(to.result->checksum, threads.add_up(at.threads) * power(behind));
  }

private:
  struct shared {
    std::uint64_t factors[blocks];       // of a block of the checksum, by how many follow it in the part
    std::uint32_t keys[block_bytes / 4]; // of its words
    std::uint32_t rows[part_bytes / group_bytes]; // in which groups begin
    std::uint32_t group[2], row[2];               // of the part's first byte, and of its last
  };

  PLANECAST_HOST_DEVICE static std::uint64_t power(std::uint32_t exponent) noexcept {
    std::uint64_t result = 1;
    for (std::uint64_t square = checksum_factor; exponent != 0; exponent /= 2, square *= square)
      if (exponent % 2 != 0)
        result *= square;
    return result;
  }
  PLANECAST_HOST_DEVICE static void note_where(std::uint32_t (&found)[2], std::uint32_t number,
                                               std::uint32_t begin, std::uint32_t end, std::uint32_t first,
                                               std::uint32_t last) noexcept {
    if (begin <= first && first < end)
      found[0] = number;
    if (begin <= last && last < end)
      found[1] = number;
  }
  // Where a row begins in the payload, and behind the last, where that ends.
  PLANECAST_HOST_DEVICE std::uint32_t begin_of(std::uint32_t row) const noexcept {
    const gather_room room(rows);
    const std::uint32_t* const starts = room.starts(to.workspace);
    return row == rows ? starts[room.groups] : starts[row / rows_together] + room.begins(to.workspace)[row];
  }
  // The row of a byte, which is none before the first and none behind the last.
  PLANECAST_HOST_DEVICE std::uint32_t row_of(std::uint32_t position, std::uint32_t first,
                                             std::uint32_t last) const noexcept {
    while (first < last) {
      const std::uint32_t middle = first + (last - first + 1) / 2;
      if (begin_of(middle) <= position)
        first = middle;
      else
        last = middle - 1;
    }
    return first;
  }
  // Copies the word at a position, which lies in the row or behind it. Returns it, with zeros for what is
  // behind the payload.
  PLANECAST_HOST_DEVICE std::uint32_t take(std::uint32_t position, std::uint32_t row,
                                           std::uint32_t all) const noexcept {
    if (position >= all)
      return 0;
    const std::byte* const* const from = gather_room(rows).from(to.workspace);
    std::byte* const into = to.payload + position;
    std::uint32_t begin = begin_of(row), end = begin_of(row + 1), word = 0;
    const auto seek = [&](std::uint32_t byte) {
      for (; end <= byte; end = begin_of(row + 1)) {
        begin = end;
        ++row;
      }
    };
    seek(position);
    if (end - position >= 4) {
      word = load_anywhere(from[row] + (position - begin));
      store_aligned(into, word);
      return word;
    }
    for (std::uint32_t i = 0; i < min(4u, all - position); ++i) {
      seek(position + i);
      into[i] = from[row][position + i - begin];
      word |= static_cast<std::uint32_t>(into[i]) << 8 * i;
    }
    return word;
  }
  // Tiles' slots begin and end at multiples of 16: where a byte is wanted, its aligned word can be read.
  PLANECAST_HOST_DEVICE static std::uint32_t load_anywhere(const std::byte* from) noexcept {
    const auto beside = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(from) % 4);
    const std::byte* const aligned = from - beside;
    const auto low = load_aligned<std::uint32_t>(aligned);
    if (beside == 0)
      return low;
    const std::uint64_t high = load_aligned<std::uint32_t>(aligned + 4);
    return static_cast<std::uint32_t>((high << 32 | low) >> 8 * beside);
  }
};

} // namespace planecast::inline v0::detail
