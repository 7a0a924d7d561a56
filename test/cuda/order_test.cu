// Rankings and cuts that kernels make on a device: the CPU's.
#include "planecast/cuda/order.cuh"

#include "cuda/cut_case.hpp"
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

// Every other call is captured in a graph.
struct order_on_device {
  template <class T>
  using allocator = with_twin<T>;

  on_device direct, graph{true};
  bool captured = false;

  std::string rank(const float* scores, std::uint32_t count, pc::pinned_tokens pins, std::uint32_t first,
                   std::uint32_t* ranked, std::uint32_t* not_a_number) {
    std::size_t bytes = 0;
    if (const pc::status s = pc::device_order::rank_bytes(count, pins, first, bytes); !s)
      return s.message();
    return next().with_twins([&](device_twins& twins) {
      const pc::device_ranking there{twins.of(scores),      count, pins, first, twins.of(ranked),
                                     twins.of(not_a_number)};
      std::byte* const room = twins.room(bytes);
      return [=](cudaStream_t stream) { return pc::device_order::rank(there, room, bytes, stream); };
    });
  }
  std::string cut(pc::device_upgrades of, pc::device_cut* to) {
    std::size_t bytes = 0;
    if (const pc::status s = pc::device_order::cut_bytes(of, bytes); !s)
      return s.message();
    return next().with_twins([&](device_twins& twins) {
      of.ranked = twins.of(of.ranked);
      of.bytes = twins.of(of.bytes);
      of.base = twins.of(of.base);
      pc::device_cut* const cut = twins.of(to);
      std::byte* const room = twins.room(bytes);
      return [=](cudaStream_t stream) { return pc::device_order::cut(of, cut, room, bytes, stream); };
    });
  }
  template <class Q, class Planes>
  std::string upgrade_bytes(const pc::device_tiles<Q, Planes>& tiles, std::uint32_t base_planes,
                            std::uint32_t* bytes, bool add) {
    return next().with_twins([&](device_twins& twins) {
      return [=, there = twins.of(tiles), to = twins.of(bytes)](cudaStream_t stream) {
        return pc::device_order::upgrade_bytes(there, base_planes, to, add, stream);
      };
    });
  }
  template <class KeyQuantizer, class ValueQuantizer, class Planes>
  std::string base_bytes(const pc::device_tiles<KeyQuantizer, Planes>& keys,
                         const pc::device_tiles<ValueQuantizer, Planes>& values, std::uint32_t base_planes,
                         const pc::device_upgrades& of, std::uint64_t* bytes, bool add) {
    return next().with_twins([&](device_twins& twins) {
      return [=, k = twins.of(keys), v = twins.of(values), to = twins.of(bytes)](cudaStream_t stream) {
        return pc::device_order::base_bytes(k, v, base_planes, of, to, add, stream);
      };
    });
  }

private:
  on_device& next() {
    captured = !captured;
    return captured ? graph : direct;
  }
};

TEST_CASE("cuda: kernels rank as the CPU does") {
  order_on_device run;
  for (std::uint32_t k = 0; k < device_rounds(200); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(order_trouble(run, seed, k < 190 ? 3000 : 300000) == "");
  }
}
TEST_CASE("cuda: kernels rank a million tokens as the CPU does") {
  order_on_device run;
  for (std::uint32_t k = 0; k < device_rounds(6); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed); // fewer tokens under tools that make it slow
    CHECK(order_trouble(run, random, 1024 * device_rounds(1024)) == "");
  }
}

TEST_CASE("cuda: kernels cut as the CPU does") {
  order_on_device run;
  for (std::uint32_t k = 0; k < device_rounds(200); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(cut_trouble(run, seed, k < 190 ? 5000 : 100000) == "");
  }
}
TEST_CASE("cuda: kernels cut the upgrades of a million tokens as the CPU does") {
  order_on_device run;
  for (std::uint32_t k = 0; k < device_rounds(4); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed); // more than 2³² bytes in all
    CHECK(cut_trouble(run, random, 1024 * device_rounds(1024), 2, 1'000'000) == "");
  }
}
TEST_CASE("cuda: kernels count the bytes of upgrades") {
  order_on_device run;
  for (std::uint32_t k = 0; k < device_rounds(50); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(upgrade_bytes_trouble<pc::per_channel<64>, pc::planes<4, 4, pc::tail>>(run, seed) == "");
    CHECK(upgrade_bytes_trouble<pc::per_token, pc::planes<2, 1, 1>>(run, seed) == "");
  }
}
TEST_CASE("cuda: kernels count the bytes of a base") {
  order_on_device run;
  for (std::uint32_t k = 0; k < device_rounds(100); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(base_bytes_trouble<pc::per_channel<64>, pc::per_token, pc::planes<4, 4, pc::tail>>(run, seed) ==
          "");
    CHECK(base_bytes_trouble<pc::per_token, pc::balanced, pc::planes<2, 1, 1>>(run, seed) == "");
  }
}

} // namespace cuda_order_device_test
