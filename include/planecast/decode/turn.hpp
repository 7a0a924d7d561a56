// What a speculation and who drives it say to each other.
#pragma once

#include "planecast/status.hpp"

#include <cstdint>
#include <optional>

namespace planecast::inline v0 {

/// What a request needs now; see speculation.
enum class turn : std::uint8_t {
  feed, ///< a place in the next pass
  wait, ///< more of the cache
  over, ///< nothing
};

/// What a scheduler knows of a pass that a request was in; see speculation.
struct pass_outcome {
  std::optional<float> confidence = {}; ///< how probable the step's token was; needed where it is asked for
  /// How long the pass took, if that says how long this run takes: leave it empty for a step that was in one
  /// pass with longer runs.
  std::optional<deadline::clock::duration> time = {};
};

} // namespace planecast::inline v0
