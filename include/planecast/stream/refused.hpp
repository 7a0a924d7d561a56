// What a receiver's refusal says, as the sender's status.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/status.hpp"
#include "planecast/stream/arguments.hpp"
#include "planecast/stream/frame.hpp"
#include "planecast/stream/request.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace planecast::inline v0::detail {

/// Whether it refuses for the tokens that are kept: the only refusal that has a payload, of 8 bytes.
inline bool by_kept_tokens(const frame_header& h) noexcept {
  return h.first == static_cast<std::uint32_t>(errc::mismatch) &&
         h.plane == static_cast<std::uint8_t>(refusal::kept);
}

/// Of a request.
/// Preconditions: the payload has what by_kept_tokens() says.
inline status refused(const request& r, const frame_header& h, std::span<const std::byte> payload) noexcept {
  if (h.first != static_cast<std::uint32_t>(errc::mismatch))
    return {errc::limit, "requests that the receiver did not expect", h.count, 0};
  if (h.plane == static_cast<std::uint8_t>(refusal::first))
    return {errc::mismatch, "first token of the request", r.first, h.count};
  if (by_kept_tokens(h))
    return {errc::mismatch, which_are_kept, r.kept, load<std::uint64_t>(payload.data())};
  return {errc::mismatch, "tokens of the request", r.tokens, h.count};
}

} // namespace planecast::inline v0::detail
