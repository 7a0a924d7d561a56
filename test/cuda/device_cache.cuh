// A cache's twin in a device's memory, for tests of streams.
#pragma once

#include "cuda/on_device.cuh"

#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <utility>

namespace planecast_test {

/// A stream of a test's own, which waits for no other.
class own_stream {
public:
  own_stream() { REQUIRE(cudaStreamCreateWithFlags(&is_, cudaStreamNonBlocking) == cudaSuccess); }
  own_stream(const own_stream&) = delete;
  ~own_stream() { cudaStreamDestroy(is_); }
  operator cudaStream_t() const { return is_; } // NOLINT: it is one

private:
  cudaStream_t is_ = nullptr;
};

/// As no_twin of stream_case.hpp, with memory of its own between guards.
class device_cache {
public:
  template <class T>
  using allocator = with_twin<T>;

  template <class View>
  View there(const View& view) {
    const auto keys = view.array_at(false), values = view.array_at(true);
    return View(twins_.of(keys.first), keys.strides, twins_.of(values.first), values.strides, view.slots());
  }
  void bring() {
    twins_.upload();
    twins_.keep(cudaStreamSynchronize(stream_));
    CHECK(twins_.trouble() == "");
  }
  void fetch() {
    twins_.download();
    CHECK(twins_.trouble() == "");
  }
  /// f(where it begins, bytes) for every piece of the device's memory that is part of it.
  template <class F>
  void each(F&& f) const {
    twins_.each(std::forward<F>(f));
  }

private:
  own_stream stream_; // that brings and fetches
  device_twins twins_{stream_};
};

} // namespace planecast_test
