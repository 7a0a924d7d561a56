// What it takes to launch the programs that take a frame of upgrades.
#pragma once

#include "planecast/cuda/detail/upgrade_programs.hpp"

#include <cstdint>
#include <utility>

namespace planecast::inline v0::detail {

/// Calls f(tiles, number) for each policy that layers have, and that sends such a plane above its base.
template <class Policy, std::uint32_t Plane, class TilesOf, class F>
void with_each_tiles(const TilesOf& tiles_of, const F& f) {
  std::uint32_t number = 0;
  Policy::with_each([&]<class Layer>(Layer layer) {
    if constexpr (Plane >= Layer::base_planes)
      f(tiles_of(layer), number);
    ++number;
  });
}
/// Launches the programs that take a frame of one plane.
template <class Number, class Policy, std::uint32_t Plane, class Launch, class TilesOf>
void launch_plane(const Launch& launch, const upgrade_frame& frame, bool converts, const TilesOf& tiles_of) {
  const auto each = [&](auto&& program_of) {
    with_each_tiles<Policy, Plane>(tiles_of, [&](const auto& tiles, std::uint32_t number) {
      const auto program = program_of(tiles, number);
      launch(program, frame.count, program.memory_bytes);
    });
  };
  if constexpr (Plane == Policy::planes::fixed)
    each([&]<class Tiles>(const Tiles& tiles, std::uint32_t number) {
      return upgrade_lengths_program<Number, Tiles>{tiles, frame, number};
    });
  if (converts)
    each([&]<class Tiles>(const Tiles& tiles, std::uint32_t number) {
      return upgrade_program<Number, Tiles, Plane, true>{tiles, frame, number};
    });
  else
    each([&]<class Tiles>(const Tiles& tiles, std::uint32_t number) {
      return upgrade_program<Number, Tiles, Plane, false>{tiles, frame, number};
    });
}
/// Likewise, whichever plane above the base it is. launch(program, blocks, bytes) enqueues a program whose
/// blocks have so many bytes of memory, tiles_of(policy) says how tiles of its layers lie.
template <class Number, class Policy, class Launch, class TilesOf>
void launch_upgrades(const Launch& launch, std::uint32_t plane, const upgrade_frame& frame, bool converts,
                     const TilesOf& tiles_of) {
  [&]<std::uint32_t... P>(std::integer_sequence<std::uint32_t, P...>) {
    ((plane == Policy::base_planes + P
          ? launch_plane<Number, Policy, Policy::base_planes + P>(launch, frame, converts, tiles_of)
          : void()),
     ...);
  }
  (std::make_integer_sequence<std::uint32_t, Policy::planes::count - Policy::base_planes>{});
}

} // namespace planecast::inline v0::detail
