// What the two kernels of acceptance tell each other, and how rows are split among blocks.
#pragma once

#include "planecast/config.hpp"
#include "planecast/cuda/detail/row_fours.hpp"
#include "planecast/decode/draft_batch.hpp"
#include "planecast/decode/race.hpp"
#include "planecast/decode/softmax.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

enum class acceptance : std::uint8_t { greedy, gumbel, rejection };

// Which rows of a request need a token, and what is known before they have one.
struct alignas(16) request_plan {
  std::uint32_t first;  // place of the first row
  std::uint32_t rows;   // so many
  std::uint32_t alone;  // by rejection: drafts that stand on their own
  std::uint32_t ticket; // blocks that are done with the request
};

// In device memory: a plan for each request, what softmax needs of the row of each of its drafts, and the
// best standing of each of its rows.
struct accept_workspace {
  request_plan* plans;
  row_softmax* softmax;
  standing* standings;
  std::size_t most_rows; // of a request

  static constexpr std::size_t bytes(std::uint32_t requests, std::uint32_t most_drafts) noexcept {
    return requests *
           (sizeof(request_plan) + (std::size_t{most_drafts} + 1) * (sizeof(row_softmax) + sizeof(standing)));
  }
  accept_workspace(void* memory, std::uint32_t requests, std::uint32_t most_drafts) noexcept
      : plans(static_cast<request_plan*>(memory)), softmax(reinterpret_cast<row_softmax*>(plans + requests)),
        standings(reinterpret_cast<standing*>(softmax + requests * (std::size_t{most_drafts} + 1))),
        most_rows(std::size_t{most_drafts} + 1) {}

  PLANECAST_HOST_DEVICE row_softmax& softmax_of(std::uint32_t b, std::uint32_t i) const noexcept {
    return softmax[b * most_rows + i];
  }
  PLANECAST_HOST_DEVICE standing& standing_of(std::uint32_t b, std::uint32_t row) const noexcept {
    return standings[b * most_rows + row];
  }
};

// Whether a draft stands if it is its row's token; else it is judged by rejection.
template <class Batch>
PLANECAST_HOST_DEVICE bool by_tokens(const Batch& batch, acceptance how, std::uint32_t b) noexcept {
  return how != acceptance::rejection || batch.greedy(b);
}

template <class Batch>
PLANECAST_HOST_DEVICE float temperature_of(const Batch& batch, std::uint32_t b) noexcept {
  return batch.temperature == nullptr ? 1 : batch.temperature[b];
}

// Rows that a request may need at most: by rejection one, where no temperature makes a request greedy.
template <class Batch>
constexpr std::uint32_t most_rows(const Batch& batch, acceptance how) noexcept {
  return how == acceptance::rejection && batch.temperature == nullptr ? 1 : batch.max_draft_tokens + 1;
}

// Rejection from logits needs the softmax of the drafts' rows before anything else.
template <class Batch>
constexpr bool needs_softmax(const Batch& batch, acceptance how) noexcept {
  return how == acceptance::rejection && batch.kind == target_kind::logits;
}

// The most tokens that a vocabulary may have.
template <class Batch>
constexpr std::uint32_t most_tokens(const Batch& batch, acceptance how) noexcept {
  return needs_softmax(batch, how) ? most_softmax_tokens : 0x7FFFFFFFu;
}

// Whether the groups of tokens that a thread reads at once lie at multiples of 16 bytes.
template <class Target, class Draft>
bool whole_groups(const basic_draft_batch<Target, Draft>& batch) noexcept {
  const auto lie_at_16 = [](const auto* rows, std::size_t step) {
    return rows == nullptr ||
           (reinterpret_cast<std::uintptr_t>(rows) % 16 == 0 && step * sizeof(*rows) % 16 == 0);
  };
  return lie_at_16(batch.target, batch.step_of_target()) &&
         lie_at_16(batch.draft_probs, batch.step_of_draft());
}

// Blocks for each request: as many as fill the device once, or, where that leaves many of them unequal, four
// times; but each thread has a group of tokens. Which number it is changes no token.
constexpr std::uint32_t parts_of_request(std::uint32_t requests, std::uint64_t groups, std::uint32_t threads,
                                         std::uint32_t blocks_at_once) noexcept {
  const std::uint32_t once = requests == 0 ? 1 : blocks_at_once / requests;
  const std::uint32_t wanted =
      once >= 4 || requests == 0 ? once : (4 * blocks_at_once + requests - 1) / requests;
  const std::uint64_t most = max<std::uint64_t>(1, groups / threads);
  return static_cast<std::uint32_t>(min<std::uint64_t>(max(1u, wanted), most));
}

} // namespace planecast::inline v0::detail
