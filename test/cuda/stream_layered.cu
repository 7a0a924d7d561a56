// Streams from and to a GPU's memory, of layers with policies of their own. In a unit apart, and without
// tails, as kernels of streams take a compiler long.
#include "planecast/cuda/cuda.cuh"
#include "planecast/planecast.hpp"

#include "cuda/device_cache.cuh"
#include "cuda/stream_case.hpp"

#include <cstdint>
#include <doctest/doctest.h>

namespace cuda_stream_layered_test {

using namespace planecast_test;
using namespace planecast;

using inner = precision_policy<tiers<4, 8>, keys<per_token>, planecast::values<per_token>, planes<4, 4>>;
using outer = precision_policy<tiers<8>, keys<per_token>, planecast::values<per_token>, planes<4, 4>>;

TEST_CASE("GPU stream: layers with policies of their own") {
  const own_stream engine;
  for (std::uint64_t seed = 200; seed < 200 + device_rounds(20); ++seed)
    same_from_device<layered_policy<inner, edges<1, 1, outer>>, planecast::cuda, device_cache>(seed, engine);
}

} // namespace cuda_stream_layered_test
