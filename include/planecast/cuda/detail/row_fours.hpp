// Rows of a vocabulary, by fours of tokens, split among blocks.
#pragma once

#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/decode/race.hpp"
#include "planecast/decode/row_number.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace planecast::inline v0::detail {

// Sixteen bytes that nobody writes meanwhile, in one go.
struct sixteen_bytes {
  std::uint32_t of[4];
};
PLANECAST_HOST_DEVICE inline sixteen_bytes load_sixteen(const float* from) noexcept {
#if PLANECAST_ON_DEVICE
  const uint4 v = __ldg(reinterpret_cast<const uint4*>(from));
  return {{v.x, v.y, v.z, v.w}};
#else
  sixteen_bytes v;
  for (std::uint32_t i = 0; i < 4; ++i)
    v.of[i] = bit_cast<std::uint32_t>(from[i]);
  return v;
#endif
}
PLANECAST_HOST_DEVICE inline sixteen_bytes load_sixteen(const std::uint16_t* from) noexcept {
#if PLANECAST_ON_DEVICE
  const uint4 v = __ldg(reinterpret_cast<const uint4*>(from));
  return {{v.x, v.y, v.z, v.w}};
#else
  sixteen_bytes v;
  for (std::uint32_t i = 0; i < 4; ++i)
    v.of[i] = from[2 * i] | std::uint32_t{from[2 * i + 1]} << 16;
  return v;
#endif
}

// Fours of tokens that a thread reads at once of each row: what sixteen bytes have of the narrower numbers.
template <class Target, class Draft>
inline constexpr std::uint32_t fours_at_once = sizeof(typename row_number<Target>::type) == 2 ||
                                                       sizeof(typename row_number<Draft>::type) == 2
                                                   ? 2
                                                   : 1;

// So many fours of a row, as the row holds them: they are widened when they are looked at, so that those read
// ahead take few registers.
template <class Format, std::uint32_t Fours>
struct row_group {
  static constexpr bool wide = std::is_same_v<Format, float>;
  static constexpr std::uint32_t loads = wide ? Fours : Fours / 2;
  static_assert(loads > 0);

  sixteen_bytes bits[loads];

  PLANECAST_HOST_DEVICE four_values four(std::uint32_t k) const noexcept {
    four_values v;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < 4; ++i)
      if constexpr (wide)
        v.of[i] = bit_cast<float>(bits[k].of[i]);
      else
        v.of[i] = row_number<Format>::value(
            static_cast<std::uint16_t>(bits[k / 2].of[k % 2 * 2 + i / 2] >> 16 * (i % 2)));
    return v;
  }
};

// How rows lie, and how many blocks share those of a request. A group is so many fours.
template <std::uint32_t Fours>
struct row_fours {
  static constexpr std::uint32_t group_tokens = 4 * Fours;

  std::uint32_t vocab;
  std::uint32_t parts;
  bool whole; // groups lie at multiples of 16 bytes

  PLANECAST_HOST_DEVICE static constexpr std::uint64_t groups(std::uint32_t vocab) noexcept {
    return (std::uint64_t{vocab} + group_tokens - 1) / group_tokens;
  }

  // A row's group, `absent` where the row has ended.
  template <class Format>
  PLANECAST_HOST_DEVICE row_group<Format, Fours> load(const typename row_number<Format>::type* row,
                                                      std::uint32_t group, float absent) const noexcept {
    using of_row = row_group<Format, Fours>;
    constexpr std::uint32_t tokens = group_tokens / of_row::loads; // of sixteen bytes
    of_row v;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < of_row::loads; ++k) {
      const std::uint32_t first = group_tokens * group + tokens * k;
      if (whole && first + tokens <= vocab)
        v.bits[k] = load_sixteen(row + first);
      else
        load_one_by_one<Format>(v.bits[k], row, first, absent);
    }
    return v;
  }

  // Calls each(row, from, to) with the part of each row that is this block's, in groups.
  template <class F>
  PLANECAST_HOST_DEVICE void of_block(std::uint32_t block, std::uint32_t rows, const F& each) const noexcept {
    const std::uint64_t of_row = groups(vocab), all = of_row * rows, part = block % parts,
                        from = all * part / parts, to = all * (part + 1) / parts;
    for (auto row = static_cast<std::uint32_t>(from / of_row); row * of_row < to; ++row) {
      const std::uint64_t begin = row * of_row;
      each(row, static_cast<std::uint32_t>(max(from, begin) - begin),
           static_cast<std::uint32_t>(min(to - begin, of_row)));
    }
  }

  // Calls each(four, values) with a thread's fours of a row's part. The next are read before those at hand
  // are looked at, so that a warp waits less.
  template <class Format, class F>
  PLANECAST_HOST_DEVICE void of_thread(block_place at, const typename row_number<Format>::type* row,
                                       std::uint32_t from, std::uint32_t to, float absent,
                                       const F& each) const noexcept {
    std::uint32_t group = from + at.thread;
    if (group >= to)
      return;
    auto v = load<Format>(row, group, absent);
    for (;;) {
      const std::uint32_t next = group + at.threads;
      row_group<Format, Fours> next_v{};
      if (next < to)
        next_v = load<Format>(row, next, absent);
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < Fours; ++k)
        each(Fours * group + k, v.four(k));
      if (next >= to)
        return;
      group = next;
      v = next_v;
    }
  }

private:
  template <class Format>
  PLANECAST_HOST_DEVICE void load_one_by_one(sixteen_bytes& to, const typename row_number<Format>::type* row,
                                             std::uint32_t first, float absent) const noexcept {
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < 4; ++i)
      if constexpr (std::is_same_v<Format, float>)
        to.of[i] = bit_cast<std::uint32_t>(first + i < vocab ? row[first + i] : absent);
      else {
        const std::uint32_t at = first + 2 * i, none = Format::from_fp32(absent);
        to.of[i] = (at < vocab ? row[at] : none) | (at + 1 < vocab ? row[at + 1] : none) << 16;
      }
  }
};

// Of each row so many numbers in a block, that threads of a warp do not wait for each other.
inline constexpr std::uint32_t row_lanes = 32;

} // namespace planecast::inline v0::detail
