// Streams from and to a GPU's memory: what crosses and what arrives is what it is from the processor's.
#include "planecast/cuda/cuda.cuh"
#include "planecast/planecast.hpp"

#include "code/rows.hpp"
#include "cuda/device_memory.hpp"
#include "cuda/on_device.cuh"
#include "cuda/stream_case.hpp"

#include <cstdint>
#include <doctest/doctest.h>

namespace cuda_stream_test {

using namespace planecast_test;

TEST_CASE("GPU stream: what crosses and what arrives is what it is from the host's memory") {
  cudaStream_t engine = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&engine, cudaStreamNonBlocking) == cudaSuccess);
  for (std::uint64_t seed = 0; seed < device_rounds(30); ++seed)
    same_from_device<test::default_policy, planecast::cuda, managed_memory>(seed, engine);
  CHECK(cudaStreamDestroy(engine) == cudaSuccess);
}

} // namespace cuda_stream_test
