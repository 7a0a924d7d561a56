// Batches that acceptance in device memory refuses, for tests with a GPU and without one.
#pragma once

#include "planecast/cuda/accept.cuh"

#include <cstddef>
#include <cuda_runtime.h>
#include <doctest/doctest.h>

namespace planecast_test {

/// Each is refused, and a batch without requests is no work. What is refused is not read.
inline void acceptance_refuses(cudaStream_t stream) {
  planecast::draft_batch batch;
  batch.batch_size = 2;
  batch.max_draft_tokens = 3;
  batch.vocab_size = 0;
  const std::size_t bytes = planecast::cuda_acceptance::workspace_bytes(2, 3);
  CHECK((planecast::cuda_acceptance::greedy(batch, {}, nullptr, bytes, stream) == planecast::errc::limit));
  batch.vocab_size = 10;
  CHECK(
      (planecast::cuda_acceptance::gumbel(batch, {}, nullptr, bytes - 1, stream) == planecast::errc::limit));
  const float target = 0;
  planecast::token_id token = 0;
  const auto refused = [&](const float* rows, const planecast::token_id* drafts, planecast::token_id* output,
                           void* workspace) {
    batch.target = rows;
    batch.draft_token_ids = drafts;
    return planecast::cuda_acceptance::gumbel(batch, {.output_token_ids = output}, workspace, bytes,
                                              stream) == planecast::errc::unsupported;
  };
  CHECK(refused(nullptr, &token, &token, &token));
  CHECK(refused(&target, nullptr, &token, &token));
  CHECK(refused(&target, &token, nullptr, &token));
  CHECK(refused(&target, &token, &token, nullptr));
  batch.max_draft_tokens = 1'000'000;
  CHECK((planecast::cuda_acceptance::gumbel(batch, {.output_token_ids = &token}, &token,
                                            planecast::cuda_acceptance::workspace_bytes(2, 1'000'000),
                                            stream) == planecast::errc::limit));
  batch.kind = planecast::target_kind::logits;
  batch.vocab_size = 1 << 24;
  CHECK((planecast::cuda_acceptance::rejection(batch, {.output_token_ids = &token}, &token,
                                               planecast::cuda_acceptance::workspace_bytes(2, 1'000'000),
                                               stream) == planecast::errc::limit));
  batch.batch_size = 0;
  CHECK(planecast::cuda_acceptance::gumbel(batch, {}, nullptr, 0, stream).ok());
}

} // namespace planecast_test
