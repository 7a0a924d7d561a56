// The other unit, by nvcc: every header, and the code's math in device code. No GPU is needed: the kernel is
// compiled for each architecture and not launched.
#include "unit.hpp"
#include "unit_cuda_headers.cuh" // made by CMake: every header of planecast::cuda

using namespace planecast; // beside CUDA's global names: int4 and its like

namespace {

template <class Number>
__device__ std::uint32_t code_on_device(std::uint16_t low, std::uint16_t high, std::uint16_t x) {
  cells<Number, 8> row;
  typename cells<Number, 8>::extent extent;
  extent.add(low);
  extent.add(high);
  if (!row.fit(extent))
    return stored_tile;
  const std::uint32_t q = row.code(order_of(x));
  return q << 24 | row.tail_bits(q) << 16 | row.middle(q >> 4, 4);
}

} // namespace

__global__ void planecast_device_check(const std::uint16_t* in, std::uint32_t* out) {
  using plane_layout = planes<4, 4, tail>;
  constexpr tile_layout<per_token, plane_layout> layout{{64, 128}};
  const std::uint32_t i = threadIdx.x;
  out[4 * i] = code_on_device<bf16>(in[0], in[1], in[i]);
  out[4 * i + 1] = code_on_device<fp16>(in[0], in[1], in[i]);
  out[4 * i + 2] = plane_layout::width(i) + plane_layout::bits_before(i) + tiers<4, 8, lossless>::bits(i);
  out[4 * i + 3] = per_token::scale_row(layout.shape, i, 0) + per_channel<64>::scale_row(layout.shape, 0, i);
}

planecast_test::unit_layouts layouts_of_other_unit() {
  return planecast_test::all_layouts();
}
std::uint64_t sample_of_other_unit() {
  return planecast_test::sample;
}
