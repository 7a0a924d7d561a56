// Tiles that a device codes and decodes under quantizers and planes less usual than those of code_test.cu.
#include "planecast/cuda/cuda.cuh"

#include "cuda/on_device.cuh"
#include "cuda/tile_case.hpp"

#include <cstdint>
#include <doctest/doctest.h>

namespace cuda_code_groups_test {

namespace pc = planecast;
using namespace planecast_test;

template <class Number, class Q, class Planes>
void kernels_do_as_plain_loops(std::uint32_t count) {
  tiles_seen found;
  on_device run;
  for (std::uint32_t k = 0; k < count || (found.coded == 0 && k < 100 * count); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(tiles_trouble<Number, Q, Planes>(run, seed, found) == "");
  }
  CHECK(found.coded > 0);
}

TEST_CASE("cuda: kernels code and decode in groups, and in other planes, as the plain loops do") {
  using in_twos = pc::planes<2, 2, 2, 2, pc::tail>;
  using uneven = pc::planes<2, 4, pc::tail>;
  kernels_do_as_plain_loops<pc::bf16, pc::per_channel_groups<64, 32>, in_twos>(device_rounds(100));
  // 8 bits of codes and a tail never pay for values of 8: all such tiles would be stored.
  kernels_do_as_plain_loops<pc::e4m3, pc::per_channel_groups<64, 32>, uneven>(device_rounds(100));
  kernels_do_as_plain_loops<pc::fp16, pc::per_token_groups<24>, uneven>(device_rounds(100));
}
TEST_CASE("cuda: kernels store verbatim tiles as they are") {
  on_device run;
  tiles_seen found;
  for (std::uint32_t k = 0; k < device_rounds(20); ++k)
    CHECK(tiles_trouble<pc::bf16, pc::verbatim, pc::planes<4, 4, pc::tail>>(run, first_seed() + k, found) ==
          "");
  CHECK(found.stored > 0);
  CHECK(found.coded == 0);
}

} // namespace cuda_code_groups_test
