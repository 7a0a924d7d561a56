// The cells of a scale row as a thread computes with them: few operations a value, and no branches.
#pragma once

#include "planecast/code/ruler.hpp"
#include "planecast/cuda/detail/packed.hpp"
#include "planecast/cuda/detail/rounded.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

// Cells are counted from 0 here, as floats: code q is cell q − 1, and cell c begins at fl32(low + c · step).

/// A code's byte as a number: its cell, if `less` is 1.
/// Preconditions: less is a multiple of 2⁻⁸ up to 128.
PLANECAST_HOST_DEVICE inline float code_less(const packed_codes& q, std::uint32_t k, float less) noexcept {
  // In the second byte of this pattern a code stands for itself.
  const std::uint32_t bits = picked_bytes(q.four[k / 4], in_register(0x47000000u), 0x7404u | k % 4 << 4);
  return difference_of(bit_cast<float>(bits), 0x1p15f + less);
}

/// What a ruler knows of cells other than the guards.
template <class Number>
struct thread_ruler {
  float low;  ///< where cell 0 begins; of two zeros, the one that is in it
  float step; ///< as a ruler's

  /// Whether there are several cells.
  PLANECAST_HOST_DEVICE bool divides() const noexcept { return step != 0; }
  /// What stands at a number of steps from `low`. The product is exact, so this is rounded once.
  PLANECAST_HOST_DEVICE float at(float steps) const noexcept { return fused(steps, step, low); }
  /// Where a cell begins, as an order in the upper half of a word; where there is only one, where this does.
  PLANECAST_HOST_DEVICE std::uint32_t begin(float cell) const noexcept {
    return high_order_above_minus<Number>(fused(negated(cell), step, negated(low)));
  }
};

/// Whether it is one, of either sign. No comparison, which could take a subnormal number for one.
PLANECAST_HOST_DEVICE inline bool is_zero(float x) noexcept {
  return bit_cast<std::uint32_t>(x) << 1 == 0;
}

/// Orders where a cell begins and where it ends, in the upper halves of words; below anything may stand.
struct cell_ends {
  std::uint32_t begin, end;

  /// begin | orders between them << 16.
  /// Preconditions: the end is not below the beginning.
  PLANECAST_HOST_DEVICE std::uint32_t extent() const noexcept {
    return picked_bytes(begin, end, 0x7632) * 0xFFFF0001u; // the beginning is taken off the end
  }
};
/// Bits of a tail among so many values.
PLANECAST_HOST_DEVICE inline std::uint32_t tail_bits_of(std::uint32_t orders) noexcept {
  // Of twice as many and one more: that is never zero.
  return highest_bit(static_cast<std::uint32_t>(max(static_cast<std::int32_t>(2 * orders) - 1, 1)));
}
/// The extent of a cell, of several.
/// Preconditions: it is none of the guards.
template <class Number>
PLANECAST_HOST_DEVICE std::uint32_t extent_of_several(const thread_ruler<Number>& r, float cell) noexcept {
  return cell_ends{r.begin(cell), r.begin(sum_of(cell, 1.0f))}.extent();
}
/// The extent of any cell. Where there is only one, the others have no orders.
/// Preconditions: it is none of the guards; in a row of zeros `low` is −0.
template <class Number>
PLANECAST_HOST_DEVICE std::uint32_t extent_of(const thread_ruler<Number>& r, float cell) noexcept {
  const std::uint32_t all = extent_of_several(r, cell);
  if (r.divides() || cell != 0)
    return all;
  return all + (is_zero(r.low) ? 2u << 16 : 1u << 16); // both zeros, or one value
}

/// Finds cells. A value's is guessed from below by a product with 1 / step, and is the next one where the
/// value is not below that one's beginning. The guess is one cell too low at most: it starts an eighth of a
/// step above `low`, which is more than all that rounding can do. That is 2⁻⁵ steps at most for the boundary
/// and for the start each, since a row's ends differ by one part in 2¹¹ at least and are 254 steps apart at
/// most; less for the rest. (The ends of a balanced row may be nearer: then all its values are `low`.)
template <class Number>
struct cell_finder {
  float low, step; ///< a thread_ruler's; but where there is one cell, the next value is a step above it
  float inverse;   ///< of the step: 0 where there is one cell
  float start;     ///< where guesses start

  /// Of a ruler's low, where of two zeros it is the one in cell 0, and its step.
  /// Preconditions: low is a value of the format, if there is one cell.
  PLANECAST_HOST_DEVICE static cell_finder of(float low, float step) noexcept {
    if (step != 0)
      return of(low, step, quotient_of(1.0f, step));
    if (is_zero(low)) // the cell has both zeros
      low = -0.0f;
    return of(low, width(low), 0);
  }
  PLANECAST_HOST_DEVICE static cell_finder of(float low, float step, float inverse) noexcept {
    return {low, step, inverse, fused(0.125f, step, low)};
  }
  PLANECAST_HOST_DEVICE bool divides() const noexcept { return inverse != 0; }

  /// The code of a value's cell, in the low byte; above it anything may stand.
  /// Preconditions: the value is finite, and one of the row's.
  PLANECAST_HOST_DEVICE std::uint32_t code(float value) const noexcept {
    return bit_cast<std::uint32_t>(found(value));
  }
  /// The same, and the cell's ends.
  /// Preconditions: likewise.
  PLANECAST_HOST_DEVICE std::uint32_t code(float value, cell_ends& is) const noexcept {
    const float code = found(value), cell = difference_of(code, whole_offset + 1.0f),
                next = difference_of(code, whole_offset);
    is = {begin(cell), begin(next)};
    return bit_cast<std::uint32_t>(code);
  }

private:
  PLANECAST_HOST_DEVICE std::uint32_t begin(float cell) const noexcept {
    return thread_ruler<Number>{low, step}.begin(cell);
  }
  // whole_offset + a value's code.
  PLANECAST_HOST_DEVICE float found(float value) const noexcept {
    const float guess = whole_above(difference_of(value, start), inverse);
    // The cell after the one that is guessed has the number that is this one's code.
    const float after = difference_of(guess, whole_offset);
    return sum_of(guess, not_above(fused(after, step, low), value)); // −0 is not below +0
  }
  // From a value of the format to the next; from the greatest as far as to it.
  PLANECAST_HOST_DEVICE static float width(float x) noexcept {
    const std::uint32_t order = Number::order(is_zero(x) ? 0u : std::uint32_t{Number::nearest(x)}),
                        last = Number::order(Number::greatest), begin = min(order, last - 1);
    return difference_of(Number::value(Number::pattern(begin + 1)), Number::value(Number::pattern(begin)));
  }
};

} // namespace planecast::inline v0::detail
