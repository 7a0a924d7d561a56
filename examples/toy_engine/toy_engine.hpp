// A small inference engine for tests and demos: attention over a paged KV cache, with random weights.
// Its text means nothing, but depends on the cache as a real model's does: an exact cache gives the exact
// text, a coarse one goes astray sooner or later. It is batch-invariant: each token's arithmetic is done in
// the same order whatever else is in the pass.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/decode/engine.hpp"

#include "toy_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

namespace toy {

using planecast::token_id;

/// One sequence. Models planecast::engine, and planecast::probed_engine.
class engine {
public:
  static constexpr bool batch_invariant = true;

  explicit engine(std::shared_ptr<const model> m) : model_(std::move(m)), c_(model_->shape) {
    const std::uint32_t blocks = (c_.context + c_.block_size - 1) / c_.block_size;
    block_table_.resize(blocks);
    std::iota(block_table_.begin(), block_table_.end(), 0u);
    random r(c_.seed + 77); // blocks lie anywhere, as a paged allocator leaves them
    for (std::uint32_t i = blocks; i > 1; --i)
      std::swap(block_table_[i - 1], block_table_[r.below(i)]);
    const std::size_t values = std::size_t{blocks} * c_.block_size * c_.kv_heads * c_.head_dim;
    keys_.assign(c_.layers, std::vector<std::uint16_t>(values));
    values_ = keys_;
  }

  /// Feeds a prompt into the empty cache and returns the first token. Calls after_layer(l) when the cache of
  /// layer l is complete, before layer l + 1 is begun.
  token_id prefill(std::span<const token_id> prompt,
                   const std::function<void(std::uint32_t)>& after_layer = {}) {
    if (position_ != 0)
      throw std::invalid_argument("toy: prefill needs an empty cache");
    importance_.assign(prompt.size(), 0.0f);
    const std::size_t queries = std::min<std::size_t>(prompt.size(), c_.window);
    token_id first = 0;
    forward(prompt, {&first, 1}, prompt.size() - queries, after_layer);
    return first;
  }
  /// Takes the first n positions as filled by somebody else.
  void adopt(std::size_t n) {
    check(n);
    position_ = n;
  }

  token_id step(token_id t) {
    token_id next = 0;
    forward({&t, 1}, {&next, 1});
    return next;
  }
  void verify(std::span<const token_id> run, std::span<token_id> next) { forward(run, next); }
  void truncate(std::size_t n) {
    if (n > position_)
      throw std::invalid_argument("toy: truncate beyond the end");
    position_ = n;
  }
  [[nodiscard]] std::size_t position() const { return position_; }

  /// Attention that each token of the prompt got from the last `window` queries, all layers and heads
  /// together.
  [[nodiscard]] std::span<const float> importance() const { return importance_; }

  [[nodiscard]] const config& shape() const { return c_; }
  [[nodiscard]] planecast::geometry geometry() const { return c_.geometry(); }
  [[nodiscard]] planecast::kv_view view(std::uint32_t layer, std::uint32_t tokens) const {
    return {keys_[layer].data(), strides(), values_[layer].data(), strides(), slots(tokens)};
  }
  [[nodiscard]] planecast::kv_pages pages(std::uint32_t layer, std::uint32_t tokens) {
    return {keys_[layer].data(), strides(), values_[layer].data(), strides(), slots(tokens)};
  }

private:
  static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

  [[nodiscard]] planecast::kv_strides strides() const {
    const std::ptrdiff_t token = static_cast<std::ptrdiff_t>(c_.kv_heads) * c_.head_dim;
    return {token, c_.head_dim, token * c_.block_size, c_.block_size};
  }
  [[nodiscard]] planecast::token_slots slots(std::uint32_t tokens) const {
    check(tokens);
    std::vector<std::int64_t> mapping(tokens);
    for (std::uint32_t t = 0; t < tokens; ++t)
      mapping[t] = static_cast<std::int64_t>(slot(t));
    return planecast::token_slots(mapping);
  }
  [[nodiscard]] std::size_t slot(std::size_t t) const {
    return std::size_t{block_table_[t / c_.block_size]} * c_.block_size + t % c_.block_size;
  }
  void check(std::size_t n) const {
    if (n > c_.context)
      throw std::length_error("toy: the context is full");
  }

  // Feeds run at position(); next gets the token after each, or, if there is one entry, after the last. The
  // attention of the queries from `watched` on counts for importance.
  void forward(std::span<const token_id> run, std::span<token_id> next, std::size_t watched = nobody,
               const std::function<void(std::uint32_t)>& after_layer = {}) {
    const std::size_t n = run.size(), queries = std::size_t{c_.query_heads} * c_.head_dim,
                      group = c_.query_heads / c_.kv_heads, group_width = group * c_.head_dim;
    if (n == 0 || (next.size() != n && next.size() != 1))
      throw std::invalid_argument("toy: empty run, or tokens and results of different number");
    check(position_ + n);
    stream_.resize(n * c_.width);
    queries_.resize(n * queries);
    normed_.resize(c_.width);
    for (std::size_t i = 0; i < n; ++i) {
      if (run[i] < 0 || static_cast<std::uint32_t>(run[i]) >= c_.vocab)
        throw std::out_of_range("toy: no such token");
      const float* const token = &model_->tokens[static_cast<std::size_t>(run[i]) * c_.width];
      const float* const place = &model_->places[(position_ + i) * c_.width];
      for (std::size_t j = 0; j < c_.width; ++j)
        stream_[i * c_.width + j] = token[j] + place[j];
    }
    for (std::uint32_t l = 0; l < c_.layers; ++l) {
      const model::layer& w = model_->layers[l];
      for (std::size_t i = 0; i < n; ++i) {
        norm(&stream_[i * c_.width], normed_.data());
        w.query.apply(normed_.data(), &queries_[i * queries]);
        for (std::size_t j = 0; j < queries; ++j)
          queries_[i * queries + j] += w.query_bias[j / group_width * c_.head_dim + j % c_.head_dim];
        append(w, l, position_ + i);
      }
      for (std::uint32_t h = 0; h < c_.kv_heads; ++h) {
        gather(l, h, position_ + n);
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t q = h * group; q < (h + 1) * group; ++q)
            attend(&queries_[i * queries + q * c_.head_dim], position_ + i + 1, position_ + i >= watched);
      }
      for (std::size_t i = 0; i < n; ++i) {
        w.out.apply(&queries_[i * queries], normed_.data());
        norm(normed_.data(), normed_.data());
        for (std::size_t j = 0; j < c_.width; ++j)
          stream_[i * c_.width + j] += c_.attention * normed_[j];
      }
      if (after_layer)
        after_layer(l);
    }
    position_ += n;
    logits_.resize(c_.vocab);
    for (std::size_t i = 0; i < next.size(); ++i) {
      norm(&stream_[(n - next.size() + i) * c_.width], normed_.data());
      model_->head.apply(normed_.data(), logits_.data());
      next[i] =
          static_cast<token_id>(std::ranges::max_element(logits_) - logits_.begin()); // ties: the lowest
    }
  }

  void norm(const float* x, float* y) const {
    float sum = 1e-12f;
    for (std::size_t j = 0; j < c_.width; ++j)
      sum += x[j] * x[j];
    const float scale = 1.0f / std::sqrt(sum / static_cast<float>(c_.width));
    for (std::size_t j = 0; j < c_.width; ++j)
      y[j] = scale * x[j];
  }

  // K and V of a token, from normed_ into the pages.
  void append(const model::layer& w, std::uint32_t l, std::size_t position) {
    const std::size_t channels = std::size_t{c_.kv_heads} * c_.head_dim, at = slot(position) * channels;
    row_.resize(channels);
    planecast::with_format(c_.dtype, [&](auto format) {
      w.key.apply(normed_.data(), row_.data());
      for (std::size_t j = 0; j < channels; ++j)
        keys_[l][at + j] = format.nearest(row_[j] + w.key_bias[j]);
      w.value.apply(normed_.data(), row_.data());
      for (std::size_t j = 0; j < channels; ++j)
        values_[l][at + j] = format.nearest(row_[j]);
    });
  }

  // One head's first n keys and values from the pages, as floats; keys in strips of 16, channel by channel.
  void gather(std::uint32_t l, std::uint32_t h, std::size_t n) {
    const std::size_t dim = c_.head_dim;
    head_keys_.assign((n + key_lanes - 1) / key_lanes * key_lanes * dim, 0.0f);
    head_values_.resize(n * dim);
    planecast::with_format(c_.dtype, [&](auto format) {
      for (std::size_t t = 0; t < n; ++t) {
        const std::size_t at = (slot(t) * c_.kv_heads + h) * dim;
        float* const strip = &head_keys_[t / key_lanes * key_lanes * dim + t % key_lanes];
        for (std::size_t j = 0; j < dim; ++j) {
          strip[j * key_lanes] = format.value(keys_[l][at + j]);
          head_values_[t * dim + j] = format.value(values_[l][at + j]);
        }
      }
    });
  }

  // Replaces a query by what it draws from the first n values.
  TOY_UNWATCHED void attend(float* query, std::size_t n, bool watched) {
    const std::size_t dim = c_.head_dim;
    const float scale = c_.sharpness / std::sqrt(static_cast<float>(dim));
    scores_.resize((n + key_lanes - 1) / key_lanes * key_lanes);
    float most = -INFINITY;
    for (std::size_t t = 0; t < n; t += key_lanes) {
      const float* k = &head_keys_[t * dim];
      float sum[key_lanes] = {};
      for (std::size_t j = 0; j < dim; ++j, k += key_lanes)
        for (std::size_t i = 0; i < key_lanes; ++i)
          sum[i] += query[j] * k[i];
      for (std::size_t i = 0; i < key_lanes; ++i)
        scores_[t + i] = scale * sum[i];
    }
    for (std::size_t t = 0; t < n; ++t)
      most = std::max(most, scores_[t]);
    for (float& s : scores_) // the last few belong to no key; they are computed and left
      s = exponential(s - most);
    float total = 0;
    for (std::size_t t = 0; t < n; ++t)
      total += scores_[t];
    const float share = 1.0f / total;
    for (std::size_t strip = 0; strip < dim; strip += lanes) {
      float sum[lanes] = {};
      const float* v = &head_values_[strip];
      for (std::size_t t = 0; t < n; ++t, v += dim)
        for (std::size_t j = 0; j < lanes; ++j)
          sum[j] += scores_[t] * v[j];
      for (std::size_t j = 0; j < lanes; ++j)
        query[strip + j] = share * sum[j];
    }
    if (watched)
      for (std::size_t t = 0; t < std::min(n, importance_.size()); ++t)
        importance_[t] += share * scores_[t];
  }

  // eˣ for x up to about 0: 2ⁿ times a polynomial. Of our own, so that no math library can differ.
  static float exponential(float x) {
    const float y = std::max(-120.0f, std::min(x * 1.44269504f, 120.0f));
    const auto whole = static_cast<std::int32_t>(y + 128.5f) - 128;
    const float f = (y - static_cast<float>(whole)) * 0.693147181f;
    const float p = 1 + f * (1 + f * (0.5f + f * (1.0f / 6 + f * (1.0f / 24 + f * (1.0f / 120)))));
    return p * planecast::detail::bit_cast<float>((whole + 127) << 23);
  }

  std::shared_ptr<const model> model_;
  config c_;
  std::vector<std::uint32_t> block_table_;
  std::vector<std::vector<std::uint16_t>> keys_,
      values_; // of each layer: blocks × block_size × heads × channels
  std::size_t position_ = 0;
  std::vector<float> importance_;
  std::vector<float> stream_, queries_, normed_, row_, logits_, head_keys_, head_values_,
      scores_; // working space
};

static_assert(planecast::engine<engine>);

} // namespace toy
