// What kernels make of drafts, on a device: the same tokens and counts as the plain loops, and nothing beside
// them.
#include "planecast/cuda/accept.cuh"

#include "cuda/accept_on_device.cuh"
#include "cuda/accept_refusals.cuh"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace cuda_accept_test {

namespace pc = planecast;
using namespace planecast_test;

template <class T>
using twin_vector = std::vector<T, with_twin<T>>;

TEST_CASE("cuda acceptance: kernels accept as the plain loops do") {
  kernels_do_as_plain_loops<float, float>(false, device_rounds(1000), 600);
  kernels_do_as_plain_loops<float, float>(false, device_rounds(60), 150000); // rows that many blocks share
}
TEST_CASE("cuda acceptance: kernels accept as many requests and tokens as engines have") {
  kernels_accept_a_large_batch<float, float>();
}
TEST_CASE("cuda acceptance: captured in a graph, they do the same each time it is launched") {
  kernels_do_as_plain_loops<float, float>(true, device_rounds(100), 5000);
}

// The offsets are in device memory, so that a graph reads them anew.
TEST_CASE("cuda acceptance: a graph has other noise in each launch, where its offsets are advanced") {
  constexpr std::uint32_t requests = 4, drafts = 3, vocab = 1000, launches = 6;
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  random_source random(seed);
  twin_vector<float> target(requests * (drafts + 1) * vocab);
  for (float& x : target)
    x = static_cast<float>(random.gaussian());
  twin_vector<std::uint64_t> offsets(requests, 0);
  twin_vector<pc::token_id> tokens(requests * drafts, 0), output(requests * (drafts + 1));
  pc::draft_batch batch;
  batch.batch_size = requests;
  batch.max_draft_tokens = drafts;
  batch.vocab_size = vocab;
  batch.kind = pc::target_kind::logits;
  batch.target = target.data();
  batch.draft_token_ids = tokens.data();
  batch.offsets = offsets.data();
  const std::size_t bytes = pc::cuda_acceptance::workspace_bytes(requests, drafts);
  twin_vector<std::byte> workspace(bytes);

  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t ready = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  {
    device_twins twins(stream);
    pc::draft_batch there = batch;
    there.target = twins.of(batch.target);
    there.draft_token_ids = twins.of(batch.draft_token_ids);
    there.offsets = twins.of(batch.offsets);
    const pc::accepted_batch out{.output_token_ids = twins.of(output.data())};
    std::byte* const room = twins.of(workspace.data());
    REQUIRE(twins.trouble() == "");
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    CHECK(pc::cuda_acceptance::gumbel(there, out, room, bytes, stream).ok());
    REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
    REQUIRE(cudaGraphInstantiate(&ready, graph, 0) == cudaSuccess);
    std::set<std::vector<pc::token_id>> seen;
    for (std::uint32_t k = 0; k < launches; ++k) {
      for (std::uint64_t& at : offsets)
        at = k * (drafts + 1);
      std::vector<pc::token_id> wanted(output.size());
      pc::accept_gumbel(batch, {.output_token_ids = wanted.data()});
      twins.upload();
      CHECK(cudaGraphLaunch(ready, stream) == cudaSuccess);
      twins.download();
      CHECK(twins.trouble() == "");
      CHECK(std::equal(output.begin(), output.end(), wanted.begin()));
      seen.insert(wanted);
    }
    CHECK(seen.size() == launches);
  }
  cudaGraphExecDestroy(ready);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
}

TEST_CASE("cuda acceptance: in two streams at once, they do the same") {
  const auto in_a_stream = [](std::uint64_t seed, std::string& wrong) {
    accept_on_device run;
    accepts_seen found;
    for (std::uint32_t k = 0; k < device_rounds(200) && wrong.empty(); ++k)
      wrong = accept_trouble<float, float>(run, seed + k, 20000, found);
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
  acceptance_refuses(stream);
  REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  std::size_t nodes = 1;
  REQUIRE(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
  CHECK(nodes == 0);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
}

} // namespace cuda_accept_test
