// The tails of a tile that a block of threads codes: where each group's begin, and all of them together.
#pragma once

#include "planecast/cuda/detail/columns.hpp"
#include "planecast/cuda/detail/encode_room.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A group's tails: of four channels each, from the lowest bit on.
struct alignas(16) group_tails {
  std::uint64_t of[2];
};

/// What a thread does with them. Of a group the block's memory has one word: bits of the first four's tails
/// << 16 | of all, later << 16 | where they begin in the token's.
template <quantizer Q, class Planes>
struct block_tails {
  using room = encode_room<Q, Planes>;

  block_place at;
  std::byte* memory;
  const room& in;
  const columns& mine;

  PLANECAST_HOST_DEVICE void clear() const noexcept {
    for (std::uint32_t i = 4 * at.thread; i < in.tail_words; i += 4 * at.threads)
      store_aligned(memory + in.tails + 4 * i, four_words{}); // there is room behind the last
    for (std::uint32_t i = at.thread; i * room::sum_tokens < mine.tokens; i += at.threads)
      part(in.sums)[i] = 0;
  }
  /// How long a group's are.
  PLANECAST_HOST_DEVICE void tell(std::uint32_t token, std::uint32_t g, std::uint32_t first_bits,
                                  std::uint32_t last_bits) const noexcept {
    of_group(token, g) = first_bits << 16 | (first_bits + last_bits);
  }
  /// Where they begin in the token's, and how long these are. There are none if the tile is stored.
  PLANECAST_HOST_DEVICE void add_groups(bool is_stored) const noexcept {
    for (std::uint32_t token = at.thread; token < mine.tokens; token += at.threads) {
      std::uint32_t sum = 0;
      for (std::uint32_t g = 0; !is_stored && g < mine.groups; ++g) {
        std::uint32_t& bits = of_group(token, g);
        const std::uint32_t both = bits;
        bits = (both & 0xFFFF0000u) | sum;
        sum += both & 0xFFFFu;
      }
      part(in.lengths)[token] = (sum + 7) / 8;
      meet_add(part(in.sums)[token / room::sum_tokens], (sum + 7) / 8);
    }
  }
  /// Where the tokens' end.
  PLANECAST_HOST_DEVICE void add_tokens() const noexcept {
    for (std::uint32_t token = at.thread; token < mine.tokens; token += at.threads) {
      std::uint32_t sum = 0;
      for (std::uint32_t i = 0; i < token / room::sum_tokens; ++i)
        sum += part(in.sums)[i];
      for (std::uint32_t t = token / room::sum_tokens * room::sum_tokens; t <= token; ++t)
        sum += part(in.lengths)[t];
      part(in.ends)[token] = sum;
    }
  }
  /// Bytes of all.
  PLANECAST_HOST_DEVICE std::uint32_t bytes() const noexcept { return part(in.ends)[mine.tokens - 1]; }
  /// Where a token's end.
  PLANECAST_HOST_DEVICE std::uint32_t end(std::uint32_t token) const noexcept { return part(in.ends)[token]; }
  /// Puts a group's among them.
  PLANECAST_HOST_DEVICE void place(std::uint32_t token, std::uint32_t g,
                                   const group_tails& tails) const noexcept {
    const std::uint32_t both = of_group(token, g),
                        bit = 8 * (end(token) - part(in.lengths)[token]) + (both & 0xFFFFu);
    put(bit, tails.of[0]);
    put(bit + (both >> 16), tails.of[1]);
  }
  /// Writes them behind a tile's planes, with zeros up to a multiple of four bytes: decoders read words.
  PLANECAST_HOST_DEVICE void write(std::byte* tile, std::uint32_t tails_at) const noexcept {
    const std::uint32_t end = align_up(tails_at + bytes(), 4u) - tails_at;
    std::byte* const to = tile + tails_at;
    if (tails_at % 16 == 0) { // as it mostly is
      const std::uint32_t fours = end / 16;
      for (std::uint32_t i = at.thread; i < fours; i += at.threads)
        store_aligned(to + 16 * i, load_aligned<four_words>(memory + in.tails + 16 * i));
      for (std::uint32_t i = 4 * fours + at.thread; i < end / 4; i += at.threads)
        store_aligned(to + 4 * i, part(in.tails)[i]);
    } else if (tails_at % 4 == 0)
      for (std::uint32_t i = at.thread; i < end / 4; i += at.threads)
        store_aligned(to + 4 * i, part(in.tails)[i]);
    else
      for (std::uint32_t i = at.thread; i < end; i += at.threads)
        to[i] = memory[in.tails + i];
  }

private:
  PLANECAST_HOST_DEVICE std::uint32_t* part(std::uint32_t where) const noexcept {
    return reinterpret_cast<std::uint32_t*>(memory + where);
  }
  PLANECAST_HOST_DEVICE std::uint32_t& of_group(std::uint32_t token, std::uint32_t g) const noexcept {
    return part(in.groups)[mine.padded(token, g)];
  }
  PLANECAST_HOST_DEVICE void put(std::uint32_t bit, std::uint64_t bits) const noexcept {
    const auto low = static_cast<std::uint32_t>(bits), high = static_cast<std::uint32_t>(bits >> 32);
    std::uint32_t* const words = part(in.tails) + bit / 32;
    const std::uint32_t by = bit % 32,
                        word[3] = {low << by, static_cast<std::uint32_t>(bits << by >> 32),
                                   static_cast<std::uint32_t>(std::uint64_t{high} << by >> 32)};
    meet_or(words[0], word[0]);
    meet_or(words[1], word[1]);
    if (word[2] != 0) // as it is where many bits begin late in a word
      meet_or(words[2], word[2]);
  }
};

} // namespace planecast::inline v0::detail
