// How blocks find what softmax needs of the rows that drafts are judged by.
#pragma once

#include "planecast/cuda/detail/accept_plan.hpp"
#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/detail/row_fours.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

// What a block takes, for requests of so many drafts.
constexpr std::uint32_t softmax_memory_bytes(std::uint32_t rows) noexcept {
  return rows * row_lanes * 8;
}

/// `parts` blocks for each request: first for the greatest logits, then, in another launch, for the sums. The
/// workspace's softmax is zeros before. Neither depends on who comes first.
template <bool Sum, class Target, class Draft>
struct softmax_program {
  static constexpr std::uint32_t phases = 3; ///< see run()

  basic_draft_batch<Target, Draft> batch;
  accept_workspace to;
  row_fours<fours_at_once<Target, Draft>> fours;

  /// Phase 0 clears, 1 looks at the block's tokens, 2 tells the other blocks.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t b = at.block / fours.parts;
    if (batch.greedy(b))
      return;
    const auto d = batch.of(b);
    auto* const numbers = reinterpret_cast<std::uint64_t*>(memory);
    if constexpr (Phase == 0)
      for (std::uint32_t i = at.thread; i < d.count * row_lanes; i += at.threads)
        numbers[i] = 0;
    else if constexpr (Phase == 1)
      fours.of_block(at.block, d.count, [&](std::uint32_t row, std::uint32_t from, std::uint32_t end) {
        meet(numbers[row * row_lanes + at.thread % row_lanes],
             of_part(at, batch.target_row(b, d, row), to.softmax_of(b, row), from, end,
                     logit_scale(temperature_of(batch, b))));
      });
    else
      for (std::uint32_t row = at.thread; row < d.count; row += at.threads) {
        std::uint64_t all = 0;
        for (std::uint32_t i = 0; i < row_lanes; ++i)
          all = together(all, numbers[row * row_lanes + (i + at.thread) % row_lanes]);
        row_softmax& of_row = to.softmax_of(b, row);
        meet(Sum ? of_row.sum : of_row.greatest, all);
      }
  }

private:
  PLANECAST_HOST_DEVICE std::uint64_t of_part(block_place at, const typename row_number<Target>::type* row,
                                              const row_softmax& known, std::uint32_t from, std::uint32_t end,
                                              float scale) const noexcept {
    const row_softmax of_row{known.greatest, 0};
    std::uint64_t all = 0;
    fours.template of_thread<Target>(
        at, row, from, end, absent_logit, [&](std::uint32_t, const four_values& v) {
          PLANECAST_DEVICE_UNROLL
          for (std::uint32_t i = 0; i < 4; ++i)
            all = together(all, Sum ? of_row.power_of(v.of[i], scale).in_2_40() : order_of_logit(v.of[i]));
        });
    return all;
  }
  PLANECAST_HOST_DEVICE static std::uint64_t together(std::uint64_t a, std::uint64_t b) noexcept {
    return Sum ? a + b : max(a, b);
  }
  PLANECAST_HOST_DEVICE static void meet(std::uint64_t& at, std::uint64_t value) noexcept {
    if (value == 0)
      return;
    if constexpr (Sum)
      meet_add(at, value);
    else
      meet_max(at, value);
  }
};

} // namespace planecast::inline v0::detail
