// The queries of a sequence's last tokens where an engine keeps them in device memory.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// One layer's queries, as they meet the keys: position already in them, scale not. As query_view says it of
/// the host's memory, in a form that kernels take: 16-bit numbers at `first`, or fp32 at `fp32`. Borrows the
/// memory. Channels lie side by side; steps are in values.
///
/// Those of 32 bits are not rounded to the 16 that tensor cores multiply: each is split into a sum of numbers
/// of the keys' format (bf16, if keys are of 8 bits), three of bf16 or two of fp16, which are multiplied one
/// after the other. With bf16 nothing is lost but of numbers below 2⁻¹⁰⁹; with fp16 a number is within 2⁻²²
/// of itself or 2⁻²⁵. One beyond the format's range (±65504, ±3.39·10³⁸) counts as one that is not finite.
/// So scores are the CPU's as closely as those of 16-bit queries are, for two or three times the
/// multiplications; keys are read as often.
/// Preconditions: one of `first` and `fp32` is set, and aligned to its numbers; dtype is fp16 or bf16; the
/// array has the rows and heads.
/// Example:
///
///     device_queries{.first = q, .rows = 32, .heads = 32, .dim = 128, .softmax_lse = lse}
struct device_queries {
  const std::byte* first = nullptr; ///< row 0, head 0, channel 0
  number dtype = number::bf16;      ///< fp16 or bf16; where queries are fp32 it does not count
  std::uint32_t rows = 0;           ///< tokens, the last of the sequence
  std::uint32_t heads = 0;          ///< query heads
  std::uint32_t dim = 0;            ///< channels of a head
  std::ptrdiff_t row = 0;           ///< from a token to the next; 0: heads · dim
  std::ptrdiff_t head = 0;          ///< from a head to the next; 0: dim
  const float* softmax_lse =
      nullptr;                 ///< as query_view::with_lse() has it, to the base e; null if not at hand
  std::ptrdiff_t lse_head = 0; ///< from a head's to the next head's; 0: rows
  std::ptrdiff_t lse_row = 0;  ///< from a token's to the next's; 0: 1. [tokens, heads]: heads, lse_head 1
  const float* fp32 = nullptr; ///< row 0, head 0, channel 0 of queries in fp32; null: they are at `first`

  /// Values from a token to the next.
  PLANECAST_HOST_DEVICE constexpr std::ptrdiff_t row_step() const noexcept {
    return row != 0 ? row : static_cast<std::ptrdiff_t>(heads) * dim;
  }
  /// Values from a head to the next.
  PLANECAST_HOST_DEVICE constexpr std::ptrdiff_t head_step() const noexcept { return head != 0 ? head : dim; }
  /// The first channel of a query of 16-bit numbers.
  /// Preconditions: first is set.
  PLANECAST_HOST_DEVICE const std::byte* at(std::uint32_t of_row, std::uint32_t of_head) const noexcept {
    return first + 2 * (of_row * row_step() + of_head * head_step());
  }
  /// The same of fp32.
  /// Preconditions: fp32 is set.
  PLANECAST_HOST_DEVICE const float* fp32_at(std::uint32_t of_row, std::uint32_t of_head) const noexcept {
    return fp32 + (of_row * row_step() + of_head * head_step());
  }
  /// Where in softmax_lse a query's logarithm lies.
  PLANECAST_HOST_DEVICE constexpr std::ptrdiff_t lse_at(std::uint32_t of_row,
                                                        std::uint32_t of_head) const noexcept {
    return of_head * (lse_head != 0 ? lse_head : static_cast<std::ptrdiff_t>(rows)) +
           of_row * (lse_row != 0 ? lse_row : 1);
  }
  /// The logarithm of its softmax denominator.
  /// Preconditions: softmax_lse is set.
  PLANECAST_HOST_DEVICE float lse(std::uint32_t of_row, std::uint32_t of_head) const noexcept {
    return softmax_lse[lse_at(of_row, of_head)];
  }
};

} // namespace planecast::inline v0
