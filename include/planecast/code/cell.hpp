// The code's definition: the scalars of a scale row, and where its cells begin.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/code/ruler.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// Cells of one scale row, as its two scalars say: see ruler, of which first(1) is order(low).
/// Preconditions: `low` and `step` are as fit() makes them, or valid() says that it could have.
/// Example: `c.tail_bits(c.code(Number::order(pattern)))`
template <class Number, std::uint32_t Bits>
struct cells {
  using line = ruler<Number, Bits>;                   ///< what the scalars come down to
  static constexpr std::uint32_t last = line::last;   ///< the upper guard; the lower one is cell 0
  static constexpr std::uint32_t steps = line::steps; ///< ordinary cells
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
        least = detail::min(least, Number::order(pattern));
        greatest = detail::max(greatest, Number::order(pattern));
      }
    }
  };

  /// The cells for a row of that extent. False if the step would be out of range: the tile is then stored.
  PLANECAST_HOST_DEVICE constexpr bool fit(extent e) noexcept {
    low = step = 0;
    if (e.least > e.greatest) // nothing finite
      return true;
    low = Number::pattern(e.least);
    if (e.least == e.greatest || (e.least == Number::order(Number::sign) && e.greatest == Number::order(0)))
      return true;
    const float lowest = Number::value(low), highest = Number::value(Number::pattern(e.greatest));
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
    return (low >> (Number::bits - 1)) <= 1 && Number::finite(low) &&
           (step == 0 || (step >= least_step && step <= greatest_step));
  }

  /// The same, ready to be computed with.
  PLANECAST_HOST_DEVICE constexpr line on_line() const noexcept {
    const bool zeros = step == 0 && (low & (Number::sign - 1)) == 0;
    return {Number::value(low), bf16::value(step), Number::order(zeros ? Number::sign : low)};
  }
  /// Where cell q begins, as an order: ruler's.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t first(std::uint32_t q) const noexcept {
    return on_line().first(q);
  }
  /// The cell of an order: ruler's.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t code(std::uint32_t order) const noexcept {
    return on_line().code(order);
  }
  /// Bits of the tail in cell q: ruler's.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t tail_bits(std::uint32_t q) const noexcept {
    return on_line().tail_bits(q);
  }
  /// The value to show for a prefix of the code: ruler's.
  PLANECAST_HOST_DEVICE constexpr std::uint16_t middle(std::uint32_t prefix,
                                                       std::uint32_t bits) const noexcept {
    return on_line().middle(prefix, bits);
  }

  static constexpr std::uint32_t least_step = 0x0D80u;    ///< 2⁻¹⁰⁰, as a bf16 pattern
  static constexpr std::uint32_t greatest_step = 0x7B00u; ///< 2¹¹⁹
private:
  static_assert(bf16::value(least_step) == 0x1p-100f && bf16::value(greatest_step) == 0x1p119f);
  static_assert(Bits != 8 || per_step == 0x1.020418p-8f);
};

} // namespace planecast::inline v0
