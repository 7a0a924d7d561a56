// Probabilities of logits, the same on every machine: their sum is one of integers, so its order is free.
#pragma once

#include "planecast/config.hpp"
#include "planecast/decode/race.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

// 2⁻ᵈ as bits · 2⁻³⁰⁻ᵇᵉˡᵒʷ, for d ≥ 0; 0 bits where d is 64 or more, or NaN.
struct power {
  std::uint32_t bits, below;

  [[nodiscard]] PLANECAST_HOST_DEVICE constexpr std::uint64_t in_2_40() const noexcept { // of 2⁻⁴⁰
    return std::uint64_t{bits} << 10 >> below;
  }
  [[nodiscard]] PLANECAST_HOST_DEVICE constexpr float value() const noexcept {
    return static_cast<float>(bits) * 0x1p-30f * bit_cast<float>((127 - below) << 23);
  }
};
// A polynomial of degree 6 in fixed point (30 bits), within 2⁻²⁷ of itself, on d rounded down to 2⁻²⁶.
PLANECAST_HOST_DEVICE constexpr power power_of_minus(float d) noexcept {
  if (!(d < 64))
    return {0, 0};
  const auto fixed = static_cast<std::uint32_t>(d * 0x1p26f);
  const std::int64_t w = std::int64_t{fixed << 6} - (std::int64_t{1} << 31);
  std::int64_t h = 117391;
  h = -1017428 + (w * h >> 32);
  h = 7302511 + (w * h >> 32);
  h = -42140866 + (w * h >> 32);
  h = 182392007 + (w * h >> 32);
  h = -526272103 + (w * h >> 32);
  h = 759250125 + (w * h >> 32);
  return {static_cast<std::uint32_t>(h), fixed >> 26};
}

// What differences of logits are multiplied with, to be exponents of two.
PLANECAST_HOST_DEVICE inline float logit_scale(float temperature) noexcept {
  return quotient(1, logit_divisor(temperature));
}

// So many tokens at most: the sum of their powers, 2⁴⁰ each at most, fits 64 bits.
inline constexpr std::uint32_t most_softmax_tokens = (1u << 24) - 1;

// What a row's probabilities need to be known: its greatest logit, as an order (0: there is none), and the
// sum of all powers relative to it, in units of 2⁻⁴⁰. Each is met by all tokens, in any order.
struct row_softmax {
  std::uint64_t greatest = 0;
  std::uint64_t sum = 0;

  // 2 to the power of a logit less the greatest one, scaled: nothing from 64 on. Several of +∞ share
  // alike.
  [[nodiscard]] PLANECAST_HOST_DEVICE power power_of(float logit, float scale) const noexcept {
    const std::uint32_t order = order_of_logit(logit);
    if (order == 0)
      return {0, 0};
    if (order == greatest)
      return power_of_minus(0);
    return power_of_minus((logit_of_order(static_cast<std::uint32_t>(greatest)) - logit) * scale);
  }
  [[nodiscard]] PLANECAST_HOST_DEVICE float probability(float logit, float scale) const noexcept {
    const power p = power_of(logit, scale);
    return p.bits == 0 ? 0 : quotient(p.value(), static_cast<float>(sum) * 0x1p-40f);
  }
};

} // namespace planecast::inline v0::detail
