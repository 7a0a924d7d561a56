// The arithmetic of attention mass in plain loops: what every machine can run.
#pragma once

#include "planecast/cache/number.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace planecast::inline v0::detail {

/// Coefficients of a polynomial that is 2^x for |x| ≤ 1/2, within 2⁻²⁹ of it, and 1 at 0.
inline constexpr float exp2_polynomial[] = {1.0f,           0.693147206f,   0.240226469f,   0.0555032878f,
                                            0.00961848892f, 0.00133999313f, 0.000153458205f};
/// A float of this size has no fraction left: adding and subtracting it rounds to a whole number.
inline constexpr float exp2_round = 0x1.8p23f;
/// What exp2 takes for 2^−∞, and the most that it is asked for. NaN passes both.
inline constexpr float exp2_least = -125.0f, exp2_most = 127.0f;

/// One set of instructions. A panel is the queries of two registers, channel by channel: queries are lanes,
/// so that sums over tokens stay in their lanes. A tile is tokens × panel. Tiles and keys need no alignment.
/// The other sets have the same members; their results differ in rounding alone.
struct attention_plain {
  // What every 64-bit machine has registers for. Before its uses: nvcc's front end gives g++ `float` for it in
  // functions that stand before.
  using fours [[gnu::vector_size(16)]] = float;

  static constexpr std::uint32_t lanes = 8;         ///< queries of a register
  static constexpr std::uint32_t panel = 2 * lanes; ///< queries of a tile
  static constexpr std::uint32_t rows = 2;          ///< tokens that logits() takes at a time

  /// 16-bit values as floats. False if one is not finite.
  static bool widen(number dtype, const std::uint16_t* in, std::uint32_t count, float* out) noexcept {
    float zero = 0; // 0 · ∞ and 0 · NaN are NaN
    with_format(dtype, [&]<class Number>(Number) {
      for (std::uint32_t i = 0; i < count; ++i) {
        out[i] = Number::value(in[i]);
        zero += out[i] * 0.0f;
      }
    });
    return zero == 0.0f;
  }

  /// tile[t][lane] = keys[t] · panel[lane], for a multiple of `rows` tokens.
  static void logits(const float* queries, const float* keys, std::uint32_t dim, std::uint32_t tokens,
                     float* tile) noexcept {
    for (std::uint32_t t = 0; t < tokens; t += rows, keys += std::size_t{rows} * dim) {
      fours low[4] = {}, high[4] = {};
      for (std::uint32_t c = 0; c < dim; ++c) {
        PLANECAST_UNROLL
        for (std::uint32_t i = 0; i < 4; ++i) {
          fours q;
          std::memcpy(&q, queries + std::size_t{c} * panel + 4 * i, sizeof q);
          low[i] += q * keys[c];
          high[i] += q * keys[dim + c];
        }
      }
      PLANECAST_UNROLL
      for (std::uint32_t i = 0; i < 4; ++i) {
        std::memcpy(tile + t * panel + 4 * i, &low[i], sizeof(fours));
        std::memcpy(tile + (t + 1) * panel + 4 * i, &high[i], sizeof(fours));
      }
    }
  }

  /// most[lane] = max(most[lane], tile[…][lane]).
  static void maxima(const float* tile, std::uint32_t tokens, float* most) noexcept {
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t lane = 0; lane < panel; ++lane)
        most[lane] = tile[t * panel + lane] > most[lane] ? tile[t * panel + lane] : most[lane];
  }

  /// tile[t][lane] = 2^(tile[t][lane] − from[lane]), and sums[lane] = what these add up to.
  static void exponentials(float* tile, std::uint32_t tokens, const float* from, float* sums) noexcept {
    for (std::uint32_t lane = 0; lane < panel; ++lane)
      sums[lane] = 0;
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t lane = 0; lane < panel; ++lane)
        sums[lane] += tile[t * panel + lane] = exp2(tile[t * panel + lane] - from[lane]);
  }

  /// sums[t] += tile[t] · weights, register by register: a panel's first half into `low`, its second into
  /// `high`, which may be the same. Sums have `lanes` floats for each token.
  static void collect(const float* tile, const float* weights, std::uint32_t tokens, float* low,
                      float* high) noexcept {
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t lane = 0; lane < lanes; ++lane) {
        low[t * lanes + lane] += tile[t * panel + lane] * weights[lane];
        high[t * lanes + lane] += tile[t * panel + lanes + lane] * weights[lanes + lane];
      }
  }

private:
  static float exp2(float x) noexcept {
    if (x < exp2_least)
      return 0;
    x = x > exp2_most ? exp2_most : x;
    const float rounded = x + exp2_round, rest = x - (rounded - exp2_round);
    float y = exp2_polynomial[6];
    for (int i = 5; i >= 0; --i)
      y = y * rest + exp2_polynomial[i];
    return y * bit_cast<float>((bit_cast<std::uint32_t>(rounded) + 127u) << 23);
  }
};

} // namespace planecast::inline v0::detail
