// CUDA's runtime as a device that keeps caches.
#pragma once

#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/device.hpp"
#include "planecast/status.hpp"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <iterator>
#include <map>
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

/// Memory that is given back is kept for the next who asks for about as much: asking the runtime takes long,
/// and giving back waits for the whole device.
template <class Runtime>
class spare_memory {
public:
  spare_memory() = default;
  spare_memory(const spare_memory&) = delete;
  spare_memory& operator=(const spare_memory&) = delete;
  ~spare_memory() { trim(0); }

  /// Memory for so many bytes, and how many it has.
  std::pair<std::byte*, std::size_t> take(std::size_t bytes) {
    const std::size_t size = size_of(bytes);
    if (const auto found = spare_.lower_bound(size); found != spare_.end() && found->first <= 2 * size) {
      const auto [has, at] = *found;
      spare_.erase(found);
      bytes_ -= has;
      return {at, has};
    }
    void* made = nullptr;
    if (Runtime::take(&made, size) != cudaSuccess) {
      (void)cudaGetLastError();
      trim(0);
      check_cuda(Runtime::take(&made, size));
    }
    return {static_cast<std::byte*>(made), size};
  }
  void give_back(std::byte* at, std::size_t size) noexcept {
    try {
      spare_.emplace(size, at);
      bytes_ += size;
    } catch (...) { // no memory to note it
      (void)Runtime::give_back(at);
    }
    trim(most_spare);
  }

private:
  static constexpr std::size_t most_spare = std::size_t{256} << 20;

  // Few sizes, so that what was one layer's serves another: at most an eighth is lost.
  static std::size_t size_of(std::size_t bytes) noexcept {
    std::size_t step = 256;
    while (16 * step < bytes)
      step *= 2;
    return max((bytes + step - 1) / step, std::size_t{1}) * step;
  }
  void trim(std::size_t most) noexcept {
    while (bytes_ > most) {
      const auto last = std::prev(spare_.end()); // the largest
      (void)Runtime::give_back(last->second);
      bytes_ -= last->first;
      spare_.erase(last);
    }
  }

  std::multimap<std::size_t, std::byte*> spare_;
  std::size_t bytes_ = 0;
};

struct device_runtime {
  static cudaError_t take(void** at, std::size_t bytes) noexcept { return cudaMalloc(at, bytes); }
  static cudaError_t give_back(void* at) noexcept { return cudaFree(at); }
};
struct pinned_runtime {
  static cudaError_t take(void** at, std::size_t bytes) noexcept { return cudaMallocHost(at, bytes); }
  static cudaError_t give_back(void* at) noexcept { return cudaFreeHost(at); }
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
