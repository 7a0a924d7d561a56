// How a block judges one request's drafts by rejection, and says which rows need a token.
#pragma once

#include "planecast/cuda/detail/accept_plan.hpp"
#include "planecast/cuda/detail/block_program.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A block for each request. Also clears what the blocks after it meet in.
template <class Target, class Draft>
struct judge_program {
  static constexpr std::uint32_t phases = 3;        ///< see run()
  static constexpr std::uint32_t memory_bytes = 16; ///< two numbers

  basic_draft_batch<Target, Draft> batch;
  acceptance how;
  accept_workspace to;

  /// Phase 0 clears, 1 judges, a draft a thread, 2 writes the plan.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t b = at.block;
    const auto d = batch.of(b);
    auto& fallen = reinterpret_cast<std::uint32_t*>(memory)[0]; // the first draft that does not stand
    auto& alone = reinterpret_cast<std::uint32_t*>(memory)[1];
    if constexpr (Phase == 0) {
      for (std::uint32_t i = at.thread; i <= batch.max_draft_tokens; i += at.threads)
        to.standing_of(b, i) = 0;
      if (at.thread == 0) {
        fallen = d.count;
        alone = 0;
      }
    } else if constexpr (Phase == 1) {
      if (by_tokens(batch, how, b))
        return;
      for (std::uint32_t i = at.thread; i < d.count; i += at.threads)
        if (stands(b, d, i))
          meet_add(alone, 1);
        else
          meet_min(fallen, i);
    } else if (at.thread == 0) {
      const std::uint32_t last = batch.bonus_token_ids == nullptr ? 1 : 0; // the row behind the drafts
      if (by_tokens(batch, how, b))
        to.plans[b] = {0, d.count + last, 0, 0};
      else
        to.plans[b] = {fallen, fallen < d.count ? 1 : last, alone, 0};
    }
  }

private:
  PLANECAST_HOST_DEVICE bool stands(std::uint32_t b, batch_drafts d, std::uint32_t i) const noexcept {
    const token_id draft = batch.draft_token_ids[d.first + i];
    if (!batch.is_token(draft))
      return false;
    float wanted = row_number<Target>::value(batch.target_row(b, d, i)[draft]);
    if (batch.kind == target_kind::logits)
      wanted = to.softmax_of(b, i).probability(wanted, logit_scale(temperature_of(batch, b)));
    return draft_stands(
        batch.noise(b, i),
        batch.draft_probs == nullptr ? 1 : row_number<Draft>::value(batch.draft_row(d, i)[draft]), wanted);
  }
};

} // namespace planecast::inline v0::detail
