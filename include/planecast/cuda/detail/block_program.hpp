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
// or prepared(where, memory), what a thread knows of its work, and run<P>() of that.
//
// Between two phases all threads of the block wait for each other; within one they write different places, or
// meet in the operations below, whose results do not depend on who comes first. So a loop over the threads
// does what a block does, and every index and every bit can be tried without a device.

// One thread's place.
struct block_place {
  std::uint32_t thread, threads; // of the block
  std::uint32_t block;           // of the grid
};

/// Runs a thread's part of a phase by itself, whatever it has to prepare.
template <std::uint32_t Phase, class Program>
PLANECAST_HOST_DEVICE void run_phase(const Program& program, block_place at, std::byte* memory) noexcept {
  if constexpr (requires { program.prepared(at, memory); })
    program.template run<Phase>(program.prepared(at, memory));
  else
    program.template run<Phase>(at, memory);
}

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
PLANECAST_HOST_DEVICE inline void meet_max(std::uint64_t& at, std::uint64_t value) noexcept {
#if PLANECAST_ON_DEVICE
  atomicMax(reinterpret_cast<unsigned long long*>(&at), static_cast<unsigned long long>(value));
#else
  at = max(at, value);
#endif
}
// What was there before: whoever is told all but one is the last to come.
PLANECAST_HOST_DEVICE inline std::uint32_t meet_add(std::uint32_t& at, std::uint32_t value) noexcept {
#if PLANECAST_ON_DEVICE
  return atomicAdd(&at, value);
#else
  const std::uint32_t before = at;
  at += value;
  return before;
#endif
}
PLANECAST_HOST_DEVICE inline void meet_add(std::uint64_t& at, std::uint64_t value) noexcept {
#if PLANECAST_ON_DEVICE
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

// Blocks meet in memory that they share: what a thread wrote before, others see that see what it writes
// after; and where all have met, a thread reads what came of it.
PLANECAST_HOST_DEVICE inline void fence_blocks() noexcept {
#if PLANECAST_ON_DEVICE
  __threadfence();
#endif
}
PLANECAST_HOST_DEVICE inline std::uint64_t read_met(std::uint64_t& at) noexcept {
#if PLANECAST_ON_DEVICE
  return atomicMax(reinterpret_cast<unsigned long long*>(&at), 0ull); // past caches that others do not write
#else
  return at;
#endif
}

// Numbers in memory that is aligned for them.
template <class T>
PLANECAST_HOST_DEVICE T load_aligned(const std::byte* from) noexcept {
#if PLANECAST_ON_DEVICE
  return *reinterpret_cast<const T*>(from); // of a copy, nvcc forgets the alignment where branches meet
#else
  T value;
  std::memcpy(&value, __builtin_assume_aligned(from, alignof(T)), sizeof(T));
  return value;
#endif
}
template <class T>
PLANECAST_HOST_DEVICE void store_aligned(std::byte* to, T value) noexcept {
  std::memcpy(__builtin_assume_aligned(to, alignof(T)), &value, sizeof(T));
}

} // namespace planecast::inline v0::detail
