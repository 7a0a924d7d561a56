// How far a value that is shown may be from the one that was sent, before every bit is there.
#pragma once

#include "planecast/code/cell.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// The most by which any finite value of a scale row differs from what is shown of it while only the first
/// `bits` bits of its code are known: half of the 2^(Bits − bits) cells that they leave open; half a unit of
/// the format at the row's end, for what is shown is rounded to it; and what the sums in fp32 that make a
/// boundary and a middle are off. That the cells' ends are rounded up to the format costs nothing, for no
/// value lies between. 0 where all finite values are equal. Values that are not finite are shown as finite
/// ones: of them it says nothing. Some rows come within a tenth of it, for every number of bits.
/// Preconditions: those of the cells; 1 ≤ bits ≤ Bits.
/// Effects: a pure function of the row's two scalars. No rounding or flush-to-zero mode makes it too small.
/// Example: `error_bound(cells<bf16, 8>{low, step}, 4)`, of the tier of four bits.
template <class Number, std::uint32_t Bits>
PLANECAST_HOST_DEVICE constexpr float error_bound(const cells<Number, Bits>& row,
                                                  std::uint32_t bits) noexcept {
  if (row.step == 0)
    return 0;
  const auto size = [](float x) { return x < 0 ? -x : x; };
  const float step = bf16::value(row.step), low = Number::value(row.low);
  const float high = low + static_cast<float>(cells<Number, Bits>::steps) * step;
  // Of the pattern at or above all that a middle can be, and of the one below it: a unit is between.
  const std::uint32_t limit = order_of(Number::nearest(detail::bit_cast<float>(0x7F800000u)));
  const std::uint32_t order = detail::min(limit, Number::ceil_order(detail::max(size(low), size(high))));
  const float end = Number::value(pattern_of(order)), unit = end - Number::value(pattern_of(order - 1));
  const float half_open = 0.5f * static_cast<float>(1u << (Bits - bits)) * step;
  return (half_open + 0.5f * unit + 0x1p-23f * end) * (1 + 0x1p-20f);
}

} // namespace planecast::inline v0
