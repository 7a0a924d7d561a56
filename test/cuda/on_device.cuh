// Runs what a test asks for on a device, over memory of its own: each piece of the test's memory that a call
// names has a twin there, between guards.
#pragma once

#include "planecast/cuda/cuda.cuh"

#include "cuda/guarded_memory.cuh"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cuda_runtime.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace planecast_test {

/// How many rounds a property runs on a device: PLANECAST_GPU_ROUNDS at most, where tools make it slow.
inline std::uint32_t device_rounds(std::uint32_t full) {
  const char* most = std::getenv("PLANECAST_GPU_ROUNDS");
  return most == nullptr ? full : std::min(full, static_cast<std::uint32_t>(std::strtoul(most, nullptr, 10)));
}

/// This thread's memory that can have twins: where it begins, and its bytes.
inline std::map<std::uintptr_t, std::size_t>& twin_blocks() {
  thread_local std::map<std::uintptr_t, std::size_t> blocks;
  return blocks;
}

/// Host memory that can have a twin.
template <class T>
struct with_twin {
  using value_type = T;
  with_twin() = default;
  template <class U>
  with_twin(const with_twin<U>&) noexcept {}
  T* allocate(std::size_t count) {
    T* const memory = std::allocator<T>().allocate(count);
    twin_blocks()[reinterpret_cast<std::uintptr_t>(memory)] = count * sizeof(T);
    return memory;
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    twin_blocks().erase(reinterpret_cast<std::uintptr_t>(memory));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(with_twin, with_twin) { return true; }
};

/// The twins of one call. All that they do is in the stream's order.
class device_twins {
public:
  explicit device_twins(cudaStream_t stream) : stream_(stream) {}
  device_twins(const device_twins&) = delete;

  /// Where an address has its twin; it lies as far from a multiple of 256 as the original.
  template <class T>
  T* of(T* host) {
    if (host == nullptr)
      return nullptr;
    const auto at = reinterpret_cast<std::uintptr_t>(host);
    auto block = twin_blocks().upper_bound(at);
    if (block == twin_blocks().begin() || (--block, at >= block->first + block->second)) {
      trouble_ = "memory without a twin";
      return nullptr;
    }
    auto& is = twins_[block->first];
    if (is == nullptr)
      is = made(block->second, block->first % guarded_memory::guard);
    return reinterpret_cast<T*>(is->begin() + (at - block->first));
  }
  /// Rows that lie in twins.
  template <class Byte>
  planecast::device_rows<Byte> of(planecast::device_rows<Byte> rows) {
    rows.first = of(rows.first);
    rows.slots = of(rows.slots);
    rows.blocks = of(rows.blocks);
    return rows;
  }
  planecast::device_pages of(planecast::device_pages pages) {
    pages.rows = of(pages.rows);
    return pages;
  }
  /// Tiles that lie in twins.
  template <class Q, class Planes>
  planecast::device_tiles<Q, Planes> of(planecast::device_tiles<Q, Planes> tiles) {
    tiles.bytes = of(tiles.bytes);
    tiles.tail_ends = of(tiles.tail_ends);
    tiles.coded = of(tiles.coded);
    return tiles;
  }
  /// Memory that the host has no part in, at a multiple of 256: a workspace, which holds anything.
  std::byte* room(std::size_t bytes) {
    rooms_.push_back(made(bytes, 0));
    return rooms_.back()->begin();
  }

  /// f(where it begins, bytes) for every twin.
  template <class F>
  void each(F&& f) const {
    for (const auto& [begin, is] : twins_)
      f(is->begin(), is->bytes());
  }

  /// What the originals hold, with guards before and behind.
  void upload() {
    for (const auto& [begin, is] : twins_)
      if (trouble_.empty()) {
        keep(is->poison(stream_));
        keep(cudaMemcpyAsync(is->begin(), reinterpret_cast<const void*>(begin), is->bytes(),
                             cudaMemcpyHostToDevice, stream_));
      }
    for (const auto& is : rooms_)
      if (trouble_.empty())
        keep(is->poison(stream_));
  }
  /// Waits for the stream, looks at the guards and takes what the twins hold into the originals.
  void download() {
    for (const auto& [begin, is] : twins_)
      if (look_at(*is)) {
        keep(cudaMemcpyAsync(reinterpret_cast<void*>(begin), is->begin(), is->bytes(), cudaMemcpyDeviceToHost,
                             stream_));
        keep(cudaStreamSynchronize(stream_));
      }
    for (const auto& is : rooms_)
      look_at(*is);
  }
  void keep(cudaError_t e) {
    if (e == cudaSuccess)
      return;
    cudaGetLastError(); // else the next launch would be blamed
    if (trouble_.empty())
      trouble_ = cudaGetErrorString(e);
  }
  void keep(const planecast::status& s) {
    if (!s.ok() && trouble_.empty())
      trouble_ = s.message();
  }
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

private:
  std::unique_ptr<guarded_memory> made(std::size_t bytes, std::size_t beside) {
    auto memory = std::make_unique<guarded_memory>(bytes, beside);
    keep(memory->made());
    return memory;
  }
  bool look_at(const guarded_memory& memory) {
    cudaError_t failed = cudaSuccess;
    if (trouble_.empty() && !memory.is_whole(stream_, failed))
      trouble_ = "a kernel writes beside its memory";
    keep(failed);
    return trouble_.empty();
  }

  cudaStream_t stream_;
  std::map<std::uintptr_t, std::unique_ptr<guarded_memory>> twins_; // by where the original begins
  std::vector<std::unique_ptr<guarded_memory>> rooms_;
  std::string trouble_;
};

/// A runner of tile_case.hpp's in a stream of its own: each call enqueued as it is, or captured in a graph
/// that is launched twice.
class on_device {
public:
  template <class T>
  using allocator = with_twin<T>;

  explicit on_device(bool through_graph = false) : through_graph_(through_graph) {
    created_ = cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
  }
  on_device(const on_device&) = delete;
  ~on_device() {
    if (created_ == cudaSuccess)
      cudaStreamDestroy(stream_);
  }

  template <class Number, class Q, class Planes>
  std::string encode(const planecast::device_tiles<Q, Planes>& to,
                     const planecast::device_rows<const std::byte>& from, bool) {
    device_twins twins(stream_);
    const auto tiles = twins.of(to);
    const auto rows = twins.of(from);
    return ran(twins, [&] { return planecast::cuda::encode(Number::id, tiles, rows, stream_); });
  }
  template <class Number, class Q, class Planes, class Rows>
  std::string decode(const planecast::device_tiles<Q, Planes>& from, std::uint32_t planes, const Rows& to,
                     bool) {
    device_twins twins(stream_);
    const auto tiles = twins.of(from);
    const auto rows = twins.of(to);
    return ran(twins, [&] { return planecast::cuda::decode(Number::id, tiles, planes, rows, stream_); });
  }
  template <class Number, class Q, class Planes, class Rows>
  std::string decode_exact(const planecast::device_tiles<Q, Planes>& from, const Rows& to,
                           std::uint32_t* corrupt, bool) {
    device_twins twins(stream_);
    const auto tiles = twins.of(from);
    const auto rows = twins.of(to);
    auto* const found = twins.of(corrupt);
    return ran(twins, [&] { return planecast::cuda::decode_exact(Number::id, tiles, rows, found, stream_); });
  }

  /// Any other call: name(twins) says what is to be enqueued, enqueue(stream).
  template <class Name>
  std::string with_twins(Name&& name) {
    device_twins twins(stream_);
    const auto enqueue = name(twins);
    return ran(twins, [&] { return enqueue(stream_); });
  }

protected:
  [[nodiscard]] cudaStream_t stream() const { return stream_; }
  template <class Enqueue>
  std::string ran(device_twins& twins, Enqueue&& enqueue) {
    twins.keep(created_);
    if (!through_graph_) {
      twins.upload();
      if (twins.trouble().empty())
        twins.keep(enqueue());
    } else if (twins.trouble().empty())
      launch_graph(twins, enqueue);
    twins.download();
    return twins.trouble();
  }

private:
  // Captured before there is anything to read; then launched over what each upload brings.
  template <class Enqueue>
  void launch_graph(device_twins& twins, Enqueue&& enqueue) {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t ready = nullptr;
    twins.keep(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    twins.keep(enqueue());
    twins.keep(cudaStreamEndCapture(stream_, &graph));
    if (twins.trouble().empty())
      twins.keep(cudaGraphInstantiate(&ready, graph, 0));
    for (int again = 0; again < 2; ++again) {
      twins.upload();
      if (twins.trouble().empty())
        twins.keep(cudaGraphLaunch(ready, stream_));
    }
    twins.keep(cudaStreamSynchronize(stream_));
    if (ready != nullptr)
      cudaGraphExecDestroy(ready);
    if (graph != nullptr)
      cudaGraphDestroy(graph);
  }

  bool through_graph_;
  cudaError_t created_;
  cudaStream_t stream_ = nullptr;
};

} // namespace planecast_test
