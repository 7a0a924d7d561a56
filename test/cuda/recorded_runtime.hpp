// A stand-in for CUDA's runtime, for tests without a GPU: it records what is enqueued, and runs nothing.
#pragma once

#include <cstddef>
#include <cuda_runtime_api.h>
#include <string>
#include <vector>

namespace planecast_test {

/// A device that it stands in for, by CUDA's own numbers.
struct recorded_device {
  int architecture;      ///< 90 for sm_90
  std::size_t block_kib; ///< of shared memory that a block has at most
  int processors;        ///< multiprocessors
};
inline constexpr recorded_device recorded_devices[] = {
    {80, 163, 108}, {89, 99, 142}, {90, 227, 132}, {100, 227, 148}, {120, 99, 188}};

/// A kernel that was enqueued, or what memset or memcpy wrote.
struct recorded_work {
  std::string name;          ///< of a block program; "cub", "memset", "memcpy"
  cudaStream_t stream;       ///< that it is in
  unsigned blocks, threads;  ///< of a kernel
  std::size_t shared_bytes;  ///< that a block asks for
  const void* written;       ///< by memset or memcpy, from here on
  std::size_t written_bytes; ///< so many
};

/// What happened since record_on().
struct recorded_calls {
  std::vector<recorded_work> work; ///< in order
  std::string misused;             ///< the first call that waits, allocates, or is none that is known here
  unsigned calls = 0;              ///< that may fail
  bool failed = false;             ///< one did, as it was asked to
  std::size_t work_before = 0;     ///< what was enqueued until then
};
inline constexpr unsigned no_call = ~0u;

/// Forgets what was recorded, and what the last error was. From here on that device is current, and one call
/// fails, by its number among those that may.
void record_on(int device, unsigned failing = no_call);
const recorded_calls& recorded();
/// What kernels are compiled for, as the unit that has them must say: 80 for sm_80. CUB asks.
extern const int recorded_kernels_for;
/// The error that the failing call gives, as one would that found no memory.
inline constexpr cudaError_t asked_error = cudaErrorMemoryAllocation;

} // namespace planecast_test
