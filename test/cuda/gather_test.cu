// Frames' payloads gathered on a device: the bytes and the checksum that the processor gives, and nothing
// beside them.
#include "planecast/cuda/gather.cuh"

#include "cuda/gather_case.hpp"
#include "cuda/on_device.cuh"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <string>
#include <utility>
#include <vector>

namespace cuda_gather_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

struct gather_on_device {
  template <class T>
  using allocator = with_twin<T>;

  on_device& run;

  // Layers that name twins lie in memory that has one itself.
  template <class Layers>
  std::string gather(const Layers& layers, std::uint32_t rows, std::uint32_t plane,
                     const pc::gather_target& to) {
    Layers there = layers;
    return run.with_twins([&](device_twins& twins) {
      for (auto& layer : there) {
        layer.keys = twins.of(layer.keys);
        layer.values = twins.of(layer.values);
        layer.tokens = twins.of(layer.tokens);
      }
      const auto* const first = twins.of(std::as_const(there).data());
      const std::size_t bytes = pc::gather_workspace_bytes(rows);
      pc::gather_target target{twins.of(to.payload), to.room, twins.room(bytes), twins.of(to.result),
                               bytes - 1};
      CHECK((pc::device_gather::enqueue(first, static_cast<std::uint32_t>(there.size()), rows, plane, target,
                                        nullptr) == pc::errc::limit)); // nothing is enqueued
      target.workspace_bytes = bytes;
      return [=, count = static_cast<std::uint32_t>(there.size())](cudaStream_t stream) {
        return pc::device_gather::enqueue(first, count, rows, plane, target, stream);
      };
    });
  }
};

template <class Policy>
void as_the_processor_does(bool through_graph, std::uint32_t count, bool until_all = false) {
  frames_seen seen;
  on_device run(through_graph);
  for (std::uint32_t k = 0; k < count || (until_all && !seen.all() && k < 100 * count); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(gather_trouble<Policy>(gather_on_device{run}, seed, seen) == "");
  }
  CHECK((!until_all || seen.all()));
}

} // namespace

TEST_CASE("cuda gather: the payload and the checksum that the processor gives") {
  as_the_processor_does<standard_gather>(false, device_rounds(100), true);
}
TEST_CASE("cuda gather: other quantizers and planes") {
  as_the_processor_does<narrow_gather>(false, device_rounds(40));
  as_the_processor_does<half_stored_gather>(false, device_rounds(40));
}
TEST_CASE("cuda gather: captured in a graph, it does the same each time it is launched") {
  as_the_processor_does<standard_gather>(true, device_rounds(20));
}

} // namespace cuda_gather_test
