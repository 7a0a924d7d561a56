// How both ends name what crosses.
#pragma once

#include "planecast/code/coded_cache.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// One cache to hand over. The id is the callers' and the same at both ends; it is unique among the requests
/// of a connection that are not over.
struct request {
  std::uint64_t id = 0;
  std::uint32_t tokens = 0;
  coding how = coding::planes; ///< sender only: raw sends the values as they are
};

} // namespace planecast::inline v0
