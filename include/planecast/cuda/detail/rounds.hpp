// Block programs that go round: their operations.
#pragma once

#include "planecast/cuda/detail/block_program.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace planecast::inline v0::detail {

// A program with rounds is a block program whose phases are of three kinds, and whose threads keep something:
//
//     begin_phases, round_phases, end_phases     How many. Constants.
//     most_threads, blocks_together              Of a block, and on a multiprocessor that has the room: what
//                                                registers are counted by. Constants.
//     kept                                       What one thread keeps from phase to phase: registers.
//     begin<P>(where, memory, kept)              What one thread does first,
//     rounds(kept)                               so often, the same for all threads,
//     round<P>(where, memory, kept, number)      does again and again,
//     end<P>(where, memory, kept)                and does last.
//
// After each phase all threads of the block wait for each other.

// From one block to another, through the device's memory. The one: every thread that wrote calls
// fence_blocks(), all wait, then one of them calls set() or meets the other in meet_add(). The other: one
// thread has waited until it is set, or has met the first in meet_add() and then called fence_blocks(); then
// all wait, and read by what_others_wrote().
PLANECAST_HOST_DEVICE inline void set(std::uint32_t& flag) noexcept {
#if PLANECAST_ON_DEVICE
  __threadfence();
  atomicExch(&flag, 1u);
#else
  flag = 1;
#endif
}
// Preconditions: the block that sets it has begun.
PLANECAST_HOST_DEVICE inline void wait_until_set(const std::uint32_t& flag) noexcept {
#if PLANECAST_ON_DEVICE
  while (*static_cast<const volatile std::uint32_t*>(&flag) == 0)
    __nanosleep(100);
  __threadfence();
#else
  if (flag == 0) // blocks run one after the other there: nobody would ever set it
    std::abort();
#endif
}
PLANECAST_HOST_DEVICE inline float what_others_wrote(const float* from) noexcept {
#if PLANECAST_ON_DEVICE
  return __ldcg(from);
#else
  return *from;
#endif
}

// 16 or 8 bytes into a block's memory, both sides aligned to them. They are there for the thread when it has
// called wait_for_copies(), for others when all have waited then.
PLANECAST_HOST_DEVICE inline void copy_16(std::byte* to, const std::byte* from) noexcept {
#if PLANECAST_ON_DEVICE
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(to))),
      "l"(from)
      : "memory");
#else
  std::memcpy(to, from, 16);
#endif
}
PLANECAST_HOST_DEVICE inline void copy_8(std::byte* to, const std::byte* from) noexcept {
#if PLANECAST_ON_DEVICE
  asm volatile(
      "cp.async.ca.shared.global [%0], [%1], 8;" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(to))),
      "l"(from)
      : "memory");
#else
  std::memcpy(to, from, 8);
#endif
}
PLANECAST_HOST_DEVICE inline void wait_for_copies() noexcept {
#if PLANECAST_ON_DEVICE
  asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

} // namespace planecast::inline v0::detail
