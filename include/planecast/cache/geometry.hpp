// The shape that every request over one connection shares.
#pragma once

#include "planecast/cache/fingerprint.hpp"
#include "planecast/cache/number.hpp"
#include "planecast/cache/shard.hpp"
#include "planecast/status.hpp"

#include <cstdint>
#include <vector>

namespace planecast::inline v0 {

/// Most channels of a head.
inline constexpr std::uint32_t max_head_dim = 576;

/// Shape of a model's KV cache. Heads are KV heads: with grouped queries there are fewer of them than query
/// heads. Keys and values may differ in width, layers in their number of heads. Layers are those that have a
/// cache, counted from 0.
/// Preconditions: check() finds it good, for whatever else is asked of it.
/// Example:
///
///     geometry llama{.dtype = number::bf16, .layers = 32, .kv_heads = 8, .key_dim = 128, .value_dim = 128};
struct geometry {
  number dtype = number::bf16; ///< of keys and of values
  std::uint32_t layers = 0;    ///< at most 65,535
  std::uint32_t kv_heads = 0;  ///< in every layer, unless kv_heads_by_layer is there
  std::uint32_t key_dim = 0;   ///< channels of a head's keys: a multiple of 8 up to max_head_dim
  std::uint32_t value_dim = 0; ///< likewise of its values
  std::vector<std::uint32_t> kv_heads_by_layer = {}; ///< empty, or one number for each layer

  /// Of a model with multi-head latent attention: one head, whose keys are the latents and whose values are
  /// their RoPE parts (kv_view::mla).
  static constexpr geometry mla(number dtype, std::uint32_t layers, std::uint32_t latent = 512,
                                std::uint32_t rope = 64) {
    return {dtype, layers, 1, latent, rope, {}};
  }

  /// Whether they mean the same, however the number of heads is written.
  friend constexpr bool operator==(const geometry& a, const geometry& b) noexcept {
    if (a.dtype != b.dtype || a.layers != b.layers || a.key_dim != b.key_dim || a.value_dim != b.value_dim ||
        a.uniform_heads() != b.uniform_heads())
      return false;
    return a.uniform_heads() != 0 || a.kv_heads_by_layer == b.kv_heads_by_layer;
  }

  /// KV heads of a layer.
  /// Preconditions: layer < layers.
  [[nodiscard]] constexpr std::uint32_t heads(std::uint32_t layer) const noexcept {
    return kv_heads_by_layer.empty() ? kv_heads : kv_heads_by_layer[layer];
  }
  /// KV heads of all layers together.
  [[nodiscard]] constexpr std::uint64_t all_heads() const noexcept {
    if (kv_heads_by_layer.empty())
      return std::uint64_t{layers} * kv_heads;
    std::uint64_t sum = 0;
    for (const std::uint32_t heads : kv_heads_by_layer)
      sum += heads;
    return sum;
  }
  /// The number of heads if all layers have the same, else 0.
  [[nodiscard]] constexpr std::uint32_t uniform_heads() const noexcept {
    for (const std::uint32_t heads : kv_heads_by_layer)
      if (heads != kv_heads_by_layer.front())
        return 0;
    return kv_heads_by_layer.empty() ? kv_heads : kv_heads_by_layer.front();
  }

  /// Whether this version codes such a cache.
  /// Errors: `limit` or `unsupported`, about the first field that is out of range.
  [[nodiscard]] constexpr status check() const noexcept {
    if (dtype < number::fp16 || dtype > number::fp8_e5m2)
      return {errc::unsupported, "geometry: dtype is not one that number names"};
    if (layers == 0 || layers > 0xFFFF)
      return {errc::limit, "geometry: layers", 0xFFFF, layers};
    if (!kv_heads_by_layer.empty() && kv_heads_by_layer.size() != layers)
      return {errc::limit, "geometry: entries of kv_heads_by_layer", layers, kv_heads_by_layer.size()};
    for (std::uint32_t layer = 0; layer < layers; ++layer)
      if (heads(layer) == 0 || heads(layer) > 0xFFFF)
        return {errc::limit, "geometry: kv_heads", 0xFFFF, heads(layer)};
    for (const std::uint32_t dim : {key_dim, value_dim}) {
      if (dim == 0 || dim > max_head_dim)
        return {errc::limit, "geometry: head_dim", max_head_dim, dim};
      if (dim % 8 != 0)
        return {errc::unsupported, "geometry: head_dim is not a multiple of 8"};
    }
    return {};
  }
  /// Whether a shard of it can be carried: its layers are there, and its ranks divide every layer's heads, or
  /// heads the ranks.
  /// Errors: those of check(); `limit` for layers or ranks that are not there, `unsupported` for ranks that
  /// do not divide.
  [[nodiscard]] constexpr status check(const shard& s) const noexcept {
    if (const status whole = check(); !whole)
      return whole;
    if (s.layer_first >= layers)
      return {errc::limit, "shard: layer_first", layers - 1, s.layer_first};
    if (s.layer_count > layers - s.layer_first)
      return {errc::limit, "shard: layer_count", layers - s.layer_first, s.layer_count};
    if (s.ranks > 0xFFFF)
      return {errc::limit, "shard: ranks", 0xFFFF, s.ranks};
    if (s.rank >= s.ranks)
      return {errc::limit, "shard: rank", s.ranks, s.rank};
    for (std::uint32_t layer = 0; layer < layers; ++layer)
      if (heads(layer) % s.ranks != 0 && s.ranks % heads(layer) != 0)
        return {errc::unsupported, "shard: ranks do not divide a layer's heads, nor heads the ranks"};
    return {};
  }

  /// The geometry of a shard alone: what a stream that carries it works with.
  /// Preconditions: check(s) is ok.
  [[nodiscard]] constexpr geometry of(const shard& s) const {
    geometry part{dtype,
                  s.layer_count != 0 ? s.layer_count : layers - s.layer_first,
                  kv_heads != 0 ? s.head_count(kv_heads) : 0,
                  key_dim,
                  value_dim,
                  {}};
    if (!kv_heads_by_layer.empty())
      for (std::uint32_t layer = 0; layer < part.layers; ++layer)
        part.kv_heads_by_layer.push_back(s.head_count(heads(s.layer_first + layer)));
    return part;
  }

  /// Numbers that one token has, keys and values of all layers and heads.
  [[nodiscard]] constexpr std::uint64_t values_per_token() const noexcept {
    return all_heads() * (key_dim + value_dim);
  }
  /// Bytes of so many tokens as they are, one or two for each number: the whole that shares are shares of.
  [[nodiscard]] constexpr std::uint64_t raw_bytes(std::uint64_t tokens) const noexcept {
    return tokens * values_per_token() * value_bytes(dtype);
  }
  /// Equal for equal shapes, whether or not a uniform number of heads is written layer by layer.
  [[nodiscard]] constexpr std::uint64_t fingerprint() const noexcept {
    planecast::fingerprint f;
    f.add(static_cast<std::uint64_t>(dtype)).add(layers).add(uniform_heads()).add(key_dim).add(value_dim);
    if (uniform_heads() == 0)
      for (const std::uint32_t heads : kv_heads_by_layer)
        f.add(heads);
    return f.value();
  }
};

} // namespace planecast::inline v0
