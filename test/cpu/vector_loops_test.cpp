// The vector loops at 512 bits on any machine with AVX2, and the lanes of AVX2 against their meaning.
#include "planecast/cpu/avx2.hpp"
#include "planecast/cpu/instruction_set.hpp"

#include <doctest/doctest.h>

#if PLANECAST_X86

#include "cpu/lane_values.hpp"
#include "cpu/lanes_by_hand.hpp"
#include "cpu/same_as_plain.hpp"

#define PLANECAST_TARGET __attribute__((target("avx2,fma,f16c,bmi,bmi2,popcnt")))
#define PLANECAST_SET by_hand
#include "cpu/lane_operations.hpp"
#undef PLANECAST_SET
#define PLANECAST_SET avx2
#include "cpu/lane_operations.hpp"
#undef PLANECAST_SET
#undef PLANECAST_TARGET

namespace cpu_vector_loops_test {

namespace pc = planecast;
using namespace planecast_test;
using namespace pc::detail; // the sets of lanes

TEST_CASE("vector_loops: thirty-two lanes by hand code as the plain loops do in bf16") {
  if (here(pc::instruction_set::avx2))
    same_as_plain<by_hand_cpu, pc::bf16>(rounds(60, 12));
}
TEST_CASE("vector_loops: thirty-two lanes by hand code as the plain loops do in fp16") {
  if (here(pc::instruction_set::avx2))
    same_as_plain<by_hand_cpu, pc::fp16>(rounds(60, 12));
}

TEST_CASE("lanes_avx2: each operation means what it says") {
  if (!here(pc::instruction_set::avx2))
    return;
  same_lanes<pc::bf16>(by_hand::lane_runner<pc::bf16>{}, avx2::lane_runner<pc::bf16>{});
  same_lanes<pc::fp16>(by_hand::lane_runner<pc::fp16>{}, avx2::lane_runner<pc::fp16>{});
}

// A value that is the row's least is guessed a little below cell 0, and truncated to −0. As −0 it would give
// a boundary of the other sign where low is a zero, or be taken for a code of its own.
TEST_CASE("lanes_avx2: the cell below a row's least value is +0") {
  if (!here(pc::instruction_set::avx2))
    return;
  random_source random(first_seed());
  lane_inputs in = draw_lanes<pc::bf16>(random);
  const float lows[] = {0.0f, -0.0f, 1.0f, -1.0f, 0x1p-126f, -0x1p100f};
  for (std::uint32_t i = 0; i < 32; ++i) {
    in.low[i] = in.inside[i] = lows[i % std::size(lows)];
    in.step[i] = i % 2 == 0 ? 0x1p-4f : 0x1p100f;
  }
  lane_results by_hand, found;
  by_hand::run_lanes(in, by_hand);
  avx2::run_lanes(in, found);
  for (std::uint32_t i = 0; i < 32; ++i) {
    CAPTURE(i);
    CHECK(by_hand.of("cells_below", i) == 0);
    CHECK(found.of("cells_below", i) == 0);
  }
}

} // namespace cpu_vector_loops_test

#endif
