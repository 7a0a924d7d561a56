// Rows of a vocabulary, by fours of tokens, split among blocks.
#pragma once

#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/decode/race.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

// Sixteen bytes that nobody writes meanwhile, in one go.
PLANECAST_HOST_DEVICE inline four_values load_four(const float* from) noexcept {
#if PLANECAST_ON_DEVICE
  const float4 v = __ldg(reinterpret_cast<const float4*>(from));
  return {{v.x, v.y, v.z, v.w}};
#else
  return {{from[0], from[1], from[2], from[3]}};
#endif
}

// How rows lie, and how many blocks share those of a request.
struct row_fours {
  std::uint32_t vocab;
  std::uint32_t parts;
  bool whole; // fours lie at multiples of 16 bytes, and the last is whole

  PLANECAST_HOST_DEVICE four_values load(const float* row, std::uint32_t four, float absent) const noexcept {
    const float* const from = row + std::size_t{4} * four;
    if (whole)
      return load_four(from);
    four_values v;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < 4; ++i)
      v.of[i] = i < vocab - 4 * four ? from[i] : absent;
    return v;
  }

  // Calls each(row, from, to) with the part of each row that is this block's, in fours.
  template <class F>
  PLANECAST_HOST_DEVICE void of_block(std::uint32_t block, std::uint32_t rows, const F& each) const noexcept {
    const std::uint64_t fours = (std::uint64_t{vocab} + 3) / 4, all = fours * rows, part = block % parts,
                        from = all * part / parts, to = all * (part + 1) / parts;
    for (auto row = static_cast<std::uint32_t>(from / fours); row * fours < to; ++row) {
      const std::uint64_t begin = row * fours;
      each(row, static_cast<std::uint32_t>(max(from, begin) - begin),
           static_cast<std::uint32_t>(min(to - begin, fours)));
    }
  }

  // Calls each(four, values) with a thread's fours of a row's part. The next are read before those at hand
  // are looked at, so that a warp waits less.
  template <class F>
  PLANECAST_HOST_DEVICE void of_thread(block_place at, const float* row, std::uint32_t from, std::uint32_t to,
                                       float absent, const F& each) const noexcept {
    std::uint32_t four = from + at.thread;
    if (four >= to)
      return;
    four_values v = load(row, four, absent);
    for (;;) {
      const std::uint32_t next = four + at.threads;
      four_values next_v{};
      if (next < to)
        next_v = load(row, next, absent);
      each(four, v);
      if (next >= to)
        return;
      four = next;
      v = next_v;
    }
  }
};

// Of each row so many numbers in a block, that threads of a warp do not wait for each other.
inline constexpr std::uint32_t row_lanes = 32;

} // namespace planecast::inline v0::detail
