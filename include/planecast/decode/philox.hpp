// Random bits that are a function of where they are wanted.
#pragma once

#include "planecast/config.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// 128 bits in four words: what Philox counts with, and what it gives.
struct philox_words {
  std::uint32_t of[4]; ///< the lowest first

  /// Bit for bit.
  friend constexpr bool operator==(const philox_words&, const philox_words&) = default;
};

/// Philox4x32-10 of Salmon, Moraes, Dror and Shaw (SC'11), as in Random123 and cuRAND: a bijection of the
/// counter that the key picks. No state: the same counter and key give the same words, on the CPU and on a
/// GPU.
/// Example: `philox({0, 0, 0, 0}, 0)` gives 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8.
PLANECAST_HOST_DEVICE constexpr philox_words philox(philox_words counter, std::uint64_t key) noexcept {
  auto low = static_cast<std::uint32_t>(key), high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter.of[0],
                        b = std::uint64_t{0xCD9E8D57u} * counter.of[2];
    counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.of[1] ^ low, static_cast<std::uint32_t>(b),
                static_cast<std::uint32_t>(a >> 32) ^ counter.of[3] ^ high, static_cast<std::uint32_t>(a)}};
    low += 0x9E3779B9u;
    high += 0xBB67AE85u;
  }
  return counter;
}

} // namespace planecast::inline v0
