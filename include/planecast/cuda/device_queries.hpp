// The queries of a sequence's last tokens where an engine keeps them in device memory.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// One layer's queries, as they meet the keys: position already in them, scale not. As query_view says it of
/// the host's memory, in a form that kernels take; 16-bit numbers alone. Borrows the memory. Channels lie
/// side by side; steps are in values.
/// Preconditions: dtype is fp16 or bf16; `first` is a multiple of 2; the array has the rows and heads.
/// Example:
///
///     device_queries{.first = q, .rows = 32, .heads = 32, .dim = 128, .softmax_lse = lse}
struct device_queries {
  const std::byte* first = nullptr;   ///< row 0, head 0, channel 0
  number dtype = number::bf16;        ///< fp16 or bf16
  std::uint32_t rows = 0;             ///< tokens, the last of the sequence
  std::uint32_t heads = 0;            ///< query heads
  std::uint32_t dim = 0;              ///< channels of a head
  std::ptrdiff_t row = 0;             ///< from a token to the next; 0: heads · dim
  std::ptrdiff_t head = 0;            ///< from a head to the next; 0: dim
  const float* softmax_lse = nullptr; ///< [heads, rows] as query_view::with_lse() has it; null if not at hand
  std::ptrdiff_t lse_head = 0;        ///< from a head's to the next head's; 0: rows

  /// Values from a token to the next.
  PLANECAST_HOST_DEVICE constexpr std::ptrdiff_t row_step() const noexcept {
    return row != 0 ? row : static_cast<std::ptrdiff_t>(heads) * dim;
  }
  /// Values from a head to the next.
  PLANECAST_HOST_DEVICE constexpr std::ptrdiff_t head_step() const noexcept { return head != 0 ? head : dim; }
  /// The first channel of a query.
  PLANECAST_HOST_DEVICE const std::byte* at(std::uint32_t of_row, std::uint32_t of_head) const noexcept {
    return first + 2 * (of_row * row_step() + of_head * head_step());
  }
  /// The logarithm of its softmax denominator.
  /// Preconditions: softmax_lse is set.
  PLANECAST_HOST_DEVICE float lse(std::uint32_t of_row, std::uint32_t of_head) const noexcept {
    return softmax_lse[of_head * (lse_head != 0 ? lse_head : static_cast<std::ptrdiff_t>(rows)) + of_row];
  }
};

} // namespace planecast::inline v0
