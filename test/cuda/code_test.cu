// What kernels do to tiles, on a device: the same bytes and values as the plain loops, and nothing beside
// them.
#include "planecast/cuda/cuda.cuh"

#include "cuda/golden_case.hpp"
#include "cuda/on_device.cuh"
#include "cuda/tile_case.hpp"

#include <cstdint>
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <string>
#include <thread>

namespace cuda_code_test {

namespace pc = planecast;
using namespace planecast_test;

using standard = pc::planes<4, 4, pc::tail>;
using short_code = pc::planes<4, pc::tail>;

template <class Number, class Q, class Planes>
void kernels_do_as_plain_loops(bool through_graph, std::uint32_t count) {
  tiles_seen found;
  on_device run(through_graph);
  // Few hard tiles may all be stored: then more of them.
  for (std::uint32_t k = 0; k < count || (found.coded == 0 && k < 100 * count); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(tiles_trouble<Number, Q, Planes>(run, seed, found) == "");
  }
  CHECK(found.coded > 0);
}
void every_kernel_does(bool through_graph, std::uint32_t count) {
  kernels_do_as_plain_loops<pc::bf16, pc::per_channel<64>, standard>(through_graph, count);
  kernels_do_as_plain_loops<pc::fp16, pc::per_channel<64>, standard>(through_graph, count);
  kernels_do_as_plain_loops<pc::bf16, pc::per_token, standard>(through_graph, count);
  kernels_do_as_plain_loops<pc::fp16, pc::per_token, standard>(through_graph, count);
  kernels_do_as_plain_loops<pc::e4m3, pc::per_token, short_code>(through_graph, count);
  kernels_do_as_plain_loops<pc::e5m2, pc::per_token, short_code>(through_graph, count);
  kernels_do_as_plain_loops<pc::bf16, pc::balanced, standard>(through_graph, count);
  kernels_do_as_plain_loops<pc::fp16, pc::balanced, standard>(through_graph, count);
}

TEST_CASE("cuda: kernels code and decode as the plain loops do") {
  every_kernel_does(false, device_rounds(200));
}
TEST_CASE("cuda: captured in a graph, they do the same each time it is launched") {
  every_kernel_does(true, device_rounds(20));
}

template <class Number, class Q, class Planes>
void rows_hold_another_type(std::uint32_t count) {
  tiles_seen found;
  for (const bool through_graph : {false, true})
    for (std::uint32_t k = 0; k < count; ++k) {
      const std::uint64_t seed = first_seed() + k;
      CAPTURE(seed);
      CHECK(pages_trouble<Number, Q, Planes>(on_device(through_graph), seed, found) == "");
    }
}
TEST_CASE("cuda: kernels decode into rows of another type of numbers") {
  rows_hold_another_type<pc::bf16, pc::per_channel<64>, standard>(device_rounds(60));
  rows_hold_another_type<pc::e4m3, pc::per_token, short_code>(device_rounds(60));
}
TEST_CASE("cuda: scales that pages cannot have are refused") {
  const pc::device_tiles<pc::per_token, short_code> tiles{.tokens = 1, .heads = 1, .dim = 8};
  const auto refused = [&](pc::number sent, const pc::device_pages& to) {
    return pc::cuda::decode(sent, tiles, 1, to, nullptr) == pc::errc::unsupported &&
           pc::cuda::decode_exact(sent, tiles, to, nullptr, nullptr) == pc::errc::unsupported;
  };
  CHECK(refused(pc::number::bf16, {.held = pc::number::fp16, .scale = 2}));
  CHECK(refused(pc::number::bf16, {.held = pc::number::fp8_e4m3, .sent_scale = 2}));
  CHECK(refused(pc::number::bf16, {.held = pc::number::fp8_e4m3, .scale = 0}));
  CHECK(refused(pc::number::fp8_e4m3, {.held = pc::number::fp8_e4m3, .sent_scale = 1e-38f}));
}

TEST_CASE("cuda: in two streams at once, they do the same") {
  const auto in_a_stream = [](std::uint64_t seed, std::string& wrong) {
    on_device run;
    tiles_seen found;
    for (std::uint32_t k = 0; k < device_rounds(100) && wrong.empty(); ++k)
      wrong = k % 2 == 0 ? tiles_trouble<pc::bf16, pc::per_channel<64>, standard>(run, seed + k, found)
                         : tiles_trouble<pc::bf16, pc::per_token, standard>(run, seed + k, found);
  };
  std::string here, there;
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  std::thread other([&] { in_a_stream(seed + 1'000'000, there); });
  in_a_stream(seed, here);
  other.join();
  CHECK(here == "");
  CHECK(there == "");
}

TEST_CASE("cuda: the golden tiles") {
  std::uint32_t found = 0;
  CHECK(golden_trouble(on_device{}, found) == "");
  CHECK(found == 36);
}

// One call, one kernel, which a graph shows.
TEST_CASE("cuda: a call enqueues one kernel and nothing else") {
  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  void* memory = nullptr;
  const pc::device_tiles<pc::per_token, standard> shape{.tokens = 100, .heads = 2, .dim = 128};
  const std::size_t ends = shape.memory_bytes(), coded = ends + 4 * shape.ends(),
                    rows = coded + sizeof(pc::encoded_tile) * shape.tiles();
  REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  REQUIRE(cudaMalloc(&memory, rows + std::size_t{2} * 100 * 2 * 128 + 64) == cudaSuccess);
  auto tiles = shape;
  auto* const at = static_cast<std::byte*>(memory);
  tiles.bytes = at;
  tiles.tail_ends = reinterpret_cast<std::uint32_t*>(at + ends);
  tiles.coded = reinterpret_cast<pc::encoded_tile*>(at + coded);
  const pc::device_rows<const std::byte> from{.first = at + (rows + 15) / 16 * 16, .token = 256, .head = 128};
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  CHECK(pc::cuda::encode(pc::number::bf16, tiles, from, stream).ok());
  REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  std::size_t nodes = 0;
  REQUIRE(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
  REQUIRE(nodes == 1);
  cudaGraphNode_t node{};
  cudaGraphNodeType type{};
  REQUIRE(cudaGraphGetNodes(graph, &node, &nodes) == cudaSuccess);
  REQUIRE(cudaGraphNodeGetType(node, &type) == cudaSuccess);
  CHECK(type == cudaGraphNodeTypeKernel);
  cudaGraphDestroy(graph);
  cudaFree(memory);
  cudaStreamDestroy(stream);
}

} // namespace cuda_code_test
