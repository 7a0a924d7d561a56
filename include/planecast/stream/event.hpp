// The moments of a request that either side can wait for.
#pragma once

#include "planecast/config.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// A moment in a request's life. Each comes once or never. The values go on the wire: they do not change.
enum class event : std::uint8_t {
  source_free = 0, ///< sender: the cache was read; its pages may be reused
  first_light = 1, ///< everything before the cut has arrived: decoding may start
  focused = 2,     ///< everything planned has arrived
  quiesced = 3,    ///< nothing of the caller's is touched any more
};

inline constexpr event source_free = event::source_free; ///< for short
inline constexpr event first_light = event::first_light; ///< for short
inline constexpr event focused = event::focused;         ///< for short
inline constexpr event quiesced = event::quiesced;       ///< for short

} // namespace planecast::inline v0
