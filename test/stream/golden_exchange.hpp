// Two small exchanges, the same in every run: what both ends put on the wire.
#pragma once

#include "planecast/planecast.hpp"

#include "support/gated.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <vector>

namespace test {

/// What is sent of which model.
struct golden_case {
  const char* file;
  planecast::geometry model;
  planecast::shard carried;
  std::uint32_t tokens, first;
  std::uint64_t budget_bytes;
  bool per_layer = false; ///< an order of tokens of one layer each
  std::uint32_t keeps_all =
      1; ///< of so many tokens that follow each other, the middle one is dropped; 1: none

  /// Of the whole sequence, the tokens that are sent.
  [[nodiscard]] planecast::kept_tokens kept() const {
    std::vector<std::uint32_t> positions;
    for (std::uint32_t t = 0; t < tokens; ++t)
      if (keeps_all == 1 || t % keeps_all != keeps_all / 2)
        positions.push_back(t);
    return {positions, tokens};
  }
};

/// All of a model; and of one with a number of heads for each layer some layers, half of the heads, and no
/// prefix; and all of a model layer by layer; and two tokens of three, as many planes as a budget has room
/// for.
inline const golden_case golden_cases[] = {
    {"exchange.txt", {planecast::number::bf16, 2, 1, 8, 16}, {}, 70, 0, 4000},
    {"shard.txt",
     {planecast::number::bf16, 4, 0, 8, 16, {2, 1, 4, 2}},
     {.layer_first = 1, .layer_count = 2, .rank = 1, .ranks = 2},
     70,
     60,
     1800},
    {"layers.txt", {planecast::number::bf16, 2, 1, 8, 16}, {}, 18, 3, 1700, true},
    {"kept.txt", {planecast::number::bf16, 2, 1, 8, 16}, {}, 30, 0, 2000, false, 3}};

struct golden_exchange {
  using policy = planecast::precision_policy<planecast::tiers<4, 8, planecast::lossless>,
                                             planecast::keys<planecast::per_channel<64>>,
                                             planecast::values<planecast::per_token>>;
  using stream = planecast::plane_stream<policy, gated<planecast::loopback>>;
  static constexpr std::uint32_t chunk_bytes = 3408;
  static constexpr std::uint64_t request = 0x00C0FFEE;

  /// Of the model's layer, its head, token, channel; keys before values. Whole numbers make the patterns,
  /// nothing is rounded.
  static std::uint16_t pattern(std::uint32_t layer, std::uint32_t head, std::uint32_t token,
                               std::uint32_t channel) {
    std::uint32_t x = (((head * 10 + layer) * 100 + token) * 100 + channel) * 2654435761u + 12345u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    if (x % 331 == 5) // now and then what is no number
      return static_cast<std::uint16_t>(0x7F80u | (x >> 16 & 0x8001u));
    if (layer == 1 && token >= 64 && channel < 8) // one tile that is not smaller coded
      return static_cast<std::uint16_t>(x >> 16);
    const std::uint32_t exponent = 120 + (channel == 3 ? 6 : 0) + (x >> 8) % 6;
    return static_cast<std::uint16_t>((x >> 31) << 15 | exponent << 7 | (x >> 16 & 0x7Fu));
  }
  static float score(std::uint32_t token, std::uint32_t layer = 0) {
    return static_cast<float>((token * 29 + layer * 11) % 64);
  }
  struct by_layer {
    static std::uint32_t layers() noexcept { return 2; }
    static void score(std::uint32_t layer, std::uint32_t first, std::span<float> out) {
      for (float& s : out)
        s = golden_exchange::score(first++, layer);
    }
  };

  std::vector<std::vector<std::byte>> sender_control, sender_data, receiver_control;
  planecast::status result;

  explicit golden_exchange(const golden_case& c) {
    using namespace planecast;
    auto from = std::make_shared<gate>(), to = std::make_shared<gate>();
    auto [a, b] = loopback::pair();
    stream::sender out(gated(std::move(a), from), c.model,
                       {.carries = c.carried, .chunk_bytes = chunk_bytes});
    stream::receiver in(gated(std::move(b), to), c.model, {.carries = c.carried, .chunk_bytes = 4096});

    // All heads of all layers at either end; of them the stream takes its own.
    std::vector<std::vector<std::uint16_t>> source, target;
    const auto layer_first = c.carried.layer_first, layers = c.model.of(c.carried).layers;
    const auto view = [&]<class View>(auto& memory, std::uint32_t l, View) {
      const std::uint32_t heads = c.model.heads(l);
      auto* const k = memory[l].data();
      return View(k, kv_strides::nhd(heads, c.model.key_dim), k + c.tokens * heads * c.model.key_dim,
                  kv_strides::nhd(heads, c.model.value_dim), c.tokens)
          .from_head(c.carried.head_first(heads));
    };
    for (std::uint32_t l = 0; l < c.model.layers; ++l) {
      const std::uint32_t heads = c.model.heads(l), dims[] = {c.model.key_dim, c.model.value_dim};
      std::vector<std::uint16_t>& all = source.emplace_back();
      for (const bool is_value : {false, true})
        for (std::uint32_t t = 0; t < c.tokens; ++t)
          for (std::uint32_t h = 0; h < heads; ++h)
            for (std::uint32_t i = 0; i < dims[is_value]; ++i)
              all.push_back(pattern(l, h, t, is_value ? dims[0] + i : i));
      target.emplace_back(all.size());
    }
    std::vector<kv_pages> pages;
    for (std::uint32_t l = layer_first; l < layer_first + layers; ++l)
      pages.push_back(view(target, l, kv_pages()));
    const kept_tokens kept = c.kept();
    for (kv_pages& p : pages)
      p = p.only(kept.positions());
    planecast::request r = planecast::request::keeping(request, kept);
    r.first = c.first;
    auto kv = in.expect(r, pages);
    auto shot = out.open(r);
    for (std::uint32_t l = layer_first; l < layer_first + layers; ++l)
      result = shot.put(l, view(source, l, kv_view()).only(kept.positions()));
    std::vector<float> scores;
    for (const std::uint32_t t : kept.positions())
      scores.push_back(score(t));
    const budget light = budget::bytes(c.budget_bytes);
    const plan_options options{.pinned = {2, 6}};
    if (const status s =
            c.per_layer ? shot.plan(light, by_layer{}, options) : shot.plan(light, scores, options);
        !s)
      result = s;
    for (int i = 0; i < 200 && result.ok() && !shot.reached(focused); ++i) {
      result = out.progress(deadline::passed());
      if (const status s = kv.poll(); result.ok())
        result = s;
    }
    if (result.ok() && !shot.reached(focused))
      result = {errc::timeout, "the exchange"};
    sender_control = from->control;
    sender_data = from->data;
    receiver_control = to->control;
  }

  /// One message per line: who, lane, bytes.
  void write(std::ostream& to) const {
    const auto lines = [&](const char* who, const std::vector<std::vector<std::byte>>& messages) {
      for (const auto& m : messages) {
        to << who;
        for (std::size_t i = 0; i < m.size(); ++i) {
          const auto b = std::to_integer<unsigned>(m[i]);
          to << "0123456789abcdef"[b >> 4] << "0123456789abcdef"[b & 15];
        }
        to << '\n';
      }
    };
    lines("sender control ", sender_control);
    lines("sender data ", sender_data);
    lines("receiver control ", receiver_control);
  }
};

} // namespace test
