// Scores of every layer: handed over, or added up for an order across layers.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/cache/kv_view.hpp"
#include "planecast/cpu/attention.hpp"
#include "planecast/plan/importance.hpp"
#include "planecast/plan/layered_importance.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// Scores that the engine has at hand for each layer: [layers][tokens], without gaps. Borrows them. That none
/// is NaN is looked at where they are used.
/// Errors: score() throws std::invalid_argument when asked for a layer or a token that has none.
/// Example: `given_layer_scores(mass, tokens)`
class given_layer_scores {
public:
  /// Borrows the scores; there are as many layers as they make.
  /// Preconditions: they are whole layers of `tokens` scores, fewer than 2^32 (throws std::invalid_argument).
  given_layer_scores(std::span<const float> scores, std::uint32_t tokens) : scores_(scores), tokens_(tokens) {
    if (tokens == 0 || scores.size() % tokens != 0 || scores.size() / tokens > 0xFFFF'FFFFu)
      throw std::invalid_argument("planecast: scores that are no whole number of layers");
  }

  /// As `layered_importance` says.
  [[nodiscard]] std::uint32_t layers() const noexcept {
    return static_cast<std::uint32_t>(scores_.size() / tokens_);
  }
  /// As `layered_importance` says.
  void score(std::uint32_t layer, std::uint32_t first, std::span<float> out) const {
    if (layer >= layers())
      throw std::invalid_argument("planecast: a layer that has no importance scores");
    given_scores(scores_.subspan(std::size_t{layer} * tokens_, tokens_)).score(first, out);
  }

private:
  std::span<const float> scores_;
  std::uint32_t tokens_;
};

/// A layered importance for orders that take all layers at once: the mean, or the sum, of what a token
/// matters to each. Holds it.
/// Preconditions: no token has infinite scores of both signs.
/// Errors: those of what it holds. A mean over no layers is 0.
/// Example: `rank_tokens(across_layers(given_layer_scores(mass, tokens)), tokens)`
template <layered_importance I>
class across_layers {
public:
  /// Takes the layered importance; move it where a copy is dear.
  explicit across_layers(I layered, score_reduction how = score_reduction::mean)
      : layered_(std::move(layered)), how_(how) {}

  /// As `importance` says.
  void score(std::uint32_t first, std::span<float> out) const {
    std::vector<float> of_layer(out.size());
    std::ranges::fill(out, 0.0f);
    const std::uint32_t layers = layered_.layers();
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      layered_.score(layer, first, of_layer);
      for (std::size_t k = 0; k < out.size(); ++k)
        out[k] += of_layer[k];
    }
    if (how_ == score_reduction::mean && layers != 0)
      for (float& s : out)
        s /= static_cast<float>(layers);
  }

private:
  I layered_;
  score_reduction how_;
};

namespace detail {

/// Layers of which each is added once.
class layers_once {
public:
  explicit layers_once(std::uint32_t layers) : has_(layers) {}

  [[nodiscard]] bool has(std::uint32_t layer) const noexcept { return layer < has_.size() && has_[layer]; }
  /// Preconditions: the layer is there and was not added (throws std::invalid_argument).
  void expect(std::uint32_t layer) const {
    if (layer >= has_.size() || has_[layer])
      throw std::invalid_argument("planecast: scores of a layer that is not there, or has them already");
  }
  /// Preconditions: as those of expect().
  void add(std::uint32_t layer) {
    expect(layer);
    has_[layer] = true;
    ++added_;
  }
  [[nodiscard]] std::uint32_t added() const noexcept { return added_; }
  [[nodiscard]] std::uint32_t layers() const noexcept { return static_cast<std::uint32_t>(has_.size()); }

private:
  std::vector<bool> has_;
  std::uint32_t added_ = 0;
};

/// What is added layer by layer, as one score for each token.
class added_layers : public layers_once {
public:
  added_layers(std::uint32_t layers, std::uint32_t tokens) : layers_once(layers), sum_(tokens) {}

  /// Preconditions: a row has a score for each token; those of expect().
  void add(std::uint32_t layer, const std::vector<float>& row) {
    layers_once::add(layer);
    for (std::size_t t = 0; t < sum_.size(); ++t)
      sum_[t] += row[t];
  }
  [[nodiscard]] std::uint32_t tokens() const noexcept { return static_cast<std::uint32_t>(sum_.size()); }
  /// The mean, or the sum, over the layers that were added.
  void score(std::uint32_t first, std::span<float> out, score_reduction how) const {
    if (added() == 0)
      throw std::invalid_argument("planecast: no layer was added to an importance");
    given_scores(sum_).score(first, out);
    if (how == score_reduction::mean)
      for (float& s : out)
        s /= static_cast<float>(added());
  }

private:
  std::vector<float> sum_;
};

/// Likewise, a row for each layer.
class kept_layers : public layers_once {
public:
  kept_layers(std::uint32_t layers, std::uint32_t tokens)
      : layers_once(layers), rows_(std::size_t{layers} * tokens), tokens_(tokens) {}

  void add(std::uint32_t layer, const std::vector<float>& row) {
    layers_once::add(layer);
    std::ranges::copy(row, rows_.begin() + static_cast<std::ptrdiff_t>(std::size_t{layer} * tokens_));
  }
  [[nodiscard]] std::uint32_t tokens() const noexcept { return tokens_; }
  void score(std::uint32_t layer, std::uint32_t first, std::span<float> out) const {
    if (!has(layer))
      throw std::invalid_argument("planecast: a layer that was not added to an importance");
    given_scores(std::span(rows_).subspan(std::size_t{layer} * tokens_, tokens_)).score(first, out);
  }

private:
  std::vector<float> rows_; // layer after layer
  std::uint32_t tokens_;
};

/// The heads of a layer whose keys are to be scored.
/// Preconditions: the layer may be added, and the view has the tokens, heads and channels of that layer
/// (throws std::invalid_argument).
template <class Layers>
std::uint32_t heads_to_score(const Layers& to, const geometry& model, std::uint32_t layer,
                             const kv_view& keys) {
  to.expect(layer);
  const std::uint32_t heads = model.heads(layer);
  if (keys.tokens() != to.tokens() || !keys.may_show(heads, model.key_dim, model.value_dim))
    throw std::invalid_argument("planecast: keys to score: a view of other tokens, heads or channels");
  return heads;
}

} // namespace detail

static_assert(layered_importance<given_layer_scores>);
static_assert(importance<across_layers<given_layer_scores>>);

} // namespace planecast::inline v0
