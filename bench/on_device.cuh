// How long work on a device takes: by events, from memory and not from its cache, beside the copy of the same
// moment.
#pragma once

#include "planecast/cuda/detail/launch.cuh"
#include "planecast/status.hpp"

#include "results.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace planecast_bench {

/// Throws what CUDA says.
inline void check(cudaError_t e) {
  if (e != cudaSuccess)
    throw std::runtime_error(cudaGetErrorString(e));
}

/// Device memory.
template <class T>
class on_device {
public:
  explicit on_device(std::size_t count) : count_(count) {
    check(cudaMalloc(&memory_, std::max<std::size_t>(1, count * sizeof(T))));
  }
  on_device(const on_device&) = delete;
  ~on_device() { cudaFree(memory_); }
  [[nodiscard]] T* get() const { return static_cast<T*>(memory_); }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t bytes() const { return count_ * sizeof(T); }
  /// What it holds.
  [[nodiscard]] std::vector<T> read() const {
    std::vector<T> values(count_);
    check(cudaMemcpy(values.data(), memory_, bytes(), cudaMemcpyDeviceToHost));
    return values;
  }
  /// Some values, again and again.
  void fill(const std::vector<T>& some) {
    for (std::size_t at = 0; at < count_; at += some.size())
      check(cudaMemcpy(get() + at, some.data(), std::min(some.size(), count_ - at) * sizeof(T),
                       cudaMemcpyHostToDevice));
  }

private:
  std::size_t count_;
  void* memory_ = nullptr;
};

/// What is measured.
struct operation {
  double values_bytes = 0; ///< of BF16, input or output; 0: its speed is not told in GB/s
  double moved_bytes = 0;  ///< what it must read and write at least
  std::function<planecast::status(cudaStream_t)> run;
  std::function<std::string()> trouble; ///< afterwards, what is wrong with the result; may be empty
};

/// One of the parts of planecast-bench-cuda: it calls add() for each of its operations. A new part is a file
/// bench_cuda_NAME.cu, its name in bench/CMakeLists.txt, and its function here and in bench_cuda.cu.
void add_acceptance();
void add_coding();
void add_plan();
void add_refining();
void add_stream();

inline constexpr std::size_t copied_bytes = std::size_t{512} << 20;

/// Copies, reads and writes of 512 MiB, and what clears the cache between measurements.
class memory_bench {
public:
  memory_bench();
  static memory_bench& get() {
    static memory_bench one;
    return one;
  }

  /// Seconds, from a cold cache.
  double seconds(const std::function<planecast::status(cudaStream_t)>& run);
  planecast::status copy(cudaStream_t stream);       ///< by the driver
  planecast::status copy_loop(cudaStream_t stream);  ///< by a kernel, 16 bytes at a time
  planecast::status read_loop(cudaStream_t stream);  ///< as that, reading alone
  planecast::status write_loop(cudaStream_t stream); ///< and writing alone

  double best_copy(); ///< seconds of the better copy of the two
private:
  struct queue {
    cudaStream_t stream = nullptr;
    cudaEvent_t begin = nullptr, end = nullptr;
  } queue_;
  on_device<uint4> from_, to_, flush_;
  unsigned blocks_ = 0;
};

/// Registers an operation; `prepare` makes it when its turn has come.
inline void add(const std::string& name, std::function<operation()> prepare) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [prepare = std::move(prepare)](benchmark::State& state) {
                                 try {
                                   memory_bench& memory = memory_bench::get();
                                   const operation work = prepare();
                                   memory.seconds(work.run); // once for what happens only once
                                   std::vector<double> times, copies, ratios;
                                   for (auto _ : state) {
                                     const double copy = memory.best_copy(), time = memory.seconds(work.run);
                                     state.SetIterationTime(time);
                                     times.push_back(time);
                                     copies.push_back(copy);
                                     ratios.push_back(work.moved_bytes / time / (2.0 * copied_bytes / copy));
                                   }
                                   if (const std::string wrong = work.trouble ? work.trouble() : "";
                                       !wrong.empty())
                                     state.SkipWithError(wrong.c_str());
                                   const double time = median(times);
                                   state.counters["us"] = time * 1e6;
                                   if (work.values_bytes > 0)
                                     state.counters["GB/s"] = work.values_bytes * 1e-9 / time;
                                   state.counters["moved_GB"] = work.moved_bytes * 1e-9;
                                   state.counters["moved_GB/s"] = work.moved_bytes * 1e-9 / time;
                                   state.counters["copy_GB/s"] = 2e-9 * copied_bytes / median(copies);
                                   state.counters["copy_ratio"] = median(ratios);
                                 } catch (const std::exception& e) {
                                   state.SkipWithError(e.what());
                                 }
                               })
      ->UseManualTime()
      ->Iterations(21)
      ->Unit(benchmark::kMicrosecond);
}

} // namespace planecast_bench
