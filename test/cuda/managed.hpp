// Memory that a GPU and the processor reach.
#pragma once

#include <cstddef>
#include <cuda_runtime.h>
#include <new>

namespace planecast_test {

/// Allocates it.
template <class T>
struct managed {
  using value_type = T;
  managed() = default;
  template <class U>
  managed(const managed<U>&) noexcept {}
  T* allocate(std::size_t count) {
    void* memory = nullptr;
    if (cudaMallocManaged(&memory, count * sizeof(T)) != cudaSuccess)
      throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) noexcept { cudaFree(memory); }
  friend bool operator==(managed, managed) { return true; }
};

} // namespace planecast_test
