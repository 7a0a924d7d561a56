// A tile's values where they lie: one row of channels for each token.
#pragma once

#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// How decoded values are written. Past the cache costs less where more is written than the cache holds, and
/// more where it is read soon.
enum class stores : std::uint8_t { cached, past_cache };

/// A cache of more bytes than this is written past the processor's: it would not stay there.
inline constexpr std::size_t past_cache_bytes = std::size_t{32} << 20;

/// Rows of values, one for each token of a tile or of a part of it: channels side by side, rows `step` bytes
/// apart. Borrows the memory; values need no alignment.
/// Example: `source_rows::of(values, shape.dim)`
template <class Byte>
struct value_rows {
  Byte* first = nullptr;       ///< where the first row begins
  std::ptrdiff_t step = 0;     ///< bytes from a row to the next
  stores how = stores::cached; ///< for rows that are written

  /// Rows of dim 16-bit values that follow each other.
  template <class Value>
  requires(sizeof(Value) == 2) static value_rows of(Value* values, std::uint32_t dim) noexcept {
    return {reinterpret_cast<Byte*>(values), 2 * static_cast<std::ptrdiff_t>(dim)};
  }
  /// Where a row begins.
  Byte* operator[](std::uint32_t row) const noexcept {
    return first + static_cast<std::ptrdiff_t>(row) * step;
  }
  /// The same without its first rows.
  value_rows from(std::uint32_t row) const noexcept { return {(*this)[row], step, how}; }
};

/// What is encoded: read only.
using source_rows = value_rows<const std::byte>;
/// Where decoded values go.
using target_rows = value_rows<std::byte>;

} // namespace planecast::inline v0
