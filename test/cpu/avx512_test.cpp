#include "planecast/cpu/avx2.hpp"
#include "planecast/cpu/avx512.hpp"
#include "planecast/cpu/instruction_set.hpp"

#include <doctest/doctest.h>

#if PLANECAST_X86

#include "cpu/lane_values.hpp"
#include "cpu/same_as_plain.hpp"

#define PLANECAST_TARGET __attribute__((target("avx2,fma,f16c,bmi,bmi2,popcnt")))
#define PLANECAST_SET avx2
#include "cpu/lane_operations.hpp"
#undef PLANECAST_SET
#undef PLANECAST_TARGET
#define PLANECAST_TARGET                                                                                     \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,bmi,bmi2,popcnt")))
#define PLANECAST_SET avx512
#include "cpu/lane_operations.hpp"
#undef PLANECAST_SET
#undef PLANECAST_TARGET

namespace cpu_avx512_test {

namespace pc = planecast;
using namespace planecast_test;
using namespace pc::detail; // the sets of lanes

TEST_CASE("avx512: codes as the plain loops do in bf16") {
  if (here(pc::instruction_set::avx512))
    same_as_plain<pc::avx512_cpu, pc::bf16>(rounds(80, 20));
}
TEST_CASE("avx512: codes as the plain loops do in fp16") {
  if (here(pc::instruction_set::avx512))
    same_as_plain<pc::avx512_cpu, pc::fp16>(rounds(80, 20));
}

TEST_CASE("lanes_avx512: each operation gives what that of AVX2 gives") {
  if (!here(pc::instruction_set::avx512))
    return;
  same_lanes<pc::bf16>(avx2::lane_runner<pc::bf16>{}, avx512::lane_runner<pc::bf16>{});
  same_lanes<pc::fp16>(avx2::lane_runner<pc::fp16>{}, avx512::lane_runner<pc::fp16>{});
}

// As it was once, by a masked addition that left what it did not add to.
TEST_CASE("lanes_avx512: the cell below a row's least value is +0") {
  if (!here(pc::instruction_set::avx512))
    return;
  random_source random(first_seed());
  lane_inputs in = draw_lanes<pc::bf16>(random);
  for (std::uint32_t i = 0; i < 32; ++i)
    in.inside[i] = in.low[i];
  lane_results found;
  avx512::run_lanes(in, found);
  for (std::uint32_t i = 0; i < 32; ++i)
    CHECK(found.of("cells_below", i) == 0);
}

} // namespace cpu_avx512_test

#endif
