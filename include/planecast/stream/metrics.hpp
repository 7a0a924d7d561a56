// What was counted, and when it happened.
#pragma once

#include "planecast/code/coded_cache.hpp"
#include "planecast/stream/event.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

namespace planecast::inline v0 {

/// What one end of a connection has counted so far.
struct stream_metrics {
  std::uint64_t data_frames = 0;  ///< sent, repeats included; or received, whole and for the first time
  std::uint64_t data_bytes = 0;   ///< of these frames, headers included
  std::uint64_t damaged = 0;      ///< frames that failed a check
  std::uint64_t sent_again = 0;   ///< sender: frames that were asked for again
  std::uint64_t not_expected = 0; ///< receiver: frames twice, or of requests that are over
};

/// What one end knows of one request.
struct request_metrics {
  using time = std::chrono::steady_clock::time_point; ///< of this machine: not to be compared with the peer's

  std::uint64_t raw_bytes = 0;   ///< the cache as it was, tokens that are dropped included
  std::uint64_t base_bytes = 0;  ///< data lane: base and plan, headers included
  std::uint64_t light_bytes = 0; ///< data lane: base, plan and the upgrades before the cut; at the receiver
                                 ///< what is in the pages of it
  std::uint64_t data_bytes = 0;  ///< data lane: all that was sent or received, repeats included
  /// The same by plane, as the policy counts them: 0 is the base, of however many planes, with order and
  /// plan; the others are upgrades. Most planes are eight of 1 bit and a tail.
  std::array<std::uint64_t, 9> bytes_by_plane{};
  std::uint64_t stored_tiles = 0; ///< sender: tiles that are not smaller coded
  std::uint32_t dropped = 0;      ///< tokens that are not sent, so that nothing of it is exact as a whole
  /// Sender: how it is coded; `automatic` until that is decided.
  coding coded_as = coding::planes;
  time opened; ///< when open() or expect() was called
  /// The first frame on the data lane.
  std::optional<time> first_byte, last_byte; ///< the last so far; at the sender, given to the transport
  std::array<std::optional<time>, 4> events; ///< when each event came true

  /// When an event came true; empty until then.
  [[nodiscard]] std::optional<time> at(event e) const noexcept { return events[static_cast<std::size_t>(e)]; }
  /// For the stream: an event has come true now, unless it had before.
  void note(event e) noexcept {
    auto& at = events[static_cast<std::size_t>(e)];
    if (!at)
      at = std::chrono::steady_clock::now();
  }
  /// For the stream: a frame of n bytes is crossing the data lane. Its plane is the peer's word, at a
  /// receiver.
  void note_bytes(std::uint32_t plane, std::uint64_t n) noexcept {
    last_byte = std::chrono::steady_clock::now();
    if (!first_byte)
      first_byte = last_byte;
    data_bytes += n;
    if (plane < bytes_by_plane.size())
      bytes_by_plane[plane] += n;
  }
};

} // namespace planecast::inline v0
