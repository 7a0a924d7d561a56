// What blocks do to rank tokens, on the host; the sort between them is the standard library's.
#include "planecast/cuda/detail/order_programs.hpp"

#include "cuda/host_block.hpp"
#include "cuda/order_case.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace cuda_order_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

struct on_host {
  template <class T>
  using allocator = std::allocator<T>;

  random_source random;

  std::string rank(const float* scores, std::uint32_t count, pc::pinned_tokens pins, std::uint32_t first,
                   std::uint32_t* ranked, std::uint32_t* not_a_number) {
    const pc::pinned_tokens are = pc::detail::pinned_among(count, pins, first);
    const std::uint32_t others = count - are.sinks - are.recent, threads = 1 + random.below(64);
    std::vector<std::uint32_t> keys(others), positions(others), order(others);
    if (!run_on_host(pc::detail::order_program{scores, count, first, are, ranked, keys.data(),
                                               positions.data(), not_a_number},
                     (count + threads - 1) / threads, threads, 0, random))
      return "a block writes beyond its memory";
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return keys[a] < keys[b]; });
    for (std::uint32_t k = 0; k < others; ++k)
      ranked[are.sinks + are.recent + k] = positions[order[k]];
    return "";
  }
};

} // namespace

TEST_CASE("cuda order: blocks rank as the CPU does") {
  for (std::uint32_t k = 0; k < rounds(300, 60); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(order_trouble(on_host{random_source(~seed)}, seed, 2000) == "");
  }
}

} // namespace cuda_order_test
