// Scores sorted: the order that ranks and per-layer orders are made from.
#pragma once

#include "planecast/config.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

/// A whole number that falls as the score rises; −0 and +0 have the same.
/// Preconditions: the score is not NaN.
constexpr std::uint32_t falling_key(float score) noexcept {
  auto bits = std::bit_cast<std::uint32_t>(score);
  if (bits == 0x80000000u)
    bits = 0;
  return (bits >> 31) != 0 ? bits : ~bits & 0x7FFFFFFFu;
}

/// Sorts positions by falling score, equal scores by position: a radix sort, whose time does not depend on
/// the scores. Keeps its memory, so that one object serves for many sorts.
class falling_order {
public:
  /// Writes first + k to `out`, for all k below scores.size(), the k of the highest score first.
  /// Preconditions: out is as long as scores; first + scores.size() is at most 2^32; no score is NaN.
  void operator()(std::span<const float> scores, std::uint32_t first, std::span<std::uint32_t> out) {
    const std::size_t count = scores.size();
    if (count == 0)
      return;
    items_.resize(2 * count);
    std::uint64_t *from = items_.data(), *to = from + count;
    for (auto& counts : counts_)
      counts.fill(0);
    for (std::size_t k = 0; k < count; ++k) {
      const std::uint32_t key = falling_key(scores[k]);
      from[k] = std::uint64_t{key} << 32 | (first + static_cast<std::uint32_t>(k));
      for (unsigned pass = 0; pass < passes; ++pass)
        ++counts_[pass][digit(key, pass)];
    }
    for (unsigned pass = 0; pass < passes; ++pass) {
      auto& places = counts_[pass];
      if (places[digit(static_cast<std::uint32_t>(from[0] >> 32), pass)] == count)
        continue; // the same digit everywhere
      std::uint32_t sum = 0;
      for (std::uint32_t& place : places) {
        const std::uint32_t here = place;
        place = sum;
        sum += here;
      }
      for (std::size_t k = 0; k < count; ++k)
        to[places[digit(static_cast<std::uint32_t>(from[k] >> 32), pass)]++] = from[k];
      std::swap(from, to);
    }
    for (std::size_t k = 0; k < count; ++k)
      out[k] = static_cast<std::uint32_t>(from[k]);
  }

private:
  static constexpr unsigned passes = 3, bits = 11;
  static constexpr std::uint32_t digit(std::uint32_t key, unsigned pass) noexcept {
    return key >> (bits * pass) & ((1u << bits) - 1);
  }

  std::vector<std::uint64_t> items_; // key and position, twice over
  std::array<std::array<std::uint32_t, 1u << bits>, passes> counts_{};
};

} // namespace planecast::inline v0::detail
