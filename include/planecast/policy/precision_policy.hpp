// Everything that changes the bytes, in one type.
#pragma once

#include "planecast/policy/planes.hpp"
#include "planecast/policy/quantizer.hpp"
#include "planecast/policy/tier.hpp"

namespace planecast::inline v0 {

/// Names the quantizer of the keys, and of the values, in a policy.
template <quantizer Q>
struct keys {
  using type = Q;
};
template <quantizer Q>
struct values {
  using type = Q;
};

template <class Tiers, class Keys, class Values, class Planes = planes_of<Tiers>>
struct precision_policy;

/// Tiers × quantizer for keys × quantizer for values × plane layout. An empty type: pass it as a template
/// argument. Its fingerprint goes on the wire, so that two peers with different policies never talk.
///
///   using policy = precision_policy<tiers<4, 8, lossless>, keys<per_channel<64>>, values<per_token>>;
template <int... Bits, quantizer K, quantizer V, int... Widths>
struct precision_policy<tiers<Bits...>, keys<K>, values<V>, planes<Widths...>> {
  using tiers = planecast::tiers<Bits...>;
  using planes = planecast::planes<Widths...>;
  using key_quantizer = K;
  using value_quantizer = V;

  /// Tokens of a page, the extent of a tile.
  static constexpr std::uint32_t page_tokens = K::page_tokens != 0   ? K::page_tokens
                                               : V::page_tokens != 0 ? V::page_tokens
                                                                     : 64;
  static_assert(V::page_tokens == 0 || V::page_tokens == page_tokens,
                "precision_policy: keys and values ask for pages of different length");

  /// Planes of the lowest tier. Every token has them, whatever the plan: they leave before one is made.
  static constexpr std::uint32_t base_planes = planes::holding(tiers::bits(0));

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
};

} // namespace planecast::inline v0
