// What a batch of requests drafted, what the target says to it, and where what becomes of it goes.
#pragma once

#include "planecast/config.hpp"
#include "planecast/decode/engine.hpp"
#include "planecast/decode/noise.hpp"
#include "planecast/decode/race.hpp"
#include "planecast/decode/row_number.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// What the target's rows hold.
enum class target_kind : std::uint8_t {
  probabilities, ///< shares; for rejection a row's add up to one, else they need not
  logits         ///< softmax's arguments, not yet divided by the temperature
};

/// A request's first draft, and how many it has.
struct batch_drafts {
  std::uint32_t first; ///< in draft_token_ids
  std::uint32_t count; ///< at most max_draft_tokens
};

/// The arguments of batched acceptance, by the names and in the shapes of FlashInfer's
/// chain_speculative_sampling (dense) and of vLLM's rejection sampler (ragged). The functions on the CPU take
/// it with pointers to the host's memory, kernels with pointers to a device's. Borrows everything.
///
/// B requests have n drafts each, or request b has those from cu_num_draft_tokens[b − 1], or 0, to
/// cu_num_draft_tokens[b]. The target has a row for each draft and, behind them, a row for the token that
/// follows the last; where that token is given as bonus_token_ids, it has no such row.
///
/// The token at a request's i-th place is ruled by position_noise: of seeds[b], or of `seed` with the stream
/// b; at position offsets[b] + i, or `offset` + i. Let offsets[b] be where in its text the request is, and
/// its noise is that of the text's positions, whatever is drafted and accepted.
///
/// Rejection asks of each row of probabilities, the target's and the draft's, that it adds up to one, but for
/// roundings: a draft is judged by the two numbers as they are, and with other sums the output is not
/// distributed as the target. Other ways of acceptance look at a row's shares alone.
///
/// Engines that have divided logits by the temperature and masked them, as vLLM has its target_logits, give
/// temperatures of 0 for requests that are greedy and of 1 for all others.
///
/// Target and Draft are what the numbers of the target's rows and of draft_probs are: float, or bf16 or fp16
/// as lm heads give them. Pointers to 16-bit numbers are to their patterns: cast one to __nv_bfloat16 or
/// __half. Each number counts for the float that it is exactly, so that what is written is what the same call
/// writes for the rows widened to float. Probabilities rounded to 16 bits add up to one no better than that
/// rounding lets them: for rejection give floats, or the logits.
///
/// What values count for: a probability that is negative, NaN or below 2⁻¹²⁶ is 0, one above 2³² is 2³². A
/// logit that is NaN or −∞ is a token that cannot be chosen; among logits of +∞ the lowest is chosen. A
/// sampled request takes one for infinite that is beyond a float's range when it is divided by the
/// temperature and by ln 2. Ties go to the lowest token. A row of which no token can be chosen gives no_token
/// (−1). A draft that is negative or beyond the vocabulary never stands, and the token in its place is the
/// target's own.
/// Preconditions: vocab_size fits 31 bits and is not 0, and for rejection from logits is below 2²⁴; a step
/// is no smaller, if not 0; draft counts are within 0 … max_draft_tokens (others are taken for the nearest).
/// Example: examples/device_acceptance.cu: behind the arguments of either engine, field by field.
template <class Target = float, class Draft = float>
struct basic_draft_batch {
  using drafts = batch_drafts;                                     ///< of a request
  using target_number = typename detail::row_number<Target>::type; ///< float, or a pattern of 16 bits
  using draft_number = typename detail::row_number<Draft>::type;   ///< likewise

  std::uint32_t batch_size = 0;       ///< B
  std::uint32_t max_draft_tokens = 0; ///< n; of a ragged batch, the most that a request has
  std::uint32_t vocab_size = 0;       ///< V

  const token_id* draft_token_ids = nullptr;         ///< [B, n] or [num_tokens]
  const std::int32_t* cu_num_draft_tokens = nullptr; ///< [B], inclusive; null: dense
  /// [B, n + 1, V] or [num_tokens + B, V]; with bonuses [B, n, V] or [num_tokens, V].
  const target_number* target = nullptr;
  target_kind kind = target_kind::probabilities; ///< what `target` holds
  /// [B, n, V] or [num_tokens, V], for rejection; null: each draft was sure of itself, as n-grams are.
  const draft_number* draft_probs = nullptr;
  const token_id* bonus_token_ids = nullptr; ///< [B]; null: from the target's last row

  /// [B]; below 10⁻⁵ or NaN (vLLM's −1 and 0) makes a request greedy. Logits are divided by it,
  /// probabilities are what they are. Null: 1.
  const float* temperature = nullptr;
  std::uint64_t seed = 0; ///< of all requests; a captured graph keeps it
  /// Of all requests; the next call's is n + 1 greater at least. A captured graph keeps it, and would use the
  /// same noise in each launch: in a graph use `offsets`.
  std::uint64_t offset = 0;
  const std::uint64_t* seeds = nullptr;   ///< [B]; null: `seed`
  const std::uint64_t* offsets = nullptr; ///< [B]; null: `offset`

  /// Numbers from a row of the target to the next, of a padded vocabulary more than it has tokens; 0:
  /// vocab_size. What lies between is not read.
  std::size_t target_step = 0;
  std::size_t draft_step = 0; ///< the same of draft_probs

  /// Those of request b.
  [[nodiscard]] PLANECAST_HOST_DEVICE drafts of(std::uint32_t b) const noexcept {
    if (cu_num_draft_tokens == nullptr)
      return {b * max_draft_tokens, max_draft_tokens};
    const std::int32_t begin = b == 0 ? 0 : cu_num_draft_tokens[b - 1], end = cu_num_draft_tokens[b];
    return {static_cast<std::uint32_t>(begin),
            end <= begin ? 0 : detail::min(static_cast<std::uint32_t>(end - begin), max_draft_tokens)};
  }
  /// Numbers from a row of the target to the next.
  [[nodiscard]] PLANECAST_HOST_DEVICE std::size_t step_of_target() const noexcept {
    return target_step == 0 ? vocab_size : target_step;
  }
  /// The same of draft_probs.
  [[nodiscard]] PLANECAST_HOST_DEVICE std::size_t step_of_draft() const noexcept {
    return draft_step == 0 ? vocab_size : draft_step;
  }
  /// The target's row for the i-th place of request b.
  [[nodiscard]] PLANECAST_HOST_DEVICE const target_number* target_row(std::uint32_t b, drafts d,
                                                                      std::uint32_t i) const noexcept {
    return target + (std::size_t{d.first} + (bonus_token_ids == nullptr ? b : 0) + i) * step_of_target();
  }
  /// The draft's row for the i-th place; null if there are none.
  [[nodiscard]] PLANECAST_HOST_DEVICE const draft_number* draft_row(drafts d,
                                                                    std::uint32_t i) const noexcept {
    return draft_probs == nullptr ? nullptr : draft_probs + (std::size_t{d.first} + i) * step_of_draft();
  }
  /// Whether a token id is one of the vocabulary.
  [[nodiscard]] PLANECAST_HOST_DEVICE bool is_token(token_id id) const noexcept {
    return id >= 0 && static_cast<std::uint32_t>(id) < vocab_size;
  }
  /// Whether request b is decoded greedily.
  [[nodiscard]] PLANECAST_HOST_DEVICE bool greedy(std::uint32_t b) const noexcept {
    return temperature != nullptr && detail::is_greedy(temperature[b]);
  }
  /// The noise at the i-th place of request b.
  [[nodiscard]] PLANECAST_HOST_DEVICE position_noise noise(std::uint32_t b, std::uint32_t i) const noexcept {
    return {seeds == nullptr ? seed : seeds[b], (offsets == nullptr ? offset : offsets[b]) + i,
            seeds == nullptr ? b : 0};
  }
};

/// Of rows in fp32, as FlashInfer and vLLM take them.
/// Example:
///
///     draft_batch batch; // of 8 requests with 3 drafts each
///     batch.batch_size = 8;
///     batch.max_draft_tokens = 3;
///     batch.vocab_size = 128256;
///     batch.draft_token_ids = drafts; // [8, 3]
///     batch.draft_probs = draft_probs; // [8, 3, 128256]
///     batch.target = target_probs; // [8, 4, 128256]
///     batch.seed = 7;
///     accept_rejection(batch, {.output_token_ids = output}); // [8, 4]
using draft_batch = basic_draft_batch<>;

/// Where the outcome goes; null: nowhere, but for output_token_ids.
struct accepted_batch {
  token_id* output_token_ids = nullptr; ///< [B, max_draft_tokens + 1], padded with −1
  /// [B]: how many drafts stand on their own, if each is asked for itself and those before it do not count.
  std::int32_t* output_accepted_token_num = nullptr;
  std::int32_t* output_emitted_draft_token_num =
      nullptr;                        ///< [B]: how many were accepted, one after the other
  token_id* next_token_ids = nullptr; ///< [B]: the token behind them, the last of the output
  bool add_to_counts = false;         ///< add the two counts to what is there, as FlashInfer does
};

namespace detail {

// Whether the pointers are there that no batch of requests goes without.
template <class Batch>
bool has_all(const Batch& batch, const accepted_batch& out) noexcept {
  return batch.target != nullptr && out.output_token_ids != nullptr &&
         (batch.draft_token_ids != nullptr || batch.max_draft_tokens == 0);
}

} // namespace detail

} // namespace planecast::inline v0
