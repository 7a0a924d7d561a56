// From one GPU's memory to another's, here the same: the caches of both nodes lie in device memory.
#include <planecast/cuda/cuda.cuh>
#include <planecast/planecast.hpp>

#include <cstdint>
#include <iostream>
#include <vector>

namespace pc = planecast;
using namespace std::chrono_literals;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, pc::loopback, pc::cuda>; // your own transport, or pc::socket

const pc::geometry model{
    .dtype = pc::number::bf16, .layers = 4, .kv_heads = 2, .key_dim = 64, .value_dim = 64};
constexpr std::uint32_t tokens = 500;
constexpr std::size_t half = std::size_t{tokens} * 2 * 64, both_bytes = 4 * half; // of K, or of V
const auto strides = pc::kv_strides::nhd(model.kv_heads, model.key_dim);

// Stands for a model that computes a layer's K and V.
__global__ void compute(std::uint16_t* kv, std::uint32_t seed) {
  for (std::size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < 2 * half; i += gridDim.x * blockDim.x)
    kv[i] = static_cast<std::uint16_t>(0x3C00 + (i * 2654435761u + seed) % 0x600);
}

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::cout << "no GPU\n";
    return 77;
  }
  cudaStream_t engine = nullptr;
  if (cudaStreamCreate(&engine) != cudaSuccess)
    return 1;
  std::vector<std::uint16_t*> cache(model.layers), pages(model.layers);
  for (auto* all : {&cache, &pages})
    for (std::uint16_t*& kv : *all)
      if (cudaMalloc(&kv, both_bytes) != cudaSuccess)
        return 1;

  auto [prefill_end, decode_end] = pc::loopback::pair();
  stream::sender out{std::move(prefill_end), model};
  stream::receiver in{std::move(decode_end), model};
  std::vector<pc::kv_pages> views;
  for (std::uint16_t* kv : pages)
    views.emplace_back(kv, strides, kv + half, strides, tokens);
  auto kv = in.expect({.id = 1, .tokens = tokens}, views, engine); // written behind the engine's work

  auto shot = out.open({.id = 1, .tokens = tokens});
  for (std::uint32_t l = 0; l < model.layers; ++l) { // up to three layers are under way
    compute<<<32, 256, 0, engine>>>(cache[l], l);
    pc::check(shot.put(l, {cache[l], strides, cache[l] + half, strides, tokens}, engine));
  }
  pc::check(shot.plan(pc::budget::of_raw(0.5)));
  for (const pc::event e : {pc::first_light, pc::focused}) {
    while (!kv.reached(e)) { // one thread drives both ends here
      pc::check(kv.poll());
      (void)out.progress(pc::deadline::passed());
    }
    std::cout << (e == pc::focused ? "focused: " : "first light: ") << kv.metrics().data_bytes << " of "
              << kv.metrics().raw_bytes << " bytes\n";
  }

  bool equal = true;
  std::vector<std::uint16_t> sent(2 * half), got(2 * half);
  for (std::uint32_t l = 0; l < model.layers; ++l) {
    equal = equal && cudaMemcpy(sent.data(), cache[l], both_bytes, cudaMemcpyDeviceToHost) == cudaSuccess &&
            cudaMemcpy(got.data(), pages[l], both_bytes, cudaMemcpyDeviceToHost) == cudaSuccess &&
            sent == got && sent[0] == 0x3C00 + l; // what compute() writes there
  }
  std::cout << (equal ? "equal to the last bit\n" : "not equal\n");
  return equal ? 0 : 1;
}
