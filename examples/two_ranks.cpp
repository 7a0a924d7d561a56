// A cache from one machine to two that share its heads, and from those two back to one.
#include <planecast/planecast.hpp>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <thread>
#include <vector>

namespace pc = planecast;
using namespace std::chrono_literals;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, pc::loopback>;

constexpr std::uint32_t tokens = 300, dim = 64;
const pc::geometry model{
    .dtype = pc::number::fp16, .layers = 2, .kv_heads = 8, .key_dim = dim, .value_dim = dim};
const pc::request cache_of_a_prompt{.id = 7, .tokens = tokens};

// A machine's memory: for each layer K and V of the heads that it holds, tokens × heads × channels.
struct machine {
  explicit machine(std::uint32_t heads) : strides(pc::kv_strides::nhd(heads, dim)), arrays(2 * model.layers) {
    for (auto& values : arrays)
      values.resize(std::size_t{tokens} * heads * dim);
  }
  pc::kv_view view(std::uint32_t layer) const {
    return {arrays[2 * layer].data(), strides, arrays[2 * layer + 1].data(), strides, tokens};
  }
  pc::kv_pages pages(std::uint32_t layer) {
    return {arrays[2 * layer].data(), strides, arrays[2 * layer + 1].data(), strides, tokens};
  }
  pc::kv_strides strides;
  std::vector<std::vector<std::uint16_t>> arrays;
};

void one_to_two(const machine& from, pc::loopback to_rank_0, pc::loopback to_rank_1) {
  stream::sender to_0{std::move(to_rank_0), model, {.carries = pc::shard::tensor(0, 2)}};
  stream::sender to_1{std::move(to_rank_1), model, {.carries = pc::shard::tensor(1, 2)}};
  auto lower = to_0.open(cache_of_a_prompt), upper = to_1.open(cache_of_a_prompt);
  for (std::uint32_t l = 0; l < model.layers; ++l) {
    pc::check(lower.put(l, from.view(l))); // a stream takes the first heads that it needs
    pc::check(upper.put(l, from.view(l).from_head(4)));
  }
  pc::check(lower.plan(pc::budget::of_raw(0.5)));
  pc::check(upper.plan(pc::budget::of_raw(0.5)));
  pc::check(pc::wait_all(pc::focused, 5s, lower, upper)); // both links, by turns
}

// One of two ranks: gets its half of the heads, and sends them on.
void half(machine& mine, std::uint32_t rank, pc::loopback from, pc::loopback to) {
  const pc::shard half_of_heads = pc::shard::tensor(rank, 2);
  stream::receiver in{std::move(from), model, {.carries = half_of_heads}};
  pc::check(in.expect(cache_of_a_prompt, {mine.pages(0), mine.pages(1)}).wait(pc::focused, 5s));

  stream::sender out{std::move(to), model, {.carries = half_of_heads}};
  auto shot = out.open(cache_of_a_prompt);
  for (std::uint32_t l = 0; l < model.layers; ++l)
    pc::check(shot.put(l, mine.view(l)));
  pc::check(shot.plan(pc::budget::of_raw(0.5)));
  pc::check(shot.wait(pc::focused, 5s));
}

void two_to_one(machine& to, pc::loopback from_rank_0, pc::loopback from_rank_1) {
  stream::receiver from_0{std::move(from_rank_0), model, {.carries = pc::shard::tensor(0, 2)}};
  stream::receiver from_1{std::move(from_rank_1), model, {.carries = pc::shard::tensor(1, 2)}};
  const std::vector<pc::kv_pages> lower_heads = {to.pages(0), to.pages(1)};
  const std::vector<pc::kv_pages> upper_heads = {to.pages(0).from_head(4), to.pages(1).from_head(4)};
  pc::gathered kv(from_0.expect(cache_of_a_prompt, lower_heads),
                  from_1.expect(cache_of_a_prompt, upper_heads));
  pc::check(kv.wait(pc::focused, 5s)); // or first_light, and speculate(engine, kv, …)
}

int main() {
  machine first(8), rank_0(4), rank_1(4), last(8);
  std::uint32_t state = 1;
  for (auto& values : first.arrays)
    std::ranges::generate(values, [&] {
      return pc::fp16::nearest(static_cast<float>((state = state * 1664525 + 1013904223) >> 20) - 2048);
    });

  auto [a, b] = pc::loopback::pair();
  auto [c, d] = pc::loopback::pair();
  auto [e, f] = pc::loopback::pair();
  auto [g, h] = pc::loopback::pair();
  std::thread threads[] = {std::thread(one_to_two, std::cref(first), std::move(a), std::move(c)),
                           std::thread(half, std::ref(rank_0), 0, std::move(b), std::move(e)),
                           std::thread(half, std::ref(rank_1), 1, std::move(d), std::move(g))};
  two_to_one(last, std::move(f), std::move(h));
  for (std::thread& t : threads)
    t.join();

  std::cout << (first.arrays == last.arrays ? "equal to the last bit\n" : "not equal\n");
  return first.arrays == last.arrays ? 0 : 1;
}
