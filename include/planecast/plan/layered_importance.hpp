// Which tokens matter most, layer by layer.
#pragma once

#include "planecast/config.hpp"

#include <concepts>
#include <cstdint>
#include <span>

namespace planecast::inline v0 {

/// A layered importance says how much each token of one sequence matters to each layer.
///
///     layers()                  How many layers it knows, counted from the first that the stream carries.
///     score(layer, first, out)  Writes what token first + k matters to that layer to out[k]. Higher is more
///                               important. Orders across layers compare scores of different layers, so they
///                               are on one scale: attention mass of the same window, for example.
///
/// Called when a request is planned, from one thread at a time, for layers and tokens in any order.
/// Preconditions: layer < layers(), and first + out.size() is at most the number of the sequence's tokens.
/// `out` may be empty.
/// Effects: const, and pure: a token has the same score in every call. No score is NaN; infinities are fine.
/// `out` is not kept.
/// Errors: layers() never fails. score() may throw; what plans lets it through, and nothing was planned then.
/// Example: given_layer_scores.
// clang-format off
template <class I>
concept layered_importance = requires(const I i, std::uint32_t layer, std::uint32_t first, std::span<float> out) {
  { i.layers() } noexcept -> std::same_as<std::uint32_t>;
  { i.score(layer, first, out) } -> std::same_as<void>;
};
// clang-format on

} // namespace planecast::inline v0
