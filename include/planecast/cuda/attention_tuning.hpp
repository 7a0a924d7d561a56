// How attention mass is shared out among blocks, by architecture.
#pragma once

#include "planecast/cuda/tuning.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// What its kernel may take. No device has been asked yet.
struct attention_tuning {
  std::uint32_t block_bytes = 0;     ///< of shared memory that a block has at most
  std::uint32_t processor_bytes = 0; ///< that a multiprocessor has
  std::uint32_t processors = 0;      ///< multiprocessors of the architecture's largest device
};

/// Of an architecture, as CUDA numbers it; others are taken as tuning_of() takes them.
/// Example: `attention_tuning_of(90).processors`
[[nodiscard]] constexpr attention_tuning attention_tuning_of(int architecture) noexcept {
  constexpr std::uint32_t kib = 1024;
  const std::uint32_t bytes = tuning_of(architecture).block_bytes;
  if (architecture >= 120)
    return {bytes, 100 * kib, 188};
  if (architecture >= 100)
    return {bytes, 228 * kib, 148};
  if (architecture >= 90)
    return {bytes, 228 * kib, 132};
  if (architecture > 80)
    return {bytes, 100 * kib, 142};
  return {bytes, 164 * kib, 108};
}

} // namespace planecast::inline v0
