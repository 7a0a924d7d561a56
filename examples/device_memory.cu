// From one GPU's memory to another's, here the same: the caches of both nodes lie in device memory, and which
// tokens matter is found there.
#include <planecast/cuda/cuda.cuh>
#include <planecast/cuda/importance.cuh>
#include <planecast/cuda/scores_from_device.cuh>
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
constexpr std::uint32_t tokens = 500, window = 32, query_heads = 8;
constexpr std::size_t half = std::size_t{tokens} * 2 * 64, both_bytes = 4 * half; // of K, or of V
constexpr std::size_t queries = std::size_t{window} * query_heads * 64;           // of the last tokens
const auto strides = pc::kv_strides::nhd(model.kv_heads, model.key_dim);

// Stands for a model that computes a layer's K and V, or its queries.
__global__ void compute(std::uint16_t* values, std::size_t count, std::uint32_t seed) {
  for (std::size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
    values[i] = static_cast<std::uint16_t>(0x3C00 + (i * 2654435761u + seed) % 0x600);
}

// It lives as long as the program.
template <class T>
T* on_device(std::size_t count) {
  void* memory = nullptr;
  if (cudaMalloc(&memory, count * sizeof(T)) != cudaSuccess)
    throw std::bad_alloc();
  return static_cast<T*>(memory);
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
  std::vector<std::uint16_t*> cache, pages;
  for (std::uint32_t l = 0; l < model.layers; ++l) {
    cache.push_back(on_device<std::uint16_t>(2 * half));
    pages.push_back(on_device<std::uint16_t>(2 * half));
  }

  auto [prefill_end, decode_end] = pc::loopback::pair();
  stream::sender out{std::move(prefill_end), model};
  stream::receiver in{std::move(decode_end), model};
  std::vector<pc::kv_pages> views;
  for (std::uint16_t* kv : pages)
    views.emplace_back(kv, strides, kv + half, strides, tokens);
  auto kv = in.expect({.id = 1, .tokens = tokens}, views, engine); // written behind the engine's work

  // How much attention the last queries give to each token: the mean of all layers.
  auto* const q = on_device<std::uint16_t>(queries);
  auto* const mass = on_device<float>(tokens);
  pc::device_attention attention;
  attention.tokens = tokens;
  attention.kv_heads = model.kv_heads;
  attention.queries = {.first = reinterpret_cast<const std::byte*>(q),
                       .rows = window,
                       .heads = query_heads,
                       .dim = model.key_dim};
  attention.how.window_size = window;
  std::size_t room_bytes = 0;
  pc::check(pc::device_importance::attention_mass_bytes(attention, room_bytes));
  auto* const room = on_device<std::byte>(room_bytes);

  auto shot = out.open({.id = 1, .tokens = tokens});
  for (std::uint32_t l = 0; l < model.layers; ++l) { // up to three layers are under way
    compute<<<32, 256, 0, engine>>>(cache[l], 2 * half, l);
    compute<<<32, 256, 0, engine>>>(q, queries, l);
    pc::check(shot.put(l, {cache[l], strides, cache[l] + half, strides, tokens}, engine));
    attention.keys = {
        .first = reinterpret_cast<const std::byte*>(cache[l]), .token = strides.token, .head = strides.head};
    pc::check(pc::device_importance::attention_mass(
        attention, {.scores = mass, .weight = 1.0f / model.layers, .add = l > 0}, room, room_bytes, engine));
  }
  pc::check(shot.plan(pc::budget::of_raw(0.5), pc::scores_from_device(mass, tokens, engine)));
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
