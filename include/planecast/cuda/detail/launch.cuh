// Runs a block program on a device, and says what became of it.
#pragma once

#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/tuning.hpp"
#include "planecast/status.hpp"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <utility>

/// Returns from a function that gives a status, where a call to CUDA's runtime fails.
#define PLANECAST_CUDA(call)                                                                                 \
  do {                                                                                                       \
    if (const cudaError_t planecast_failed = (call); planecast_failed != cudaSuccess) {                      \
      (void)cudaGetLastError(); /* it is told here, and not to the next who asks */                          \
      return ::planecast::detail::device_status(planecast_failed);                                           \
    }                                                                                                        \
  } while (false)

namespace planecast::inline v0::detail {

inline status device_status(cudaError_t e) noexcept {
  return {errc::device, cudaGetErrorString(e), 0, static_cast<std::uint64_t>(e)};
}

template <class Program, std::uint32_t... P>
__device__ void run_phases(const Program& program, block_place at, std::byte* memory,
                           std::integer_sequence<std::uint32_t, P...>) {
  if constexpr (requires { program.prepared(at, memory); }) {
    const auto thread = program.prepared(at, memory);
    ((program.template run<P>(thread), P + 1 < Program::phases ? __syncthreads() : void()), ...);
  } else
    ((program.template run<P>(at, memory), P + 1 < Program::phases ? __syncthreads() : void()), ...);
}

// How many blocks a multiprocessor should hold at once: one, where a program does not say. Said of none,
// ptxas of CUDA 13.0 spills a register in one kernel, of those that take 32.
template <class Program>
inline constexpr std::uint32_t blocks_held = 1;
template <class Program>
requires(Program::blocks_held > 0) inline constexpr std::uint32_t blocks_held<Program> = Program::blocks_held;

// How many threads a block has at most, and has where its program says so: the tuning's, if not.
template <class Program>
inline constexpr std::uint32_t threads_wanted = 0;
template <class Program>
requires(Program::threads > 0) inline constexpr std::uint32_t threads_wanted<Program> = Program::threads;
template <class Program>
inline constexpr std::uint32_t most_threads = threads_wanted<Program> != 0 ? threads_wanted<Program> : 256;

template <class Program>
__global__ void __launch_bounds__(most_threads<Program>, blocks_held<Program>)
    run_program(const __grid_constant__ Program program) {
  extern __shared__ __align__(16) unsigned char planecast_block_memory[];
  run_phases(program, {threadIdx.x, blockDim.x, blockIdx.x},
             reinterpret_cast<std::byte*>(planecast_block_memory),
             std::make_integer_sequence<std::uint32_t, Program::phases>{});
}

// The tuning of the device that is current.
inline status current_tuning(cuda_tuning& of) noexcept {
  int device = 0, major = 0, minor = 0;
  PLANECAST_CUDA(cudaGetDevice(&device));
  PLANECAST_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  PLANECAST_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  of = tuning_of(10 * major + minor);
  return {};
}

// Enqueues a program's blocks.
template <class Program>
status launch(const Program& program, std::uint32_t blocks, std::uint32_t memory_bytes,
              const cuda_tuning& how, cudaStream_t stream) noexcept {
  if (memory_bytes > how.block_bytes)
    return {errc::limit, "a block's shared memory, for a tile so large", how.block_bytes, memory_bytes};
  if (memory_bytes > 48 * 1024) // all threads of a process say the same: what a block can have at most
    PLANECAST_CUDA(cudaFuncSetAttribute(run_program<Program>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                        static_cast<int>(how.block_bytes)));
  void* arguments[] = {const_cast<Program*>(&program)};
  PLANECAST_CUDA(cudaLaunchKernel(reinterpret_cast<const void*>(&run_program<Program>), dim3(blocks),
                                  dim3(threads_wanted<Program> != 0 ? threads_wanted<Program> : how.threads),
                                  arguments, memory_bytes, stream));
  return {};
}

} // namespace planecast::inline v0::detail
