// The code's definition: where the cells of a scale row begin, and which cell a value is in.
#pragma once

#include "planecast/cache/number.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// Cells of one scale row: 2^Bits intervals of the ordered patterns, cell q from first(q) up to first(q + 1).
///
/// first(0) = 0, first(1) = order(low), first(2^Bits) = 65536, and between them
/// first(q) = order(ceil16(fl32(low + (q − 1) · step))). That first() never falls is all that decoding rests
/// on. The first and the last cell are guards that only values which are not finite enter. The product is
/// exact in fp32 (two 8-bit numbers), so fused multiply-add cannot change a boundary; the smallest step is
/// 2⁻¹⁰⁰, so neither can flush-to-zero.
/// Preconditions: `low` and `step` are as fit() makes them, or valid() says that it could have.
/// Example: `c.tail_bits(c.code(order_of(pattern)))`
template <class Number, std::uint32_t Bits>
struct cells {
  static_assert(Bits >= 2 && Bits <= 8);
  static constexpr std::uint32_t last = (1u << Bits) - 1; ///< the upper guard; the lower one is cell 0
  static constexpr std::uint32_t steps = last - 1;        ///< ordinary cells
  /// A step's share of the distance between the least and the greatest value, and a little more.
  static constexpr float per_step = static_cast<float>((1.0 + 0x1p-20) / steps);

  std::uint16_t low = 0;  ///< m: pattern of the least finite value
  std::uint16_t step = 0; ///< s: bf16 pattern of the cells' width; 0 if all finite values are equal

  /// The least and the greatest finite value of a row, as orders; the least is above the greatest while there
  /// is none.
  struct extent {
    /// Order of the least.
    std::uint32_t least = 0xFFFF'FFFFu, greatest = 0; ///< order of the greatest

    /// Takes in one more value of the row, unless it is not finite.
    PLANECAST_HOST_DEVICE constexpr void add(std::uint16_t pattern) noexcept {
      if (Number::finite(pattern)) {
        least = detail::min(least, order_of(pattern));
        greatest = detail::max(greatest, order_of(pattern));
      }
    }
  };

  /// The cells for a row of that extent. False if the step would be out of range: the tile is then stored.
  PLANECAST_HOST_DEVICE constexpr bool fit(extent e) noexcept {
    low = step = 0;
    if (e.least > e.greatest) // nothing finite
      return true;
    low = pattern_of(e.least);
    if (e.least == e.greatest || (e.least == order_of(0x8000u) && e.greatest == order_of(0)))
      return true;
    const float lowest = Number::value(low), highest = Number::value(pattern_of(e.greatest));
    const float distance = highest - lowest;
    const float exact = distance * per_step;
    std::uint32_t bits = (detail::bit_cast<std::uint32_t>(exact) + 0xFFFFu) >> 16;
    bits = detail::max(bits, least_step);
    const float width = bf16::value(static_cast<std::uint16_t>(bits));
    if (!(lowest + static_cast<float>(steps) * width > highest))
      ++bits;
    step = static_cast<std::uint16_t>(bits);
    return bits <= greatest_step; // as patterns of positive numbers: infinity and NaN are above
  }

  /// Whether fit() could have made these cells: to be asked of cells that came from elsewhere.
  PLANECAST_HOST_DEVICE constexpr bool valid() const noexcept {
    return Number::finite(low) && (step == 0 || (step >= least_step && step <= greatest_step));
  }

  /// Where cell q begins, as an order. For q = 2^Bits it is 65536, where the last ends.
  /// Preconditions: q ≤ 2^Bits.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t first(std::uint32_t q) const noexcept {
    if (q == 0)
      return 0;
    if (q > last)
      return 0x10000u;
    const bool zero = (low & 0x7FFFu) == 0;
    if (step == 0) // one ordinary cell: the value itself, or both zeros
      return zero ? (q == 1 ? order_of(0x8000u) : order_of(0) + 1) : order_of(low) + (q == 1 ? 0 : 1);
    if (q == 1)
      return order_of(low);
    return Number::ceil_order(Number::value(low) + static_cast<float>(q - 1) * bf16::value(step));
  }

  /// The cell q with first(q) ≤ order < first(q + 1).
  /// Preconditions: order < 65536.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t code(std::uint32_t order) const noexcept {
    if (order < first(1))
      return 0;
    if (order >= first(last))
      return last;
    std::uint32_t q = 1;
    if (step != 0) { // order is between two finite boundaries, so the quotient is a number below `last`
      const float above = Number::value(pattern_of(order)) - Number::value(low);
      const float guess = above / bf16::value(step);
      q = 1 + (guess < static_cast<float>(steps) ? static_cast<std::uint32_t>(guess) : steps - 1);
    }
    while (order < first(q))
      --q;
    while (order >= first(q + 1))
      ++q;
    return q;
  }

  /// Bits of the tail in cell q: enough for every pattern in it, none if it is empty or holds only one.
  /// Preconditions: q < 2^Bits.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t tail_bits(std::uint32_t q) const noexcept {
    const std::uint32_t begin = first(q), end = first(q + 1);
    return end > begin ? detail::bit_width(end - begin - 1) : 0;
  }

  /// The value to show when only the first `bits` bits of the code are known: the middle of the cells with
  /// this prefix, nearest even, clamped to finite.
  /// Preconditions: 1 ≤ bits ≤ Bits; prefix < 2^bits.
  PLANECAST_HOST_DEVICE constexpr std::uint16_t middle(std::uint32_t prefix,
                                                       std::uint32_t bits) const noexcept {
    const std::uint32_t span = 1u << (Bits - bits);
    // Twice (centre − 1), a whole number: centre = prefix · span + span / 2.
    const auto twice = static_cast<std::int32_t>(2 * prefix * span + span) - 2;
    if (step == 0 || twice == 0) // fl32(low + 0) without arithmetic, for a low that flush-to-zero would lose
      return low == 0x8000u && twice >= 0 ? std::uint16_t{0} : low;
    const float offset = 0.5f * static_cast<float>(twice) * bf16::value(step);
    return Number::nearest(Number::value(low) + offset);
  }

  static constexpr std::uint32_t least_step = 0x0D80u;    ///< 2⁻¹⁰⁰, as a bf16 pattern
  static constexpr std::uint32_t greatest_step = 0x7B00u; ///< 2¹¹⁹
private:
  static_assert(bf16::value(least_step) == 0x1p-100f && bf16::value(greatest_step) == 0x1p119f);
  static_assert(Bits != 8 || per_step == 0x1.020418p-8f);
};

} // namespace planecast::inline v0
