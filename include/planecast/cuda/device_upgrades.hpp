// Upgrades in device memory, and where their order is cut.
#pragma once

#include "planecast/config.hpp"
#include "planecast/stream/frame.hpp"
#include "planecast/stream/messages.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// Upgrades of tokens in greedy_order(): the pinned tokens' planes, then of all others the first plane, then
/// the next. Borrows device memory.
///
/// They are cut where a stream's plan() cuts them if these are the stream's: chunk_bytes what its sender was
/// given (sender_options::chunk_bytes; given 0, it takes the greater of 512 KiB and
/// stream_sender::least_chunk_bytes()), header_bytes frame_header_bytes, `bytes` added up over all its layers
/// and heads by device_order::upgrade_bytes(), *base by device_order::base_bytes(), and `available` the
/// budget's ceiling less plan_bytes(), or 0 if that is more.
/// Preconditions: pinned ≤ count; count × planes fits 31 bits; `ranked` has each token from position `first`
/// on once.
/// Example: examples/device_calls.cu.
struct device_upgrades {
  const std::uint32_t* ranked = nullptr; ///< tokens, as device_order::rank() leaves them
  std::uint32_t count = 0;               ///< of tokens
  std::uint32_t first = 0;               ///< the position of the sequence's first that is ranked
  std::uint32_t pinned = 0;              ///< so many, the first, are pinned
  std::uint32_t planes = 0;              ///< above the base
  const std::uint32_t* bytes = nullptr;  ///< of each upgrade: by plane above the base, then by token
  std::uint32_t chunk_bytes = 0;         ///< of a frame's payload at most, unless one upgrade is larger
  std::uint32_t header_bytes = frame_header_bytes; ///< that a frame costs beside its payload
  std::uint64_t available = 0;                     ///< for the base and all upgrades before the cut
  const std::uint64_t* base = nullptr; ///< what of that the base takes, in device memory; null: nothing

  /// What a stream sends beside the base and the upgrades, headers included: the plan, and the tokens as they
  /// are ranked. It depends on numbers alone, none of them in device memory.
  /// Preconditions: chunk_bytes ≥ 4.
  [[nodiscard]] constexpr std::uint64_t plan_bytes() const noexcept {
    const std::uint64_t runs = std::uint64_t{planes} * ((pinned > 0 ? 1 : 0) + (pinned < count ? 1 : 0)),
                        tokens = runs > 0 ? count : 0, of_frame = chunk_bytes / 4;
    return header_bytes + detail::plan_fixed_bytes + detail::plan_run_bytes * runs + 4 * tokens +
           header_bytes * ((tokens + of_frame - 1) / of_frame);
  }
};

/// What a cut gives: what is sent before decoding starts, the base and the plan apart. Where frames begin is
/// not told: each is as full as it gets, and ends where its plane or the pinned tokens do, and at the cut.
struct device_cut {
  std::uint64_t frames = 0;     ///< before the cut
  std::uint64_t upgrades = 0;   ///< in them
  std::uint64_t bytes = 0;      ///< of them, headers included
  std::uint64_t infeasible = 0; ///< 1 if not even the base is available, otherwise 0
};

} // namespace planecast::inline v0
