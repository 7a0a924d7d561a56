// Rows in device memory that hold another type of numbers than what is decoded into them.
#pragma once

#include "planecast/cache/conversion.hpp"
#include "planecast/cache/number.hpp"
#include "planecast/cuda/device_rows.hpp"

#include <cstddef>

namespace planecast::inline v0 {

/// Where decoded values go that are converted on their way, as kv_pages::holding() says it of the host's
/// memory: value · sent_scale ÷ scale, rounded to fp32, then the nearest of the type that is held. Borrows
/// what the rows borrow.
/// Preconditions: the rows are of values of that type, not of the tiles'.
/// Example: `device_pages{.rows = rows, .held = number::fp8_e4m3, .scale = k_scale}`
struct device_pages {
  device_rows<std::byte> rows; ///< where they lie
  number held = number::bf16;  ///< in the rows
  float scale = 1;             ///< of fp8 that is held: from 2⁻¹⁰⁰ to 2¹⁰⁰
  float sent_scale = 1;        ///< of fp8 that tiles hold: likewise

  /// Whether the scales are in range, and only fp8 has one.
  [[nodiscard]] constexpr bool may_take(number dtype) const noexcept {
    const detail::held_numbers n = numbers(dtype);
    return n.good() && n.may_come(dtype);
  }
  /// Whether what tiles of that type hold is changed on its way.
  [[nodiscard]] constexpr bool converts(number dtype) const noexcept {
    return numbers(dtype).converts(false);
  }

private:
  [[nodiscard]] constexpr detail::held_numbers numbers(number dtype) const noexcept {
    return {.held = held,
            .sent = dtype,
            .scales = {.keys = scale, .values = scale, .sent_keys = sent_scale, .sent_values = sent_scale}};
  }
};

} // namespace planecast::inline v0
