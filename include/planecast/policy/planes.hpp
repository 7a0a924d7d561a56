// How a value's bits are cut into planes.
#pragma once

#include "planecast/policy/tier.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// Width of the last plane, which holds what the code leaves of every original bit.
inline constexpr int tail = 0;

/// Widths of the planes, consecutive bits of the code from the top.
/// Preconditions: each plane has 1, 2, 4 or 8 bits, all together 2 to 8; only the last, and not the first,
/// may be the tail (else it does not compile).
/// Example: `planes<4, 4, tail>`
template <int... Widths>
struct planes {
  static constexpr std::uint32_t count = sizeof...(Widths); ///< how many planes there are, the tail included

  /// Bits per value of plane i; 0 for the tail, whose width depends on the value.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t width(std::uint32_t i) noexcept {
    return detail::nth<Widths...>(i);
  }
  /// Bits of the code that planes 0 … i − 1 hold together.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t bits_before(std::uint32_t i) noexcept {
    std::uint32_t at = 0, sum = 0;
    ((at++ < i ? (void)(sum += static_cast<std::uint32_t>(Widths)) : (void)0), ...);
    return sum;
  }
  /// Bits of the whole code, the tail apart.
  static constexpr std::uint32_t code_bits = (0 + ... + static_cast<std::uint32_t>(Widths));
  static constexpr bool has_tail = ((Widths == tail) || ...); ///< without it a cache never becomes exact
  /// Planes of fixed width: all but the tail.
  static constexpr std::uint32_t fixed = count - (has_tail ? 1 : 0);

  /// How many planes, from the first, hold `bits` bits of the code (or are lossless); 0 if none end there.
  static constexpr std::uint32_t holding(std::uint32_t bits) noexcept {
    if (bits == static_cast<std::uint32_t>(lossless))
      return has_tail ? count : 0;
    for (std::uint32_t p = 1; p <= fixed; ++p)
      if (bits_before(p) == bits)
        return p;
    return 0;
  }

  /// Of the widths, in their order.
  static constexpr std::uint64_t fingerprint() noexcept { return detail::fingerprint_of<Widths...>(); }

private:
  static constexpr bool well_formed() noexcept {
    std::uint32_t at = 0;
    bool good = count > 0;
    ((++at, good = good && (Widths == 1 || Widths == 2 || Widths == 4 || Widths == 8 ||
                            (Widths == tail && at == count && at > 1))),
     ...);
    return good;
  }
  static_assert(well_formed(),
                "planes: widths are 1, 2, 4 or 8 bits; only the last may be the tail. (Where no planes "
                "are named, each tier's step over the one below is a plane.)");
  static_assert(code_bits >= 2 && code_bits <= 8, "planes: the code has 2 to 8 bits, the tail apart");
};

namespace detail {
template <class Tiers, int Before, int... Widths>
struct split_into_planes; // planes<4, 4, tail> from tiers<4, 8, lossless>
template <int Before, int... Widths>
struct split_into_planes<tiers<>, Before, Widths...> {
  using type = planes<Widths...>;
};
template <int First, int... Rest, int Before, int... Widths>
struct split_into_planes<tiers<First, Rest...>, Before, Widths...>
    : split_into_planes<tiers<Rest...>, First, Widths..., (First == lossless ? tail : First - Before)> {};
} // namespace detail

/// Planes for tiers, where none are named: each tier adds one plane to those of the tier below it.
/// Example: `planes_of<tiers<4, 8, lossless>>` is `planes<4, 4, tail>`.
template <class Tiers>
using planes_of = typename detail::split_into_planes<Tiers, 0>::type;

} // namespace planecast::inline v0
