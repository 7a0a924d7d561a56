// Eight channels of a token, decoded from where the tile's codes are.
#pragma once

#include "planecast/code/scalars.hpp"
#include "planecast/cuda/detail/convert_group.hpp"
#include "planecast/cuda/detail/group_rulers.hpp"
#include "planecast/cuda/detail/plane_parts.hpp"
#include "planecast/cuda/detail/row_places.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// What codes tell of which the first `bits` bits are known, and the others zeros.
/// Preconditions: the rulers are moved to their token.
template <class Number, class Q, class Planes>
PLANECAST_HOST_DEVICE packed_patterns shown_group(const column_rulers<Number, Q, Planes>& rulers,
                                                  const packed_codes& q, std::uint32_t bits) noexcept {
  // The middle of so many cells is half their number above the first, of which the code says one more.
  const auto half = bit_cast<float>((126 + Planes::code_bits - bits) << 23);
  packed_patterns x;
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t k = 0; k < group_size; k += 2)
    x.two[k / 2] = nearest_two<Number>(rulers.of(k).at(code_less(q, k, 1.0f - half)),
                                       rulers.of(k + 1).at(code_less(q, k + 1, 1.0f - half)));
  // At low itself, which a balanced row may have below the format's least number, −0 is shown as 0.
  if (balancing_quantizer<Q> && Number::id != number::bf16 && half == 1) {
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < group_size; ++k)
      if (q.of(k) == 0 && x.of(k) == Number::sign)
        x.two[k / 2] &= ~(0xFFFFu << 16 * (k % 2));
  }
  return x;
}

/// Bits of tails, as words: also those behind the last that belong to any, up to a multiple of four bytes.
struct tail_words {
  const std::byte* first; ///< a multiple of four
  std::uint32_t words;    ///< what lies beyond is read as zeros
  std::uint32_t before;   ///< bits before the first of the tails

  /// Of the bytes from `from` up to `end`.
  PLANECAST_HOST_DEVICE static tail_words of(const std::byte* from, const std::byte* end) noexcept {
    const auto over = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(from) % 4);
    return {from - over, from < end ? static_cast<std::uint32_t>((end - from + over + 3) / 4) : 0, 8 * over};
  }
  /// Of so many bytes from a multiple of four on.
  PLANECAST_HOST_DEVICE static tail_words of_aligned(const std::byte* from, std::uint32_t bytes) noexcept {
    return {from, (bytes + 3) / 4, 0};
  }
  /// 64 bits from a bit on.
  PLANECAST_HOST_DEVICE std::uint64_t at(std::uint32_t bit) const noexcept {
    const std::uint32_t from = before + bit, i = from / 32;
    std::uint32_t word[3];
    if (words > 2 && i < words - 2) {
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < 3; ++k)
        word[k] = load_aligned<std::uint32_t>(first + 4 * std::size_t{i} + 4 * k);
    } else {
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < 3; ++k)
        word[k] = i + k < words ? load_aligned<std::uint32_t>(first + 4 * std::size_t{i + k}) : 0;
    }
    return std::uint64_t{shifted_out(word[1], word[2], from % 32)} << 32 |
           shifted_out(word[0], word[1], from % 32);
  }

private:
  // The low half of (high : low) >> by.
  PLANECAST_HOST_DEVICE static std::uint32_t shifted_out(std::uint32_t low, std::uint32_t high,
                                                         std::uint32_t by) noexcept {
#if PLANECAST_ON_DEVICE
    return __funnelshift_r(low, high, by);
#else
    return static_cast<std::uint32_t>((std::uint64_t{high} << 32 | low) >> by);
#endif
  }
};

/// How long the tails of a group are.
struct tail_counts {
  std::uint32_t of[group_size];

  PLANECAST_HOST_DEVICE std::uint32_t all() const noexcept {
    std::uint32_t sum = 0;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < group_size; ++k)
      sum += of[k];
    return sum;
  }
};

/// Where the cells of a group's codes begin, and how many orders are in each. Tails are told with them.
template <class Number, class Q, class Planes>
struct group_cells {
  std::uint32_t of[group_size]; ///< begin | orders << 16

  /// Of a token's group in its tile.
  /// Preconditions: the rulers are moved to the token.
  PLANECAST_HOST_DEVICE static group_cells find(const column_rulers<Number, Q, Planes>& rulers,
                                                const std::byte* tile, const packed_codes& q) noexcept {
    group_cells c;
    // Rows of one cell are rare, but where channels that are zeros make them.
    if ((balancing_quantizer<Q> || rulers.divide()) && !has_guard(q.four[0]) && !has_guard(q.four[1])) {
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < group_size; ++k)
        c.of[k] = balancing_quantizer<Q> ? extent_of(rulers.exact_of(k), code_less(q, k, 1))
                                         : extent_of_several(rulers.of(k), code_less(q, k, 1));
    } else {
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < group_size; ++k) {
        const auto r = ruler_of<Number>(rulers.layout(), tile, rulers.token(), rulers.channel(k));
        const std::uint32_t from = r.first(q.of(k)), to = r.first(q.of(k) + 1);
        c.of[k] = from | (to > from ? to - from : 0) << 16;
      }
    }
    return c;
  }

  /// Bits of each tail.
  PLANECAST_HOST_DEVICE tail_counts counts() const noexcept {
    tail_counts n;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < group_size; ++k)
      n.of[k] = tail_bits_of(of[k] >> 16);
    return n;
  }
  /// Of all of them.
  PLANECAST_HOST_DEVICE std::uint32_t tail_bits() const noexcept { return counts().all(); }
  /// The original values, whose tails begin at a bit, and how long these are. False where a tail names a
  /// value outside of its cell, as only hostile bytes do.
  PLANECAST_HOST_DEVICE bool exact(const tail_words& tails, std::uint32_t bit, const tail_counts& counts,
                                   packed_patterns& x) const noexcept {
    bool good = true;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t half = 0; half < group_size; half += 4) { // four take 64 bits at most
      std::uint64_t bits = tails.at(bit);
      std::uint32_t orders[4];
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < 4; ++k) {
        const std::uint32_t count = counts.of[half + k];
        const std::uint32_t rest = lowest_bits(static_cast<std::uint32_t>(bits), count);
        good = good && rest < of[half + k] >> 16;
        orders[k] = of[half + k] + rest;
        bits >>= count;
        bit += count;
      }
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < 4; k += 2)
        x.two[(half + k) / 2] = patterns_of<Number>(picked_bytes(orders[k], orders[k + 1], 0x5410) &
                                                    (2 * Number::sign - 1) * 0x10001u);
    }
    return good;
  }

private:
  // Whether any of four codes is a guard's.
  PLANECAST_HOST_DEVICE static bool has_guard(std::uint32_t four) noexcept {
    constexpr std::uint32_t guard = ((1u << Planes::code_bits) - 1) * 0x01010101u;
    return has_zero_byte(four) || has_zero_byte(four ^ guard);
  }
  PLANECAST_HOST_DEVICE static bool has_zero_byte(std::uint32_t four) noexcept {
    return ((four - 0x01010101u) & ~four & 0x80808080u) != 0;
  }
};

/// Rulers of a column of groups, in a tile at rest.
template <class Number, class Q, class Planes>
PLANECAST_HOST_DEVICE column_rulers<Number, Q, Planes>
column_of(tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t g) noexcept {
  return {layout, tile, g};
}
/// Of a group of one token.
template <class Number, class Q, class Planes>
PLANECAST_HOST_DEVICE column_rulers<Number, Q, Planes> rulers_of(tile_layout<Q, Planes> layout,
                                                                 const std::byte* tile, std::uint32_t token,
                                                                 std::uint32_t g) noexcept {
  auto rulers = column_of<Number>(layout, tile, g);
  rulers.move_to(token);
  return rulers;
}
/// The cells of its codes.
template <class Number, class Q, class Planes>
PLANECAST_HOST_DEVICE group_cells<Number, Q, Planes> cells_of(tile_layout<Q, Planes> layout,
                                                              const std::byte* tile, std::uint32_t token,
                                                              std::uint32_t g) noexcept {
  return group_cells<Number, Q, Planes>::find(rulers_of<Number>(layout, tile, token, g), tile,
                                              load_codes(layout, tile, token, g, Planes::fixed));
}
/// The values of a stored tile at rest, a thread's part of them. `whole` says that groups of channels lie at
/// multiples of their bytes where they go.
template <class Number, class Layout, class Rows>
PLANECAST_HOST_DEVICE void decode_stored(block_place at, Layout layout, const std::byte* tile, const Rows& to,
                                         const row_places<std::byte>& places, bool whole) noexcept {
  const std::uint32_t groups = layout.shape.dim / group_size;
  for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups; i += at.threads)
    store_group<Number>(to, places.values_before(i / groups), i % groups,
                        load_packed<Number>(tile + tile_header_bytes + Number::bits * i, true), whole);
}

/// Whether the bits of a token's last byte of tails that belong to none are zeros.
PLANECAST_HOST_DEVICE inline bool padded_with_zeros(const std::byte* tails, std::uint32_t bits) noexcept {
  return bits % 8 == 0 || static_cast<unsigned>(tails[bits / 8]) >> bits % 8 == 0;
}

} // namespace planecast::inline v0::detail
