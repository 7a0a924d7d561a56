// How both ends name what crosses.
#pragma once

#include "planecast/code/coded_cache.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// One cache to hand over: the tokens at positions first … tokens − 1 of a sequence. Those before `first` are
/// at the receiver already, a prefix that it has from elsewhere; they are neither read nor written. Views and
/// scores are of the whole sequence. The id is the callers' and, as the positions, the same at both ends; it
/// is unique among the requests of a connection that are not over.
/// Example: `out.open({.id = 7, .tokens = 4096})`
struct request {
  std::uint64_t id = 0;        ///< chosen by the callers
  std::uint32_t tokens = 0;    ///< of the sequence
  std::uint32_t first = 0;     ///< below tokens
  coding how = coding::planes; ///< sender only: planes, or the values as they are, or what pays
};

} // namespace planecast::inline v0
