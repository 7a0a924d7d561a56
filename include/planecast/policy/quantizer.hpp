// Which values of a tile share a scale.
#pragma once

#include "planecast/cache/fingerprint.hpp"

#include <concepts>
#include <cstdint>

namespace planecast::inline v0 {

/// A tile's extent: the tokens of one page (the last page may be shorter) × the channels of one head.
struct tile_shape {
  std::uint32_t tokens = 0;
  std::uint32_t dim = 0;

  PLANECAST_HOST_DEVICE constexpr std::uint32_t values() const noexcept { return tokens * dim; }
  friend constexpr bool operator==(const tile_shape&, const tile_shape&) = default;
};

/// A quantizer says how a tile's values are grouped into scale rows. It states
///   page_tokens         the page it needs, or 0 if any will do;
///   scale_rows(s)       how many rows a tile of shape s has, at most 65,535;
///   scale_row(s, t, c)  the row of token t's channel c, below scale_rows(s);
///   fingerprint()       a value that no quantizer with other rows has.
/// The functions are pure: encoder and decoder call them at different times and places.
// clang-format off
template <class Q>
concept quantizer = requires(tile_shape s, std::uint32_t i) {
  { Q::page_tokens } -> std::convertible_to<std::uint32_t>;
  { Q::scale_rows(s) } noexcept -> std::same_as<std::uint32_t>;
  { Q::scale_row(s, i, i) } noexcept -> std::same_as<std::uint32_t>;
  { Q::fingerprint() } noexcept -> std::same_as<std::uint64_t>;
};
// clang-format on

/// A scale for each channel over a page of tokens. For keys, whose outliers keep to their channels.
template <std::uint32_t PageTokens>
struct per_channel {
  static_assert(PageTokens >= 8 && PageTokens <= 1024, "per_channel: a page has 8 to 1024 tokens");
  static constexpr std::uint32_t page_tokens = PageTokens;

  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_rows(tile_shape s) noexcept { return s.dim; }
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_row(tile_shape, std::uint32_t,
                                                                 std::uint32_t channel) noexcept {
    return channel;
  }
  static constexpr std::uint64_t fingerprint() noexcept {
    return planecast::fingerprint{}.add(1).add(PageTokens).value();
  }
};

/// A scale for each token's head. For values.
struct per_token {
  static constexpr std::uint32_t page_tokens = 0;

  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_rows(tile_shape s) noexcept { return s.tokens; }
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_row(tile_shape, std::uint32_t token,
                                                                 std::uint32_t) noexcept {
    return token;
  }
  static constexpr std::uint64_t fingerprint() noexcept { return planecast::fingerprint{}.add(2).value(); }
};

static_assert(quantizer<per_channel<64>>);
static_assert(quantizer<per_token>);

} // namespace planecast::inline v0
