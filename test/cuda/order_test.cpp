// What blocks do to rank tokens and to cut their upgrades, on the host; sort and scan between them are the
// standard library's.
#include "planecast/cuda/detail/cut_programs.hpp"
#include "planecast/cuda/detail/order_programs.hpp"

#include "cuda/cut_case.hpp"
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

  std::string cut(const pc::device_upgrades& of, pc::device_cut* to) {
    const std::uint32_t all = of.count * of.planes, threads = 1 + random.below(64);
    std::vector<std::uint64_t> sums(all);
    std::vector<std::uint32_t> next(all);
    std::vector<pc::detail::chain_exit> exits(all);
    bool whole = run_on_host(pc::detail::list_bytes_program{of, sums.data()}, (all + threads - 1) / threads,
                             threads, 0, random);
    std::partial_sum(sums.begin(), sums.end(), sums.begin());
    whole = whole && run_rounds_on_host(pc::detail::link_program{of, sums.data(), next.data(), exits.data()},
                                        (all + pc::detail::cut_segment - 1) / pc::detail::cut_segment,
                                        threads, pc::detail::link_program::memory_bytes, random);
    whole = whole && run_on_host(pc::detail::cut_program{of, sums.data(), next.data(), exits.data(), to}, 1,
                                 threads, pc::detail::cut_program::memory_bytes, random);
    return whole ? "" : "a block writes beyond its memory";
  }
  template <class Q, class Planes>
  std::string upgrade_bytes(const pc::device_tiles<Q, Planes>& tiles, std::uint32_t base_planes,
                            std::uint32_t* bytes, bool add) {
    const std::uint32_t threads = 1 + random.below(64);
    return run_on_host(pc::detail::upgrade_bytes_program<Q, Planes>{tiles, base_planes, bytes, add},
                       (tiles.tokens - tiles.first + threads - 1) / threads, threads, 0, random)
               ? ""
               : "a block writes beyond its memory";
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

TEST_CASE("cuda order: blocks cut as the CPU does") {
  for (std::uint32_t k = 0; k < rounds(150, 20); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(cut_trouble(on_host{random_source(~seed)}, seed, 4000) == "");
  }
}
TEST_CASE("cuda order: blocks rank a million tokens as the CPU does") {
  for (std::uint32_t k = 0; k < 3; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    CHECK(order_trouble(on_host{random_source(~seed)}, random, rounds(1'048'576, 30'000)) == "");
  }
}
TEST_CASE("cuda order: blocks cut the upgrades of a million tokens as the CPU does") {
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  random_source random(seed); // more than 2³² bytes in all
  CHECK(cut_trouble(on_host{random_source(~seed)}, random, rounds(1'048'576, 30'000), 2, 1'000'000, 3) == "");
}
TEST_CASE("cuda order: bytes of upgrades are those of planes and tails") {
  for (std::uint32_t k = 0; k < rounds(50, 10); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    on_host run{random_source(~seed)};
    CHECK(upgrade_bytes_trouble<pc::per_channel<64>, pc::planes<4, 4, pc::tail>>(run, seed) == "");
    CHECK(upgrade_bytes_trouble<pc::per_token, pc::planes<2, 1, 1>>(run, seed) == "");
  }
}

} // namespace cuda_order_test
