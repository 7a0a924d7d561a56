// A small exchange, the same in every run: what both ends put on the wire.
#pragma once

#include "planecast/cpu/cpu.hpp"
#include "planecast/stream/plane_stream.hpp"
#include "planecast/transport/loopback.hpp"

#include "support/gated.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace test {

struct golden_exchange {
  using policy = planecast::precision_policy<planecast::tiers<4, 8, planecast::lossless>,
                                             planecast::keys<planecast::per_channel<64>>,
                                             planecast::values<planecast::per_token>>;
  using stream = planecast::plane_stream<policy, gated<planecast::loopback>>;
  static constexpr planecast::geometry shape{planecast::number::bf16, 2, 1, 8, 16};
  static constexpr std::uint32_t tokens = 70, chunk_bytes = 3408;
  static constexpr std::uint64_t request = 0x00C0FFEE, budget_bytes = 4000;

  /// Of layer, token, channel; keys before values. Whole numbers make the patterns, nothing is rounded.
  static std::uint16_t pattern(std::uint32_t layer, std::uint32_t token, std::uint32_t channel) {
    std::uint32_t x = ((layer * 100 + token) * 100 + channel) * 2654435761u + 12345u;
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
  static float score(std::uint32_t token) { return static_cast<float>(token * 29 % 64); }

  std::vector<std::vector<std::byte>> sender_control, sender_data, receiver_control;
  std::vector<std::uint16_t> arrived; ///< by layer: keys, then values; token by token
  planecast::status result;

  golden_exchange() {
    using namespace planecast;
    using namespace std::chrono_literals;
    auto from = std::make_shared<gate>(), to = std::make_shared<gate>();
    auto [a, b] = loopback::pair();
    stream::sender out(gated(std::move(a), from), shape, {.chunk_bytes = chunk_bytes});
    stream::receiver in(gated(std::move(b), to), shape, {.chunk_bytes = 4096});

    constexpr std::uint32_t keys = tokens * shape.key_dim, all = keys + tokens * shape.value_dim;
    const kv_strides key_strides = kv_strides::nhd(1, shape.key_dim),
                     value_strides = kv_strides::nhd(1, shape.value_dim);
    std::vector<std::uint16_t> source(all * shape.layers);
    arrived.resize(source.size());
    std::vector<kv_pages> pages;
    for (std::uint32_t l = 0; l < shape.layers; ++l) {
      std::uint16_t* const k = source.data() + l * all;
      for (std::uint32_t t = 0; t < tokens; ++t) {
        for (std::uint32_t c = 0; c < shape.key_dim; ++c)
          k[t * shape.key_dim + c] = pattern(l, t, c);
        for (std::uint32_t c = 0; c < shape.value_dim; ++c)
          k[keys + t * shape.value_dim + c] = pattern(l, t, shape.key_dim + c);
      }
      std::uint16_t* const to_k = arrived.data() + l * all;
      pages.emplace_back(to_k, key_strides, to_k + keys, value_strides, tokens);
    }
    auto kv = in.expect({request, tokens}, pages);
    auto shot = out.open({request, tokens});
    for (std::uint32_t l = 0; l < shape.layers; ++l) {
      const std::uint16_t* const k = source.data() + l * all;
      result = shot.put(l, kv_view(k, key_strides, k + keys, value_strides, tokens));
    }
    std::vector<float> scores;
    for (std::uint32_t t = 0; t < tokens; ++t)
      scores.push_back(score(t));
    if (const status s = shot.plan(budget::bytes(budget_bytes), scores, {.pinned = {2, 6}}); !s)
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
