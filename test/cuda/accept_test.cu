// What kernels make of drafts, on a device: the same tokens and counts as the plain loops, and nothing beside
// them.
#include "planecast/cuda/accept.cuh"

#include "cuda/accept_case.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

namespace cuda_accept_test {

namespace pc = planecast;
using namespace planecast_test;

// PLANECAST_GPU_ROUNDS at most, where tools make a device slow.
std::uint32_t rounds_on_device(std::uint32_t full) {
  const char* const most = std::getenv("PLANECAST_GPU_ROUNDS");
  return most == nullptr ? full : std::min(full, static_cast<std::uint32_t>(std::strtoul(most, nullptr, 10)));
}

// Memory that both sides reach.
template <class T>
struct managed {
  using value_type = T;
  managed() = default;
  template <class U>
  managed(const managed<U>&) noexcept {}
  T* allocate(std::size_t count) {
    void* memory = nullptr;
    if (cudaMallocManaged(&memory, count * sizeof(T)) != cudaSuccess)
      throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) noexcept { cudaFree(memory); }
  friend bool operator==(managed, managed) { return true; }
};

pc::status accept_by(pc::detail::acceptance how, const pc::draft_batch& batch, const pc::accepted_batch& out,
                     void* workspace, std::size_t bytes, cudaStream_t stream) {
  if (how == pc::detail::acceptance::greedy)
    return pc::cuda_acceptance::greedy(batch, out, workspace, bytes, stream);
  if (how == pc::detail::acceptance::gumbel)
    return pc::cuda_acceptance::gumbel(batch, out, workspace, bytes, stream);
  return pc::cuda_acceptance::rejection(batch, out, workspace, bytes, stream);
}

// In a stream of its own: as it is called, or captured in a graph that is then launched.
struct accept_on_device {
  template <class T>
  using allocator = managed<T>;

  cudaStream_t stream = nullptr;
  bool through_graph;

  explicit accept_on_device(bool graph = false) : through_graph(graph) {
    if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess)
      throw std::runtime_error("no stream");
  }
  accept_on_device(const accept_on_device&) = delete;
  ~accept_on_device() { cudaStreamDestroy(stream); }

  std::string accept(pc::detail::acceptance how, const pc::draft_batch& batch, const pc::accepted_batch& out,
                     void* workspace, std::size_t bytes) {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t ready = nullptr;
    std::string wrong;
    const auto keep = [&](cudaError_t e) {
      if (e != cudaSuccess && wrong.empty())
        wrong = cudaGetErrorString(e);
      return e == cudaSuccess;
    };
    if (through_graph)
      keep(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    if (const pc::status s = accept_by(how, batch, out, workspace, bytes, stream); !s)
      wrong = s.message();
    if (through_graph && keep(cudaStreamEndCapture(stream, &graph)) &&
        keep(cudaGraphInstantiate(&ready, graph, 0)))
      keep(cudaGraphLaunch(ready, stream));
    keep(cudaStreamSynchronize(stream));
    if (ready != nullptr)
      cudaGraphExecDestroy(ready);
    if (graph != nullptr)
      cudaGraphDestroy(graph);
    return wrong;
  }
};

void kernels_do_as_plain_loops(bool through_graph, std::uint32_t count, std::uint32_t most_vocab) {
  accepts_seen found;
  accept_on_device run(through_graph);
  for (std::uint32_t k = 0; k < count || (found.accepted == 0 && k < 100 * count); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(accept_trouble(run, seed, most_vocab, found) == "");
  }
  CHECK(found.accepted > 0);
  CHECK(found.rejected > 0);
}

TEST_CASE("cuda acceptance: kernels accept as the plain loops do") {
  kernels_do_as_plain_loops(false, rounds_on_device(1000), 600);
  kernels_do_as_plain_loops(false, rounds_on_device(60), 150000); // rows that many blocks share
}
TEST_CASE("cuda acceptance: captured in a graph, they do the same each time it is launched") {
  kernels_do_as_plain_loops(true, rounds_on_device(100), 5000);
}

TEST_CASE("cuda acceptance: in two streams at once, they do the same") {
  const auto in_a_stream = [](std::uint64_t seed, std::string& wrong) {
    accept_on_device run;
    accepts_seen found;
    for (std::uint32_t k = 0; k < rounds_on_device(200) && wrong.empty(); ++k)
      wrong = accept_trouble(run, seed + k, 20000, found);
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

TEST_CASE("cuda acceptance: what cannot be done is refused, and nothing is enqueued") {
  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  pc::draft_batch batch;
  batch.batch_size = 2;
  batch.max_draft_tokens = 3;
  batch.vocab_size = 0;
  const std::size_t bytes = pc::cuda_acceptance::workspace_bytes(2, 3);
  CHECK((pc::cuda_acceptance::greedy(batch, {}, nullptr, bytes, stream) == pc::errc::limit));
  batch.vocab_size = 10;
  CHECK((pc::cuda_acceptance::gumbel(batch, {}, nullptr, bytes - 1, stream) == pc::errc::limit));
  batch.max_draft_tokens = 1'000'000;
  CHECK((pc::cuda_acceptance::gumbel(batch, {}, nullptr, pc::cuda_acceptance::workspace_bytes(2, 1'000'000),
                                     stream) == pc::errc::limit));
  batch.batch_size = 0;
  CHECK(pc::cuda_acceptance::gumbel(batch, {}, nullptr, 0, stream).ok());
  REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  std::size_t nodes = 1;
  REQUIRE(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
  CHECK(nodes == 0);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
}

} // namespace cuda_accept_test
