// A transport of one's own under a stream: what an engine with its own network does.
// unix_link.hpp is the transport; here two threads hand a cache over it.
#include "planecast/planecast.hpp"

#include "own_transport/unix_link.hpp"

#include <cstdint>
#include <functional>
#include <iostream>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, unix_link>; // the one line that names it

constexpr pc::geometry model{
    .dtype = pc::number::bf16, .layers = 4, .kv_heads = 2, .key_dim = 64, .value_dim = 64};
constexpr std::uint32_t tokens = 500;
constexpr auto strides = pc::kv_strides::nhd(model.kv_heads, model.key_dim);

struct layer {
  std::vector<std::uint16_t> k = std::vector<std::uint16_t>(tokens * 2 * 64), v = k;
};

void prefill_node(unix_link link, const std::vector<layer>& cache) {
  stream::sender out{std::move(link), model}; // the sender owns its end, and destroys it when it is done
  auto shot = out.open({.id = 1, .tokens = tokens});
  for (std::uint32_t l = 0; l < model.layers; ++l)
    pc::check(shot.put(l, {cache[l].k.data(), strides, cache[l].v.data(), strides, tokens}));
  pc::check(shot.plan(pc::budget::of_raw(0.5)));
  pc::check(shot.wait(pc::focused, 30s));
}

int main() {
  std::vector<layer> cache(model.layers), pages(model.layers);
  std::uint32_t state = 1;
  for (layer& l : cache)
    for (auto* values : {&l.k, &l.v})
      for (std::uint16_t& x : *values)
        x = pc::bf16::nearest(
            static_cast<float>(static_cast<std::int32_t>(state = state * 1664525 + 1013904223)));

  auto [prefill_end, decode_end] = unix_link::pair();
  std::thread prefill(prefill_node, std::move(prefill_end), std::cref(cache));

  stream::receiver in{std::move(decode_end), model};
  std::vector<pc::kv_pages> views;
  for (layer& l : pages)
    views.emplace_back(l.k.data(), strides, l.v.data(), strides, tokens);
  auto kv = in.expect({.id = 1, .tokens = tokens}, views);
  const auto arrived = kv.wait(pc::focused, 30s);
  std::cout << arrived.message() << ": " << kv.metrics().data_bytes << " bytes over two UNIX sockets\n";
  prefill.join();

  bool equal = true;
  for (std::uint32_t l = 0; l < model.layers; ++l)
    equal = equal && cache[l].k == pages[l].k && cache[l].v == pages[l].v;
  std::cout << (equal ? "equal to the last bit\n" : "not equal\n");
  return equal ? 0 : 1;
}
