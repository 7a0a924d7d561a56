// How a block of threads brings queries and keys into its memory.
#pragma once

#include "planecast/cuda/detail/attention_shape.hpp"
#include "planecast/cuda/detail/packed.hpp"
#include "planecast/cuda/detail/rounded.hpp"
#include "planecast/cuda/detail/rounds.hpp"
#include "planecast/cuda/detail/widened.hpp"
#include "planecast/cuda/device_queries.hpp"
#include "planecast/cuda/device_rows.hpp"
#include "planecast/decode/row_number.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A panel of queries once, and keys tile by tile, all as numbers of the queries' format.
template <class Key, class Query>
struct attention_reads {
  static constexpr std::uint32_t tile = attention_shape::tile;

  attention_shape shape;
  device_rows<const std::byte> keys;
  device_queries queries;
  bool whole_keys, whole_queries; ///< groups of channels lie at multiples of their bytes

  /// Which query a row of a panel is.
  struct query {
    bool is;                  ///< or none
    std::uint32_t row, head;  ///< of all queries
    std::uint32_t last_token; ///< that it sees
  };
  PLANECAST_HOST_DEVICE query query_of(attention_shape::work w, std::uint32_t row) const noexcept {
    const std::uint32_t strip = w.panel * shape.strips + row / 16;
    const std::uint32_t of_group = strip / shape.head_strips, i = strip % shape.head_strips * 16 + row % 16;
    if (of_group >= shape.group || i >= shape.window)
      return {false, 0, 0, shape.tokens - 1};
    return {true, queries.rows - shape.window + i, w.head * shape.group + of_group,
            shape.tokens - shape.window + i};
  }

  /// All queries of the panel, and what each sees.
  PLANECAST_HOST_DEVICE void read_queries(block_place at, std::byte* memory,
                                          attention_shape::work w) const noexcept {
    const std::uint32_t groups = shape.padded_dim() / group_size;
    std::byte* const to = memory + shape.queries_at();
    for (std::uint32_t i = at.thread; i < shape.rows() * groups; i += at.threads) {
      const std::uint32_t row = i / groups, g = i % groups;
      const query q = query_of(w, row);
      std::byte* const of_row = to + row * shape.query_step() + 16 * g;
      const bool is = q.is && g < shape.dim / group_size;
      if (queries.fp32 == nullptr) {
        packed_patterns x{};
        if (is)
          x = load_packed<Query>(queries.at(q.row, q.head) + 16 * g, whole_queries);
        store_packed<Query>(of_row, x, true);
      } else
        split(is ? queries.fp32_at(q.row, q.head) + group_size * g : nullptr, of_row);
    }
    for (std::uint32_t row = at.thread; row < shape.rows(); row += at.threads)
      part<std::uint32_t>(memory, shape.seen_at())[row] = query_of(w, row).last_token;
    // No tile of keys writes what lies beyond their channels: 0 once, and for all.
    if (shape.dim != shape.padded_dim())
      for (std::uint32_t row = at.thread; row < shape.stages * tile; row += at.threads)
        store_packed<Query>(memory + shape.keys_at(0) + row * shape.step() + 2 * shape.dim, {}, true);
  }

  /// Where a tile's keys lie. Tables are asked one tile before the keys are.
  PLANECAST_HOST_DEVICE void find_keys(block_place at, std::byte* memory, attention_shape::work w,
                                       std::uint32_t number) const noexcept {
    const std::uint32_t from = w.first + number * tile;
    const std::byte** const addresses =
        part<const std::byte*>(memory, shape.addresses_at()) + number % 2 * tile;
    for (std::uint32_t i = at.thread; i < tile && from + i < w.end; i += at.threads)
      addresses[i] = keys.row(from + i, w.head, Key::bits / 8);
  }
  /// A tile's keys, or nothing behind the split's last. They are there after finish_keys().
  PLANECAST_HOST_DEVICE void read_keys(block_place at, std::byte* memory, attention_shape::work w,
                                       std::uint32_t number) const noexcept {
    const std::byte* const* const addresses =
        part<const std::byte*>(memory, shape.addresses_at()) + number % 2 * tile;
    each_group(at, memory, w, number, [&](std::byte* to, std::uint32_t row, std::uint32_t g) {
      const std::byte* const from = addresses[row] + Key::bits * g;
      if (!whole_keys)
        store_packed<Query>(to, as_wide(load_packed<Key>(from, false)), true);
      else if constexpr (Key::bits == 16)
        copy_16(to, from);
      else
        copy_8(to + 8, from); // half of its place, until it is widened
    });
  }
  /// Waits for what the thread copied, and widens it.
  PLANECAST_HOST_DEVICE void finish_keys(block_place at, std::byte* memory, attention_shape::work w,
                                         std::uint32_t number) const noexcept {
    wait_for_copies();
    if (Key::bits == 8 && whole_keys)
      each_group(at, memory, w, number, [&](std::byte* to, std::uint32_t, std::uint32_t) {
        store_packed<Query>(to, as_wide(load_packed<Key>(to + 8, true)), true);
      });
  }

private:
  template <class T>
  PLANECAST_HOST_DEVICE static T* part(std::byte* memory, std::uint32_t where) noexcept {
    return reinterpret_cast<T*>(memory + where);
  }
  // Eight channels in fp32 as a sum of the format's numbers, or zeros.
  PLANECAST_HOST_DEVICE void split(const float* from, std::byte* to) const noexcept {
    struct alignas(16) floats {
      float of[4];
    };
    float rest[group_size] = {};
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < group_size; i += 4) {
      floats x{};
      if (from != nullptr && whole_queries)
        x = load_aligned<floats>(reinterpret_cast<const std::byte*>(from + i));
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < 4; ++k)
        rest[i + k] = from == nullptr || whole_queries ? x.of[k] : from[i + k];
    }
    for (std::uint32_t p = 0; p < shape.parts; ++p) {
      packed_patterns x{};
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t i = 0; i < group_size; ++i) {
        const std::uint16_t pattern = Query::from_fp32(rest[i]);
        x.two[i / 2] |= std::uint32_t{pattern} << 16 * (i % 2);
        rest[i] = difference_of(rest[i], row_number<Query>::value(pattern)); // exact
      }
      store_packed<Query>(to + p * 2 * shape.padded_dim(), x, true);
    }
  }
  PLANECAST_HOST_DEVICE static packed_patterns as_wide(const packed_patterns& x) noexcept {
    if constexpr (Key::bits == 16)
      return x;
    packed_patterns wide{};
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < group_size; ++i)
      if constexpr (Key::bits == 8)
        wide.two[i / 2] |= std::uint32_t{widened<Key, Query>(x.of(i))} << 16 * (i % 2);
    return wide;
  }
  // f(where it goes, row, number in the row) for the thread's groups of a tile's keys.
  template <class F>
  PLANECAST_HOST_DEVICE void each_group(block_place at, std::byte* memory, attention_shape::work w,
                                        std::uint32_t number, const F& f) const noexcept {
    const std::uint32_t from = w.first + number * tile, groups = shape.dim / group_size;
    const std::uint32_t rows = from < w.end ? min(tile, w.end - from) : 0;
    const std::uint32_t rows_on = at.threads / groups, groups_on = at.threads % groups;
    std::byte* const to = memory + shape.keys_at(number % shape.stages);
    for (std::uint32_t row = at.thread / groups, g = at.thread % groups; row < rows;) {
      f(to + row * shape.step() + 16 * g, row, g);
      row += rows_on;
      g += groups_on;
      if (g >= groups) {
        g -= groups;
        ++row;
      }
    }
  }
};

} // namespace planecast::inline v0::detail
