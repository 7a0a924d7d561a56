// Everything that changes the bytes, in one type.
#pragma once

#include "planecast/policy/planes.hpp"
#include "planecast/policy/quantizer.hpp"
#include "planecast/policy/tier.hpp"

namespace planecast::inline v0 {

/// Names the quantizer of the keys in a policy.
template <quantizer Q>
struct keys {
  using type = Q; ///< the quantizer
};
/// Names the quantizer of the values in a policy.
template <quantizer Q>
struct values {
  using type = Q; ///< the quantizer
};

/// Tiers × quantizer for keys × quantizer for values × plane layout. An empty type: pass it as a template
/// argument. Its fingerprint goes on the wire, so that two peers with different policies never talk.
/// Preconditions: each tier ends where a plane ends; keys and values do not ask for pages of different length
/// (else it does not compile).
/// Example:
///
///     using policy = precision_policy<tiers<4, 8, lossless>, keys<per_channel<64>>, values<per_token>>;
template <class Tiers, class Keys, class Values, class Planes = planes_of<Tiers>>
struct precision_policy;

/// What a policy holds.
template <int... Bits, quantizer K, quantizer V, int... Widths>
struct precision_policy<tiers<Bits...>, keys<K>, values<V>, planes<Widths...>> {
  using tiers = planecast::tiers<Bits...>;     ///< the precisions that a token can have
  using planes = planecast::planes<Widths...>; ///< how a value's bits are cut
  using key_quantizer = K;                     ///< which keys share a scale
  using value_quantizer = V;                   ///< which values do

  /// The page that a quantizer asks for, or 0.
  static constexpr std::uint32_t page_asked = K::page_tokens != 0 ? K::page_tokens : V::page_tokens;
  /// Tokens of a page, the extent of a tile: what the quantizers need, or 64.
  static constexpr std::uint32_t page_tokens = page_asked != 0 ? page_asked : 64;
  static_assert(V::page_tokens == 0 || V::page_tokens == page_tokens,
                "precision_policy: keys and values ask for pages of different length");
  static_assert(page_tokens >= 1 && page_tokens <= 32768, "precision_policy: a page has 1 to 32768 tokens");

  /// Planes of the lowest tier. Every token has them, whatever the plan: they leave before one is made.
  static constexpr std::uint32_t base_planes = planes::holding(tiers::bits(0));

  /// Calls f with the policy of a layer, by its number in a model of so many: this one. Returns what f does.
  template <class F>
  static constexpr decltype(auto) with_layer(std::uint32_t, std::uint32_t, F&& f) {
    return f(precision_policy{});
  }
  /// Calls f with each policy: this one.
  template <class F>
  static constexpr void with_each(F&& f) {
    f(precision_policy{});
  }

  /// Of all that changes the bytes.
  static constexpr std::uint64_t fingerprint() noexcept {
    return planecast::fingerprint{}
        .add(tiers::fingerprint())
        .add(K::fingerprint())
        .add(V::fingerprint())
        .add(planes::fingerprint())
        .add(page_tokens)
        .value();
  }

private:
  static_assert(((planes::holding(static_cast<std::uint32_t>(Bits)) != 0) && ...),
                "precision_policy: each tier ends where a plane ends; lossless needs planes<..., tail>");
  static_assert(base_planes <= planes::fixed, "precision_policy: the lowest tier is in bits; the original "
                                              "alone is sent by coding::raw");
};

/// For multi-head latent attention (geometry::mla): the latent in groups of channels, with all tiers; the
/// RoPE part as it is.
using mla_policy = precision_policy<tiers<4, 8, lossless>, keys<per_token_groups<128>>, values<verbatim>>;

} // namespace planecast::inline v0
