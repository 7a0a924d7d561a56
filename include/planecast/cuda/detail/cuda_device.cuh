// CUDA's runtime as a device that keeps caches.
#pragma once

#include "planecast/code/spare_limits.hpp"
#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/detail/spare_memory.hpp"
#include "planecast/cuda/device.hpp"
#include "planecast/status.hpp"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

inline void check_cuda(cudaError_t e) {
  if (e == cudaSuccess)
    return;
  (void)cudaGetLastError(); // it is told here, and not to the next who asks
  throw error(device_status(e));
}

struct device_runtime {
  static std::byte* take(std::size_t bytes) {
    void* made = nullptr;
    check_cuda(cudaMalloc(&made, bytes));
    return static_cast<std::byte*>(made);
  }
  static void give_back(std::byte* at) noexcept { (void)cudaFree(at); }
};
struct pinned_runtime {
  static std::byte* take(std::size_t bytes) {
    void* made = nullptr;
    check_cuda(cudaMallocHost(&made, bytes));
    return static_cast<std::byte*>(made);
  }
  static void give_back(std::byte* at) noexcept { (void)cudaFreeHost(at); }
};

/// Makes a device current, for as long as it lives; and lets calls be made while somebody captures a graph,
/// of which they are no part.
class device_guard {
public:
  explicit device_guard(int number) noexcept {
    (void)cudaGetDevice(&before_);
    if (before_ != number)
      (void)cudaSetDevice(number);
    (void)cudaThreadExchangeStreamCaptureMode(&mode_);
    changed_ = before_ != number;
  }
  device_guard(const device_guard&) = delete;
  device_guard& operator=(const device_guard&) = delete;
  ~device_guard() {
    (void)cudaThreadExchangeStreamCaptureMode(&mode_);
    if (changed_)
      (void)cudaSetDevice(before_);
  }

private:
  int before_ = 0;
  bool changed_ = false;
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

/// The device that was current when it was made: three streams of its own beside the caller's, and memory
/// that it keeps for later.
class cuda_device {
public:
  using mark = std::shared_ptr<std::remove_pointer_t<cudaEvent_t>>; ///< an event
  using order = cudaStream_t;                                       ///< a stream of the caller's

  explicit cuda_device(const spare_limits& most = {}) {
    int number = 0;
    check_cuda(cudaGetDevice(&number));
    held_ = std::make_shared<resources>(number, most);
    const device_guard here(number);
    check(current_tuning(tuning_));
    for (cudaStream_t& s : held_->streams)
      check_cuda(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    check_cuda(cudaDeviceGetAttribute(&any_memory_, cudaDevAttrPageableMemoryAccess, number));
  }

  std::shared_ptr<std::byte> memory(std::size_t bytes) { return shared(&resources::device, bytes); }
  std::shared_ptr<std::byte> pinned(std::size_t bytes) { return shared(&resources::pinned, bytes); }

  void to_device(device_queue q, std::byte* to, const std::byte* from, std::size_t bytes) {
    const device_guard here(held_->number);
    check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream(q)));
  }
  void to_host(device_queue q, std::byte* to, const std::byte* from, std::size_t bytes) {
    const device_guard here(held_->number);
    check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream(q)));
  }
  template <class Program>
  void launch(device_queue q, const Program& program, std::uint32_t blocks, std::uint32_t bytes) {
    const device_guard here(held_->number);
    check(detail::launch(program, blocks, bytes, tuning_, stream(q)));
  }

  mark set(device_queue q) { return record(stream(q)); }
  bool passed(const mark& m) {
    const device_guard here(held_->number);
    const cudaError_t e = cudaEventQuery(m.get());
    if (e == cudaErrorNotReady) {
      (void)cudaGetLastError(); // which would tell it to the next who asks
      return false;
    }
    check_cuda(e);
    return true;
  }
  void wait(const mark& m) {
    const device_guard here(held_->number);
    check_cuda(cudaEventSynchronize(m.get()));
  }
  void finish(device_queue q) noexcept {
    const device_guard here(held_->number);
    (void)cudaStreamSynchronize(stream(q)); // where it fails the device is lost, and works on nothing
  }
  void follow(device_queue q, const mark& m) {
    const device_guard here(held_->number);
    check_cuda(cudaStreamWaitEvent(stream(q), m.get(), 0));
  }
  void after(device_queue q, order behind) {
    const device_guard here(held_->number);
    cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(behind, &capturing) == cudaSuccess && capturing != cudaStreamCaptureStatusNone)
      throw error({errc::device, "a stream that is captured into a graph: caches cannot be put from there"});
    follow(q, record(behind));
  }
  bool reaches(const std::byte* at) {
    const device_guard here(held_->number);
    cudaPointerAttributes is{};
    check_cuda(cudaPointerGetAttributes(&is, at));
    return is.type != cudaMemoryTypeUnregistered || any_memory_ != 0;
  }
  [[nodiscard]] cuda_tuning tuning() const noexcept { return tuning_; }

private:
  // Lives as long as anything that was handed out.
  struct resources {
    int number;
    cudaStream_t streams[3] = {};
    std::unique_ptr<spare_memory<device_runtime>> device;
    std::unique_ptr<spare_memory<pinned_runtime>> pinned;
    std::vector<cudaEvent_t> events; // that are not in use

    resources(int of, const spare_limits& most)
        : number(of), device(std::make_unique<spare_memory<device_runtime>>(most.device_bytes)),
          pinned(std::make_unique<spare_memory<pinned_runtime>>(most.pinned_bytes)) {}
    resources(const resources&) = delete;
    resources& operator=(const resources&) = delete;
    ~resources() {
      const device_guard here(number);
      for (cudaStream_t s : streams)
        if (s != nullptr) {
          (void)cudaStreamSynchronize(s);
          (void)cudaStreamDestroy(s);
        }
      for (cudaEvent_t e : events)
        (void)cudaEventDestroy(e);
      device.reset();
      pinned.reset();
    }
  };

  [[nodiscard]] cudaStream_t stream(device_queue q) const noexcept {
    return held_->streams[static_cast<std::size_t>(q)];
  }
  template <class Spare>
  std::shared_ptr<std::byte> shared(std::unique_ptr<Spare> resources::*from, std::size_t bytes) {
    const device_guard here(held_->number);
    const auto [at, size] = (held_.get()->*from)->take(bytes);
    return {at, [held = held_, from, size = size](std::byte* p) {
              const device_guard there(held->number);
              (held.get()->*from)->give_back(p, size);
            }};
  }
  mark record(cudaStream_t s) {
    const device_guard here(held_->number);
    cudaEvent_t made = nullptr;
    if (held_->events.empty())
      check_cuda(cudaEventCreateWithFlags(&made, cudaEventDisableTiming | cudaEventBlockingSync));
    else {
      made = held_->events.back();
      held_->events.pop_back();
    }
    mark m(made, [held = held_](cudaEvent_t e) {
      try {
        held->events.push_back(e);
      } catch (...) { // no memory to note it
        (void)cudaEventDestroy(e);
      }
    });
    check_cuda(cudaEventRecord(made, s));
    return m;
  }

  std::shared_ptr<resources> held_;
  cuda_tuning tuning_;
  int any_memory_ = 0; // whether its programs can use any of the host's
};

static_assert(device<cuda_device>);

} // namespace planecast::inline v0::detail
