// A layer's keys, or its values, as an engine might have them in device memory; where a value lies is worked
// out here by hand.
#pragma once

#include "planecast/cuda/device_rows.hpp"

#include "code/rows.hpp"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace planecast_test {

/// Slots in order, behind a slot mapping or behind a block table; tokens or heads first; padded or not.
template <template <class> class Allocator>
struct engine_array {
  std::uint32_t bytes; ///< of a value
  std::vector<std::byte, Allocator<std::byte>> memory;
  std::vector<std::int64_t, Allocator<std::int64_t>> slots;
  std::vector<std::int32_t, Allocator<std::int32_t>> blocks;
  planecast::device_rows<std::byte> rows;
  std::size_t first; ///< of slot 0, head 0, in the memory

  engine_array(std::uint32_t tokens, std::uint32_t heads, std::uint32_t dim, std::uint32_t value_bytes,
               random_source& random)
      : bytes(value_bytes) {
    const bool aligned = random.coin(), tokens_first = random.coin();
    const std::ptrdiff_t gap = aligned ? 8 * random.below(3) : random.below(9);
    const std::uint32_t kind =
        random.below(4); // in order, a slot mapping, a block table, a slot mapping of blocks
    rows.block_size = kind >= 2 ? 1 + random.below(20) : 0;
    const std::uint32_t per_block = rows.block_size != 0 ? rows.block_size : tokens + 3,
                        count = (tokens + per_block - 1) / per_block + 2;
    if (tokens_first) {
      rows.head = dim + gap;
      rows.token = rows.head * heads + gap;
      rows.block = rows.token * per_block;
    } else {
      rows.token = dim + gap;
      rows.head = rows.token * per_block + gap;
      rows.block = rows.head * heads;
    }
    first = aligned ? 16 : 16 + value_bytes * random.below(8);
    memory.assign(first + value_bytes * static_cast<std::size_t>(rows.block) * count + 64, std::byte{0x5A});
    rows.first = memory.data() + first;
    if (kind == 1 || kind == 3) {
      // Without blocks a head's slots are those of one: behind them the next head's begin.
      slots = shuffled<std::int64_t>(kind == 3 ? count * per_block : per_block, random);
      slots.resize(tokens);
      rows.slots = slots.data();
    } else if (kind == 2) {
      blocks = shuffled<std::int32_t>(count, random);
      blocks.resize(count - 2);
      rows.blocks = blocks.data();
    }
  }
  engine_array(engine_array&&) = default; // what the rows point to moves along
  engine_array(const engine_array&) = delete;

  /// A token's head.
  [[nodiscard]] const std::byte* row(std::uint32_t token, std::uint32_t head) const {
    const std::int64_t per_block = rows.block_size;
    const std::int64_t slot = !slots.empty()    ? slots[token]
                              : !blocks.empty() ? std::int64_t{blocks[token / rows.block_size]} * per_block +
                                                      token % rows.block_size
                                                : token;
    std::int64_t at = head * rows.head;
    if (per_block != 0)
      at += slot / per_block * rows.block + slot % per_block * rows.token;
    else
      at += slot * rows.token;
    return memory.data() + first + at * bytes;
  }
  std::byte* row(std::uint32_t token, std::uint32_t head) {
    return const_cast<std::byte*>(std::as_const(*this).row(token, head));
  }
  /// The same, to be read.
  [[nodiscard]] planecast::device_rows<const std::byte> source() const {
    return {rows.first, rows.token, rows.head, rows.block, rows.block_size, rows.slots, rows.blocks};
  }
  /// Whether eight channels that begin at a multiple of eight can be read at once.
  [[nodiscard]] bool whole() const {
    const auto begin = reinterpret_cast<std::uintptr_t>(rows.first);
    return begin % (8 * bytes) == 0 && rows.token % 8 == 0 && rows.head % 8 == 0 && rows.block % 8 == 0;
  }

private:
  template <class T>
  static std::vector<T, Allocator<T>> shuffled(std::uint32_t count, random_source& random) {
    std::vector<T, Allocator<T>> all(count);
    std::iota(all.begin(), all.end(), T{0});
    for (std::uint32_t i = count; i > 1; --i)
      std::swap(all[i - 1], all[random.below(i)]);
    return all;
  }
};

} // namespace planecast_test
