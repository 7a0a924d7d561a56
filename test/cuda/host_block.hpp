// Runs a block program as a grid of blocks would, on the host: threads by turns, in any order, phase by
// phase.
#pragma once

#include "planecast/cuda/detail/block_program.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace planecast_test {

/// A block's memory: aligned, filled with what nobody wrote, and with a guard behind it.
class block_memory {
public:
  explicit block_memory(std::size_t bytes) : words_((bytes + 15) / 16 + 1) {
    std::fill_n(begin(), 16 * words_.size(), std::byte{0xA5});
    bytes_ = bytes;
  }
  std::byte* begin() { return reinterpret_cast<std::byte*>(words_.data()); }
  bool guard_is_whole() {
    return std::all_of(begin() + (bytes_ + 15) / 16 * 16, begin() + 16 * words_.size(),
                       [](std::byte b) { return b == std::byte{0xA5}; });
  }

private:
  struct alignas(16) word {
    std::byte of[16];
  };
  std::vector<word> words_;
  std::size_t bytes_ = 0;
};

/// False if a block wrote behind its memory.
template <class Program>
bool run_on_host(const Program& program, std::uint32_t blocks, std::uint32_t threads,
                 std::size_t memory_bytes, random_source& random) {
  bool whole = true;
  std::vector<std::uint32_t> turns(threads);
  std::iota(turns.begin(), turns.end(), 0u);
  for (std::uint32_t block = 0; block < blocks; ++block) {
    block_memory memory(memory_bytes);
    [&]<std::uint32_t... P>(std::integer_sequence<std::uint32_t, P...>) {
      const auto phase = [&]<std::uint32_t Phase>(std::integral_constant<std::uint32_t, Phase>) {
        for (std::uint32_t i = threads; i > 1; --i)
          std::swap(turns[i - 1], turns[random.below(i)]);
        for (const std::uint32_t thread : turns)
          planecast::detail::run_phase<Phase>(program, {thread, threads, block}, memory.begin());
      };
      (phase(std::integral_constant<std::uint32_t, P>{}), ...);
    }
    (std::make_integer_sequence<std::uint32_t, Program::phases>{});
    whole = whole && memory.guard_is_whole();
  }
  return whole;
}

/// The same for a program with rounds. Every thread keeps what it keeps.
template <class Program>
bool run_rounds_on_host(const Program& program, std::uint32_t blocks, std::uint32_t threads,
                        std::size_t memory_bytes, random_source& random) {
  bool whole = true;
  std::vector<std::uint32_t> turns(threads);
  std::iota(turns.begin(), turns.end(), 0u);
  for (std::uint32_t block = 0; block < blocks; ++block) {
    block_memory memory(memory_bytes);
    std::vector<typename Program::kept> kept(threads);
    const auto each = [&](auto&& phase) {
      for (std::uint32_t i = threads; i > 1; --i)
        std::swap(turns[i - 1], turns[random.below(i)]);
      for (const std::uint32_t thread : turns)
        phase(planecast::detail::block_place{thread, threads, block}, kept[thread]);
    };
    [&]<std::uint32_t... P>(std::integer_sequence<std::uint32_t, P...>) {
      (each([&](auto at, auto& mine) { program.template begin<P>(at, memory.begin(), mine); }), ...);
    }
    (std::make_integer_sequence<std::uint32_t, Program::begin_phases>{});
    const std::uint32_t rounds = program.rounds(kept[0]);
    for (std::uint32_t r = 0; r < rounds; ++r)
      [&]<std::uint32_t... P>(std::integer_sequence<std::uint32_t, P...>) {
        (each([&](auto at, auto& mine) { program.template round<P>(at, memory.begin(), mine, r); }), ...);
      }
    (std::make_integer_sequence<std::uint32_t, Program::round_phases>{});
    [&]<std::uint32_t... P>(std::integer_sequence<std::uint32_t, P...>) {
      (each([&](auto at, auto& mine) { program.template end<P>(at, memory.begin(), mine); }), ...);
    }
    (std::make_integer_sequence<std::uint32_t, Program::end_phases>{});
    for (const auto& mine : kept)
      whole = whole && program.rounds(mine) == rounds;
    whole = whole && memory.guard_is_whole();
  }
  return whole;
}

} // namespace planecast_test
