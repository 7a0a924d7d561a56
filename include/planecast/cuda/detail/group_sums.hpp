// What comes before a group in its token, where threads side by side have the token's groups.
#pragma once

#include "planecast/cuda/detail/columns.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

/// A thread's place among those that have a token's groups: a part of a warp, all of which goes from tokens
/// to tokens together.
struct group_sums {
  std::uint32_t g, groups;
  std::uint32_t tokens_before; ///< that the warp has at the same time

  /// Whether it is so. Then each has one group of a token at a time, the same token as the others.
  PLANECAST_HOST_DEVICE static bool possible(block_place at, const columns& mine) noexcept {
    return mine.groups > 1 && 32 % mine.groups == 0 && at.threads % mine.groups == 0;
  }
  PLANECAST_HOST_DEVICE static group_sums of(block_place at, const columns& mine) noexcept {
    return {mine.first_group, mine.groups, at.thread % 32 / mine.groups};
  }
  /// The sum of the numbers that the groups before have, of which `mine` is this one's. All threads of the
  /// warp ask at once. On the host number(g) says what another group has.
  template <class F>
  PLANECAST_HOST_DEVICE std::uint32_t before(std::uint32_t mine, const F& number) const noexcept {
    std::uint32_t sum = 0;
#if PLANECAST_ON_DEVICE
    (void)number;
    constexpr std::uint32_t all = 0xFFFFFFFFu;
    sum = mine;
    const std::uint32_t within = (32 - groups) << 8; // as the instruction takes it
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t back = 1; back < 32; back *= 2)
      asm volatile("{ .reg .pred there; .reg .u32 other;\n"
                   "  shfl.sync.up.b32 other|there, %0, %1, %2, %3;\n"
                   "  @there add.u32 %0, %0, other; }"
                   : "+r"(sum)
                   : "r"(back), "r"(within), "n"(all));
    sum -= mine;
#else
    (void)mine;
    for (std::uint32_t other = 0; other < g; ++other)
      sum += number(other);
#endif
    return sum;
  }
};

} // namespace planecast::inline v0::detail
