// Which drafted tokens stand, in device memory: the same tokens as the CPU's.
#pragma once

#include "planecast/cuda/detail/accept_plan.hpp"
#include "planecast/cuda/detail/judge_program.hpp"
#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/detail/race_program.hpp"
#include "planecast/cuda/detail/row_fours.hpp"
#include "planecast/cuda/detail/softmax_program.hpp"
#include "planecast/decode/draft_batch.hpp"
#include "planecast/status.hpp"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>

namespace planecast::inline v0 {

/// Batched acceptance on a GPU, as accept_greedy(), accept_gumbel() and accept_rejection() do it on the CPU:
/// the same tokens and counts. It holds nothing; all of it is static. Rows are split among blocks. Rejection
/// reads single probabilities to judge the drafts, then the one row that needs a token; the others read
/// every row once. Rows are read faster where each begins at a multiple of 16 bytes: those of a vocabulary
/// that four divides, or eight if numbers have 16 bits, or where target_step and draft_step see to it.
///
/// Rows of logits or probabilities are of fp32, bf16 or fp16 (basic_draft_batch): what is written is what the
/// same call writes for the rows widened to fp32. A unit compiles kernels for the types that it calls with,
/// and for no others.
///
/// Behind other engines' arguments. FlashInfer's chain_speculative_sampling: rejection() of probabilities,
/// cu_num_draft_tokens and bonus_token_ids null, `seed` and `offset` its Philox's, add_to_counts true, for it
/// adds to both of its counts. vLLM's rejection_sample: rejection() with its cu_num_draft_tokens, draft_probs
/// (null for n-grams), bonus_token_ids and, as the target, target_logits; these are divided by the
/// temperature already, so that `temperature` is 0 for requests that are greedy and 1 for others, and not
/// vLLM's; counts null. Noise is planecast's own in both: other tokens for a seed, of the same distribution.
/// Preconditions: every pointer of the batch and of the outputs is to memory of the current device, to
/// which the stream belongs; so is the workspace, of workspace_bytes() at least and aligned to 16 bytes. It
/// needs no clearing, and no other call uses it meanwhile.
/// Effects: as on the CPU.
/// Errors: `limit` for a vocabulary of nothing or too large, a workspace too small, or more drafts than a
/// block has memory for, `unsupported` where target, drafts, output_token_ids or the workspace is null: then
/// nothing was enqueued. `device` where CUDA's runtime refuses: then the first of several kernels may have
/// been. Nothing throws.
/// Stream behaviour: calls only enqueue: two kernels each; rejection from logits clears a part of the
/// workspace before and finds the softmax of the drafts' rows in two more. They do not wait, allocate or use
/// another stream, and can be captured in a graph. A graph keeps the batch's pointers and its numbers, `seed`
/// and `offset` among them: for other noise in each launch use `offsets`, and write there between launches.
/// Example: examples/device_acceptance.cu has both. With a model's own bf16 logits, [B, n + 1, V]:
///
///     basic_draft_batch<bf16> batch; // draft_probs: float
///     batch.batch_size = requests;
///     batch.max_draft_tokens = n;
///     batch.vocab_size = vocab;
///     batch.draft_token_ids = drafts; // [B, n]
///     batch.draft_probs = draft_probs; // [B, n, V]
///     batch.target = reinterpret_cast<const std::uint16_t*>(logits); // const __nv_bfloat16*
///     batch.kind = target_kind::logits;
///     batch.temperature = temperatures; // [B]
///     batch.seeds = seeds; // [B]
///     batch.offsets = positions; // [B], of the first draft in its text
///     const std::size_t bytes = cuda_acceptance::workspace_bytes(requests, n); // of `workspace`
///     check(cuda_acceptance::rejection(batch, {.output_token_ids = output}, workspace, bytes, stream));
struct cuda_acceptance {
  // What launches kernels is a template: a unit compiles those that it calls, and no others.

  /// What a call for so many requests takes.
  [[nodiscard]] static constexpr std::size_t workspace_bytes(std::uint32_t batch_size,
                                                             std::uint32_t max_draft_tokens) noexcept {
    return detail::accept_workspace::bytes(batch_size, max_draft_tokens);
  }

  /// As accept_greedy().
  template <class Target, class Draft>
  static status greedy(const basic_draft_batch<Target, Draft>& batch, const accepted_batch& out,
                       void* workspace, std::size_t workspace_bytes, cudaStream_t stream) noexcept {
    return accept<detail::acceptance::greedy>(batch, out, workspace, workspace_bytes, stream);
  }
  /// As accept_gumbel().
  template <class Target, class Draft>
  static status gumbel(const basic_draft_batch<Target, Draft>& batch, const accepted_batch& out,
                       void* workspace, std::size_t workspace_bytes, cudaStream_t stream) noexcept {
    return accept<detail::acceptance::gumbel>(batch, out, workspace, workspace_bytes, stream);
  }
  /// As accept_rejection(): each row of probabilities, of target and draft, adds up to one.
  template <class Target, class Draft>
  static status rejection(const basic_draft_batch<Target, Draft>& batch, const accepted_batch& out,
                          void* workspace, std::size_t workspace_bytes, cudaStream_t stream) noexcept {
    return accept<detail::acceptance::rejection>(batch, out, workspace, workspace_bytes, stream);
  }

private:
  template <detail::acceptance How, class Target, class Draft>
  static status accept(const basic_draft_batch<Target, Draft>& batch, const accepted_batch& out,
                       void* workspace, std::size_t bytes, cudaStream_t stream) noexcept {
    if (const std::uint32_t most = detail::most_tokens(batch, How);
        batch.vocab_size == 0 || batch.vocab_size > most)
      return {errc::limit, "tokens of a vocabulary", most, batch.vocab_size};
    const std::size_t needed = workspace_bytes(batch.batch_size, batch.max_draft_tokens);
    if (bytes < needed)
      return {errc::limit, "bytes of the workspace", bytes, needed};
    if (batch.batch_size == 0)
      return {};
    if (!detail::has_all(batch, out) || workspace == nullptr)
      return {errc::unsupported, "a batch without drafts, a target, output_token_ids or a workspace"};
    cuda_tuning how;
    if (const status s = detail::current_tuning(how); !s)
      return s;
    int device = 0, processors = 0;
    PLANECAST_CUDA(cudaGetDevice(&device));
    PLANECAST_CUDA(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device));

    const detail::accept_workspace room(workspace, batch.batch_size, batch.max_draft_tokens);
    const std::uint32_t rows = detail::most_rows(batch, How),
                        held = detail::race_blocks_held * static_cast<std::uint32_t>(processors);
    using row_fours = detail::row_fours<detail::fours_at_once<Target, Draft>>;
    const auto fours_of = [&](std::uint32_t rows_of_request) {
      const std::uint64_t all = row_fours::groups(batch.vocab_size) * rows_of_request;
      return row_fours{batch.vocab_size, detail::parts_of_request(batch.batch_size, all, how.threads, held),
                       detail::whole_groups(batch)};
    };
    const std::uint32_t memory = detail::max(
        detail::race_memory_bytes(rows),
        detail::needs_softmax(batch, How) ? detail::softmax_memory_bytes(batch.max_draft_tokens) : 0);
    if (memory > how.block_bytes)
      return {errc::limit, "a block's shared memory, for so many drafts", how.block_bytes, memory};
    if constexpr (How == detail::acceptance::rejection)
      if (detail::needs_softmax(batch, How))
        if (const status s = softmax(batch, room, fours_of(batch.max_draft_tokens), how, stream); !s)
          return s;
    if (const status s =
            detail::launch(detail::judge_program<Target, Draft>{batch, How, room}, batch.batch_size,
                           detail::judge_program<Target, Draft>::memory_bytes, how, stream);
        !s)
      return s;
    const row_fours fours = fours_of(rows);
    const std::uint32_t blocks = batch.batch_size * fours.parts;
    const auto race = [&]<target_kind Kind>() {
      return detail::launch(detail::race_program<How, Kind, Target, Draft>{batch, room, out, fours, rows},
                            blocks, detail::race_memory_bytes(rows), how, stream);
    };
    return batch.kind == target_kind::logits ? race.template operator()<target_kind::logits>()
                                             : race.template operator()<target_kind::probabilities>();
  }
  template <class Target, class Draft, class Fours>
  static status softmax(const basic_draft_batch<Target, Draft>& batch, const detail::accept_workspace& room,
                        const Fours& fours, const cuda_tuning& how, cudaStream_t stream) noexcept {
    const std::uint32_t blocks = batch.batch_size * fours.parts,
                        memory = detail::softmax_memory_bytes(batch.max_draft_tokens);
    PLANECAST_CUDA(cudaMemsetAsync(room.softmax, 0,
                                   batch.batch_size * room.most_rows * sizeof(detail::row_softmax), stream));
    if (const status s = detail::launch(detail::softmax_program<false, Target, Draft>{batch, room, fours},
                                        blocks, memory, how, stream);
        !s)
      return s;
    return detail::launch(detail::softmax_program<true, Target, Draft>{batch, room, fours}, blocks, memory,
                          how, stream);
  }
};

} // namespace planecast::inline v0
