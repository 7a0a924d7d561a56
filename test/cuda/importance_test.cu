// Scores that kernels make on a device: the CPU's, but for rounding.
#include "planecast/cuda/importance.cuh"
#include "planecast/cuda/scores_from_device.cuh"

#include "cuda/attention_case.hpp"
#include "cuda/device_cache.cuh"
#include "cuda/key_norm_case.hpp"
#include "cuda/on_device.cuh"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace cuda_importance_device_test {

namespace pc = planecast;
using namespace planecast_test;

// Every other call is captured in a graph.
struct scores_on_device {
  template <class T>
  using allocator = with_twin<T>;

  on_device direct, graph{true};
  bool captured = false;

  template <class Key, class Query>
  std::string attention(const pc::device_attention& of, const pc::device_scores& to) {
    std::size_t bytes = 0;
    if (const pc::status s = pc::device_importance::attention_mass_bytes(of, bytes); !s)
      return s.message();
    return next().with_twins([&](device_twins& twins) {
      pc::device_attention there = of;
      there.keys = twins.of(of.keys);
      there.queries.first = twins.of(of.queries.first);
      there.queries.fp32 = twins.of(of.queries.fp32);
      there.queries.softmax_lse = twins.of(of.queries.softmax_lse);
      there.not_one = twins.of(of.not_one);
      std::byte* const room = twins.room(bytes);
      return [=, scores = twin(twins, to)](cudaStream_t stream) {
        return pc::device_importance::attention_mass(there, scores, room, bytes, stream);
      };
    });
  }
  template <class Layer>
  std::string key_norm(const Layer& of, const pc::device_scores& to) {
    return next().with_twins([&](device_twins& twins) {
      return [=, &of, keys = twins.of(of.keys.source()), scores = twin(twins, to)](cudaStream_t stream) {
        return pc::device_importance::key_norm(Layer::format::id, keys, of.tokens, of.heads, of.dim, of.order,
                                               scores, stream);
      };
    });
  }

private:
  on_device& next() {
    captured = !captured;
    return captured ? graph : direct;
  }
  static pc::device_scores twin(device_twins& twins, pc::device_scores to) {
    to.scores = twins.of(to.scores);
    to.not_finite = twins.of(to.not_finite);
    return to;
  }
};

template <class Key, class Query, bool Wide = false>
void attention_is_the_cpus(std::uint32_t count, std::uint32_t most_tokens) {
  scores_on_device run;
  for (std::uint32_t k = 0; k < device_rounds(count); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(attention_trouble<Key, Query, Wide>(run, seed, most_tokens) == "");
  }
}
template <class Number>
void lengths_are_the_cpus() {
  scores_on_device run;
  for (std::uint32_t k = 0; k < device_rounds(50); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(key_norm_trouble<Number>(run, seed) == "");
  }
}

TEST_CASE("cuda: kernels sum attention as the CPU does") {
  attention_is_the_cpus<pc::bf16, pc::bf16>(200, 600);
  // Few under tools that make it slow: then no more tokens than a tool's threads walk through soon.
  attention_is_the_cpus<pc::bf16, pc::bf16>(4, 100 * device_rounds(400));
  attention_is_the_cpus<pc::fp16, pc::fp16>(100, 600);
  attention_is_the_cpus<pc::e4m3, pc::bf16>(50, 600);
  attention_is_the_cpus<pc::e4m3, pc::fp16>(50, 600);
  attention_is_the_cpus<pc::e5m2, pc::bf16>(50, 600);
  attention_is_the_cpus<pc::e5m2, pc::fp16>(50, 600);
}
TEST_CASE("cuda: kernels sum attention over a million tokens as the CPU does") {
  scores_on_device run; // of which fewer under tools that make it slow
  CHECK(long_attention_trouble(run, first_seed(), 1024 * device_rounds(1024) + 37, 64, 16, true) == "");
}
TEST_CASE("cuda: kernels sum attention of fp32 queries as the CPU does") {
  attention_is_the_cpus<pc::bf16, pc::bf16, true>(100, 600);
  attention_is_the_cpus<pc::fp16, pc::fp16, true>(100, 600);
  attention_is_the_cpus<pc::e4m3, pc::bf16, true>(50, 600);
  attention_is_the_cpus<pc::e5m2, pc::bf16, true>(50, 600);
}
TEST_CASE("cuda: kernels find the lengths of keys as the CPU does") {
  lengths_are_the_cpus<pc::bf16>();
  lengths_are_the_cpus<pc::fp16>();
  lengths_are_the_cpus<pc::e4m3>();
  lengths_are_the_cpus<pc::e5m2>();
}
TEST_CASE("cuda: scores in device memory are taken from there, behind what the stream holds") {
  constexpr std::uint32_t layers = 3, tokens = 1000;
  std::vector<float> of_all(layers * tokens);
  for (std::size_t i = 0; i < of_all.size(); ++i)
    of_all[i] = static_cast<float>(i * 2654435761u % 1000003u);
  const guarded_memory there(of_all.size() * sizeof(float), 0);
  REQUIRE(there.made() == cudaSuccess);
  const own_stream stream;
  REQUIRE(cudaMemcpyAsync(there.begin(), of_all.data(), there.bytes(), cudaMemcpyHostToDevice, stream) ==
          cudaSuccess);
  const auto* const scores = reinterpret_cast<const float*>(there.begin());

  CHECK((pc::scores_from_device(scores, of_all.size(), stream) == of_all));
  CHECK(pc::scores_from_device(scores, 0, stream).empty());
  CHECK_THROWS_AS((void)pc::scores_from_device(nullptr, tokens, stream), pc::error);
  CHECK(cudaGetLastError() == cudaSuccess);
}

} // namespace cuda_importance_device_test
