// Which values of a tile share a scale.
#pragma once

#include "planecast/cache/fingerprint.hpp"

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace planecast::inline v0 {

/// A tile's extent: the tokens of one page (the last page may be shorter) × the channels of one head.
struct tile_shape {
  std::uint32_t tokens = 0; ///< of the page that the request carries
  std::uint32_t dim = 0;    ///< channels of the head

  /// Numbers that the tile holds.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t values() const noexcept { return tokens * dim; }
  friend constexpr bool operator==(const tile_shape&, const tile_shape&) = default;
};

namespace detail {
template <std::uint32_t Tokens>
using token_count = std::integral_constant<std::uint32_t, Tokens>;
} // namespace detail

/// A quantizer says how a tile's values are grouped into scale rows: those of one row share a least value and
/// a step. It holds nothing; all of it is static.
///
///     page_tokens         The page it needs, in tokens, or 0 if any will do. A constant.
///     scale_rows(s)       How many rows a tile of shape s has, at most 65,535. Of a shape with none, tiles
///                         stay as they are.
///     scale_row(s, t, c)  The row of token t's channel c, below scale_rows(s).
///     fingerprint()       A value that no quantizer with other rows has: it goes on the wire.
///
/// Encoder and decoder call them for every tile, at different times and places, from any thread.
/// Preconditions: t < s.tokens, which is at most a page; c < s.dim, a multiple of 8 up to max_head_dim.
/// Effects: pure functions of their arguments. A row without a value costs its four bytes all the same.
/// Errors: none; nothing throws.
/// Example: examples/own_quantizer.cpp.
// clang-format off
template <class Q>
concept quantizer = requires(tile_shape s, std::uint32_t i) {
  typename detail::token_count<Q::page_tokens>;
  { Q::scale_rows(s) } noexcept -> std::same_as<std::uint32_t>;
  { Q::scale_row(s, i, i) } noexcept -> std::same_as<std::uint32_t>;
  { Q::fingerprint() } noexcept -> std::same_as<std::uint64_t>;
};
// clang-format on

/// A scale for each channel over a page of tokens. For keys, whose outliers keep to their channels. Models
/// `quantizer`.
/// Preconditions: a page has 8 to 1024 tokens (else it does not compile).
template <std::uint32_t PageTokens>
struct per_channel {
  static_assert(PageTokens >= 8 && PageTokens <= 1024, "per_channel: a page has 8 to 1024 tokens");
  static constexpr std::uint32_t page_tokens = PageTokens; ///< the page that it needs

  /// As many as channels.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_rows(tile_shape s) noexcept { return s.dim; }
  /// The channel's number.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_row(tile_shape, std::uint32_t,
                                                                 std::uint32_t channel) noexcept {
    return channel;
  }
  /// Of the kind and the page.
  static constexpr std::uint64_t fingerprint() noexcept {
    return planecast::fingerprint{}.add(1).add(PageTokens).value();
  }
};

/// A scale for each token's head. For values. Models `quantizer`.
struct per_token {
  static constexpr std::uint32_t page_tokens = 0; ///< any will do

  /// As many as tokens.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_rows(tile_shape s) noexcept { return s.tokens; }
  /// The token's number.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_row(tile_shape, std::uint32_t token,
                                                                 std::uint32_t) noexcept {
    return token;
  }
  /// Of the kind.
  static constexpr std::uint64_t fingerprint() noexcept { return planecast::fingerprint{}.add(2).value(); }
};

/// A scale for every G tokens of a channel, counted from the first of the page that the request carries. For
/// keys that drift within a page. Models `quantizer`.
/// Preconditions: a page has 8 to 1024 tokens, a group 16 or more (else it does not compile).
template <std::uint32_t PageTokens, std::uint32_t G>
struct per_channel_groups {
  static_assert(PageTokens >= 8 && PageTokens <= 1024, "per_channel_groups: a page has 8 to 1024 tokens");
  static_assert(G >= 16, "per_channel_groups: a group has 16 tokens or more");
  static constexpr std::uint32_t page_tokens = PageTokens; ///< the page that it needs

  /// Groups × channels.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_rows(tile_shape s) noexcept {
    return (s.tokens + G - 1) / G * s.dim;
  }
  /// The channel's number in the rows of the token's group.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_row(tile_shape s, std::uint32_t token,
                                                                 std::uint32_t channel) noexcept {
    return token / G * s.dim + channel;
  }
  /// Of the kind, the page and the group.
  static constexpr std::uint64_t fingerprint() noexcept {
    return planecast::fingerprint{}.add(3).add(PageTokens).add(G).value();
  }
};

/// A scale for every G channels of a token's head: for wide heads, and rows whose parts differ. Models
/// `quantizer`.
/// Preconditions: a group has 16 channels or more (else it does not compile).
template <std::uint32_t G>
struct per_token_groups {
  static_assert(G >= 16, "per_token_groups: a group has 16 channels or more");
  static constexpr std::uint32_t page_tokens = 0; ///< any will do

  /// Tokens × groups.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_rows(tile_shape s) noexcept {
    return s.tokens * groups(s);
  }
  /// The group's number in the rows of the token.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_row(tile_shape s, std::uint32_t token,
                                                                 std::uint32_t channel) noexcept {
    return token * groups(s) + channel / G;
  }
  /// Of the kind and the group.
  static constexpr std::uint64_t fingerprint() noexcept {
    return planecast::fingerprint{}.add(4).add(G).value();
  }

private:
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t groups(tile_shape s) noexcept {
    return (s.dim + G - 1) / G;
  }
};

/// A quantizer whose values are seen scaled by a power of two for each channel of the tile, before the scale
/// rows are looked at. One byte more for each channel.
///
///     balances_channels   true. A constant.
template <class Q>
concept balancing_quantizer = quantizer<Q> && requires {
  requires Q::balances_channels;
};

/// A scale for each token's head, between channels that are brought to one size first. For keys with outlier
/// channels where pages are short, or scales per token are wanted. Models `balancing_quantizer`.
struct balanced {
  static constexpr std::uint32_t page_tokens = 0; ///< any will do
  static constexpr bool balances_channels = true; ///< by powers of two

  /// As many as tokens.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_rows(tile_shape s) noexcept { return s.tokens; }
  /// The token's number.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_row(tile_shape, std::uint32_t token,
                                                                 std::uint32_t) noexcept {
    return token;
  }
  /// Of the kind.
  static constexpr std::uint64_t fingerprint() noexcept { return planecast::fingerprint{}.add(5).value(); }
};

/// No scales: every tile stays as it is and is exact from the base on. For what must not lose a bit, such as
/// the RoPE part of MLA. Models `quantizer`.
struct verbatim {
  static constexpr std::uint32_t page_tokens = 0; ///< any will do

  /// None.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_rows(tile_shape) noexcept { return 0; }
  /// Not asked for.
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t scale_row(tile_shape, std::uint32_t,
                                                                 std::uint32_t) noexcept {
    return 0;
  }
  /// Of the kind.
  static constexpr std::uint64_t fingerprint() noexcept { return planecast::fingerprint{}.add(6).value(); }
};

static_assert(quantizer<per_channel<64>>);
static_assert(quantizer<per_token>);
static_assert(quantizer<per_channel_groups<64, 32>>);
static_assert(quantizer<per_token_groups<64>>);
static_assert(balancing_quantizer<balanced> && !balancing_quantizer<per_token>);
static_assert(quantizer<verbatim>);

} // namespace planecast::inline v0
