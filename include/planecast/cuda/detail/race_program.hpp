// How blocks find the tokens of a request's rows, and the last of them says what became of its drafts.
#pragma once

#include "planecast/cuda/detail/accept_plan.hpp"
#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/decode/accept.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

// Of each row so many standings in a block, that threads of a warp do not wait for each other.
inline constexpr std::uint32_t race_lanes = 32;

// Blocks that a multiprocessor holds at once. With four, ptxas of CUDA 13.0 spills for sm_100.
inline constexpr std::uint32_t race_blocks_held = 3;

// What a block takes, for requests that may need so many rows: numbers, standings, tokens.
constexpr std::uint32_t race_memory_bytes(std::uint32_t rows) noexcept {
  return 16 + rows * (race_lanes * static_cast<std::uint32_t>(sizeof(standing)) + 4);
}

// Sixteen bytes that nobody writes meanwhile, in one go.
PLANECAST_HOST_DEVICE inline four_values load_four(const float* from) noexcept {
#if PLANECAST_ON_DEVICE
  const float4 v = __ldg(reinterpret_cast<const float4*>(from));
  return {{v.x, v.y, v.z, v.w}};
#else
  return {{from[0], from[1], from[2], from[3]}};
#endif
}

/// `parts` blocks for each request; each takes as many fours of tokens of the rows that the plan names. A
/// row's standings meet in the block's memory, then in the workspace, by the greatest: who comes first does
/// not count.
template <acceptance How, target_kind Kind>
struct race_program {
  static constexpr std::uint32_t phases = 6;                     ///< see run()
  static constexpr std::uint32_t blocks_held = race_blocks_held; ///< others work while one waits for memory

  draft_batch batch;
  accept_workspace of;
  accepted_batch out;
  std::uint32_t parts;
  std::uint32_t most; ///< rows that a request may need
  bool whole;         ///< fours lie at multiples of 16 bytes, and the last is whole

  /// Phase 0 clears, 1 races, 2 tells the other blocks, 3 asks whether this block is the last; then 4 looks
  /// at the tokens and 5 writes.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t b = at.block / parts;
    const thread_of t{*this, at, b, batch.of(b), of.plans[b].first, of.plans[b].rows, memory};
    if constexpr (Phase == 0)
      t.clear();
    else if constexpr (Phase == 1)
      t.race();
    else if constexpr (Phase == 2)
      t.tell();
    else if constexpr (Phase == 3)
      t.ask();
    else if constexpr (Phase == 4)
      t.look();
    else
      t.write();
  }

private:
  static constexpr std::uint32_t lanes = race_lanes;

  struct thread_of {
    const race_program& program;
    block_place at;
    std::uint32_t b;
    draft_batch::drafts drafts;
    std::uint32_t first, rows; // of the plan
    std::byte* memory;

    PLANECAST_HOST_DEVICE std::uint32_t& number(std::uint32_t i) const noexcept {
      return reinterpret_cast<std::uint32_t*>(memory)[i];
    }
    PLANECAST_HOST_DEVICE std::uint32_t& is_last() const noexcept { return number(0); }
    PLANECAST_HOST_DEVICE std::uint32_t& fallen() const noexcept { return number(1); }
    PLANECAST_HOST_DEVICE std::uint32_t& alone() const noexcept { return number(2); }
    PLANECAST_HOST_DEVICE standing* standings(std::uint32_t row) const noexcept {
      return reinterpret_cast<standing*>(memory + 16) + row * lanes;
    }
    PLANECAST_HOST_DEVICE std::int32_t* tokens() const noexcept {
      return reinterpret_cast<std::int32_t*>(memory + 16 + program.most * lanes * sizeof(standing));
    }
    PLANECAST_HOST_DEVICE standing& shared_standing(std::uint32_t row) const noexcept {
      return program.of.standings[std::size_t{b} * (program.batch.max_draft_tokens + 1) + row];
    }
    PLANECAST_HOST_DEVICE token_id draft(std::uint32_t i) const noexcept {
      return program.batch.draft_token_ids[drafts.first + i];
    }

    PLANECAST_HOST_DEVICE void clear() const noexcept {
      for (std::uint32_t i = at.thread; i < rows * lanes; i += at.threads)
        standings(0)[i] = 0;
      if (at.thread == 0) {
        is_last() = 0;
        fallen() = drafts.count;
        alone() = 0;
      }
    }

    PLANECAST_HOST_DEVICE void race() const noexcept {
      const std::uint64_t fours = (std::uint64_t{program.batch.vocab_size} + 3) / 4, all = fours * rows,
                          part = at.block % program.parts, from = all * part / program.parts,
                          to = all * (part + 1) / program.parts;
      for (std::uint32_t row = static_cast<std::uint32_t>(from / fours); row * fours < to; ++row) {
        const std::uint64_t begin = row * fours;
        const standing best = best_of(row, static_cast<std::uint32_t>(max(from, begin) - begin),
                                      static_cast<std::uint32_t>(min(to - begin, fours)));
        if (best != 0)
          meet_max(standings(row)[at.thread % lanes], best);
      }
    }
    PLANECAST_HOST_DEVICE standing best_of(std::uint32_t row, std::uint32_t from,
                                           std::uint32_t to) const noexcept {
      const draft_batch& batch = program.batch;
      const std::uint32_t place = first + row;
      const float* const target = batch.target_row(b, drafts, place);
      const bool greedy = How == acceptance::greedy || batch.greedy(b);
      if constexpr (Kind == target_kind::logits) {
        if (greedy)
          return best_in<contest::greatest_logit>({}, target, nullptr, from, to);
        const float temperature = batch.temperature == nullptr ? 1 : batch.temperature[b];
        return best_in<contest::noisy_logits>(row_race::of_logits(batch.noise(b, place), temperature), target,
                                              nullptr, from, to);
      } else {
        if (greedy)
          return best_in<contest::greatest_weight>({}, target, nullptr, from, to);
        row_race race{batch.noise(b, place)};
        if constexpr (How == acceptance::rejection)
          if (place < drafts.count && batch.is_token(draft(place))) {
            if (batch.draft_probs == nullptr)
              race.drafted = draft(place);
            return best_in<contest::rest>(race, target, batch.draft_row(drafts, place), from, to);
          }
        return best_in<contest::weights>(race, target, nullptr, from, to);
      }
    }

    // The next four are read before those at hand are looked at, so that a warp waits less.
    template <contest C>
    PLANECAST_HOST_DEVICE standing best_in(const row_race& race, const float* target, const float* draft_row,
                                           std::uint32_t from, std::uint32_t to) const noexcept {
      constexpr bool logits = C == contest::greatest_logit || C == contest::noisy_logits;
      constexpr float absent = logits ? absent_logit : 0;
      standing best = 0;
      std::uint32_t four = from + at.thread;
      if (four >= to)
        return best;
      four_values t = values(target, four, absent), d{};
      if (C == contest::rest && draft_row != nullptr)
        d = values(draft_row, four, 0);
      for (;;) {
        const std::uint32_t next = four + at.threads;
        four_values next_t{}, next_d{};
        if (next < to) {
          next_t = values(target, next, absent);
          if (C == contest::rest && draft_row != nullptr)
            next_d = values(draft_row, next, 0);
        }
        best = best_of_four<C>(race, t, d, four, best);
        if (next >= to)
          return best;
        four = next;
        t = next_t;
        d = next_d;
      }
    }
    PLANECAST_HOST_DEVICE four_values values(const float* row, std::uint32_t four,
                                             float absent) const noexcept {
      const float* const at_four = row + std::size_t{4} * four;
      if (program.whole)
        return load_four(at_four);
      four_values v;
      for (std::uint32_t i = 0; i < 4; ++i)
        v.of[i] = i < program.batch.vocab_size - 4 * four ? at_four[i] : absent;
      return v;
    }

    PLANECAST_HOST_DEVICE void tell() const noexcept {
      for (std::uint32_t row = at.thread; row < rows; row += at.threads) {
        standing best = 0;
        for (std::uint32_t i = 0; i < lanes; ++i)
          best = max(best, standings(row)[(i + at.thread) % lanes]);
        if (best != 0)
          meet_max(shared_standing(row), best);
      }
    }
    PLANECAST_HOST_DEVICE void ask() const noexcept {
      if (at.thread != 0)
        return;
      fence_blocks();
      if (meet_add(program.of.plans[b].ticket, 1) + 1 == program.parts) {
        fence_blocks();
        is_last() = 1;
      }
    }

    PLANECAST_HOST_DEVICE void look() const noexcept {
      if (is_last() == 0)
        return;
      const bool tokens_decide = by_tokens(program.batch, How, b);
      for (std::uint32_t row = at.thread; row < rows; row += at.threads) {
        const std::int32_t token = token_of(read_met(shared_standing(row)));
        tokens()[row] = token;
        if (tokens_decide && row < drafts.count) {
          if (token >= 0 && token == draft(row))
            meet_add(alone(), 1);
          else
            meet_min(fallen(), row);
        }
      }
    }
    PLANECAST_HOST_DEVICE void write() const noexcept {
      if (is_last() == 0)
        return;
      const accepted_batch& out = program.out;
      const std::uint32_t most = program.batch.max_draft_tokens;
      const bool tokens_decide = by_tokens(program.batch, How, b);
      const std::uint32_t stand = tokens_decide ? fallen() : first, row_of_next = tokens_decide ? stand : 0;
      const token_id next = row_of_next < rows ? tokens()[row_of_next] : program.batch.bonus_token_ids[b];
      for (std::uint32_t i = at.thread; i <= most; i += at.threads)
        out.output_token_ids[std::size_t{b} * (most + 1) + i] = i < stand    ? draft(i)
                                                                : i == stand ? next
                                                                             : no_token;
      if (at.thread != 0)
        return;
      count(out.output_accepted_token_num, tokens_decide ? alone() : program.of.plans[b].alone);
      count(out.output_emitted_draft_token_num, stand);
      if (out.next_token_ids != nullptr)
        out.next_token_ids[b] = next;
    }
    PLANECAST_HOST_DEVICE void count(std::int32_t* to, std::uint32_t value) const noexcept {
      if (to != nullptr)
        to[b] = (program.out.add_to_counts ? to[b] : 0) + static_cast<std::int32_t>(value);
    }
  };
};

} // namespace planecast::inline v0::detail
