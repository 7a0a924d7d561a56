// One layer's softmax, tile by tile: the loops around a set's arithmetic.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/cache/number.hpp"
#include "planecast/cache/query_view.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace planecast::inline v0::detail {

/// Floats that begin at a cache line, uninitialised.
class line_floats {
public:
  line_floats() = default;
  explicit line_floats(std::size_t count)
      : memory_(std::make_unique_for_overwrite<float[]>(count + 16)), space_((count + 16) * sizeof(float)) {
    void* at = memory_.get();
    first_ = static_cast<float*>(std::align(64, count * sizeof(float), at, space_));
  }
  /// The first of them.
  [[nodiscard]] float* data() const noexcept { return first_; }

private:
  std::unique_ptr<float[]> memory_;
  std::size_t space_ = 0;
  float* first_ = nullptr;
};

/// Sums softmax over the window's queries, for one KV head after the other. A head's queries, those of its
/// group, are lanes of panels (attention_plain says what these are). Exponentials are to the base 2, and
/// queries hold the scale and log₂ e. Without softmax_lse one walk over the keys writes every tile's
/// exponentials from the maximum so far, and a second over these weighs them.
template <class Set>
class attention_pass {
public:
  /// Of the last `rows` queries. With `apart` there is a column for every query head of the group, else one
  /// for all. Exponentials may take most_bytes, or those of one panel if these are more.
  attention_pass(const kv_view& keys, number dtype, const query_view& queries, std::uint32_t rows,
                 std::uint32_t queries_of_key, float scale, bool apart, std::size_t most_bytes)
      : keys_(keys), dtype_(dtype), queries_(queries), tokens_(keys.tokens()), window_(rows),
        group_(queries_of_key), columns_(apart ? queries_of_key : 1),
        per_column_(up(apart ? rows : queries_of_key * rows, Set::lanes)),
        panels_(up(columns_ * per_column_, Set::panel) / Set::panel), tiles_(up(tokens_, tile) / tile),
        scale_(scale * 1.44269504f), sums_(lanes()), last_seen_(lanes()), row_(queries.dim()),
        mass_(std::size_t{columns_} * tokens_), packed_(lanes() * queries.dim()), reference_(lanes()),
        key_tile_(std::size_t{tile} * queries.dim()), collected_(std::size_t{columns_} * tile * Set::lanes) {
    const std::size_t of_panel = std::size_t{tiles_} * block * sizeof(float);
    together_ = queries.has_lse()
                    ? panels_
                    : static_cast<std::uint32_t>(std::clamp<std::size_t>(most_bytes / of_panel, 1, panels_));
    blocks_ = line_floats(queries.has_lse() ? block : std::size_t{tiles_} * together_ * block);
    if (!queries.has_lse())
      maxima_ = line_floats(std::size_t{tiles_} * together_ * Set::panel);
  }

  /// The columns of a KV head: for each token what all queries give it. Valid until the next call.
  std::vector<std::span<const float>> run(std::uint32_t head) {
    pack(head);
    std::ranges::fill(mass_, 0.0f);
    for (std::uint32_t first = 0; first < panels_; first += together_) {
      const std::uint32_t end = std::min(first + together_, panels_);
      walk(head, first, end);
      finish(first, end);
      if (!queries_.has_lse())
        weigh(first, end);
    }
    std::vector<std::span<const float>> columns;
    for (std::uint32_t c = 0; c < columns_; ++c)
      columns.push_back(std::span<const float>(mass_).subspan(std::size_t{c} * tokens_, tokens_));
    return columns;
  }

private:
  static constexpr std::uint32_t tile = 48; // tokens: a multiple of every set's rows; keys and a panel in L1
  static constexpr std::size_t block = std::size_t{tile} * Set::panel;
  static constexpr float infinity = std::numeric_limits<float>::infinity();
  static_assert(tile % Set::rows == 0 && Set::panel == 2 * Set::lanes);

  static constexpr std::uint32_t up(std::uint32_t n, std::uint32_t unit) noexcept {
    return (n + unit - 1) / unit * unit;
  }
  [[nodiscard]] std::size_t lanes() const noexcept { return std::size_t{panels_} * Set::panel; }

  // Queries into panels. Lanes without one hold zeros, see every token, and weigh nothing.
  void pack(std::uint32_t head) {
    const std::uint32_t dim = queries_.dim(), of_column = group_ * window_ / columns_;
    for (std::uint32_t lane = 0; lane < lanes(); ++lane) {
      const std::uint32_t column = lane / per_column_, i = lane % per_column_;
      const bool used = column < columns_ && i < of_column;
      const std::uint32_t query_head = head * group_ + column + i / window_, row = i % window_;
      const std::uint32_t from = queries_.rows() - window_ + row;
      float* const to =
          packed_.data() + std::size_t{lane / Set::panel} * dim * Set::panel + lane % Set::panel;
      float zero = 0;
      for (std::uint32_t c = 0; c < dim; ++c) {
        const float x = used ? scale_ * queries_.at(from, query_head, c) : 0.0f;
        to[std::size_t{c} * Set::panel] = x;
        zero += x * 0.0f;
      }
      const float lse = used && queries_.has_lse() ? queries_.lse(from, query_head) : 0.0f;
      if (zero != 0.0f || !std::isfinite(lse))
        throw std::invalid_argument("planecast: attention: a query, or its softmax_lse, is not finite");
      last_seen_[lane] = used ? tokens_ - window_ + row : tokens_;
      reference_.data()[lane] = !queries_.has_lse() ? -infinity : used ? lse * 1.44269504f : infinity;
      sums_[lane] = 0;
    }
  }

  void read_keys(std::uint32_t head, std::uint32_t from, std::uint32_t count) {
    const std::uint32_t dim = queries_.dim();
    for (std::uint32_t t = 0; t < count; ++t) {
      keys_.read(false, from + t, head, dim, row_.data());
      if (!Set::widen(dtype_, row_.data(), dim, key_tile_.data() + std::size_t{t} * dim))
        throw std::invalid_argument("planecast: attention: the key of token " + std::to_string(from + t) +
                                    " is not finite");
    }
    std::fill(key_tile_.data() + std::size_t{count} * dim,
              key_tile_.data() + std::size_t{up(count, Set::rows)} * dim, 0.0f);
  }

  // Every tile of keys with panels first … end − 1.
  void walk(std::uint32_t head, std::uint32_t first, std::uint32_t end) {
    alignas(64) float ones[Set::panel], sums[Set::panel];
    std::ranges::fill(ones, 1.0f);
    for (std::uint32_t i = 0; i < tiles_; ++i) {
      const std::uint32_t from = i * tile, count = std::min(tile, tokens_ - from);
      read_keys(head, from, count);
      clear();
      for (std::uint32_t p = first; p < end; ++p) {
        const std::size_t place = queries_.has_lse() ? 0 : std::size_t{i} * together_ + p - first;
        float* const scores = blocks_.data() + place * block;
        float* const reference = reference_.data() + std::size_t{p} * Set::panel;
        Set::logits(packed_.data() + std::size_t{p} * Set::panel * queries_.dim(), key_tile_.data(),
                    queries_.dim(), up(count, Set::rows), scores);
        hide(scores, p, from, count);
        if (!queries_.has_lse())
          raise(scores, count, reference, maxima_.data() + place * Set::panel, &sums_[p * Set::panel]);
        Set::exponentials(scores, count, reference, sums);
        for (std::uint32_t lane = 0; lane < Set::panel; ++lane)
          sums_[p * Set::panel + lane] += double{sums[lane]};
        if (queries_.has_lse())
          collect(scores, ones, p, count);
      }
      if (queries_.has_lse())
        fold(from, count);
    }
  }

  // A query does not see what comes behind its own token.
  void hide(float* scores, std::uint32_t p, std::uint32_t from, std::uint32_t count) const noexcept {
    const std::uint32_t all_see = tokens_ - window_;
    for (std::uint32_t t = all_see < from ? 0 : all_see + 1 - from; t < count; ++t)
      for (std::uint32_t lane = 0; lane < Set::panel; ++lane)
        if (from + t > last_seen_[p * Set::panel + lane])
          scores[t * Set::panel + lane] = -infinity;
  }

  // Raises the reference to the tile's maxima, notes it, and counts the sums so far from it.
  static void raise(const float* scores, std::uint32_t count, float* reference, float* noted, double* sums) {
    alignas(64) float shrink[Set::panel], unused[Set::panel];
    std::copy_n(reference, Set::panel, shrink);
    Set::maxima(scores, count, reference);
    Set::exponentials(shrink, 1, reference, unused);
    std::copy_n(reference, Set::panel, noted);
    for (std::uint32_t lane = 0; lane < Set::panel; ++lane)
      sums[lane] *= double{shrink[lane]};
  }

  // From the sums to every query's denominator.
  void finish(std::uint32_t first, std::uint32_t end) {
    for (std::uint32_t lane = first * Set::panel; lane < end * Set::panel; ++lane) {
      float& reference = reference_.data()[lane];
      if (last_seen_[lane] == tokens_) {
        reference = infinity;
      } else if (queries_.has_lse()) {
        // Far more than rounding, far less than a logarithm to another base, another scale or other keys
        // make.
        if (!(sums_[lane] > 0.5 && sums_[lane] < 2))
          throw std::invalid_argument(
              "planecast: attention: softmax_lse is not that of these queries and keys: "
              "a query's attention adds up to " +
              std::to_string(sums_[lane]));
      } else if (reference += static_cast<float>(std::log2(sums_[lane])); !std::isfinite(reference)) {
        throw std::invalid_argument("planecast: attention: the products of queries and keys are not finite");
      }
    }
  }

  // The exponentials as parts of their query's sum.
  void weigh(std::uint32_t first, std::uint32_t end) {
    alignas(64) float weights[Set::panel], unused[Set::panel];
    for (std::uint32_t i = 0; i < tiles_; ++i) {
      const std::uint32_t from = i * tile, count = std::min(tile, tokens_ - from);
      clear();
      for (std::uint32_t p = first; p < end; ++p) {
        const std::size_t place = std::size_t{i} * together_ + p - first;
        std::copy_n(maxima_.data() + place * Set::panel, Set::panel, weights);
        Set::exponentials(weights, 1, reference_.data() + std::size_t{p} * Set::panel, unused);
        collect(blocks_.data() + place * block, weights, p, count);
      }
      fold(from, count);
    }
  }

  void clear() noexcept { std::fill_n(collected_.data(), std::size_t{columns_} * tile * Set::lanes, 0.0f); }
  void collect(const float* scores, const float* weights, std::uint32_t p, std::uint32_t count) noexcept {
    const auto sums_of = [&](std::uint32_t register_) {
      const std::uint32_t column = std::min(register_ * Set::lanes / per_column_, columns_ - 1);
      return collected_.data() + std::size_t{column} * tile * Set::lanes;
    };
    Set::collect(scores, weights, count, sums_of(2 * p), sums_of(2 * p + 1));
  }
  void fold(std::uint32_t from, std::uint32_t count) noexcept {
    for (std::uint32_t c = 0; c < columns_; ++c)
      for (std::uint32_t t = 0; t < count; ++t) {
        const float* const lanes = collected_.data() + (std::size_t{c} * tile + t) * Set::lanes;
        float sum = 0;
        for (std::uint32_t lane = 0; lane < Set::lanes; ++lane)
          sum += lanes[lane];
        mass_[std::size_t{c} * tokens_ + from + t] += sum;
      }
  }

  const kv_view& keys_;
  number dtype_;
  const query_view& queries_;
  std::uint32_t tokens_, window_, group_;
  std::uint32_t columns_, per_column_; // of a KV head, and lanes of each
  std::uint32_t panels_, tiles_, together_ = 0;
  float scale_;
  std::vector<double> sums_;             // by lane
  std::vector<std::uint32_t> last_seen_; // by lane: a position, or tokens_ where there is no query
  std::vector<std::uint16_t> row_;
  std::vector<float> mass_; // column by column
  line_floats packed_, reference_, key_tile_, collected_;
  line_floats blocks_, maxima_; // of all tiles, where there is no softmax_lse
};

} // namespace planecast::inline v0::detail
