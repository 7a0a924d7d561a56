// A device's memory between guards.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cuda_runtime.h>
#include <vector>

namespace planecast_test {

/// Whether a tool looks at every access: then there are no guards, which would hide from it what is read or
/// written beside memory, and what nobody wrote is left as it is. PLANECAST_GPU_BARE says so.
inline bool bare_memory() {
  return std::getenv("PLANECAST_GPU_BARE") != nullptr;
}

/// Device memory between guards.
class guarded_memory {
public:
  /// It lies `beside` bytes from a multiple of 256.
  guarded_memory(std::size_t bytes, std::size_t beside)
      : bytes_(bytes), begin_(beside + (bare_memory() ? 0 : guard)),
        all_(begin_ + bytes + (bare_memory() ? 0 : guard)) {
    made_ = cudaMalloc(&memory_, std::max<std::size_t>(all_, 1));
  }
  guarded_memory(const guarded_memory&) = delete;
  ~guarded_memory() { cudaFree(memory_); }

  [[nodiscard]] cudaError_t made() const { return made_; }
  [[nodiscard]] std::byte* begin() const { return static_cast<std::byte*>(memory_) + begin_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// Writes over all of it.
  [[nodiscard]] cudaError_t poison(cudaStream_t stream) const {
    return bare_memory() ? cudaSuccess : cudaMemsetAsync(memory_, 0xA5, all_, stream);
  }
  /// Waits for the stream. Whether nobody wrote beside it.
  [[nodiscard]] bool is_whole(cudaStream_t stream, cudaError_t& failed) const {
    if (bare_memory()) {
      failed = cudaStreamSynchronize(stream);
      return true;
    }
    const auto untouched = [&](const void* from, std::size_t count) {
      std::vector<unsigned char> found(count);
      if (failed == cudaSuccess)
        failed = cudaMemcpyAsync(found.data(), from, count, cudaMemcpyDeviceToHost, stream);
      if (failed == cudaSuccess)
        failed = cudaStreamSynchronize(stream);
      return std::all_of(found.begin(), found.end(), [](unsigned char b) { return b == 0xA5; });
    };
    failed = cudaSuccess;
    const bool before = untouched(memory_, begin_), behind = untouched(begin() + bytes_, guard);
    return (before && behind) || failed != cudaSuccess;
  }

  static constexpr std::size_t guard = 256;

private:
  std::size_t bytes_, begin_, all_;
  void* memory_ = nullptr;
  cudaError_t made_;
};

} // namespace planecast_test
