// Whether coding saves the link more than it costs.
#pragma once

#include "planecast/cache/number.hpp"

#include <algorithm>

namespace planecast::inline v0 {

/// What coding a cache costs, and what it saves. Speeds are in raw bytes a second.
struct coding_costs {
  double encode = 0; ///< speed at the sender
  double decode = 0; ///< speed at the receiver
  double link = 0;   ///< bytes a second that cross
  double share = 1;  ///< coded bytes ÷ raw bytes
};

/// What of raw a cache takes when all of it has crossed: that of normal values, by bench/results/bits.json,
/// and a little more for what is rougher.
[[nodiscard]] constexpr double usual_share(number dtype) noexcept {
  switch (dtype) {
  case number::bf16:
    return 0.75;
  case number::fp16:
    return 0.94;
  case number::fp8_e5m2:
    return 0.9;
  case number::fp8_e4m3:
    break;
  }
  return 1;
}

/// Whether coding pays where a cache is coded, then sent, then decoded: if the link is slower than
/// (1 − share) / (1 / encode + 1 / decode).
/// Preconditions: speeds are above 0.
/// Example: `pays_serial({.encode = 1.1e9, .decode = 1.2e9, .link = 125e6, .share = 0.73})`
[[nodiscard]] constexpr bool pays_serial(const coding_costs& c) noexcept {
  return c.link < (1 - c.share) / (1 / c.encode + 1 / c.decode);
}

/// Whether it pays where parts are coded, sent and decoded at the same time, as a stream's layers are: if
/// max(1 / encode, share / link, 1 / decode) < 1 / link.
/// Preconditions: speeds are above 0.
[[nodiscard]] constexpr bool pays_pipelined(const coding_costs& c) noexcept {
  return std::max({1 / c.encode, c.share / c.link, 1 / c.decode}) < 1 / c.link;
}

} // namespace planecast::inline v0
