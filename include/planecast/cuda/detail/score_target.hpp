// Where a kernel's scores go.
#pragma once

#include "planecast/config.hpp"
#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/detail/rounded.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

// A token's score, written or added by the one thread that has it. What is not finite is said.
struct score_target {
  float* scores;
  float factor;
  bool add;
  std::uint32_t* not_finite; // or null

  PLANECAST_HOST_DEVICE void put(std::uint32_t token, float sum) const noexcept {
    const float score = product_of(factor, sum), all = add ? sum_of(scores[token], score) : score;
    scores[token] = all;
    // By the bits: nvcc's fast math may take every number for finite.
    if (not_finite != nullptr && (bit_cast<std::uint32_t>(all) & 0x7F800000u) == 0x7F800000u)
      meet_or(*not_finite, 1);
  }
};

} // namespace planecast::inline v0::detail
