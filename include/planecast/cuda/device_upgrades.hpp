// Upgrades in device memory, and where their order is cut.
#pragma once

#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// Upgrades of tokens in greedy_order(): the pinned tokens' planes, then of all others the first plane, then
/// the next. Borrows device memory.
/// Preconditions: pinned ≤ count; count × planes fits 31 bits; `ranked` has each token from position `first`
/// on once.
/// Example: device_order::cut.
struct device_upgrades {
  const std::uint32_t* ranked = nullptr; ///< tokens, as device_order::rank() leaves them
  std::uint32_t count = 0;               ///< of tokens
  std::uint32_t first = 0;               ///< the position of the sequence's first that is ranked
  std::uint32_t pinned = 0;              ///< so many, the first, are pinned
  std::uint32_t planes = 0;              ///< above the base
  const std::uint32_t* bytes = nullptr;  ///< of each upgrade: by plane above the base, then by token
  std::uint32_t chunk_bytes = 0;         ///< of a frame's payload at most, unless one upgrade is larger
  std::uint32_t header_bytes = 0;        ///< that a frame costs beside its payload
  std::uint64_t available = 0;           ///< for the base and all upgrades before the cut
  const std::uint64_t* base = nullptr;   ///< what of that the base takes, in device memory; null: nothing
};

/// What a cut gives: what is sent before decoding starts, the base apart.
struct device_cut {
  std::uint64_t frames = 0;     ///< before the cut
  std::uint64_t upgrades = 0;   ///< in them
  std::uint64_t bytes = 0;      ///< of them, headers included
  std::uint64_t infeasible = 0; ///< 1 if not even the base is available, otherwise 0
};

} // namespace planecast::inline v0
