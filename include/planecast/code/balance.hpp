// The scalars of balanced tiles: a power of two for each channel, and cells for each token between them.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/cache/geometry.hpp"
#include "planecast/cache/number.hpp"
#include "planecast/code/ruler.hpp"
#include "planecast/code/tile.hpp"
#include "planecast/code/value_rows.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// Cells of one value of a balanced tile. Its channel has an exponent e: floor(log2) of the channel's
/// greatest finite size, at least −96; or `no_exponent` if none of its finite values is other than zero. Seen
/// scaled by 2⁻ᵉ the values are between −2 and 2, and their scale row's cells are those of m = low · 2⁻¹⁴ and
/// s = step: first(q) = order(ceil(fl32((m + (q − 1) · s) · 2ᵉ))), where the power of two multiplies exactly.
/// A channel without an exponent, and a row without a step, have the cells of a row of zeros.
///
/// Scaled values are rounded down and up to whole multiples of 2⁻¹⁴ by integer operations on bits; the rest
/// is chosen so that nothing here is a denormal or overflows.
template <class Number, std::uint32_t Bits>
struct balanced_cells {
  using line = ruler<Number, Bits>; ///< what the scalars come down to

  std::int16_t low = 0;     ///< m, in units of 2⁻¹⁴: the row's least scaled value, rounded down
  std::uint16_t step = 0;   ///< s, a bf16 pattern; 0 if the row has no finite value other than zero
  std::int8_t exponent = 0; ///< e, the channel's

  /// Of a channel whose finite values are all zero.
  static constexpr std::int8_t no_exponent = -128;
  static constexpr int least_exponent =
      -96; ///< of any other: smaller values are coarse, but exact in the end
  static constexpr int greatest_exponent = 124; ///< above, the tile is stored

  /// A channel's exponent, from the pattern of its greatest finite size, without its sign. It may be above
  /// the greatest: then the tile is stored.
  PLANECAST_HOST_DEVICE static constexpr int exponent_of(std::uint32_t size) noexcept {
    if (size == 0)
      return no_exponent;
    const auto bits = detail::bit_cast<std::uint32_t>(Number::value(static_cast<std::uint16_t>(size)));
    return detail::max(static_cast<int>(bits >> 23) - 127, least_exponent);
  }
  /// A value times 2¹⁴⁻ᵉ, rounded down.
  /// Preconditions: the pattern is finite, and not above its channel's greatest size.
  PLANECAST_HOST_DEVICE static constexpr int scaled(std::uint16_t pattern, int exponent) noexcept {
    const auto bits = detail::bit_cast<std::uint32_t>(Number::value(pattern));
    const std::uint32_t field = (bits >> 23) & 0xFFu;
    const std::uint32_t whole = (bits & 0x7FFFFFu) | (field != 0 ? 0x800000u : 0u);
    const int shift = exponent + 136 - static_cast<int>(detail::max(field, 1u)); // 150 − 14, and at least 9
    const std::uint32_t size = shift < 32 ? whole >> shift : 0;
    const bool rest = shift < 32 ? (whole & ((1u << shift) - 1)) != 0 : whole != 0;
    const auto down = static_cast<int>(size);
    return (bits >> 31) != 0 ? -down - (rest ? 1 : 0) : down;
  }

  /// Scaled values of a row: the least and the greatest, rounded down; whether any is not zero.
  struct extent {
    /// Rounded down, as all of them.
    int least = 0x7FFFFFFF, greatest = -0x7FFFFFFF; ///< likewise
    bool not_zero = false;                          ///< there is a finite value other than zero

    /// Takes in one more value of the row, unless it is not finite or its channel has no exponent.
    PLANECAST_HOST_DEVICE constexpr void add(std::uint16_t pattern, int of_channel) noexcept {
      if (of_channel == no_exponent || !Number::finite(pattern))
        return;
      const int down = scaled(pattern, of_channel);
      least = detail::min(least, down);
      greatest = detail::max(greatest, down);
      not_zero = not_zero || (pattern & (Number::sign - 1)) != 0;
    }
  };

  /// The row's scalars, for a row of that extent. They are always in range: the cells end above
  /// (greatest + 1) · 2⁻¹⁴, which is above every value.
  PLANECAST_HOST_DEVICE constexpr void fit(extent e) noexcept {
    low = e.not_zero ? static_cast<std::int16_t>(e.least) : std::int16_t{0};
    step = e.not_zero ? step_over(static_cast<std::uint32_t>(e.greatest + 1 - e.least)) : std::uint16_t{0};
  }

  /// Whether a tile could have these scalars: to be asked of those that came from elsewhere.
  PLANECAST_HOST_DEVICE constexpr bool valid() const noexcept {
    return (step == 0 ? low == 0 : step >= step_over(1) && step <= step_over(0x10000)) &&
           (exponent == no_exponent || (exponent >= least_exponent && exponent <= greatest_exponent));
  }

  /// The same, ready to be computed with.
  PLANECAST_HOST_DEVICE constexpr line on_line() const noexcept {
    if (exponent == no_exponent || step == 0)
      return {0, 0, Number::order(Number::sign)};
    const auto power = detail::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23);
    const float from = static_cast<float>(low) * 0x1p-14f * power;
    return {from, bf16::value(step) * power, Number::ceil_order(from)};
  }

private:
  // The width that makes cells of so many units of 2⁻¹⁴, rounded up to bf16.
  PLANECAST_HOST_DEVICE static constexpr std::uint16_t step_over(std::uint32_t units) noexcept {
    constexpr auto per_step = static_cast<float>((1.0 + 0x1p-20) / line::steps);
    const float exact = static_cast<float>(units) * 0x1p-14f * per_step;
    return static_cast<std::uint16_t>((detail::bit_cast<std::uint32_t>(exact) + 0xFFFFu) >> 16);
  }
};

namespace detail {

// Writes the scalars of a balanced tile into it. False if a
// channel's exponent is out of range: the tile is then stored.
template <class Number, balancing_quantizer Q, class Planes>
bool fit_balanced(tile_layout<Q, Planes> layout, source_rows values, std::byte* out) noexcept {
  using balance = balanced_cells<Number, Planes::code_bits>;
  const tile_shape shape = layout.shape;
  std::array<std::uint16_t, max_head_dim> greatest{};
  std::array<int, max_head_dim> exponents;
  for (std::uint32_t t = 0; t < shape.tokens; ++t)
    for (std::uint32_t c = 0; c < shape.dim; ++c)
      if (const std::uint16_t x = load_pattern<Number>(values[t], c); Number::finite(x))
        greatest[c] = max(greatest[c], static_cast<std::uint16_t>(x & (Number::sign - 1)));
  for (std::uint32_t c = 0; c < shape.dim; ++c) {
    exponents[c] = balance::exponent_of(greatest[c]);
    if (exponents[c] > balance::greatest_exponent)
      return false;
    out[layout.exponent_at(c)] = static_cast<std::byte>(exponents[c]);
  }
  constexpr std::uint32_t batch = 64; // rows at a time, so that the extents stay on the stack
  for (std::uint32_t first = 0; first < layout.rows(); first += batch) {
    std::array<typename balance::extent, batch> extents;
    extents.fill({});
    for (std::uint32_t t = 0; t < shape.tokens; ++t)
      for (std::uint32_t c = 0; c < shape.dim; ++c)
        if (const std::uint32_t row = Q::scale_row(shape, t, c) - first; row < batch)
          extents[row].add(load_pattern<Number>(values[t], c), exponents[c]);
    for (std::uint32_t row = first; row < min(first + batch, layout.rows()); ++row) {
      balance scalars;
      scalars.fit(extents[row - first]);
      store(out + layout.low_at(row), static_cast<std::uint16_t>(scalars.low));
      store(out + layout.step_at(row), scalars.step);
    }
  }
  return true;
}

} // namespace detail
} // namespace planecast::inline v0
