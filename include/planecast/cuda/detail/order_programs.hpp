// What blocks of threads do for a ranking, besides sorting.
#pragma once

#include "planecast/config.hpp"
#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/plan/falling_order.hpp"
#include "planecast/plan/importance.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// So many of `count` tokens from position `first` on are sinks, and so many of the others recent: as
/// rank_tokens() counts them.
constexpr pinned_tokens pinned_among(std::uint32_t count, pinned_tokens pins, std::uint32_t first) noexcept {
  const std::uint32_t sinks = min(pins.sinks > first ? pins.sinks - first : 0, count);
  return {sinks, min(pins.recent, count - sinks)};
}

/// A thread has a token: one that is pinned goes to its place, others are given a key to be sorted by. NaN is
/// said; its key is as good as another.
struct order_program {
  static constexpr std::uint32_t phases = 1;

  const float* scores;
  std::uint32_t count, first; ///< tokens, and the position of the first
  pinned_tokens pinned;       ///< as pinned_among() has it
  std::uint32_t* ranked;      ///< the pinned ones' places, the first
  std::uint32_t *keys, *positions;
  std::uint32_t* not_a_number; ///< or null

  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte*) const noexcept {
    const std::uint64_t place = std::uint64_t{at.block} * at.threads + at.thread;
    if (place >= count)
      return;
    const auto k = static_cast<std::uint32_t>(place);
    const auto bits = bit_cast<std::uint32_t>(scores[k]);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u && not_a_number != nullptr)
      meet_or(*not_a_number, 1);
    if (k < pinned.sinks)
      ranked[k] = first + k;
    else if (k >= count - pinned.recent)
      ranked[pinned.sinks + k - (count - pinned.recent)] = first + k;
    else {
      keys[k - pinned.sinks] = falling_key(scores[k]);
      positions[k - pinned.sinks] = first + k;
    }
  }
};

} // namespace planecast::inline v0::detail
