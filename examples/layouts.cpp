// From one engine's cache into another's: pages as vLLM keeps them go out, and arrive as llama.cpp keeps
// them, its values transposed, and all of it fp16 where they were bf16. What crosses is the same whatever the
// two look like.
#include <planecast/planecast.hpp>

#include <cstdint>
#include <iostream>
#include <thread>
#include <vector>

namespace pc = planecast;
using namespace std::chrono_literals;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, pc::loopback>;

constexpr std::uint32_t tokens = 100, heads = 8, dim = 128, blocks = 16;
constexpr std::uint32_t kv_size = 256; // slots of llama.cpp's cache, whatever is in them

void prefill(pc::loopback link, const pc::geometry& model, const std::vector<std::uint16_t>& tensor) {
  stream::sender out{std::move(link), model};
  auto shot = out.open({.id = 1, .tokens = tokens});

  const std::vector<std::int32_t> block_table = {9, 2, 14, 3, 0, 7, 11}; // this sequence's blocks, in order
  const auto slots = pc::token_slots::blocks(block_table, 16, tokens);   // made once, for all layers
  const pc::kv_extents extents{.blocks = blocks, .block_size = 16, .heads = heads, .dim = dim};
  pc::kv_view view(pc::layouts::nl_x_two_nb_bs_nh_hs, tensor.data(), extents, slots);

  pc::check(shot.put(0, view));
  pc::check(shot.plan(pc::budget::of_raw(0.5)));
  pc::check(shot.wait(pc::focused, 5s));
}

int main() {
  const pc::geometry model{
      .dtype = pc::number::bf16, .layers = 1, .kv_heads = heads, .key_dim = dim, .value_dim = dim};
  std::vector<std::uint16_t> tensor(2 * blocks * 16 * heads * dim); // [2, NB, BS, NH, HS]
  for (std::size_t i = 0; i < tensor.size(); ++i)
    tensor[i] = pc::bf16::nearest(static_cast<float>(i * 2654435761u % 1000) - 500);

  auto [there, here] = pc::loopback::pair();
  std::thread prefill_node(prefill, std::move(there), std::cref(model), std::cref(tensor));

  std::vector<std::uint16_t> k(kv_size * heads * dim), v(k.size()); // V is [NH, HS, kv_size]
  const pc::kv_extents extents{.block_size = kv_size, .heads = heads, .dim = dim};
  const pc::kv_pages pages(k.data(), pc::layouts::nbbs_nh_hs.strides(extents), v.data(),
                           pc::layouts::nh_hs_nbbs.strides(extents), tokens);
  stream::receiver in{std::move(here), model};
  auto kv = in.expect({.id = 1, .tokens = tokens}, {pages.holding(pc::number::fp16)}); // bf16 is sent
  const auto arrived = kv.wait(pc::focused, 5s);
  prefill_node.join();
  pc::check(arrived);

  // Token 20 is the fifth of the sequence's second block, which is block 2.
  const std::size_t vllm = ((blocks + 2) * 16 + 4) * heads * dim + 3 * dim + 77; // V, head 3, channel 77
  const std::size_t llama = (3 * dim + 77) * kv_size + 20;
  const float sent = pc::bf16::value(tensor[vllm]), held = pc::fp16::value(v[llama]);
  std::cout << (sent == held ? "equal\n" : "not equal\n"); // fp16 has all of these numbers
  return sent == held ? 0 : 1;
}
