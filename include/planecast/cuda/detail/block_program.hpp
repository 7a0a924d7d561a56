// What the threads of a block do, phase by phase: kernels run it, and so do tests on the host.
#pragma once

#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace planecast::inline v0::detail {

// A block program is a value that a kernel takes. It has
//
//     phases                    How many. A constant.
//     run<P>(where, memory)     What one thread does in phase P.
//
// Between two phases all threads of the block wait for each other; within one they write different places, or
// meet in the operations below, whose results do not depend on who comes first. So a loop over the threads
// does what a block does, and every index and every bit can be tried without a device.

// One thread's place.
struct block_place {
  std::uint32_t thread, threads; // of the block
  std::uint32_t block;           // of the grid
};

// All threads meet here.
template <class T>
PLANECAST_HOST_DEVICE void meet_min(T& at, T value) noexcept {
#if PLANECAST_ON_DEVICE
  atomicMin(&at, value);
#else
  at = min(at, value);
#endif
}
template <class T>
PLANECAST_HOST_DEVICE void meet_max(T& at, T value) noexcept {
#if PLANECAST_ON_DEVICE
  atomicMax(&at, value);
#else
  at = max(at, value);
#endif
}
PLANECAST_HOST_DEVICE inline void meet_add(std::uint32_t& at, std::uint32_t value) noexcept {
#if PLANECAST_ON_DEVICE
  atomicAdd(&at, value);
#else
  at += value;
#endif
}
PLANECAST_HOST_DEVICE inline void meet_add(std::uint64_t& at, std::uint64_t value) noexcept {
#if PLANECAST_ON_DEVICE
  static_assert(sizeof(unsigned long long) == sizeof value);
  atomicAdd(reinterpret_cast<unsigned long long*>(&at), static_cast<unsigned long long>(value));
#else
  at += value;
#endif
}
PLANECAST_HOST_DEVICE inline void meet_or(std::uint32_t& at, std::uint32_t bits) noexcept {
#if PLANECAST_ON_DEVICE
  atomicOr(&at, bits);
#else
  at |= bits;
#endif
}

// Numbers in memory that is aligned for them.
template <class T>
PLANECAST_HOST_DEVICE T load_aligned(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, __builtin_assume_aligned(from, sizeof(T)), sizeof(T));
  return value;
}
template <class T>
PLANECAST_HOST_DEVICE void store_aligned(std::byte* to, T value) noexcept {
  std::memcpy(__builtin_assume_aligned(to, sizeof(T)), &value, sizeof(T));
}

} // namespace planecast::inline v0::detail
