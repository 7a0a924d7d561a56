// Streams from and to a GPU's memory: what crosses and what arrives is what it is from the processor's,
// whatever else the GPU does meanwhile.
#include "planecast/cuda/cuda.cuh"
#include "planecast/cuda/scores_from_device.cuh"
#include "planecast/planecast.hpp"

#include "cuda/device_cache.cuh"
#include "cuda/stream_case.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace cuda_stream_test {

using namespace planecast_test;
namespace pc = planecast;

// One, as each more takes the compiler long: stream_layered.cu has another.
using policy = test::default_policy;
using device_pair = test::stream_pair<policy, test::gated<pc::loopback>, pc::cuda>;

// An engine's work that takes until it is let go, or so many cycles: then it writes some bytes.
__global__ void write_late(const volatile std::uint32_t* go, long long cycles, const std::byte* from,
                           std::byte* to, std::size_t bytes) {
  const long long begun = clock64();
  while (*go == 0 && clock64() - begun < cycles) {
  }
  for (std::size_t i = threadIdx.x; i < bytes; i += blockDim.x)
    to[i] = from[i];
}
constexpr int until_let_go = 2000, shortly = 20; // milliseconds, at most

class late_engine {
public:
  late_engine() {
    void* made = nullptr;
    REQUIRE(cudaMallocHost(&made, sizeof(std::uint32_t)) == cudaSuccess);
    go_ = static_cast<volatile std::uint32_t*>(made);
    *go_ = 0;
    int device = 0;
    REQUIRE(cudaGetDevice(&device) == cudaSuccess);
    REQUIRE(cudaDeviceGetAttribute(&cycles_, cudaDevAttrClockRate, device) == cudaSuccess);
    REQUIRE(cudaEventCreateWithFlags(&behind_, cudaEventDisableTiming) == cudaSuccess);
  }
  late_engine(const late_engine&) = delete;
  ~late_engine() {
    let_go();
    cudaStreamSynchronize(stream);
    cudaEventDestroy(behind_);
    cudaFreeHost(const_cast<std::uint32_t*>(go_));
  }
  // What a cache's twin holds is lost, and written again by what is enqueued here.
  void compute(device_cache& cache, int milliseconds) {
    cache.each([&](std::byte* at, std::size_t bytes) {
      const auto& copy = copies_.emplace_back(std::make_unique<guarded_memory>(bytes, 0));
      REQUIRE(copy->made() == cudaSuccess);
      REQUIRE(cudaMemcpyAsync(copy->begin(), at, bytes, cudaMemcpyDeviceToDevice, stream) == cudaSuccess);
      REQUIRE(cudaMemsetAsync(at, 0x11, bytes, stream) == cudaSuccess);
      REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    });
    std::size_t next = copies_.size();
    cache.each([&](std::byte*, std::size_t) { --next; });
    cache.each([&](std::byte* at, std::size_t bytes) {
      write_late<<<1, 256, 0, stream>>>(go_, 1LL * milliseconds * cycles_, copies_[next++]->begin(), at,
                                        bytes);
      REQUIRE(cudaGetLastError() == cudaSuccess);
    });
    REQUIRE(cudaEventRecord(behind_, stream) == cudaSuccess);
  }
  [[nodiscard]] bool busy() const {
    const bool is = cudaEventQuery(behind_) == cudaErrorNotReady;
    (void)cudaGetLastError();
    return is;
  }
  void let_go() { *go_ = 1; }

  const own_stream stream;

private:
  volatile std::uint32_t* go_ = nullptr;
  int cycles_ = 0; // a millisecond's
  cudaEvent_t behind_ = nullptr;
  std::vector<std::unique_ptr<guarded_memory>> copies_;
};

// A request whose caches are in the GPU's memory.
struct one_request {
  pc::geometry shape;
  std::uint32_t tokens;
  device_cache at_source, at_target;
  test::basic_cache_memory<with_twin> source, target;
  std::vector<pc::kv_view> layers;
  std::vector<pc::kv_pages> pages;

  one_request(const pc::geometry& g, std::uint32_t n, test::dice& random)
      : shape(g), tokens(n), source(device_memory<with_twin>(g, n, random)),
        target(device_memory<with_twin>(g, n, random)) {
    test::fill(source, g.dtype, random);
    for (std::uint32_t l = 0; l < g.layers; ++l) {
      layers.push_back(at_source.there(source.view<pc::kv_view>(l)));
      pages.push_back(at_target.there(target.view<pc::kv_pages>(l)));
    }
    at_source.bring();
    at_target.bring();
  }
  [[nodiscard]] bool arrived() {
    at_target.fetch();
    return target.received(source);
  }
};
const pc::geometry small{pc::number::bf16, 4, 2, 24, 16};

TEST_CASE("GPU stream: what crosses and what arrives is what it is from the host's memory") {
  const own_stream engine;
  for (std::uint64_t seed = 0; seed < device_rounds(30); ++seed)
    same_from_device<policy, pc::cuda, device_cache>(seed, engine);
}

TEST_CASE("GPU stream: pages of another type of numbers") {
  const own_stream engine;
  for (std::uint64_t seed = 100; seed < 100 + device_rounds(20); ++seed)
    same_from_device<policy, pc::cuda, device_cache>(seed, engine, true);
}

TEST_CASE("GPU stream: bad bytes are corrupt to it as they are to the processor") {
  const own_stream engine;
  frames_taken found;
  for (std::uint64_t seed = 0; seed < device_rounds(60) || (found.refused == 0 && seed < 60); ++seed)
    bad_bytes_to_device<policy, pc::cuda::place, device_cache>(seed, engine, found);
  CHECK(found.taken > 0);
  CHECK(found.refused > 0);
}

TEST_CASE("GPU stream: two requests at once, behind two streams of the caller's") {
  for (std::uint64_t seed = 0; seed < device_rounds(10); ++seed) {
    CAPTURE(seed);
    test::dice random(seed);
    const own_stream engines[2];
    device_pair streams(small);
    std::unique_ptr<one_request> requests[2];
    std::vector<device_pair::receiver::incoming> coming;
    std::vector<device_pair::sender::outgoing> going;
    for (std::uint32_t i = 0; i < 2; ++i) {
      requests[i] = std::make_unique<one_request>(small, test::random_tokens(random), random);
      coming.push_back(
          streams.in.expect({.id = 1 + i, .tokens = requests[i]->tokens}, requests[i]->pages, engines[i]));
      going.push_back(streams.out.open({.id = 1 + i, .tokens = requests[i]->tokens}));
    }
    for (std::uint32_t l = 0; l < small.layers; ++l)
      for (std::uint32_t i = 0; i < 2; ++i)
        REQUIRE(going[i].put(l, requests[i]->layers[l], engines[i]).ok());
    for (auto& shot : going)
      REQUIRE(shot.plan(pc::budget::base()).ok());
    REQUIRE(streams.run([&] {
      bool all = true;
      for (auto& kv : coming) {
        (void)kv.poll();
        all = all && kv.reached(pc::focused);
      }
      return all;
    }));
    for (auto& request : requests)
      CHECK(request->arrived());
  }
}

TEST_CASE("GPU stream: layers are read, and pages written, behind what the caller's stream holds") {
  std::uint32_t looked = 0;
  for (std::uint64_t seed = 0; seed < device_rounds(5); ++seed) {
    CAPTURE(seed);
    test::dice random(seed);
    one_request request(small, 100, random);
    device_pair streams(small);
    late_engine prefill, decode;
    auto kv = streams.in.expect({.id = 1, .tokens = 100}, request.pages, decode.stream);
    auto shot = streams.out.open({.id = 1, .tokens = 100});
    streams.door->allowed = 0;

    prefill.compute(request.at_source, until_let_go);
    const std::uint64_t held = shot.bytes_held();
    for (std::uint32_t l = 0; l < 2; ++l) // a third waits for the first
      REQUIRE(shot.put(l, request.layers[l], prefill.stream).ok());
    streams.settle();
    const std::uint64_t held_then = shot.bytes_held();
    if (prefill.busy()) { // taking memory may have waited for it
      ++looked;
      CHECK(held_then == held); // nothing has come to rest
    }
    prefill.let_go();
    for (std::uint32_t l = 2; l < small.layers; ++l)
      REQUIRE(shot.put(l, request.layers[l], prefill.stream).ok());
    REQUIRE(shot.plan(pc::budget::base()).ok());
    streams.settle();

    decode.compute(request.at_target,
                   shortly); // what the pages hold, again: behind the values it would hide them
    streams.door->allowed = ~std::size_t{0};
    REQUIRE(streams.run(kv, [&] { return kv.reached(pc::focused); }));
    CHECK(request.arrived());
    CHECK(cudaGetLastError() == cudaSuccess);
  }
  CHECK(looked > 0);
}

TEST_CASE("GPU stream: while its caller captures a graph, a request goes on and is no part of that") {
  test::dice random(1);
  const own_stream engine, captured;
  one_request request(small, 100, random);
  device_pair streams(small);
  auto kv = streams.in.expect({.id = 1, .tokens = 100}, request.pages, engine);
  auto shot = streams.out.open({.id = 1, .tokens = 100});
  const guarded_memory word(4, 0), scores(100 * sizeof(float), 0);
  REQUIRE(word.made() == cudaSuccess);
  REQUIRE(scores.made() == cudaSuccess);
  const auto* const first_score = reinterpret_cast<const float*>(scores.begin());
  REQUIRE(cudaMemsetAsync(scores.begin(), 0, scores.bytes(), engine) == cudaSuccess);
  const auto nodes_of = [&](auto&& meanwhile) {
    cudaGraph_t graph = nullptr;
    std::size_t nodes = ~std::size_t{0};
    REQUIRE(cudaStreamBeginCapture(captured, cudaStreamCaptureModeGlobal) == cudaSuccess);
    meanwhile();
    CHECK(cudaMemsetAsync(word.begin(), 0, 4, captured) == cudaSuccess);
    REQUIRE(cudaStreamEndCapture(captured, &graph) == cudaSuccess);
    REQUIRE(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
    cudaGraphDestroy(graph);
    return nodes;
  };
  CHECK(nodes_of([&] {
          for (std::uint32_t l = 0; l < small.layers; ++l)
            CHECK(shot.put(l, request.layers[l], engine).ok());
          CHECK(shot.plan(pc::budget::base(), pc::scores_from_device(first_score, 100, engine)).ok());
          CHECK(streams.run(kv, [&] { return kv.reached(pc::focused); }));
        }) == 1);
  CHECK(request.arrived());
  CHECK(nodes_of([&] { // from the stream that is captured nothing can be put
          auto refused = streams.out.open({.id = 2, .tokens = 100});
          CHECK((refused.put(0, request.layers[0], captured) == pc::errc::device));
          CHECK_THROWS_AS((void)pc::scores_from_device(first_score, 100, captured), pc::error);
        }) == 1);
  CHECK(cudaGetLastError() == cudaSuccess);
}

TEST_CASE("GPU stream: ends that close while much is under way touch nothing afterwards") {
  using namespace std::chrono_literals;
  for (std::uint64_t seed = 0; seed < device_rounds(20); ++seed) {
    CAPTURE(seed);
    test::dice random(seed);
    one_request request(small, 300, random);
    {
      const own_stream engine;
      std::optional<device_pair> streams(std::in_place, small, pc::sender_options{.linger = 0ms},
                                         pc::receiver_options{.linger = 0ms});
      auto kv = streams->in.expect({.id = 1, .tokens = 300}, request.pages, engine);
      auto shot = streams->out.open({.id = 1, .tokens = 300});
      if (random.one_in(2))
        streams->settle();
      const std::uint32_t layers = random.between(1, small.layers);
      for (std::uint32_t l = 0; l < layers; ++l)
        CHECK(shot.put(l, request.layers[l], engine).ok());
      if (layers == small.layers && random.one_in(2))
        CHECK(shot.plan(pc::budget::base()).ok());
      const int turns = static_cast<int>(random.below(30));
      streams->run(
          kv, [] { return false; }, turns);
      if (random.one_in(2))
        streams.reset(); // before its handles
      else if (random.one_in(2))
        shot.cancel();
    }
    request.at_source.fetch(); // whole, and as it was
    request.at_target.fetch();
    request.at_target.bring();
    CHECK(cudaDeviceSynchronize() == cudaSuccess);
    const auto pages = request.target.values();
    request.at_target.fetch();
    CHECK((request.target.values() == pages)); // nobody writes there any more
    CHECK(cudaGetLastError() == cudaSuccess);
  }
  const own_stream engine;
  same_from_device<policy, pc::cuda, device_cache>(0, engine);
}

} // namespace cuda_stream_test
