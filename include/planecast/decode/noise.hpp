// What chance says of a token at a position: the same on every machine.
#pragma once

#include "planecast/config.hpp"
#include "planecast/decode/philox.hpp"

#include <bit>
#include <cstdint>

namespace planecast::inline v0 {

/// The noise of one position in one request's text. It is a function of these three numbers and of a token,
/// so it is the same whatever was drafted there, however the batch is made up, and on whatever machine.
struct position_noise {
  std::uint64_t seed = 0;     ///< Philox's key
  std::uint64_t position = 0; ///< where in the text
  std::uint32_t stream = 0;   ///< tells requests apart that share a seed
};

namespace detail {

PLANECAST_HOST_DEVICE constexpr unsigned leading_zeros(std::uint64_t x) noexcept {
#if PLANECAST_ON_DEVICE
  return static_cast<unsigned>(__clzll(static_cast<long long>(x)));
#else
  return static_cast<unsigned>(std::countl_zero(x));
#endif
}

// What words are for: the two highest bits of the counter's first word, whose others number tokens by four.
enum class noise_use : std::uint32_t { race = 0, finer_race = 1, draft = 2 };

PLANECAST_HOST_DEVICE constexpr philox_words noise_words(const position_noise& at, noise_use use,
                                                         std::uint32_t four) noexcept {
  return philox({{static_cast<std::uint32_t>(use) << 30 | four, at.stream,
                  static_cast<std::uint32_t>(at.position), static_cast<std::uint32_t>(at.position >> 32)}},
                at.seed);
}

// From 0 … 2²⁹ − 1: times 2⁻²⁹, it is from [0, 1), and times a float it is exact in a double.
PLANECAST_HOST_DEVICE constexpr std::uint32_t draft_uniform(const position_noise& at) noexcept {
  return noise_words(at, noise_use::draft, 0).of[0] >> 3;
}

// A token's chance x is 64 bits, never 0: x · 2⁻⁶⁴ is from (0, 1). A word gives the upper 32; the lower are
// its middle, but where the word is small, for small ones win races: there a further word gives them. So x is
// fine to 2⁻²¹ of itself down to 2⁻⁴³.
inline constexpr std::uint32_t small_word = 1u << 20, middle_word = 0x80000000u;

PLANECAST_HOST_DEVICE constexpr std::uint64_t chance_of(std::uint32_t word, std::uint32_t finer) noexcept {
  return std::uint64_t{word} << 32 | finer | 1;
}
// The same for a single token.
PLANECAST_HOST_DEVICE constexpr std::uint64_t chance_of_token(const position_noise& at,
                                                              std::uint32_t token) noexcept {
  const std::uint32_t word = noise_words(at, noise_use::race, token / 4).of[token % 4];
  return chance_of(word, word < small_word ? noise_words(at, noise_use::finer_race, token / 4).of[token % 4]
                                           : middle_word);
}

// −log2(1 − z) for z = y · 2⁻⁶⁴ from [0, 1/2), as a fraction of 2⁶⁴: z · h(z), h a polynomial of degree 8 in
// fixed point (29 bits), fitted to the true quotient at Chebyshev's nodes. h is off by no more than 2⁻²⁵ of
// itself, and the product by less than 2 besides. All of it is integers, so no compiler changes a bit.
PLANECAST_HOST_DEVICE constexpr std::uint64_t minus_log2_of_rest(std::uint64_t y) noexcept {
  const auto w = static_cast<std::int64_t>(y >> 31) - (std::int64_t{1} << 31); // (2z − 1/2) · 2³²
  std::int64_t h = 4259845;
  h = 7174802 + (w * h >> 32);
  h = 9876217 + (w * h >> 32);
  h = 17385020 + (w * h >> 32);
  h = 31986108 + (w * h >> 32);
  h = 60529093 + (w * h >> 32);
  h = 122740304 + (w * h >> 32);
  h = 282869835 + (w * h >> 32);
  h = 891286243 + (w * h >> 32);
  const auto u = static_cast<std::uint64_t>(h);
  return ((y >> 32) * u << 3) + ((y & 0xFFFFFFFFu) * u >> 29);
}

// −log2(u · 2⁻⁶⁴) = whole + part · 2⁻⁶⁴, for u > 0.
struct binary_log {
  std::uint32_t whole;
  std::uint64_t part;
};
PLANECAST_HOST_DEVICE constexpr binary_log minus_log2(std::uint64_t u) noexcept {
  const unsigned whole = leading_zeros(u);
  return {whole, minus_log2_of_rest(~(u << whole))};
}

// −log2(1 − x · 2⁻⁶⁴): how long a token waits that has this chance, where one of weight w waits 1/w on
// average (times ln 2: races do not ask). bits · 2⁻ᵖᵒⁱⁿᵗ, within 2⁻²³ of the true number where that is above
// 2⁻³⁹.
struct waiting_time {
  std::uint64_t bits;
  std::uint32_t point; // 64 or 32

  // To nearest, even where ties.
  [[nodiscard]] PLANECAST_HOST_DEVICE float value() const noexcept {
    return static_cast<float>(bits) * (point == 64 ? 0x1p-64f : 0x1p-32f);
  }
  // −log2 of it, in units of 2⁻²⁴. It is odd, so that the float of it is never close to zero.
  [[nodiscard]] PLANECAST_HOST_DEVICE constexpr std::int32_t gumbel() const noexcept {
    const binary_log log = minus_log2(bits);
    const auto whole = static_cast<std::int32_t>(log.whole + point) - 64;
    return (whole * (1 << 24) + static_cast<std::int32_t>(log.part >> 40)) | 1;
  }
};
PLANECAST_HOST_DEVICE constexpr waiting_time wait_of(std::uint64_t chance) noexcept {
  const binary_log log = minus_log2(~chance);
  if (log.whole == 0)
    return {log.part, 64}; // as fine as the chance is: it may be tiny
  return {(std::uint64_t{log.whole} << 32) + (log.part >> 32), 32};
}

} // namespace detail

/// The Gumbel noise of a token in units of ln 2, and but for a constant that all tokens share: an argmax over
/// log2(weight) + noise picks each token with its weight's share. It is −log2(−log2(1 − x)) for the token's
/// uniform number x, within 2⁻²², then rounded to a float.
/// Example: `gumbel_noise({.seed = 7, .position = 42}, token)`
[[nodiscard]] PLANECAST_HOST_DEVICE inline float gumbel_noise(const position_noise& at,
                                                              std::uint32_t token) noexcept {
  return static_cast<float>(detail::wait_of(detail::chance_of_token(at, token)).gumbel()) * 0x1p-24f;
}

/// The uniform number from [0, 1) that a draft at this position is judged by, a multiple of 2⁻²⁹.
[[nodiscard]] PLANECAST_HOST_DEVICE inline double draft_noise(const position_noise& at) noexcept {
  return static_cast<double>(detail::draft_uniform(at)) * 0x1p-29;
}

} // namespace planecast::inline v0
