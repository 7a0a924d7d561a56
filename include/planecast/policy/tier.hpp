// The precisions a token can have.
#pragma once

#include "planecast/cache/fingerprint.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// The tier that holds every original bit.
inline constexpr int lossless = 0;

namespace detail {
// The i-th of a pack, in device code too, where a static array cannot be indexed at run time.
template <int... Values>
PLANECAST_HOST_DEVICE constexpr std::uint32_t nth(std::uint32_t i) noexcept {
  std::uint32_t at = 0, found = 0;
  ((at++ == i ? (void)(found = static_cast<std::uint32_t>(Values)) : (void)0), ...);
  return found;
}
template <int... Values>
constexpr std::uint64_t fingerprint_of() noexcept {
  fingerprint f;
  f.add(sizeof...(Values));
  (f.add(static_cast<std::uint64_t>(Values)), ...);
  return f.value();
}
} // namespace detail

/// Precision tiers from the lowest, in bits of the code. Every token has the lowest, and rises from there.
/// Preconditions: bits rise from tier to tier; lossless, if there, is the last (else it does not compile).
/// Example: `tiers<4, 8, lossless>`
template <int... Bits>
struct tiers {
  static constexpr std::uint32_t count = sizeof...(Bits); ///< how many tiers there are

  /// Bits of the code that tier i holds; 0 stands for lossless.
  /// Preconditions: i < count.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t bits(std::uint32_t i) noexcept {
    return detail::nth<Bits...>(i);
  }
  /// Whether there is a tier of so many bits of the code; `lossless` asks for that one.
  static constexpr bool has(int bits) noexcept { return ((bits == Bits) || ...); }
  /// Of the bits, in their order.
  static constexpr std::uint64_t fingerprint() noexcept { return detail::fingerprint_of<Bits...>(); }

private:
  static constexpr bool rising() noexcept {
    int before = 0;
    bool good = count > 0, ended = false;
    ((good = good && !ended && (Bits == lossless || Bits > before), before = Bits, ended = Bits == lossless),
     ...);
    return good;
  }
  static_assert(rising(), "tiers: bits rise from tier to tier; lossless, if there, is the last");
};

} // namespace planecast::inline v0
