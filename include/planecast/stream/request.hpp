// How both ends name what crosses.
#pragma once

#include "planecast/code/coded_cache.hpp"
#include "planecast/plan/kept_tokens.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// One cache to hand over: the tokens at positions first … tokens − 1 of a sequence. Those before `first` are
/// at the receiver already, a prefix that it has from elsewhere; they are neither read nor written. Views and
/// scores are of the whole sequence. The id is the callers' and, as the positions, the same at both ends; it
/// is unique among the requests of a connection that are not over.
///
/// A request made by keeping() drops tokens. It is of the tokens that are kept, a sequence of its own: views,
/// scores, `first` and positions in the stream are of that. It does not stream: nothing leaves before the
/// plan, what is behind the cut is never sent, and first light is the end of it. Its budget is a ceiling for
/// all that crosses; shares are of the whole sequence's bytes, dropped tokens included.
/// Example: `out.open({.id = 7, .tokens = 4096})`
struct request {
  std::uint64_t id = 0;        ///< chosen by the callers
  std::uint32_t tokens = 0;    ///< of the sequence
  std::uint32_t first = 0;     ///< below tokens
  coding how = coding::planes; ///< sender only: planes, or the values as they are, or what pays
  std::uint32_t dropped = 0;   ///< tokens of the whole sequence beside these: set by keeping()
  std::uint64_t kept = 0;      ///< kept_tokens::fingerprint(), 0 if none is dropped: set by keeping()

  /// Of the tokens that are kept.
  /// Example: `auto r = request::keeping(7, kept);`
  [[nodiscard]] static request keeping(std::uint64_t id, const kept_tokens& kept,
                                       coding how = coding::planes) noexcept {
    return {id, kept.tokens(), 0, how, kept.dropped(), kept.fingerprint()};
  }
  /// Whether all tokens are sent.
  [[nodiscard]] constexpr bool whole() const noexcept { return kept == 0; }
};

} // namespace planecast::inline v0
