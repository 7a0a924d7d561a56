// Memory and a stream for tests on a device.
#pragma once

#include "planecast/cuda/detail/launch.cuh"
#include "planecast/status.hpp"

#include <algorithm>
#include <cstddef>
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <new>
#include <string>
#include <vector>

namespace planecast_test {

/// Memory that both sides reach.
template <class T>
struct managed_memory {
  using value_type = T;
  managed_memory() = default;
  template <class U>
  managed_memory(const managed_memory<U>&) noexcept {}
  T* allocate(std::size_t count) {
    void* memory = nullptr;
    if (cudaMallocManaged(&memory, count * sizeof(T)) != cudaSuccess)
      throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) noexcept { cudaFree(memory); }
  friend bool operator==(managed_memory, managed_memory) { return true; }
};

/// So many bytes that hold anything, with a guard behind them.
class guarded_workspace {
public:
  explicit guarded_workspace(std::size_t bytes) : bytes_(bytes), memory_(bytes + 256, guard) {}
  unsigned char* data() { return memory_.data(); }
  [[nodiscard]] bool is_whole() const {
    return std::all_of(memory_.begin() + static_cast<std::ptrdiff_t>(bytes_), memory_.end(),
                       [](unsigned char b) { return b == guard; });
  }

private:
  static constexpr unsigned char guard = 0xA5;
  std::size_t bytes_;
  std::vector<unsigned char, managed_memory<unsigned char>> memory_;
};

/// A stream of its own.
struct device_stream {
  cudaStream_t is = nullptr;
  device_stream() { REQUIRE(cudaStreamCreateWithFlags(&is, cudaStreamNonBlocking) == cudaSuccess); }
  ~device_stream() { cudaStreamDestroy(is); }
  device_stream(const device_stream&) = delete;

  /// What became of calls; nothing, if all is well. Enqueued directly, or captured in a graph, which then
  /// runs once.
  template <class F>
  std::string run(bool captured, const F& calls) {
    const auto failed = [](cudaError_t e) { return std::string(cudaGetErrorString(e)); };
    if (captured)
      if (const cudaError_t e = cudaStreamBeginCapture(is, cudaStreamCaptureModeGlobal); e != cudaSuccess)
        return failed(e);
    const planecast::status s = calls(is);
    if (captured) {
      cudaGraph_t graph = nullptr;
      cudaGraphExec_t executable = nullptr;
      cudaError_t e = cudaStreamEndCapture(is, &graph);
      if (e == cudaSuccess)
        e = cudaGraphInstantiate(&executable, graph, 0);
      if (e == cudaSuccess)
        e = cudaGraphLaunch(executable, is);
      if (e == cudaSuccess)
        e = cudaStreamSynchronize(is);
      if (executable != nullptr)
        cudaGraphExecDestroy(executable);
      if (graph != nullptr)
        cudaGraphDestroy(graph);
      if (s.ok() && e != cudaSuccess)
        return failed(e);
    } else if (const cudaError_t e = cudaStreamSynchronize(is); s.ok() && e != cudaSuccess)
      return failed(e);
    return s.ok() ? "" : s.message();
  }
};

} // namespace planecast_test
