// Multi-head latent attention. An engine keeps one row for each token: a latent of 512 channels and a RoPE
// part of 64. The latent is coded into tiers; the RoPE part is exact from the first light on. Here the rows
// lie in vLLM's [NB, BS, HS], in other blocks at each end.
#include "planecast/planecast.hpp"

#include <cstdint>
#include <iostream>
#include <vector>

namespace pc = planecast;
using namespace std::chrono_literals;

using stream = pc::plane_stream<pc::mla_policy, pc::loopback>;

constexpr std::uint32_t tokens = 500, latent = 512, joint = 576, block = 64;
const pc::geometry model = pc::geometry::mla(pc::number::bf16, 2);
constexpr pc::kv_extents extents{.blocks = 8, .block_size = block, .heads = 1, .dim = joint};
const std::vector<std::int32_t> here{0, 1, 2, 3, 4, 5, 6, 7}, there{3, 1, 4, 0, 5, 2, 7, 6};

// A layer's array.
using array = std::vector<std::uint16_t>;

// Values of the first tokens' channels from … to − 1 that are other than they were.
std::uint32_t changed(const array& is, const array& was, std::uint32_t from, std::uint32_t to) {
  std::uint32_t n = 0;
  for (std::uint32_t t = 0; t < tokens; ++t)
    for (std::uint32_t c = from; c < to; ++c) {
      const auto at = [&](const std::vector<std::int32_t>& table) {
        return (static_cast<std::uint32_t>(table[t / block]) * block + t % block) * joint + c;
      };
      n += is[at(there)] != was[at(here)] ? 1 : 0;
    }
  return n;
}

int main() {
  std::vector<array> cache(model.layers, array(8 * block * joint)), pages = cache;
  std::uint32_t state = 1;
  for (array& layer : cache)
    for (std::uint16_t& x : layer) {
      float sum = 0; // about normal
      for (int i = 0; i < 8; ++i)
        sum += static_cast<float>((state = state * 1664525 + 1013904223) >> 8) * 0x1p-24f - 0.5f;
      x = pc::bf16::nearest(sum);
    }

  auto [a, b] = pc::loopback::pair();
  stream::sender out{std::move(a), model};
  stream::receiver in{std::move(b), model};
  std::vector<pc::kv_pages> views;
  for (array& layer : pages)
    views.push_back(pc::kv_pages::mla(pc::layouts::nb_bs_hs, layer.data(), extents,
                                      pc::token_slots::blocks(there, block, tokens)));
  auto kv = in.expect({.id = 1, .tokens = tokens}, views);
  auto shot = out.open({.id = 1, .tokens = tokens});
  for (std::uint32_t l = 0; l < model.layers; ++l)
    pc::check(shot.put(l, pc::kv_view::mla(pc::layouts::nb_bs_hs, cache[l].data(), extents,
                                           pc::token_slots::blocks(here, block, tokens))));
  pc::check(shot.plan(pc::budget::of_raw(0.4)));

  const auto drive = [&](pc::event e) {
    while (!kv.reached(e)) {
      pc::check(out.progress(0ms));
      pc::check(kv.poll());
    }
  };
  drive(pc::first_light);
  std::cout << "first light: at most 0.4 of " << kv.metrics().raw_bytes
            << " bytes: " << (kv.metrics().light_bytes * 10 <= kv.metrics().raw_bytes * 4 ? "yes" : "no")
            << "; RoPE values that are not exact: " << changed(pages[0], cache[0], latent, joint) << '\n';
  drive(pc::focused);
  std::uint32_t wrong = 0;
  for (std::uint32_t l = 0; l < model.layers; ++l)
    wrong += changed(pages[l], cache[l], 0, joint);
  std::cout << "focused: values that are not exact: " << wrong << '\n';
  return wrong == 0 ? 0 : 1;
}
