// The piece of a model's cache that one stream carries, where a model is spread over several machines.
#pragma once

#include "planecast/config.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// Some layers of a model, and of each its heads as tensor parallelism divides them: rank r of n holds heads
/// H·r/n up to H·(r + 1)/n of a layer's H; where there are fewer heads than ranks, neighbours hold the same
/// one. By default all of it. Both ends of a stream name the same shard, and see at connect if they do not.
///
/// A cache from one rank that goes to two is two streams, shard::tensor(0, 2) and shard::tensor(1, 2); one
/// from two ranks that goes to one is the same two, `gathered`. Between a and b ranks there are lcm(a, b)
/// streams, if a layer has that many heads; if it has fewer, name one for each head, tensor(k, heads), and
/// let one of the ranks that hold the same head send it.
struct shard {
  std::uint32_t layer_first = 0; ///< by its number in the model
  std::uint32_t layer_count = 0; ///< 0: all from layer_first on
  std::uint32_t rank = 0;        ///< below `ranks`
  std::uint32_t ranks = 1;       ///< that share every layer's heads

  /// One of n equal shares of every layer's heads.
  static constexpr shard tensor(std::uint32_t rank, std::uint32_t ranks) noexcept {
    return {0, 0, rank, ranks};
  }
  /// All heads of some layers: pipeline parallelism.
  static constexpr shard layers(std::uint32_t first, std::uint32_t count) noexcept {
    return {first, count, 0, 1};
  }

  /// Which of a layer's `heads` heads is its first.
  /// Preconditions: for this and head_count(), geometry::check() finds the shard good.
  [[nodiscard]] constexpr std::uint32_t head_first(std::uint32_t heads) const noexcept {
    return static_cast<std::uint32_t>(std::uint64_t{heads} * rank / ranks);
  }
  /// How many of a layer's `heads` heads are its own.
  [[nodiscard]] constexpr std::uint32_t head_count(std::uint32_t heads) const noexcept {
    return heads > ranks ? heads / ranks : 1;
  }

  friend constexpr bool operator==(const shard&, const shard&) = default;
};

} // namespace planecast::inline v0
