// How a block of threads finds the lengths of some tokens' keys.
#pragma once

#include "planecast/cuda/detail/packed.hpp"
#include "planecast/cuda/detail/rounded.hpp"
#include "planecast/cuda/detail/score_target.hpp"
#include "planecast/cuda/device_rows.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A block has `of_block` tokens. Phase 0 asks tables where they lie, 1 sums squares of eight channels at a
/// time, 2 makes the lengths, 3 adds up heads.
template <class Number>
struct key_norm_program {
  static constexpr std::uint32_t phases = 4;

  device_rows<const std::byte> keys;
  std::uint32_t tokens, heads, dim;
  std::uint32_t of_block;
  bool whole; ///< groups of channels lie at multiples of their bytes
  score_target to;

  /// Bytes of a block's memory that one token takes.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t token_bytes(std::uint32_t heads,
                                                                   std::uint32_t dim) noexcept {
    return 8 + 4 * heads * (dim / group_size + 1);
  }

  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t first = at.block * of_block, count = min(of_block, tokens - first),
                        groups = dim / group_size, rows = heads * groups;
    auto* const addresses = reinterpret_cast<const std::byte**>(memory);                // by token
    auto* const squares = reinterpret_cast<float*>(memory + 8 * std::size_t{of_block}); // token, head, group
    float* const lengths = squares + std::size_t{of_block} * rows;                      // token, head
    if constexpr (Phase == 0)
      for (std::uint32_t t = at.thread; t < count; t += at.threads)
        addresses[t] = keys.row(first + t, 0, Number::bits / 8);
    else if constexpr (Phase == 1)
      for (std::uint32_t i = at.thread; i < count * rows; i += at.threads) {
        const std::uint32_t head = i % rows / groups, g = i % groups;
        const packed_patterns x = load_packed<Number>(
            addresses[i / rows] + head * keys.head * (Number::bits / 8) + Number::bits * g, whole);
        float sum = 0;
        PLANECAST_DEVICE_UNROLL
        for (std::uint32_t k = 0; k < group_size; ++k) {
          const float value = Number::value(static_cast<std::uint16_t>(x.of(k)));
          sum = fused(value, value, sum);
        }
        squares[i] = sum;
      }
    else if constexpr (Phase == 2)
      for (std::uint32_t i = at.thread; i < count * heads; i += at.threads) {
        float sum = 0;
        for (std::uint32_t g = 0; g < groups; ++g)
          sum = sum_of(sum, squares[i * groups + g]);
        lengths[i] = root_of(sum);
      }
    else
      for (std::uint32_t t = at.thread; t < count; t += at.threads) {
        float sum = 0;
        for (std::uint32_t head = 0; head < heads; ++head)
          sum = sum_of(sum, lengths[t * heads + head]);
        to.put(first + t, sum);
      }
  }
};

} // namespace planecast::inline v0::detail
