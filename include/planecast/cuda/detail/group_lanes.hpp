// Threads of a warp side by side that have the groups of a row, whatever their number.
#pragma once

#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/detail/word_bits.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

/// A thread's place among those that have a row: a power of two of them, so that a warp has some rows at
/// once, or one whose groups they take by turns. It has groups lane, lane + lanes, … of rows row, row + step,
/// ….
/// Preconditions: a block has whole warps, a row groups.
struct group_lanes {
  std::uint32_t groups;
  std::uint32_t lanes, lane;
  std::uint32_t row, step;
  std::uint32_t rows_before; ///< in the warp, of those that it has at the same time

  PLANECAST_HOST_DEVICE group_lanes(block_place at, std::uint32_t groups_of_row) noexcept
      : groups(groups_of_row) {
    const std::uint32_t log = min(highest_bit(groups - 1) + 1, 5u);
    lanes = 1u << log;
    lane = at.thread & (lanes - 1);
    row = at.thread >> log;
    step = at.threads >> log;
    rows_before = (at.thread & 31) >> log;
  }
  /// Calls f(row, there) for the thread's of so many rows, which are not none: as often as others of its warp
  /// do, so that they can ask each other. Where there are none left, it is told the last one again, and that
  /// it is not there.
  template <class F>
  PLANECAST_HOST_DEVICE void each(std::uint32_t rows, const F& f) const noexcept {
    PLANECAST_DEVICE_NO_UNROLL
    for (std::uint32_t next = row; next < rows + rows_before; next += step)
      f(min(next, rows - 1), next < rows);
  }
  /// The same, group by group: calls f(row, g, there, turns), where there may be no such group. `turns` is
  /// for before().
  template <class F>
  PLANECAST_HOST_DEVICE void each_group(std::uint32_t rows, const F& f) const noexcept {
    std::uint32_t g = lane, turns = 0;
    PLANECAST_DEVICE_NO_UNROLL
    for (std::uint32_t next = row; next < rows + rows_before;) {
      f(min(next, rows - 1), g, next < rows && g < groups, turns);
      g += lanes;
      if (g >= groups + lane) { // all others of the warp, too
        g = lane;
        turns = 0;
        next += step;
      }
    }
  }
  /// The sum over the row's groups, of which `mine` are this thread's. All threads of a warp ask at once. On
  /// the host number(g) says what a group has.
  template <class F>
  PLANECAST_HOST_DEVICE std::uint32_t sum(std::uint32_t mine, const F& number) const noexcept {
#if PLANECAST_ON_DEVICE
    (void)number;
    for (std::uint32_t other = lanes / 2; other > 0; other /= 2)
      mine += __shfl_xor_sync(0xFFFFFFFFu, mine, other);
    return mine;
#else
    (void)mine;
    std::uint32_t all = 0;
    for (std::uint32_t g = 0; g < groups; ++g)
      all += number(g);
    return all;
#endif
  }
  /// The sum over the groups before g, which is this turn's and has `mine` (0 where there is no such group).
  /// `turns` has that of the turns before, 0 at first, and takes this turn's. All threads of a warp ask at
  /// once. On the host number(g) says what a group has.
  template <class F>
  PLANECAST_HOST_DEVICE std::uint32_t before(std::uint32_t g, std::uint32_t mine, std::uint32_t& turns,
                                             const F& number) const noexcept {
#if PLANECAST_ON_DEVICE
    (void)number;
    constexpr std::uint32_t all = 0xFFFFFFFFu;
    std::uint32_t sum = mine;
    const std::uint32_t within = (32 - lanes) << 8; // as the instruction takes it
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t back = 1; back < 32; back *= 2)
      asm volatile("{ .reg .pred there; .reg .u32 other;\n"
                   "  shfl.sync.up.b32 other|there, %0, %1, %2, %3;\n"
                   "  @there add.u32 %0, %0, other; }"
                   : "+r"(sum)
                   : "r"(back), "r"(within), "n"(all));
    const std::uint32_t those = turns + sum - mine;
    if (groups > lanes) // then a row has all lanes
      turns += __shfl_sync(all, sum, 31);
    return those;
#else
    (void)mine;
    (void)turns;
    std::uint32_t those = 0;
    for (std::uint32_t other = 0; other < min(g, groups); ++other)
      those += number(other);
    return those;
#endif
  }
};

} // namespace planecast::inline v0::detail
