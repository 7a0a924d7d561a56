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

namespace pc = planecast;
using namespace planecast_test;

namespace {

bool here() {
  if (pc::supports(pc::instruction_set::avx2))
    return true;
  MESSAGE("AVX2: not on this machine");
  return false;
}

template <class Number>
void lanes_keep_their_meaning() {
  for (std::uint32_t k = 0; k < rounds(1000, 100); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const lane_inputs in = draw_lanes<Number>(random);
    lane_results expected, found;
    pc::detail::by_hand::run_lanes(in, expected);
    pc::detail::by_hand::run_conversions<Number>(in, expected);
    pc::detail::avx2::run_lanes(in, found);
    pc::detail::avx2::run_conversions<Number>(in, found);
    CHECK(found.difference(expected) == "");
  }
}

} // namespace

TEST_CASE("vector_loops: thirty-two lanes by hand code as the plain loops do in bf16") {
  if (here())
    same_as_plain<by_hand_cpu, pc::bf16>(rounds(60, 12));
}
TEST_CASE("vector_loops: thirty-two lanes by hand code as the plain loops do in fp16") {
  if (here())
    same_as_plain<by_hand_cpu, pc::fp16>(rounds(60, 12));
}

TEST_CASE("lanes_avx2: each operation means what it says") {
  if (!here())
    return;
  lanes_keep_their_meaning<pc::bf16>();
  lanes_keep_their_meaning<pc::fp16>();
}

// A value that is the row's least is guessed a little below cell 0, and truncated to −0. As −0 it would give
// a boundary of the other sign where low is a zero, or be taken for a code of its own.
TEST_CASE("lanes_avx2: the cell below a row's least value is +0") {
  if (!here())
    return;
  random_source random(first_seed());
  lane_inputs in = draw_lanes<pc::bf16>(random);
  const float lows[] = {0.0f, -0.0f, 1.0f, -1.0f, 0x1p-126f, -0x1p100f};
  for (std::uint32_t i = 0; i < 32; ++i) {
    in.low[i] = in.inside[i] = lows[i % std::size(lows)];
    in.step[i] = i % 2 == 0 ? 0x1p-4f : 0x1p100f;
  }
  lane_results by_hand, found;
  pc::detail::by_hand::run_lanes(in, by_hand);
  pc::detail::avx2::run_lanes(in, found);
  for (std::uint32_t i = 0; i < 32; ++i) {
    CAPTURE(i);
    CHECK(by_hand.of("cells_below", i) == 0);
    CHECK(found.of("cells_below", i) == 0);
  }
}

#endif
