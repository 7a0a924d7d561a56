// How far the values of a token may be from what a prefix of its planes says.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/cache/number.hpp"
#include "planecast/code/balance.hpp"
#include "planecast/code/tile.hpp"
#include "planecast/policy/quantizer.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace planecast::inline v0::detail {

// The square of a scale row's step, which is what the error of its values is measured by. Doubles hold the
// square of every step.
template <class Layout>
double squared_step(Layout layout, const std::byte* tile, std::uint32_t row) noexcept {
  const auto step = static_cast<double>(bf16::value(load<std::uint16_t>(tile + layout.step_at(row))));
  return step * step;
}

/// Adds to out[t], for each token of a coded tile, the squares of its values' steps, and returns their sum.
/// Once for each scale row, or each piece of one that lies side by side in a token; not for each value.
template <class Q, class Planes>
double add_spread(tile_layout<Q, Planes> layout, const std::byte* tile, double* out) noexcept {
  const tile_shape shape = layout.shape;
  double all = 0;
  const auto add = [&](std::uint32_t token, double squares) {
    out[token] += squares;
    all += squares;
  };
  if constexpr (std::is_same_v<Q, per_channel<Q::page_tokens>>) {
    double sum = 0;
    for (std::uint32_t c = 0; c < shape.dim; ++c)
      sum += squared_step(layout, tile, c);
    for (std::uint32_t t = 0; t < shape.tokens; ++t)
      add(t, sum);
  } else if constexpr (std::is_same_v<Q, per_token>) {
    for (std::uint32_t t = 0; t < shape.tokens; ++t)
      add(t, shape.dim * squared_step(layout, tile, t));
  } else if constexpr (balancing_quantizer<Q>) {
    double scales = 0; // squares of what the channels are multiplied by
    for (std::uint32_t c = 0; c < shape.dim; ++c)
      if (const int e = static_cast<std::int8_t>(tile[layout.exponent_at(c)]);
          e != balanced_cells<bf16, Planes::code_bits>::no_exponent)
        scales += std::ldexp(1.0, 2 * e);
    for (std::uint32_t t = 0; t < shape.tokens; ++t)
      add(t, scales * squared_step(layout, tile, Q::scale_row(shape, t, 0)));
  } else {
    for (std::uint32_t t = 0; t < shape.tokens; ++t)
      for (std::uint32_t c = 0; c < shape.dim;) {
        const std::uint32_t row = Q::scale_row(shape, t, c), first = c;
        while (++c < shape.dim && Q::scale_row(shape, t, c) == row) {
        }
        add(t, (c - first) * squared_step(layout, tile, row));
      }
  }
  return all;
}

// By plane, what error_removed_by() says: a plan asks for every token.
template <class Planes>
inline constexpr auto errors_removed = [] {
  const auto error = [](std::uint32_t missing) {
    return static_cast<double>(std::uint64_t{1} << 2 * missing) / 12;
  };
  std::array<double, Planes::count> removed{};
  for (std::uint32_t plane = 0; plane < Planes::count; ++plane) {
    const double before = error(Planes::code_bits - Planes::bits_before(plane));
    removed[plane] =
        plane < Planes::fixed ? before - error(Planes::code_bits - Planes::bits_before(plane + 1)) : before;
  }
  return removed;
}();
/// What a plane takes away of a value's squared error, in squares of its step: that of the middle of the
/// cells that are still open, step² · 4^(missing bits) / 12, before it and after it. The tail leaves none.
template <class Planes>
constexpr double error_removed_by(std::uint32_t plane) noexcept {
  return errors_removed<Planes>[plane];
}

} // namespace planecast::inline v0::detail
