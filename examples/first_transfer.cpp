// The first transfer: a prefill node hands a cache to a decode node, here two threads of one program.
#include <planecast/planecast.hpp>
#include <planecast/transport/socket.hpp>

#include <cstdint>
#include <iostream>
#include <thread>
#include <vector>

namespace pc = planecast;
using namespace std::chrono_literals;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, pc::socket>;

const pc::geometry model{
    .dtype = pc::number::bf16, .layers = 4, .kv_heads = 2, .key_dim = 64, .value_dim = 64};
constexpr std::uint32_t tokens = 500;
const auto strides = pc::kv_strides::nhd(model.kv_heads, model.key_dim);

// A layer's K and V as an engine might hold them: tokens × heads × channels.
struct layer {
  std::vector<std::uint16_t> k = std::vector<std::uint16_t>(tokens * 2 * 64), v = k;
};

void prefill_node(std::uint16_t port, const std::vector<layer>& cache, const std::vector<float>& scores) {
  stream::sender out{pc::connect("127.0.0.1:" + std::to_string(port)), model};
  auto shot = out.open({.id = 1, .tokens = tokens});
  for (std::uint32_t l = 0; l < model.layers; ++l) // as each layer is computed, its base leaves
    pc::check(shot.put(l, {cache[l].k.data(), strides, cache[l].v.data(), strides, tokens}));
  pc::check(shot.plan(pc::budget::of_raw(0.5), scores)); // the order of all that follows
  pc::check(shot.wait(pc::focused, 5s));
}

int main() {
  std::vector<layer> cache(model.layers), pages(model.layers);
  std::uint32_t state = 1;
  for (layer& l : cache)
    for (auto* values : {&l.k, &l.v})
      for (std::uint16_t& x : *values)
        x = pc::bf16::nearest(
            static_cast<float>(static_cast<std::int32_t>(state = state * 1664525 + 1013904223)));
  const std::vector<float> scores(tokens, 1.0f); // importance: attention mass, for example

  pc::listener door(0);
  // What a failed check throws in this thread ends the program; a service would catch it there.
  std::thread prefill(prefill_node, door.port(), std::cref(cache), std::cref(scores));

  stream::receiver in{door.accept(5s), model};
  std::vector<pc::kv_pages> views;
  for (layer& l : pages)
    views.emplace_back(l.k.data(), strides, l.v.data(), strides, tokens);
  auto kv = in.expect({.id = 1, .tokens = tokens}, views);

  const auto light = kv.wait(pc::first_light, 5s); // decoding could start here, on at most half of the bytes
  std::cout << "first light: " << light.message() << ", " << kv.metrics().light_bytes << " of "
            << kv.metrics().raw_bytes << " bytes\n";
  const auto focus = kv.wait(pc::focused, 5s); // and here it is the original
  std::cout << "focused: " << focus.message() << ", " << kv.metrics().data_bytes << " bytes\n";
  prefill.join();

  bool equal = true;
  for (std::uint32_t l = 0; l < model.layers; ++l)
    equal = equal && cache[l].k == pages[l].k && cache[l].v == pages[l].v;
  std::cout << (equal ? "equal to the last bit\n" : "not equal\n");
  return equal ? 0 : 1;
}
