// Rankings and cuts that kernels make on a device: the CPU's.
#include "planecast/cuda/order.cuh"

#include "cuda/cut_case.hpp"
#include "cuda/device_memory.hpp"
#include "cuda/on_device.cuh"
#include "cuda/order_case.hpp"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace cuda_order_device_test {

namespace pc = planecast;
using namespace planecast_test;

struct in_place {
  template <class T>
  using allocator = managed_memory<T>;

  device_stream stream;
  bool captured = false; // every other call is, in a graph

  std::string rank(const float* scores, std::uint32_t count, pc::pinned_tokens pins, std::uint32_t first,
                   std::uint32_t* ranked, std::uint32_t* not_a_number) {
    std::size_t bytes = 0;
    if (const pc::status s = pc::device_order::rank_bytes(count, pins, first, bytes); !s)
      return s.message();
    guarded_workspace room(bytes);
    captured = !captured;
    const std::string wrong = stream.run(captured, [&](cudaStream_t s) {
      return pc::device_order::rank({scores, count, pins, first, ranked, not_a_number}, room.data(), bytes,
                                    s);
    });
    return wrong.empty() && !room.is_whole() ? "written behind the workspace" : wrong;
  }
  std::string cut(const pc::device_upgrades& of, pc::device_cut* to) {
    std::size_t bytes = 0;
    if (const pc::status s = pc::device_order::cut_bytes(of, bytes); !s)
      return s.message();
    guarded_workspace room(bytes);
    captured = !captured;
    const std::string wrong = stream.run(
        captured, [&](cudaStream_t s) { return pc::device_order::cut(of, to, room.data(), bytes, s); });
    return wrong.empty() && !room.is_whole() ? "written behind the workspace" : wrong;
  }
  template <class Q, class Planes>
  std::string upgrade_bytes(const pc::device_tiles<Q, Planes>& tiles, std::uint32_t base_planes,
                            std::uint32_t* bytes, bool add) {
    captured = !captured;
    return stream.run(captured, [&](cudaStream_t s) {
      return pc::device_order::upgrade_bytes(tiles, base_planes, bytes, add, s);
    });
  }
};

TEST_CASE("cuda: kernels rank as the CPU does") {
  in_place run;
  for (std::uint32_t k = 0; k < device_rounds(200); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(order_trouble(run, seed, k < 190 ? 3000 : 300000) == "");
  }
}

TEST_CASE("cuda: kernels cut as the CPU does") {
  in_place run;
  for (std::uint32_t k = 0; k < device_rounds(200); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(cut_trouble(run, seed, k < 190 ? 5000 : 100000) == "");
  }
}
TEST_CASE("cuda: kernels count the bytes of upgrades") {
  in_place run;
  for (std::uint32_t k = 0; k < device_rounds(50); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(upgrade_bytes_trouble<pc::per_channel<64>, pc::planes<4, 4, pc::tail>>(run, seed) == "");
    CHECK(upgrade_bytes_trouble<pc::per_token, pc::planes<2, 1, 1>>(run, seed) == "");
  }
}

} // namespace cuda_order_device_test
