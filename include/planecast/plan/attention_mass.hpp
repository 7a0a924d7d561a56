// Attention mass as importance.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/cpu/attention.hpp"
#include "planecast/plan/layer_scores.hpp"

#include <concepts>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// Scores a sequence's tokens by the attention that its last queries, the observation window, give to them:
/// causal, over all tokens, the window's own among them. Layers are added as prefill computes them. The
/// queries are those of the sequence's last tokens, the window's or more: with a window of 32 and 100 rows
/// the last 32 count. With the means that are the defaults, a layer's scores without pooling add up to 1.
///
/// The sums are made in fp32 by the widest instructions that the machine has. The same machine gives the same
/// scores for the same numbers, wherever they lie; another may differ in rounding. A score without pooling is
/// within 10⁻⁴ of itself, as long as no scaled product of a query and a key is above 100. Keys before the
/// request's first token are read too. Errors and an example stand with the members and names below.
template <class Layers>
class basic_attention_mass {
public:
  /// Of a sequence of `count` tokens, a prefix that the receiver has included. `shape` is what the stream
  /// carries.
  /// Errors: throws std::invalid_argument for options that mean nothing.
  basic_attention_mass(geometry shape, std::uint32_t count, const attention_options& how = {})
      : model_(std::move(shape)), how_(how), layers_(model_.layers, count) {
    detail::check(how);
  }

  /// Adds a layer, in any order. Of an MLA cache the keys are the latents: the products with the RoPE part
  /// are not in it, so hand over your own scores there.
  /// Effects: takes about the time of multiplying queries by keys, on the calling thread, and meanwhile, if
  /// there is no softmax_lse, up to 64 MiB. Nothing of the view and the queries is needed afterwards.
  /// Errors: throws std::invalid_argument for a layer that is not there or was added, a view or queries of
  /// another shape, fewer queries than the window has, numbers that are not finite, and a softmax_lse by
  /// which a query's attention does not add up to 1; then nothing was added. (FlashInfer's logarithms are to
  /// the base 2: multiply them by ln 2.)
  void add(std::uint32_t layer, const kv_view& keys, const query_view& queries) {
    const std::uint32_t heads = detail::heads_to_score(layers_, model_, layer, keys);
    if (queries.dim() != model_.key_dim)
      throw std::invalid_argument("planecast: attention_mass: queries and keys of different length");
    std::vector<float> mass(keys.tokens());
    detail::any_attention_set([&]<class Set>(Set) {
      detail::add_attention_mass<Set>(keys, model_.dtype, heads, queries, how_, mass);
      return true;
    });
    layers_.add(layer, mass);
  }

  /// As `importance` says: the mean, or the sum, over the layers that were added, which need not be all.
  /// Errors: throws std::invalid_argument if there are none, or a token is not there.
  void score(std::uint32_t first,
             std::span<float> out) const requires std::same_as<Layers, detail::added_layers> {
    layers_.score(first, out, how_.layer_reduction);
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
  attention_options how_;
  Layers layers_;
};

/// One score for each token: for orders that take all layers at once.
/// Example:
///
///     attention_mass mass(model, tokens, {.window_size = 32, .kernel_size = 5});
///     for (unsigned l = 0; l < model.layers; ++l)
///       mass.add(l, kv[l], query_view(number::bf16, q[l], {.rows = 32, .heads = 32, .dim = 128}));
///     shot.plan(budget::of_raw(0.5), mass);
using attention_mass = basic_attention_mass<detail::added_layers>;
/// A score for each layer and token: for orders layer by layer.
using layered_attention_mass = basic_attention_mass<detail::kept_layers>;

static_assert(importance<attention_mass> && !layered_importance<attention_mass>);
static_assert(layered_importance<layered_attention_mass> && !importance<layered_attention_mass>);

} // namespace planecast::inline v0
