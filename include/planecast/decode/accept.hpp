// Which drafted tokens stand.
#pragma once

#include "planecast/decode/engine.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

namespace planecast::inline v0 {

/// Fills the places of output_token_ids that hold no token.
inline constexpr token_id no_token = -1;

/// Greedy acceptance of n drafted tokens: the longest prefix that the target would have chosen too, then the
/// target's own token: in place of the first that differs, or, if none does, after the last.
/// target_token_ids[i] is the target's choice after the drafts before i. A negative draft is no token: it and
/// what follows it are not accepted, so a short row may be padded.
/// Returns how many drafts were accepted.
/// Preconditions: target_token_ids and output_token_ids have n + 1 entries (throws std::invalid_argument);
/// output overlaps neither input.
/// Effects: writes the accepted drafts and the target's token; the rest of the output is −1.
/// Example: drafts {5, 7, 9} and targets {5, 7, 8, 3} give the output {5, 7, 8, −1}, and 2.
constexpr std::size_t accept_greedy(std::span<const token_id> draft_token_ids,
                                    std::span<const token_id> target_token_ids,
                                    std::span<token_id> output_token_ids) {
  const std::size_t n = draft_token_ids.size();
  if (target_token_ids.size() != n + 1 || output_token_ids.size() != n + 1)
    throw std::invalid_argument("planecast: accept_greedy needs n + 1 targets and outputs for n drafts");
  std::size_t accepted = 0;
  while (accepted < n && draft_token_ids[accepted] >= 0 &&
         draft_token_ids[accepted] == target_token_ids[accepted])
    ++accepted;
  for (std::size_t i = 0; i <= n; ++i)
    output_token_ids[i] = i <= accepted ? target_token_ids[i] : no_token;
  return accepted;
}

/// The same for a dense batch, row after row: draft_token_ids [B, n], target_token_ids and output_token_ids
/// [B, n + 1], accepted [B], which says what B is.
/// Errors: throws std::invalid_argument for lengths that do not fit; nothing was written then.
constexpr void accept_greedy(std::size_t n, std::span<const token_id> draft_token_ids,
                             std::span<const token_id> target_token_ids, std::span<token_id> output_token_ids,
                             std::span<std::int32_t> accepted) {
  const std::size_t batch = accepted.size();
  if (draft_token_ids.size() != batch * n || target_token_ids.size() != batch * (n + 1) ||
      output_token_ids.size() != batch * (n + 1))
    throw std::invalid_argument("planecast: accept_greedy needs [B, n] drafts and [B, n + 1] targets");
  for (std::size_t row = 0; row < batch; ++row)
    accepted[row] = static_cast<std::int32_t>(accept_greedy(draft_token_ids.subspan(row * n, n),
                                                            target_token_ids.subspan(row * (n + 1), n + 1),
                                                            output_token_ids.subspan(row * (n + 1), n + 1)));
}

} // namespace planecast::inline v0
