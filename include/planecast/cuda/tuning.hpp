// What a kernel's launch takes, by architecture.
#pragma once

#include <cstdint>

namespace planecast::inline v0 {

/// How kernels are launched, those on tensor cores apart. What a block can have is CUDA's; the rest is a
/// first guess, which no device has been asked about. Blocks that code tiles have 128 threads on every
/// architecture, and as many of them share a multiprocessor as their registers let.
struct cuda_tuning {
  std::uint32_t threads = 256;      ///< of a block, where a kernel does not want fewer
  std::uint32_t block_bytes = 0;    ///< of shared memory that a block can have at most
  std::uint32_t bytes_to_share = 0; ///< that it takes at most to keep what it has read: several blocks fit
};

/// Of an architecture, as CUDA numbers it (90 for sm_90). One that is not known is taken for the nearest
/// below, or for the least.
/// Example: `tuning_of(90).block_bytes`
[[nodiscard]] constexpr cuda_tuning tuning_of(int architecture) noexcept {
  constexpr std::uint32_t kib = 1024;
  if (architecture >= 120) // as 89
    return {256, 99 * kib, 48 * kib};
  if (architecture >= 90)
    return {256, 227 * kib, 74 * kib};
  if (architecture > 80)
    return {256, 99 * kib, 48 * kib};
  return {256, 163 * kib, 52 * kib};
}

} // namespace planecast::inline v0
