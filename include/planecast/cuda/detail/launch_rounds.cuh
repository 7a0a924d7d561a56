// Runs a block program with rounds on a device.
#pragma once

#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/detail/rounds.hpp"
#include "planecast/status.hpp"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <utility>

namespace planecast::inline v0::detail {

template <class Program, std::uint32_t... P>
__device__ void run_begin(const Program& program, block_place at, std::byte* memory,
                          typename Program::kept& kept, std::integer_sequence<std::uint32_t, P...>) {
  ((program.template begin<P>(at, memory, kept), __syncthreads()), ...);
}
template <class Program, std::uint32_t... P>
__device__ void run_round(const Program& program, block_place at, std::byte* memory,
                          typename Program::kept& kept, std::uint32_t number,
                          std::integer_sequence<std::uint32_t, P...>) {
  ((program.template round<P>(at, memory, kept, number), __syncthreads()), ...);
}
template <class Program, std::uint32_t... P>
__device__ void run_end(const Program& program, block_place at, std::byte* memory,
                        typename Program::kept& kept, std::integer_sequence<std::uint32_t, P...>) {
  ((program.template end<P>(at, memory, kept), __syncthreads()), ...);
}

template <class Program>
__global__ void __launch_bounds__(Program::most_threads, Program::blocks_together)
    run_rounds(const __grid_constant__ Program program) {
  extern __shared__ __align__(16) unsigned char planecast_block_memory[];
  auto* const memory = reinterpret_cast<std::byte*>(planecast_block_memory);
  const block_place at{threadIdx.x, blockDim.x, blockIdx.x};
  typename Program::kept kept;
  run_begin(program, at, memory, kept, std::make_integer_sequence<std::uint32_t, Program::begin_phases>{});
  const std::uint32_t rounds = program.rounds(kept);
  for (std::uint32_t number = 0; number < rounds; ++number)
    run_round(program, at, memory, kept, number,
              std::make_integer_sequence<std::uint32_t, Program::round_phases>{});
  run_end(program, at, memory, kept, std::make_integer_sequence<std::uint32_t, Program::end_phases>{});
}

// Enqueues its blocks.
template <class Program>
status launch_rounds(const Program& program, std::uint32_t blocks, std::uint32_t threads,
                     std::size_t memory_bytes, cudaStream_t stream) noexcept {
  if (memory_bytes > 48 * 1024) { // all threads of a process say the same: what a block can have at most
    int device = 0, most = 0;
    PLANECAST_CUDA(cudaGetDevice(&device));
    PLANECAST_CUDA(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
    PLANECAST_CUDA(
        cudaFuncSetAttribute(run_rounds<Program>, cudaFuncAttributeMaxDynamicSharedMemorySize, most));
  }
  void* arguments[] = {const_cast<Program*>(&program)};
  PLANECAST_CUDA(cudaLaunchKernel(reinterpret_cast<const void*>(&run_rounds<Program>), dim3(blocks),
                                  dim3(threads), arguments, memory_bytes, stream));
  return {};
}

} // namespace planecast::inline v0::detail
