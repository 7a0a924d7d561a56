// How a block of threads makes scores of the sums that attention left in the workspace.
#pragma once

#include "planecast/config.hpp"
#include "planecast/cpu/attention_options.hpp"
#include "planecast/cuda/detail/attention_shape.hpp"
#include "planecast/cuda/detail/rounded.hpp"
#include "planecast/cuda/detail/rounds.hpp"
#include "planecast/cuda/detail/score_target.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

// Whether each query's attention adds up to one, on the whole.
struct attention_check {
  float* totals;          // of each block
  std::uint32_t* blocks;  // that have theirs: 0 at first
  std::uint32_t* not_one; // or null: nobody asks
};

/// A thread has a token; a round is a column: a query head's sums, or those of all heads together. Sums are
/// added in the order of panels.
struct score_program {
  static constexpr std::uint32_t begin_phases = 1, round_phases = 2, end_phases = 4;
  static constexpr std::uint32_t most_threads = 256, blocks_together = 4;

  attention_shape shape;
  const float* mass; ///< of the workspace
  std::uint32_t kernel_size;
  score_pooling pooling;
  score_target to;
  attention_check check;

  /// The score so far, and the token's sums without pooling.
  struct kept {
    float sum, total;
  };

  /// Bytes of a block's memory: the sums of its tokens and of their neighbours, behind a word.
  PLANECAST_HOST_DEVICE constexpr std::size_t memory_bytes(std::uint32_t threads) const noexcept {
    return 16 + 4 * (threads + 2 * std::size_t{reach()});
  }
  PLANECAST_HOST_DEVICE std::uint32_t rounds(const kept&) const noexcept {
    return shape.apart ? shape.kv_heads * shape.group : 1;
  }
  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void begin(block_place, std::byte*, kept& mine) const noexcept {
    mine.sum = mine.total = 0;
  }

  /// 0 adds the panels up, 1 pools.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void round(block_place at, std::byte* memory, kept& mine,
                                   std::uint32_t number) const noexcept {
    float* const sums = sums_in(memory);
    const std::uint32_t first = at.block * at.threads;
    if constexpr (Phase == 0) {
      for (std::uint32_t i = at.thread; i < at.threads + 2 * reach(); i += at.threads) {
        const std::int64_t token = std::int64_t{first} + i - reach();
        sums[i] = token < 0 || token >= shape.tokens ? 0.0f : column(number, static_cast<std::size_t>(token));
      }
    } else {
      const std::uint32_t token = first + at.thread;
      if (token >= shape.tokens)
        return;
      mine.total = sum_of(mine.total, sums[at.thread + reach()]);
      const pooled_tokens near = pooled_with(token, shape.tokens, shape.window, kernel_size);
      float sum = 0;
      std::uint32_t most = 0; // no mass is below 0, so that the greatest has the greatest bits; NaN more yet
      for (std::uint32_t i = near.first - first + reach(); i != near.end - first + reach(); ++i) {
        sum = sum_of(sum, sums[i]);
        most = max(most, bit_cast<std::uint32_t>(sums[i]));
      }
      mine.sum = sum_of(mine.sum, pooling == score_pooling::max
                                      ? bit_cast<float>(most)
                                      : quotient_of(sum, static_cast<float>(2 * reach() + 1)));
    }
  }
  /// 0 writes scores. If that is asked for, 1 adds up what queries gave to the block's tokens and hears
  /// whether it is the last block; if so 2 and 3 add up what they gave in all.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void end(block_place at, std::byte* memory, kept& mine) const noexcept {
    float* const sums = sums_in(memory);
    auto& last = *reinterpret_cast<std::uint32_t*>(memory);
    const std::uint32_t blocks = (shape.tokens + at.threads - 1) / at.threads;
    if constexpr (Phase == 0) {
      if (const std::uint32_t token = at.block * at.threads + at.thread; token < shape.tokens)
        to.put(token, mine.sum);
      sums[at.thread] = mine.total;
      return;
    }
    if (check.not_one == nullptr)
      return;
    if constexpr (Phase == 1) {
      if (at.thread != 0)
        return;
      check.totals[at.block] = total_of(sums, at.threads);
      fence_blocks();
      last = meet_add(*check.blocks, 1) + 1 == blocks ? 1 : 0;
      fence_blocks();
    } else if (last != 0) {
      if constexpr (Phase == 2) {
        float sum = 0;
        for (std::uint32_t block = at.thread; block < blocks; block += at.threads)
          sum = sum_of(sum, what_others_wrote(check.totals + block));
        sums[at.thread] = sum;
      } else if (at.thread == 0) {
        const auto queries = static_cast<float>(shape.kv_heads * shape.group * shape.window);
        const float sum = total_of(sums, at.threads);
        // Far more than rounding, far less than a logarithm to another base, or of other keys, makes.
        if (!(sum > 0.5f * queries && sum < 2 * queries))
          meet_or(*check.not_one, 1);
      }
    }
  }

private:
  PLANECAST_HOST_DEVICE static float* sums_in(std::byte* memory) noexcept {
    return reinterpret_cast<float*>(memory + 16);
  }
  PLANECAST_HOST_DEVICE static float total_of(const float* numbers, std::uint32_t count) noexcept {
    float sum = 0;
    for (std::uint32_t i = 0; i < count; ++i)
      sum = sum_of(sum, numbers[i]);
    return sum;
  }
  PLANECAST_HOST_DEVICE constexpr std::uint32_t reach() const noexcept { return kernel_size / 2; }

  PLANECAST_HOST_DEVICE float column(std::uint32_t number, std::size_t token) const noexcept {
    if (!shape.apart)
      return of_panels(0, shape.kv_heads * shape.panels, 0, token);
    // The panels that a query head has strips of; in the first it may come after others.
    const std::uint32_t head = number / shape.group, first = number % shape.group * shape.head_strips;
    const std::uint32_t panel = first / shape.strips, last = (first + shape.head_strips - 1) / shape.strips;
    return sum_of(
        of_panels(head * shape.panels + panel, 1, shape.slot_of(panel, first % shape.strips), token),
        of_panels(head * shape.panels + panel + 1, last - panel, 0, token));
  }
  PLANECAST_HOST_DEVICE float of_panels(std::uint32_t panel, std::uint32_t count, std::uint32_t slot,
                                        std::size_t token) const noexcept {
    float sum = 0;
    for (std::uint32_t p = panel; p < panel + count; ++p)
      sum = sum_of(sum, mass[(std::size_t{p} * shape.slots + slot) * shape.tokens + token]);
    return sum;
  }
};

} // namespace planecast::inline v0::detail
