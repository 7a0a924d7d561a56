// A tile's values where they lie: one row of channels for each token.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// How decoded values are written. Past the cache costs less where more is written than the cache holds, and
/// more where it is read soon.
enum class stores : std::uint8_t { cached, past_cache };

/// A cache of more bytes than this is written past the processor's: it would not stay there.
inline constexpr std::size_t past_cache_bytes = std::size_t{32} << 20;

/// Rows of values, one for each token of a tile or of a part of it: channels side by side, one or two bytes
/// each as the dtype has, rows `step` bytes apart. Borrows the memory; values need no alignment.
/// Example: `source_rows::of(values, shape.dim)`
template <class Byte>
struct value_rows {
  Byte* first = nullptr;       ///< where the first row begins
  std::ptrdiff_t step = 0;     ///< bytes from a row to the next
  stores how = stores::cached; ///< for rows that are written

  /// Rows of dim values that follow each other.
  template <class Value>
  requires(sizeof(Value) <= 2) static value_rows of(Value* values, std::uint32_t dim) noexcept {
    return {reinterpret_cast<Byte*>(values), static_cast<std::ptrdiff_t>(sizeof(Value) * dim)};
  }
  /// Where a row begins.
  Byte* operator[](std::uint32_t row) const noexcept {
    return first + static_cast<std::ptrdiff_t>(row) * step;
  }
  /// The same without its first rows.
  value_rows from(std::uint32_t row) const noexcept { return {(*this)[row], step, how}; }
};

namespace detail {
// A value of a row, and back.
template <class Number>
std::uint16_t load_pattern(const std::byte* row, std::uint32_t channel) noexcept {
  if constexpr (Number::bits == 8)
    return static_cast<std::uint16_t>(row[channel]);
  else
    return load<std::uint16_t>(row + 2 * std::size_t{channel});
}
template <class Number>
void store_pattern(std::byte* row, std::uint32_t channel, std::uint16_t pattern) noexcept {
  if constexpr (Number::bits == 8)
    row[channel] = static_cast<std::byte>(pattern);
  else
    store(row + 2 * std::size_t{channel}, pattern);
}
} // namespace detail

/// What is encoded: read only.
using source_rows = value_rows<const std::byte>;
/// Where decoded values go.
using target_rows = value_rows<std::byte>;

} // namespace planecast::inline v0
