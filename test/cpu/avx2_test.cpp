#include "planecast/cpu/avx2.hpp"
#include "planecast/cpu/instruction_set.hpp"

#include <doctest/doctest.h>

#if PLANECAST_X86

#include "cpu/same_as_plain.hpp"

namespace cpu_avx2_test {

TEST_CASE("avx2: codes as the plain loops do in bf16") {
  if (planecast_test::here(planecast::instruction_set::avx2))
    planecast_test::same_as_plain<planecast::avx2_cpu, planecast::bf16>(planecast_test::rounds(80, 20));
}
TEST_CASE("avx2: codes as the plain loops do in fp16") {
  if (planecast_test::here(planecast::instruction_set::avx2))
    planecast_test::same_as_plain<planecast::avx2_cpu, planecast::fp16>(planecast_test::rounds(80, 20));
}

} // namespace cpu_avx2_test

#endif
