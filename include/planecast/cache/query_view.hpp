// The queries of a sequence's last tokens where an engine keeps them.
#pragma once

#include "planecast/cache/number.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace planecast::inline v0 {

/// What an array of queries looks like. Channels lie side by side; steps are in values, not bytes.
struct query_extents {
  std::uint32_t rows = 0;  ///< tokens, the last of the sequence
  std::uint32_t heads = 0; ///< query heads
  std::uint32_t dim = 0;   ///< channels of a head
  std::ptrdiff_t row = 0;  ///< from a token to the next; 0: heads · dim
  std::ptrdiff_t head = 0; ///< from a head to the next; 0: dim
};

/// View of one layer's queries, as they meet the keys: position already in them, scale not. Borrows the
/// memory.
/// Preconditions: pointers stay valid while the call that takes the view runs.
/// Example:
///
///     query_view(number::bf16, q, {.rows = 32, .heads = 32, .dim = 128})                    // [32, 32, 128]
///     query_view(q, {.rows = n, .heads = h, .dim = d, .row = d, .head = n * d}).with_lse(lse)  // fp32 [h,
///     n, d]
class query_view {
public:
  /// 16-bit queries.
  /// Preconditions: the type is fp16 or bf16 (throws std::invalid_argument).
  query_view(number dtype, const void* first, const query_extents& e)
      : query_view(static_cast<const std::byte*>(first), 2, e) {
    if (dtype != number::fp16 && dtype != number::bf16)
      throw std::invalid_argument("planecast: queries are fp16, bf16 or fp32");
    dtype_ = dtype;
  }
  /// fp32 queries.
  query_view(const float* first, const query_extents& e)
      : query_view(reinterpret_cast<const std::byte*>(first), 4, e) {}

  /// The same with the logarithm of every query's softmax denominator over all keys that it sees, as
  /// FlashAttention returns it: [heads, rows], natural, of scaled products. `head` is the step from a head
  /// to the next; 0: rows.
  [[nodiscard]] query_view with_lse(const float* softmax_lse, std::ptrdiff_t head = 0) const noexcept {
    query_view with = *this;
    with.lse_ = softmax_lse;
    with.lse_head_ = head != 0 ? head : static_cast<std::ptrdiff_t>(extents_.rows);
    return with;
  }

  /// Tokens.
  [[nodiscard]] std::uint32_t rows() const noexcept { return extents_.rows; }
  /// Query heads.
  [[nodiscard]] std::uint32_t heads() const noexcept { return extents_.heads; }
  /// Channels of a head.
  [[nodiscard]] std::uint32_t dim() const noexcept { return extents_.dim; }
  /// Whether the denominators are there.
  [[nodiscard]] bool has_lse() const noexcept { return lse_ != nullptr; }

  /// A query's denominator.
  /// Preconditions: has_lse(), row < rows(), head < heads().
  [[nodiscard]] float lse(std::uint32_t row, std::uint32_t head) const noexcept {
    return lse_[static_cast<std::ptrdiff_t>(head) * lse_head_ + row];
  }
  /// A query's channel.
  /// Preconditions: row < rows(), head < heads(), channel < dim().
  [[nodiscard]] float at(std::uint32_t row, std::uint32_t head, std::uint32_t channel) const noexcept {
    const std::byte* const from =
        first_ + static_cast<std::ptrdiff_t>(width_) * (static_cast<std::ptrdiff_t>(row) * extents_.row +
                                                        static_cast<std::ptrdiff_t>(head) * extents_.head +
                                                        static_cast<std::ptrdiff_t>(channel));
    if (width_ == 4) {
      float value;
      std::memcpy(&value, from, sizeof value);
      return value;
    }
    std::uint16_t pattern;
    std::memcpy(&pattern, from, sizeof pattern);
    return dtype_ == number::fp16 ? fp16::value(pattern) : bf16::value(pattern);
  }

private:
  query_view(const std::byte* first, std::uint32_t width, const query_extents& e)
      : first_(first), width_(width), extents_(e) {
    if (extents_.row == 0)
      extents_.row = static_cast<std::ptrdiff_t>(e.heads) * e.dim;
    if (extents_.head == 0)
      extents_.head = e.dim;
  }

  const std::byte* first_;
  std::uint32_t width_;
  number dtype_ = number::bf16; // where width_ is 2
  query_extents extents_;
  const float* lse_ = nullptr;
  std::ptrdiff_t lse_head_ = 0;
};

} // namespace planecast::inline v0
