// What it takes to launch the programs that code and decode tiles.
#pragma once

#include "planecast/cuda/detail/decode_program.hpp"
#include "planecast/cuda/detail/encode_program.hpp"
#include "planecast/cuda/tuning.hpp"

#include <algorithm>
#include <cstdint>

namespace planecast::inline v0::detail {

template <quantizer Q, class Planes>
tile_shape largest_tile(const device_tiles<Q, Planes>& of) noexcept {
  return {std::min(of.page_tokens, of.tokens - of.first), of.dim};
}

/// Returns what launch(program, blocks, bytes of a block's memory) does.
template <class Number, quantizer Q, class Planes, class Launch>
decltype(auto) launch_encode(const device_tiles<Q, Planes>& to, const device_rows<const std::byte>& from,
                             const cuda_tuning& how, Launch&& launch) {
  using program = encode_program<Number, Q, Planes>;
  const tile_layout<Q, Planes> largest{largest_tile(to), to.value_bytes};
  const auto room = [&](bool keep) { return typename program::room(largest, keep).all; };
  const bool keep = room(true) <= how.bytes_to_share;
  return launch(program{to, from, whole_groups(from, to.value_bytes), keep}, to.tiles(), room(keep));
}

} // namespace planecast::inline v0::detail
