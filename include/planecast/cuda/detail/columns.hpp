// Which groups of a tile a thread takes.
#pragma once

#include "planecast/config.hpp"
#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/detail/packed.hpp"
#include "planecast/policy/quantizer.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

/// A thread keeps to its channels, from token to token, so that what it knows of them stays with it: group
/// first_group of the tokens first_token, first_token + step, …; if there are fewer threads than groups, more
/// groups.
struct columns {
  std::uint32_t groups, tokens;
  std::uint32_t first_group, group_step;
  std::uint32_t first_token, token_step;

  PLANECAST_HOST_DEVICE columns(block_place at, tile_shape shape) noexcept
      : groups(shape.dim / group_size), tokens(shape.tokens), first_group(at.thread % groups),
        group_step(at.threads), first_token(at.thread / groups), token_step(max(at.threads / groups, 1u)) {
    if (at.threads >= groups && first_token >= token_step) // the threads that are left over
      first_token = tokens;
    if (at.threads < groups) {
      first_group = at.thread;
      first_token = 0;
    }
  }
  /// The number of a group among those of the tile, in memory where threads of a warp do not wait for each
  /// other when each goes through the groups of a token.
  PLANECAST_HOST_DEVICE std::uint32_t padded(std::uint32_t token, std::uint32_t g) const noexcept {
    return token * (groups | 1u) + g;
  }
  PLANECAST_HOST_DEVICE static std::uint32_t padded_count(tile_shape shape) noexcept {
    return shape.tokens * (shape.dim / group_size | 1u);
  }
};

} // namespace planecast::inline v0::detail
