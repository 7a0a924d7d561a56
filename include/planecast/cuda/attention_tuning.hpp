// How attention mass is shared out among blocks, by architecture.
#pragma once

#include "planecast/cuda/tuning.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// What its kernel may take. No device has been asked yet.
struct attention_tuning {
  std::uint32_t block_bytes = 0; ///< of shared memory that a block has at most
  std::uint32_t blocks =
      0; ///< that run at once: the largest device's multiprocessors, as often as blocks fit
};

/// Of an architecture, as CUDA numbers it; others are taken as tuning_of() takes them. With 128 channels and
/// 128 queries a block takes 79 KiB.
/// Example: `attention_tuning_of(90).blocks`
[[nodiscard]] constexpr attention_tuning attention_tuning_of(int architecture) noexcept {
  const std::uint32_t bytes = tuning_of(architecture).block_bytes;
  if (architecture >= 120)
    return {bytes, 188};
  if (architecture >= 100)
    return {bytes, 2 * 148};
  if (architecture >= 90)
    return {bytes, 2 * 132};
  if (architecture > 80)
    return {bytes, 142};
  return {bytes, 2 * 108};
}

} // namespace planecast::inline v0
