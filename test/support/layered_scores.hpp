// Random scores, layer by layer.
#pragma once

#include "planecast/plan/layered_importance.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace test {

/// A layered importance of numbers between 0 and 19, of which many are equal, and some that are not whole.
struct layered_scores {
  std::vector<std::vector<float>> of; ///< by layer, by position

  layered_scores() = default;
  layered_scores(std::uint32_t layers, std::uint32_t tokens, dice& random)
      : of(layers, std::vector<float>(tokens)) {
    for (std::vector<float>& layer : of)
      for (float& s : layer)
        s = random.one_in(3) ? random.gaussian() : static_cast<float>(random.below(20));
  }
  [[nodiscard]] std::uint32_t layers() const noexcept { return static_cast<std::uint32_t>(of.size()); }
  void score(std::uint32_t layer, std::uint32_t first, std::span<float> out) const {
    std::copy_n(of.at(layer).begin() + first, out.size(), out.begin());
  }
};
static_assert(planecast::layered_importance<layered_scores>);

} // namespace test
