// Scores that lie in device memory, for plan().
#pragma once

#include "planecast/cuda/detail/launch.cuh"
#include "planecast/plan/importance.hpp"
#include "planecast/plan/layered_importance.hpp"
#include "planecast/status.hpp"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <span>
#include <stdexcept>

namespace planecast::inline v0 {

namespace detail {
// Scores from device memory into the host's, behind what a stream holds.
inline void read_scores(const float* from, std::span<float> to, cudaStream_t behind) {
  if (to.empty())
    return;
  const auto read = [&]() -> status {
    PLANECAST_CUDA(cudaMemcpyAsync(to.data(), from, to.size_bytes(), cudaMemcpyDeviceToHost, behind));
    PLANECAST_CUDA(cudaStreamSynchronize(behind));
    return {};
  };
  check(read());
}
} // namespace detail

/// Scores of a sequence's tokens in device memory, those of device_importance for example, as an importance
/// of the host's: plan() takes them from there, four bytes a token, and orders and cuts on the host. Borrows
/// them, and the stream.
/// Preconditions: what writes the scores was enqueued in that stream, or before it, when they are taken; the
/// stream belongs to the current device then, and is not captured into a graph.
/// Effects: score() waits for all that the stream holds.
/// Errors: score() throws std::invalid_argument when asked for a token that has none, and `error`, `device`,
/// where CUDA's runtime refuses.
/// Example: examples/device_memory.cu: `shot.plan(budget, device_given_scores(scores, tokens, engine))`
class device_given_scores {
public:
  /// Borrows the scores, of which the first is position 0's.
  device_given_scores(const float* scores, std::uint32_t tokens, cudaStream_t behind) noexcept
      : scores_(scores), tokens_(tokens), behind_(behind) {}

  /// As `importance` says.
  void score(std::uint32_t first, std::span<float> out) const {
    if (first > tokens_ || out.size() > tokens_ - first)
      throw std::invalid_argument("planecast: fewer importance scores than tokens");
    detail::read_scores(scores_ + first, out, behind_);
  }

private:
  const float* scores_;
  std::uint32_t tokens_;
  cudaStream_t behind_;
};

/// The same of scores for each layer: [layers][tokens], without gaps.
/// Example: `shot.plan(budget, device_given_layer_scores(scores, layers, tokens, engine))`
class device_given_layer_scores {
public:
  /// Borrows the scores, of which the first is the first layer's that the stream carries, position 0's.
  device_given_layer_scores(const float* scores, std::uint32_t layers, std::uint32_t tokens,
                            cudaStream_t behind) noexcept
      : scores_(scores), layers_(layers), tokens_(tokens), behind_(behind) {}

  /// As `layered_importance` says.
  [[nodiscard]] std::uint32_t layers() const noexcept { return layers_; }
  /// As `layered_importance` says.
  void score(std::uint32_t layer, std::uint32_t first, std::span<float> out) const {
    if (layer >= layers_)
      throw std::invalid_argument("planecast: a layer that has no importance scores");
    device_given_scores(scores_ + std::size_t{layer} * tokens_, tokens_, behind_).score(first, out);
  }

private:
  const float* scores_;
  std::uint32_t layers_, tokens_;
  cudaStream_t behind_;
};

static_assert(importance<device_given_scores>);
static_assert(layered_importance<device_given_layer_scores>);

} // namespace planecast::inline v0
