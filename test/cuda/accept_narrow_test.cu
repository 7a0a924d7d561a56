// What kernels make of drafts by rows of 16-bit numbers, on a device: what the plain loops make of the same
// numbers in floats.
#include "cuda/accept_on_device.cuh"

#include <doctest/doctest.h>

namespace cuda_accept_narrow_test {

namespace pc = planecast;
using namespace planecast_test;

TEST_CASE("cuda acceptance: kernels take 16-bit rows for the floats that they are") {
  kernels_do_as_plain_loops<pc::bf16, float>(false, device_rounds(400), 600);
  kernels_do_as_plain_loops<pc::bf16, float>(false, device_rounds(30), 150000);
  kernels_do_as_plain_loops<pc::fp16, pc::fp16>(false, device_rounds(400), 600);
  kernels_do_as_plain_loops<float, pc::bf16>(false, device_rounds(200), 600);
}
TEST_CASE("cuda acceptance: kernels take 16-bit rows of as many requests and tokens as engines have") {
  kernels_accept_a_large_batch<pc::bf16, float>();
}
TEST_CASE("cuda acceptance: captured in a graph, kernels take 16-bit rows likewise") {
  kernels_do_as_plain_loops<pc::bf16, float>(true, device_rounds(50), 5000);
}

} // namespace cuda_accept_narrow_test
