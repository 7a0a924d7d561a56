// How far a value that is shown may be from the one that was sent, before every bit is there.
#pragma once

#include "planecast/code/ruler.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// The most by which any finite value of a scale row differs from what is shown of it while only the first
/// `bits` bits of its code are known: half of the 2^(Bits − bits) cells that they leave open; half a unit of
/// the format at the row's end, for what is shown is rounded to it; and what the sums in fp32 that make a
/// boundary and a middle are off. That the cells' ends are rounded up to the format costs nothing, for no
/// value lies between. 0 where there is no step: all finite values are equal. Values that are not finite are
/// shown as finite ones: of them it says nothing. For every format and number of bits some rows come near.
/// Preconditions: the ruler's scalars are an encoder's; 1 ≤ bits ≤ Bits.
/// Effects: a pure function of the ruler. No rounding or flush-to-zero mode makes it too small.
/// Example: `error_bound(ruler_of<bf16>(layout, tile, token, channel), 4)`, of a value in the tier of four
/// bits.
template <class Number, std::uint32_t Bits>
PLANECAST_HOST_DEVICE constexpr float error_bound(const ruler<Number, Bits>& row,
                                                  std::uint32_t bits) noexcept {
  if (row.step == 0)
    return 0;
  const auto size = [](float x) { return x < 0 ? -x : x; };
  const float high = row.low + static_cast<float>(ruler<Number, Bits>::steps) * row.step;
  // Of the pattern at or above all that a middle can be, and of the one below it: a unit is between. Cells
  // may end beyond what is finite, a balanced channel's by less than its size.
  const std::uint32_t limit = Number::order(Number::greatest);
  const std::uint32_t order = detail::min(limit, Number::ceil_order(detail::max(size(row.low), size(high))));
  const float end = Number::value(Number::pattern(order));
  const float unit = end - Number::value(Number::pattern(order - 1));
  const float half_open = 0.5f * static_cast<float>(1u << (Bits - bits)) * row.step;
  return (half_open + 0.5f * unit + 0x1p-22f * end) * (1 + 0x1p-20f);
}

/// Likewise of cells, by their scalars: of `cells` and `balanced_cells`.
/// Example: `error_bound(cells<bf16, 8>{low, step}, 4)`
template <class Cells>
requires requires {
  typename Cells::line;
}
PLANECAST_HOST_DEVICE constexpr float error_bound(const Cells& row, std::uint32_t bits) noexcept {
  return error_bound(row.on_line(), bits);
}

} // namespace planecast::inline v0
