#include "planecast/cuda/tuning.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <utility>

namespace cuda_tuning_test {

using planecast::tuning_of;

// CUDA's programming guide, "Compute capabilities": shared memory of a block, less 1 KiB that the system
// takes.
TEST_CASE("cuda tuning: no block asks for more than its architecture has") {
  constexpr std::pair<int, std::uint32_t> kib[] = {{80, 163},  {86, 99},   {89, 99},  {90, 227},
                                                   {100, 227}, {103, 227}, {120, 99}, {121, 99}};
  for (const auto& of : kib) {
    const int architecture = of.first;
    CAPTURE(architecture);
    CHECK(tuning_of(architecture).block_bytes <= 1024 * of.second);
    CHECK(tuning_of(architecture).bytes_to_share <= tuning_of(architecture).block_bytes / 2);
    CHECK(tuning_of(architecture).threads % 32 == 0);
  }
}

TEST_CASE("cuda tuning: one that is not known is taken for the nearest below, or the least") {
  CHECK(tuning_of(75).block_bytes == tuning_of(80).block_bytes);
  CHECK(tuning_of(95).block_bytes == tuning_of(90).block_bytes);
  CHECK(tuning_of(200).block_bytes == tuning_of(120).block_bytes);
}

} // namespace cuda_tuning_test
