// Which token of a row is chosen: the greatest, or the winner of a race that chance runs.
#pragma once

#include "planecast/config.hpp"
#include "planecast/decode/noise.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

// Rounded to nearest, whatever the options: -use_fast_math would have it faster. No product in what follows
// is added to anything but where it is exact, so there is nothing that a compiler could fuse and so change;
// and nothing depends on numbers so small that they may be flushed to zero.
PLANECAST_HOST_DEVICE inline float quotient(float a, float b) noexcept {
#if PLANECAST_ON_DEVICE
  return __fdiv_rn(a, b);
#else
  return a / b;
#endif
}

// A token's standing in a row: the order of its score, then the lower token first. 0: none can be chosen.
// Standings meet by the greatest, in any order.
using standing = std::uint64_t;
PLANECAST_HOST_DEVICE constexpr standing standing_of(std::uint32_t order, std::uint32_t token) noexcept {
  return order == 0 ? 0 : std::uint64_t{order} << 32 | (0xFFFFFFFFu - token);
}
PLANECAST_HOST_DEVICE constexpr std::int32_t token_of(standing best) noexcept {
  return best == 0 ? -1 : static_cast<std::int32_t>(0xFFFFFFFFu - static_cast<std::uint32_t>(best));
}

inline constexpr std::uint32_t infinite_bits = 0x7F800000u, least_normal_bits = 0x00800000u,
                               greatest_weight_bits = 0x4F800000u;
inline constexpr float absent_logit = -__builtin_huge_valf();

// A float as an order of positive numbers: NaN and −∞ are 0, −0 is +0, and others rise with the value.
PLANECAST_HOST_DEVICE constexpr std::uint32_t order_of_logit(float x) noexcept {
  const auto bits = bit_cast<std::uint32_t>(x), size = bits & 0x7FFFFFFFu;
  if (size > infinite_bits || bits == (infinite_bits | 0x80000000u))
    return 0;
  return bits > 0x80000000u ? ~bits : size | 0x80000000u;
}
PLANECAST_HOST_DEVICE constexpr float logit_of_order(std::uint32_t order) noexcept {
  return bit_cast<float>((order & 0x80000000u) != 0 ? order & 0x7FFFFFFFu : ~order);
}

// What a probability counts for: 0 if it is negative, NaN or below 2⁻¹²⁶, at most 2³².
PLANECAST_HOST_DEVICE constexpr float weight_of(float probability) noexcept {
  const auto bits = bit_cast<std::uint32_t>(probability);
  if (bits - least_normal_bits > infinite_bits - least_normal_bits)
    return 0;
  return bit_cast<float>(min(bits, greatest_weight_bits));
}

// A temperature below this is greedy, and so is NaN. Above 2⁶⁴ it counts as that.
inline constexpr float least_temperature = 1e-5f;
PLANECAST_HOST_DEVICE constexpr bool is_greedy(float temperature) noexcept {
  return !(temperature >= least_temperature);
}
// What logits are divided by, to be in units of the noise.
PLANECAST_HOST_DEVICE constexpr float logit_divisor(float temperature) noexcept {
  return min(temperature, 0x1p64f) * 0.693147181f;
}

// Whether a draft stands: u · p_draft < p_target, without a rounding.
PLANECAST_HOST_DEVICE inline bool draft_stands(const position_noise& at, float draft, float target) noexcept {
  return static_cast<double>(draft_uniform(at)) * static_cast<double>(weight_of(draft)) <
         static_cast<double>(weight_of(target)) * 0x1p29;
}

// How a row's token is found.
enum class contest : std::uint8_t {
  greatest_logit,
  greatest_weight,
  noisy_logits, // the greatest of logit / temperature + noise
  weights,      // a race by weights
  rest,         // a race by what the target has above the draft; if it has nothing, its greatest weight
};

// Four tokens' numbers, the first a multiple of four.
struct alignas(16) four_values {
  float of[4];
};

// A row, to those who look for its token.
struct row_race {
  position_noise noise;
  std::int32_t drafted = -1; // a draft that was sure of itself, where draft probabilities are not given
  float divisor = 1;         // of logits
  float reciprocal = 1;      // about

  PLANECAST_HOST_DEVICE static row_race of_logits(const position_noise& at, float temperature) noexcept {
    const float divisor = logit_divisor(temperature);
    return {at, -1, divisor, quotient(1, divisor)};
  }
};

// The order of a race by weights: that of weight / time, which is positive. A factor keeps it normal.
PLANECAST_HOST_DEVICE inline std::uint32_t order_of_race(float weight, waiting_time time) noexcept {
  return 0x80000000u | bit_cast<std::uint32_t>(quotient(weight * 0x1p24f, time.value()));
}

PLANECAST_HOST_DEVICE inline std::uint32_t order_of_noisy_logit(float logit, float divisor,
                                                                waiting_time time) noexcept {
  return order_of_logit(quotient(logit, divisor) + static_cast<float>(time.gumbel()) * 0x1p-24f);
}

// The greater of two, of which NaN is none.
PLANECAST_HOST_DEVICE inline float greater_number(float a, float b) noexcept {
#if PLANECAST_ON_DEVICE
  float y;
  asm("max.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b)); // which fast math does not change
  return y;
#else
  return a < b || a != a ? b : a;
#endif
}

// The best of `best` and four tokens. `target` holds absent_logit, or 0, beyond the vocabulary's end.
// A token that surely is behind the best is not looked at closely: a comparison that errs on the safe side by
// far more than any rounding spares it its logarithms.
template <contest C>
PLANECAST_HOST_DEVICE standing best_of_four(const row_race& row, const four_values& target,
                                            const four_values& draft, std::uint32_t four,
                                            standing best) noexcept {
  const std::uint32_t first = 4 * four;
  if constexpr (C == contest::greatest_logit || C == contest::greatest_weight) {
    const auto order_of_score = [](float x) {
      return C == contest::greatest_logit ? order_of_logit(x) : bit_cast<std::uint32_t>(weight_of(x));
    };
    // Most fours are behind the best altogether.
    if (order_of_score(greater_number(greater_number(target.of[0], target.of[1]),
                                      greater_number(target.of[2], target.of[3]))) <
        static_cast<std::uint32_t>(best >> 32))
      return best;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < 4; ++i)
      best = max(best, standing_of(order_of_score(target.of[i]), first + i));
    return best;
  } else {
    float weight[4];
    bool any = false;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < 4; ++i) {
      weight[i] = target.of[i];
      if constexpr (C == contest::weights)
        weight[i] = weight_of(weight[i]);
      if constexpr (C == contest::rest) {
        const float whole = weight_of(target.of[i]);
        const bool sure = row.drafted >= 0 && first + i == static_cast<std::uint32_t>(row.drafted);
        weight[i] = sure ? 0 : weight_of(whole - weight_of(draft.of[i]));
        if (best >> 63 == 0)
          best = max(best, standing_of(bit_cast<std::uint32_t>(whole), first + i));
      }
      if constexpr (C == contest::noisy_logits)
        weight[i] = order_of_logit(weight[i]) == 0 ? absent_logit : weight[i]; // no NaN any more
      any = any || (C == contest::noisy_logits ? weight[i] > absent_logit : weight[i] > 0);
    }
    if (!any)
      return best;
    const philox_words words = noise_words(row.noise, noise_use::race, four);
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < 4; ++i) {
      const std::uint32_t word = words.of[i];
      const auto order = static_cast<std::uint32_t>(best >> 32);
      if constexpr (C == contest::noisy_logits) {
        if (!(weight[i] > absent_logit))
          continue;
        // The noise is below 32.5 less the bits of the word. The quotient by a reciprocal is off by less
        // than 2⁻²⁰ of itself, and so is what is compared if it decides.
        const float least = logit_of_order(order);
        if (word >= small_word && order != 0 &&
            weight[i] * row.reciprocal + static_cast<float>(33 - bit_width(word)) <
                least - 0x1p-20f * (least < 0 ? -least : least))
          continue;
      } else {
        if (!(weight[i] > 0))
          continue;
        // The time is more than 1.44 · word · 2⁻³². With the race's factor the weight is 2⁻¹⁰² or more, so
        // that a product too small to be normal, whatever becomes of it, spares nothing.
        constexpr float bound = 1.44f * (1 - 0x1p-8f) * 0x1p-32f;
        if ((order & 0x80000000u) != 0 &&
            weight[i] * 0x1p24f < bit_cast<float>(order & 0x7FFFFFFFu) * (bound * static_cast<float>(word)))
          continue;
      }
      std::uint32_t finer = middle_word;
      if (word < small_word)
        finer = noise_words(row.noise, noise_use::finer_race, four).of[i];
      const waiting_time time = wait_of(chance_of(word, finer));
      if constexpr (C == contest::noisy_logits)
        best = max(best, standing_of(order_of_noisy_logit(weight[i], row.divisor, time), first + i));
      else
        best = max(best, standing_of(order_of_race(weight[i], time), first + i));
    }
    return best;
  }
}

} // namespace planecast::inline v0::detail
