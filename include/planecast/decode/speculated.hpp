// Decoding on an arriving cache: what may be chosen, what is told meanwhile, and what becomes of it.
#pragma once

#include "planecast/decode/engine.hpp"
#include "planecast/status.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <stop_token>
#include <vector>

namespace planecast::inline v0 {

/// How sure a token is.
enum class token_tag : std::uint8_t {
  drafted,       ///< decoded on the cache at hand
  verified_int8, ///< the choice on a cache of which every token held 8 bits, in a tier above the lowest
  verified,      ///< the choice on the original cache
  retracted,     ///< a later verification chose another: this token and all after it are taken back
};

/// A token came, became surer, or was taken back. Index 0 is the first token, which prefill computed.
struct token_event {
  std::size_t index = 0;              ///< in the text
  token_id id = 0;                    ///< what it is, or was
  token_tag tag = token_tag::drafted; ///< how sure it is now
};

/// What may be chosen for decoding on an arriving cache; `first` must be.
struct speculate_options {
  token_id first = 0;                     ///< the first generated token, known from prefill and not yet fed
  std::size_t max_tokens = 256;           ///< of the whole text, `first` among them; at least 1
  std::vector<token_id> stop_tokens = {}; ///< the text ends with any of these
  std::function<void(const token_event&)> on_token = {}; ///< called from within speculate()
  /// For all waiting, by the clock: from when nothing could be done but to wait until something can. The
  /// request's own computing does not count. That of others in a scheduler's passes meanwhile does: one that
  /// always computes for somebody must notice, too, that a cache does not come.
  deadline::clock::duration timeout = std::chrono::seconds(30);
  std::size_t max_drafts = std::numeric_limits<std::size_t>::max(); ///< at most so many ahead of the verified
  std::size_t max_run = 256; ///< at most so many tokens in one call of verify(); at least 1
  /// An engine that is not batch-invariant verifies what it decodes on a higher tier after so many steps:
  /// what differs there, by rounding, is taken back with all that followed it. At least 1.
  std::size_t verify_every = 16;
  /// Drafting waits until every token of the cache holds this tier, by its index: 0 drafts from first light
  /// on. What a probe's verdict is for: a model that cannot be trusted at 4 bits drafts from 8 on.
  std::uint32_t draft_from = 0;
  /// After a draft that the engine gives a smaller probability than this, drafting waits for the next tier: a
  /// draft that is likely to be taken back is not worth its step. 0: never.
  float least_confidence = 0;
  /// How long a step takes, where that is known beforehand; after two steps it is measured. When the rest of
  /// the cache would come within two steps and a verification, it is waited for instead.
  std::optional<deadline::clock::duration> step_time = {};
  /// When focus is late or lost, decode on to the end at the precision at hand. One that is late is not
  /// waited for any more; what comes before the end is still verified against.
  bool go_on = false;
  std::stop_token cancel = {}; ///< when a stop is requested, from any thread, the text ends as it is
};

/// Why a text ended.
enum class finish_reason : std::uint8_t {
  length,    ///< it has max_tokens
  stop,      ///< with a stop token
  cancelled, ///< a stop was requested
  lost,      ///< what is missing of the cache is late or lost; the status says why
};

/// What became of it.
struct speculated {
  using duration = deadline::clock::duration; ///< since the call

  std::vector<token_id> tokens;                 ///< begins with `first`
  std::vector<token_tag> tags;                  ///< one for each; never `retracted`
  finish_reason finish = finish_reason::length; ///< why there are no more
  planecast::status status;                     ///< why the text is degraded, if it is

  std::size_t drafted = 0;  ///< tokens that were shown as drafted
  std::size_t accepted = 0; ///< of these, how many are in `tokens`
  std::size_t wasted = 0;   ///< steps whose token was taken back
  std::size_t rounds = 0;   ///< verification passes
  /// How often one changed a token though the pages were the same, since all had come: by rounding alone, of
  /// an engine that is not batch-invariant.
  std::size_t diverged = 0;

  /// When so much of the cache was there, or the first token after `first` had the tag; empty if never. @{
  std::optional<duration> first_light, first_drafted, first_verified_int8, first_verified, focused; /// @}

  /// Less came than was planned, or the text was cancelled; tokens keep the best tag that they had.
  [[nodiscard]] bool degraded() const noexcept { return !status.ok(); }
};

} // namespace planecast::inline v0
