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
  const std::uint32_t bits = picked_bytes(q.four[k / 4], 0x47000000u, 0x7404u | k % 4 << 4);
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
  /// Where a cell begins, as an order; where there is only one, where this does.
  PLANECAST_HOST_DEVICE std::uint32_t begin(float cell) const noexcept {
    return order_above_minus<Number>(fused(negated(cell), step, negated(low)));
  }
};

/// Whether it is one, of either sign. No comparison, which could take a subnormal number for one.
PLANECAST_HOST_DEVICE inline bool is_zero(float x) noexcept {
  return bit_cast<std::uint32_t>(x) << 1 == 0;
}
/// The orders in the only cell of a row without a step: one value's, or both zeros'.
PLANECAST_HOST_DEVICE inline std::uint32_t only_cell(float low) noexcept {
  return is_zero(low) ? 2 : 1;
}

/// Where a cell begins, and how many orders are in it.
struct cell_extent {
  std::uint32_t begin, orders;

  /// Bits of a tail in it.
  PLANECAST_HOST_DEVICE std::uint32_t tail_bits() const noexcept { return bit_width(max(orders, 1u) - 1); }
};
/// Preconditions: the cell is none of the guards.
template <class Number>
PLANECAST_HOST_DEVICE cell_extent extent_of(const thread_ruler<Number>& r, float cell) noexcept {
  const std::uint32_t from = r.begin(cell);
  return {from, r.divides() ? r.begin(sum_of(cell, 1.0f)) - from : cell == 0 ? only_cell(r.low) : 0};
}

/// Finds cells. A value's is guessed from below by a product with 1 / step, and is the next one where the
/// value is not below that one's beginning. The guess is one cell too low at most: it starts an eighth of a
/// step above `low`, which is more than all that rounding can do. That is 2⁻⁵ steps at most for the boundary
/// and for the start each, since a row's ends differ by one part in 2¹¹ at least and are 254 steps apart at
/// most; less for the rest. (The ends of a balanced row may be nearer: then all its values are `low`.)
template <class Number>
struct cell_finder {
  static constexpr float one_cell = 0x1p120f; ///< above any row's step: no second cell begins below it

  float low, step; ///< a thread_ruler's, but for one_cell
  float inverse;   ///< of the step: 0 where there is one cell

  /// Of a ruler's low, where of two zeros it is the one in cell 0, and its step.
  PLANECAST_HOST_DEVICE static cell_finder of(float low, float step) noexcept {
    if (step == 0)
      return {is_zero(low) ? -0.0f : low, one_cell, 0};
    return {low, step, quotient_of(1.0f, step)};
  }
  PLANECAST_HOST_DEVICE bool divides() const noexcept { return inverse != 0; }

  /// The code of a value's cell, in the low byte; above it anything may stand.
  /// Preconditions: the value is finite, and one of the row's.
  PLANECAST_HOST_DEVICE std::uint32_t code(float value) const noexcept {
    const guess of = guessed(value);
    return of.code + (of.below(value) ? 0u : 1u);
  }
  /// The same, and what the cell is.
  /// Preconditions: likewise.
  PLANECAST_HOST_DEVICE std::uint32_t code(float value, cell_extent& is) const noexcept {
    const guess of = guessed(value);
    const bool below = of.below(value);
    const float other = sum_of(of.next, below ? -1.0f : 1.0f);
    const std::uint32_t one = order_above_minus<Number>(of.minus_begin),
                        two = order_above_minus<Number>(fused(negated(other), step, negated(low)));
    is = {min(one, two), divides() ? max(one, two) - min(one, two) : only_cell(low)};
    return of.code + (below ? 0u : 1u);
  }

private:
  // The cell after the one that is guessed from below, where it begins, and the code of the one before.
  struct guess {
    std::uint32_t code;
    float next, minus_begin;

    PLANECAST_HOST_DEVICE bool below(float value) const noexcept { // −0 is not below +0
      return bit_cast<std::int32_t>(difference_of(negated(minus_begin), value)) > 0;
    }
  };
  PLANECAST_HOST_DEVICE guess guessed(float value) const noexcept {
    const float above = whole_above(difference_of(value, fused(0.125f, step, low)), inverse);
    const float next = difference_of(above, whole_offset);
    return {bit_cast<std::uint32_t>(above), next, fused(negated(next), step, negated(low))};
  }
};

} // namespace planecast::inline v0::detail
