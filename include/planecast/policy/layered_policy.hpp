// A policy of its own for the first and the last layers.
#pragma once

#include "planecast/policy/precision_policy.hpp"

#include <concepts>
#include <cstdint>

namespace planecast::inline v0 {

/// Names the first and the last layers of a model, and their policy.
template <std::uint32_t First, std::uint32_t Last, class Policy>
struct edges {};

/// One policy for most layers, another for those at a model's two ends, which are often the ones that a
/// coarse code hurts. The edges' lowest tier may be higher: then their base holds more planes, and the
/// upgrades to them bring these layers nothing. Layers count in the model, also where a stream carries some
/// of them. Where both ends meet, all layers are edges. Tiers, and so what is planned, are the main policy's.
/// An empty type.
/// Preconditions: both have the same planes; the edges' base has all planes of the main one's; quantizers do
/// not ask for pages of different length (else it does not compile).
/// Example:
///
///     using careful = precision_policy<tiers<8, lossless>, keys<per_channel<64>>, values<per_token>,
///                                      planes<4, 4, tail>>;
///     using policy = layered_policy<usual, edges<2, 2, careful>>;
template <class Main, class Edges>
struct layered_policy;

/// What it holds.
template <class Main, std::uint32_t First, std::uint32_t Last, class Edge>
struct layered_policy<Main, edges<First, Last, Edge>> {
  using tiers = typename Main::tiers;                     ///< the precisions that a token can have
  using planes = typename Main::planes;                   ///< how a value's bits are cut, in all layers
  using key_quantizer = typename Main::key_quantizer;     ///< which keys share a scale, but for the edges
  using value_quantizer = typename Main::value_quantizer; ///< which values do
  using main_policy = Main;                               ///< of the layers between
  using edge_policy = Edge;                               ///< of the first and the last layers

  /// The page that a quantizer asks for, or 0.
  static constexpr std::uint32_t page_asked = Main::page_asked != 0 ? Main::page_asked : Edge::page_asked;
  /// Tokens of a page, the extent of a tile: what the quantizers need, or 64.
  static constexpr std::uint32_t page_tokens = page_asked != 0 ? page_asked : 64;
  /// Planes of the main policy's lowest tier: those that every token has in all layers.
  static constexpr std::uint32_t base_planes = Main::base_planes;

  /// Calls f with the policy of a layer, by its number in a model of so many. Returns what f does.
  template <class F>
  static constexpr decltype(auto) with_layer(std::uint32_t layer, std::uint32_t layers, F&& f) {
    return layer < First || layer + Last >= layers ? f(Edge{}) : f(Main{});
  }
  /// Calls f with each policy.
  template <class F>
  static constexpr void with_each(F&& f) {
    f(Main{});
    f(Edge{});
  }
  /// Of all that changes the bytes.
  static constexpr std::uint64_t fingerprint() noexcept {
    return planecast::fingerprint{}
        .add(Main::fingerprint())
        .add(First)
        .add(Last)
        .add(Edge::fingerprint())
        .add(page_tokens)
        .value();
  }

private:
  static_assert(First + Last > 0, "layered_policy: no layer is an edge");
  static_assert(std::same_as<planes, typename Edge::planes>,
                "layered_policy: the edges' planes are other than the main policy's");
  static_assert(Edge::base_planes >= Main::base_planes,
                "layered_policy: the edges' lowest tier is below the main policy's");
  static_assert(Main::page_asked == 0 || Edge::page_asked == 0 || Main::page_asked == Edge::page_asked,
                "layered_policy: the edges ask for pages of different length");
};

} // namespace planecast::inline v0
