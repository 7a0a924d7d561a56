// The shape that every request over one connection shares.
#pragma once

#include "planecast/cache/fingerprint.hpp"
#include "planecast/cache/number.hpp"
#include "planecast/status.hpp"

#include <cstdint>

namespace planecast::inline v0 {

inline constexpr std::uint32_t max_head_dim = 576;

/// Shape of a model's KV cache. Heads are KV heads: with grouped queries there are fewer of them than query
/// heads. Keys and values may differ in width.
struct geometry {
  number dtype = number::bf16;
  std::uint32_t layers = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t key_dim = 0;
  std::uint32_t value_dim = 0;

  friend constexpr bool operator==(const geometry&, const geometry&) = default;

  /// Says which field, if any, is outside of what this version codes.
  [[nodiscard]] constexpr status check() const noexcept {
    if (dtype != number::fp16 && dtype != number::bf16)
      return {errc::unsupported, "geometry: dtype is neither fp16 nor bf16"};
    if (layers == 0 || layers > 0xFFFF)
      return {errc::limit, "geometry: layers", 0xFFFF, layers};
    if (kv_heads == 0 || kv_heads > 0xFFFF)
      return {errc::limit, "geometry: kv_heads", 0xFFFF, kv_heads};
    for (const std::uint32_t dim : {key_dim, value_dim}) {
      if (dim == 0 || dim > max_head_dim)
        return {errc::limit, "geometry: head_dim", max_head_dim, dim};
      if (dim % 8 != 0)
        return {errc::unsupported, "geometry: head_dim is not a multiple of 8"};
    }
    return {};
  }

  [[nodiscard]] constexpr std::uint64_t values_per_token() const noexcept {
    return std::uint64_t{layers} * kv_heads * (key_dim + value_dim);
  }
  [[nodiscard]] constexpr std::uint64_t raw_bytes(std::uint64_t tokens) const noexcept {
    return tokens * values_per_token() * 2;
  }
  [[nodiscard]] constexpr std::uint64_t fingerprint() const noexcept {
    return planecast::fingerprint{}
        .add(static_cast<std::uint64_t>(dtype))
        .add(layers)
        .add(kv_heads)
        .add(key_dim)
        .add(value_dim)
        .value();
  }
};

} // namespace planecast::inline v0
