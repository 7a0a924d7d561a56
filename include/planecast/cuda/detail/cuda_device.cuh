// CUDA's runtime as a device that keeps caches.
#pragma once

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

/// The device that is current when it is made, and in every call: two streams of its own beside the caller's,
/// and memory that it keeps for later.
class cuda_device {
public:
  using mark = std::shared_ptr<std::remove_pointer_t<cudaEvent_t>>; ///< an event
  using order = cudaStream_t;                                       ///< a stream of the caller's

  cuda_device() : held_(std::make_shared<resources>()) {
    check(current_tuning(tuning_));
    for (cudaStream_t& s : held_->streams)
      check_cuda(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  }

  std::shared_ptr<std::byte> memory(std::size_t bytes) { return shared(&resources::device, bytes); }
  std::shared_ptr<std::byte> pinned(std::size_t bytes) { return shared(&resources::pinned, bytes); }

  void to_device(device_queue q, std::byte* to, const std::byte* from, std::size_t bytes) {
    check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream(q)));
  }
  void to_host(device_queue q, std::byte* to, const std::byte* from, std::size_t bytes) {
    check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream(q)));
  }
  template <class Program>
  void launch(device_queue q, const Program& program, std::uint32_t blocks, std::uint32_t bytes) {
    check(detail::launch(program, blocks, bytes, tuning_, stream(q)));
  }

  mark set(device_queue q) { return record(stream(q)); }
  bool passed(const mark& m) {
    const cudaError_t e = cudaEventQuery(m.get());
    if (e == cudaErrorNotReady) {
      (void)cudaGetLastError();
      return false;
    }
    check_cuda(e);
    return true;
  }
  void wait(const mark& m) { check_cuda(cudaEventSynchronize(m.get())); }
  void follow(device_queue q, const mark& m) { check_cuda(cudaStreamWaitEvent(stream(q), m.get(), 0)); }
  void after(device_queue q, order behind) { follow(q, record(behind)); }
  [[nodiscard]] cuda_tuning tuning() const noexcept { return tuning_; }

private:
  // Lives as long as anything that was handed out.
  struct resources {
    cudaStream_t streams[2] = {};
    spare_memory<device_runtime> device;
    spare_memory<pinned_runtime> pinned;
    std::vector<cudaEvent_t> events; // that are not in use

    resources() = default;
    resources(const resources&) = delete;
    resources& operator=(const resources&) = delete;
    ~resources() {
      for (cudaStream_t s : streams)
        if (s != nullptr) {
          (void)cudaStreamSynchronize(s);
          (void)cudaStreamDestroy(s);
        }
      for (cudaEvent_t e : events)
        (void)cudaEventDestroy(e);
    }
  };

  [[nodiscard]] cudaStream_t stream(device_queue q) const noexcept {
    return held_->streams[static_cast<std::size_t>(q)];
  }
  template <class Spare>
  std::shared_ptr<std::byte> shared(Spare resources::*from, std::size_t bytes) {
    const auto [at, size] = (held_.get()->*from).take(bytes);
    return {at, [held = held_, from, size = size](std::byte* p) { (held.get()->*from).give_back(p, size); }};
  }
  mark record(cudaStream_t s) {
    cudaEvent_t made = nullptr;
    if (held_->events.empty())
      check_cuda(cudaEventCreateWithFlags(&made, cudaEventDisableTiming));
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
};

static_assert(device<cuda_device>);

} // namespace planecast::inline v0::detail
