// Where cells begin on the line of ordered patterns, and which of them a value is in.
#pragma once

#include "planecast/cache/number.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// The cells of a value, ready to be computed with: 2^Bits intervals of the format's ordered patterns, cell q
/// from first(q) up to first(q + 1). Every quantizer's scalars come down to these three numbers.
///
/// first(0) = 0, first(1) = begin, first(2^Bits) = 2^(bits of the format), and between them first(q) =
/// order(ceil(fl32(low + (q − 1) · step))), rounded up to the format. That first() never falls is all that
/// decoding rests on. The first and the last cell are guards that only values which are not finite enter. The
/// product is exact in fp32 (two 8-bit numbers), so fused multiply-add cannot change a boundary; `step` and
/// what can be left of the sum are no denormals, so neither can flush-to-zero.
/// Preconditions: made by cells or balanced_cells whose scalars are valid.
/// Example: `r.tail_bits(r.code(Number::order(pattern)))`
template <class Number, std::uint32_t Bits>
struct ruler {
  static_assert(Bits >= 2 && Bits <= 8);
  static constexpr std::uint32_t last = (1u << Bits) - 1; ///< the upper guard; the lower one is cell 0
  static constexpr std::uint32_t steps = last - 1;        ///< ordinary cells

  float low = 0;           ///< where the ordinary cells begin, as a number
  float step = 0;          ///< their width; 0: there is one, which holds `begin` alone, or both zeros
  std::uint32_t begin = 0; ///< where they begin, as an order

  /// Where cell q begins, as an order; for q = 2^Bits, where the last ends.
  /// Preconditions: q ≤ 2^Bits.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t first(std::uint32_t q) const noexcept {
    if (q == 0)
      return 0;
    if (q > last)
      return 1u << Number::bits;
    if (q == 1)
      return begin;
    if (step == 0)
      return begin + (begin == Number::order(Number::sign) ? 2 : 1);
    return Number::ceil_order(low + static_cast<float>(q - 1) * step);
  }

  /// The cell q with first(q) ≤ order < first(q + 1).
  /// Preconditions: order < 2^(bits of the format).
  PLANECAST_HOST_DEVICE constexpr std::uint32_t code(std::uint32_t order) const noexcept {
    if (order < begin)
      return 0;
    if (order >= first(last))
      return last;
    std::uint32_t q = 1;
    if (step != 0) { // order is between two finite boundaries, so the quotient is a number below `last`
      const float guess = (Number::value(Number::pattern(order)) - low) / step;
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
    const std::uint32_t from = first(q), to = first(q + 1);
    return to > from ? detail::bit_width(to - from - 1) : 0;
  }

  /// The value to show when only the first `bits` bits of the code are known: the middle of the cells with
  /// this prefix, nearest even, clamped to finite.
  /// Preconditions: 1 ≤ bits ≤ Bits; prefix < 2^bits.
  PLANECAST_HOST_DEVICE constexpr std::uint16_t middle(std::uint32_t prefix,
                                                       std::uint32_t bits) const noexcept {
    const std::uint32_t span = 1u << (Bits - bits);
    // Twice (centre − 1), a whole number: centre = prefix · span + span / 2.
    const auto twice = static_cast<std::int32_t>(2 * prefix * span + span) - 2;
    if (step == 0 ||
        twice == 0) { // fl32(low + 0) without arithmetic, for a low that flush-to-zero would lose
      const std::uint16_t pattern = Number::nearest(low);
      return pattern == Number::sign && twice >= 0 ? std::uint16_t{0} : pattern;
    }
    const float offset = 0.5f * static_cast<float>(twice) * step;
    return Number::nearest(low + offset);
  }
};

} // namespace planecast::inline v0
