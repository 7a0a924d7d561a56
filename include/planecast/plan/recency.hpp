// Importance by position, alone or together with another.
#pragma once

#include "planecast/plan/importance.hpp"
#include "planecast/plan/layered_importance.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>

namespace planecast::inline v0 {

/// Which end of a sequence matters more.
enum class position_order : std::uint8_t { recent_first, early_first };

/// Position alone: what to compare any other importance with.
/// Example: `rank_tokens(by_position(position_order::recent_first), tokens)`
class by_position {
public:
  /// In one order or the other.
  explicit by_position(position_order order) noexcept
      : sign_(order == position_order::recent_first ? 1 : -1) {}

  /// As `importance` says.
  void score(std::uint32_t first, std::span<float> out) const noexcept {
    for (std::size_t k = 0; k < out.size(); ++k)
      out[k] = sign_ * static_cast<float>(first + k);
  }

private:
  float sign_;
};

/// SpectrumKV's importance, I_j = A_j · exp(−λ·Δ_j) with Δ_j = n − j: what an inner importance says, A, less
/// the farther a token is from the sequence's end. Layered where the inner one is. Holds the inner one. What
/// falls below the least number that a float holds is 0, and tied.
/// Preconditions: the inner scores are finite and not negative (score() throws std::invalid_argument).
/// Example: `rank_tokens(recency_decay(std::move(mass), 1e-4, tokens), tokens)`
template <class Inner>
requires importance<Inner> || layered_importance<Inner>
class recency_decay {
public:
  /// For a sequence of n = `count` tokens.
  /// Preconditions: lambda is finite and not negative (throws std::invalid_argument).
  recency_decay(Inner inner, double lambda, std::uint32_t count)
      : inner_(std::move(inner)), lambda_(lambda), tokens_(count) {
    if (!(lambda >= 0) || std::isinf(lambda))
      throw std::invalid_argument("planecast: recency_decay: lambda is negative or not finite");
  }

  /// As `importance` says.
  void score(std::uint32_t first, std::span<float> out) const requires importance<Inner> {
    inner_.score(first, out);
    decay(first, out);
  }
  /// As `layered_importance` says.
  [[nodiscard]] std::uint32_t layers() const noexcept requires layered_importance<Inner> {
    return inner_.layers();
  }
  /// As `layered_importance` says.
  void score(std::uint32_t layer, std::uint32_t first,
             std::span<float> out) const requires layered_importance<Inner> {
    inner_.score(layer, first, out);
    decay(first, out);
  }

private:
  void decay(std::uint32_t first, std::span<float> out) const {
    for (std::size_t k = 0; k < out.size(); ++k) {
      if (!(out[k] >= 0) || std::isinf(out[k]))
        throw std::invalid_argument("planecast: recency_decay: a score that is negative or not finite");
      const double distance = static_cast<double>(tokens_) - static_cast<double>(first + k);
      out[k] = static_cast<float>(double{out[k]} * std::exp(-lambda_ * distance));
    }
  }

  Inner inner_;
  double lambda_;
  std::uint32_t tokens_;
};

static_assert(importance<by_position>);
static_assert(importance<recency_decay<given_scores>>);

} // namespace planecast::inline v0
