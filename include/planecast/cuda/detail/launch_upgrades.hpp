// What it takes to launch the programs that take a frame of upgrades.
#pragma once

#include "planecast/cuda/detail/upgrade_programs.hpp"
#include "planecast/cuda/device.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

/// Enqueues them, for the layers of each policy. tiles_of(policy) says how its tiles lie.
template <class Number, class Policy, device Device, class TilesOf>
void launch_upgrades(Device& on, const upgrade_frame& frame, TilesOf&& tiles_of) {
  const std::uint32_t threads = on.tuning().threads;
  const auto each_policy = [](auto&& f) {
    std::uint32_t number = 0;
    Policy::with_each([&]<class Layer>(Layer) { f(Layer{}, number++); });
  };
  each_policy([&]<class Layer>(Layer layer, std::uint32_t number) {
    using program = upgrade_lengths_program<Number, Layer>;
    on.launch(device_queue::code, program{tiles_of(layer), frame, number}, frame.segments,
              program::memory_bytes);
  });
  on.launch(device_queue::code, upgrade_begins_program{frame}, 1,
            upgrade_begins_program::memory_bytes(threads));
  each_policy([&]<class Layer>(Layer layer, std::uint32_t number) {
    using program = upgrade_program<Number, Layer>;
    on.launch(device_queue::code, program{tiles_of(layer), frame, number}, frame.segments,
              program::memory_bytes(threads));
  });
}

} // namespace planecast::inline v0::detail
