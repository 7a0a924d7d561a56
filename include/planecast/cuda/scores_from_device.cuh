// Scores that lie in device memory, for plan().
#pragma once

#include "planecast/cuda/detail/cuda_device.cuh"
#include "planecast/status.hpp"

#include <cstddef>
#include <cuda_runtime.h>
#include <vector>

namespace planecast::inline v0 {

/// Takes scores from device memory, those of device_importance for example, four bytes each: plan() orders
/// and cuts on the host. Of scores for each layer, [layers][tokens], there is given_layer_scores.
/// Preconditions: what writes the scores was enqueued in that stream, or before it; the stream belongs to the
/// current device.
/// Effects: waits for all that the stream holds.
/// Errors: throws `error`, `device`, where CUDA's runtime refuses, and for a stream that is captured into a
/// graph. What else is captured meanwhile is not disturbed.
/// Example: examples/device_memory.cu: `shot.plan(budget, scores_from_device(scores, tokens, engine))`
inline std::vector<float> scores_from_device(const float* scores, std::size_t count, cudaStream_t behind) {
  std::vector<float> taken(count);
  if (count == 0)
    return taken;
  int current = 0;
  detail::check_cuda(cudaGetDevice(&current));
  const detail::device_guard here(current);
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  detail::check_cuda(cudaStreamIsCapturing(behind, &capturing));
  if (capturing != cudaStreamCaptureStatusNone)
    throw error({errc::device, "a stream that is captured into a graph: scores cannot be taken from there"});
  detail::check_cuda(
      cudaMemcpyAsync(taken.data(), scores, count * sizeof(float), cudaMemcpyDeviceToHost, behind));
  detail::check_cuda(cudaStreamSynchronize(behind));
  return taken;
}

} // namespace planecast::inline v0
