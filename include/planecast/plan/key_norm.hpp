// The length of keys as importance.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/cpu/attention_sets.hpp"
#include "planecast/cpu/key_norm.hpp"
#include "planecast/plan/layer_scores.hpp"

#include <concepts>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// Scores a sequence's tokens by the length of their keys, the mean over a layer's heads: it needs no
/// queries. Short keys first is the same with a minus. Layers are added as prefill computes them. Example and
/// errors are as those of basic_attention_mass; the names are key_norm and layered_key_norm.
template <class Layers>
class basic_key_norm {
public:
  /// Of a sequence of `count` tokens, a prefix that the receiver has included. `shape` is what the stream
  /// carries.
  basic_key_norm(geometry shape, std::uint32_t count, key_norm_order order)
      : model_(std::move(shape)), order_(order), layers_(model_.layers, count) {}

  /// Adds a layer, in any order. Nothing of the view is needed afterwards.
  /// Errors: throws std::invalid_argument for a layer that is not there or was added, a view of another
  /// shape, and keys that are not finite; then nothing was added.
  void add(std::uint32_t layer, const kv_view& keys) {
    const std::uint32_t heads = detail::heads_to_score(layers_, model_, layer, keys);
    std::vector<float> norms(keys.tokens());
    detail::any_attention_set([&]<class Set>(Set) {
      detail::add_key_norms<Set>(keys, model_.dtype, heads, model_.key_dim, norms);
      return true;
    });
    if (order_ == key_norm_order::short_first)
      for (float& n : norms)
        n = -n;
    layers_.add(layer, norms);
  }

  /// As `importance` says: the mean over the layers that were added, which need not be all.
  /// Errors: throws std::invalid_argument if there are none, or a token is not there.
  void score(std::uint32_t first,
             std::span<float> out) const requires std::same_as<Layers, detail::added_layers> {
    layers_.score(first, out, score_reduction::mean);
  }

  /// As `layered_importance` says: the model's layers.
  [[nodiscard]] std::uint32_t layers() const noexcept requires std::same_as<Layers, detail::kept_layers> {
    return layers_.layers();
  }
  /// As `layered_importance` says.
  /// Errors: throws std::invalid_argument for a layer that was not added, or a token that is not there.
  void score(std::uint32_t layer, std::uint32_t first,
             std::span<float> out) const requires std::same_as<Layers, detail::kept_layers> {
    layers_.score(layer, first, out);
  }

private:
  geometry model_;
  key_norm_order order_;
  Layers layers_;
};

/// One score for each token: for orders that take all layers at once.
/// Example: `key_norm by(model, tokens, key_norm_order::short_first); by.add(0, kv[0]);`
using key_norm = basic_key_norm<detail::added_layers>;
/// A score for each layer and token: for orders layer by layer.
using layered_key_norm = basic_key_norm<detail::kept_layers>;

static_assert(importance<key_norm> && layered_importance<layered_key_norm>);

} // namespace planecast::inline v0
