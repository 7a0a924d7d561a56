// Which tokens get their further planes first. After each layer the engine hands over the queries of the
// prompt's last tokens; what they attend to is sharpened first. Here the prompt has four tokens that its end
// asks for, and this prints where each importance puts them.
#include <planecast/planecast.hpp>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <utility>
#include <vector>

namespace pc = planecast;

constexpr std::uint32_t tokens = 1000, window = 32, layers = 2, kv_heads = 2, query_heads = 8, dim = 64;
constexpr std::uint32_t needle = 413, needle_tokens = 4;
const pc::geometry model{
    .dtype = pc::number::bf16, .layers = layers, .kv_heads = kv_heads, .key_dim = dim, .value_dim = dim};

// A layer as an engine has it in the end: K and V, and the queries of the window. A needle's keys lie in the
// direction of the queries.
struct layer {
  std::vector<std::uint16_t> k, v, q; // tokens × heads × channels
  explicit layer(std::uint32_t seed)
      : k(tokens * kv_heads * dim), v(k.size(), 0x3F80), q(window * query_heads * dim) {
    std::uint32_t state = seed;
    const auto noise = [&] {
      return static_cast<float>((state = state * 1664525 + 1013904223) >> 8) * 0x1p-23f - 1;
    };
    for (std::size_t i = 0; i < q.size(); ++i)
      q[i] = pc::bf16::nearest(noise() + (i % 2 == 0 ? 1.0f : -1.0f));
    for (std::size_t i = 0; i < k.size(); ++i) {
      const std::size_t token = i / (kv_heads * dim);
      const bool asked_for = token >= needle && token < needle + needle_tokens;
      const float x = noise();
      k[i] = pc::bf16::nearest(!asked_for ? x : (i % 2 == 0 ? x + 1 : x - 1) / 2); // as long as the others
    }
  }
  [[nodiscard]] pc::kv_view view() const {
    const auto strides = pc::kv_strides::nhd(kv_heads, dim);
    return {k.data(), strides, v.data(), strides, tokens};
  }
};

// The ranks of the needle's first and last token, tokens that are pinned apart.
bool print(const char* name, const pc::importance auto& by, std::uint32_t worst_allowed) {
  const pc::ranking order = pc::rank_tokens(by, tokens, {.sinks = 4, .recent = window});
  std::uint32_t best = tokens, worst = 0;
  for (std::uint32_t rank = order.pinned; rank < tokens; ++rank)
    if (order.tokens[rank] - needle < needle_tokens)
      best = std::min(best, rank - order.pinned), worst = rank - order.pinned;
  std::cout << name << ": ranks " << best << " to " << worst << " of " << tokens - order.pinned << '\n';
  return worst <= worst_allowed;
}

int main() {
  pc::attention_mass mass(model, tokens, {.window_size = window});
  pc::layered_attention_mass by_layer(model, tokens, {.window_size = window, .kernel_size = 5});
  pc::key_norm norm(model, tokens, pc::key_norm_order::long_first);
  for (std::uint32_t l = 0; l < layers; ++l) {
    const layer now(l + 1); // prefill
    const pc::query_view q(pc::number::bf16, now.q.data(),
                           {.rows = window, .heads = query_heads, .dim = dim});
    mass.add(l, now.view(), q); // or q.with_lse(softmax_lse), where attention returned it
    by_layer.add(l, now.view(), q);
    norm.add(l, now.view());
  }
  // Each of these goes to the sender as it is: shot.plan(budget::of_raw(0.5), mass).
  const bool good =
      print("attention mass", mass, 3) && // first of all that is not pinned
      print("pooled over 5 tokens, across layers", pc::across_layers(by_layer), 7) &&
      print("decayed by the distance from the end", pc::recency_decay(std::move(mass), 1e-3, tokens), 3) &&
      print("length of keys", norm, tokens) && // knows nothing of the question
      print("position", pc::by_position(pc::position_order::recent_first), tokens);
  return good ? 0 : 1;
}
