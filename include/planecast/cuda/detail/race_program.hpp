// How blocks find the tokens of a request's rows, and the last of them says what became of its drafts.
#pragma once

#include "planecast/cuda/detail/accept_plan.hpp"
#include "planecast/cuda/detail/block_program.hpp"
#include "planecast/cuda/detail/row_fours.hpp"
#include "planecast/decode/accept.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

// Blocks that a multiprocessor holds at once. With four, ptxas of CUDA 13.0 spills for sm_100.
inline constexpr std::uint32_t race_blocks_held = 3;

// What a block takes, for requests that may need so many rows: numbers, standings, tokens.
constexpr std::uint32_t race_memory_bytes(std::uint32_t rows) noexcept {
  return 16 + rows * (row_lanes * static_cast<std::uint32_t>(sizeof(standing)) + 4);
}

/// `parts` blocks for each request; each takes as many groups of tokens of the rows that the plan names. A
/// row's standings meet in the block's memory, then in the workspace, by the greatest: who comes first does
/// not count.
template <acceptance How, target_kind Kind, class Target, class Draft>
struct race_program {
  static constexpr std::uint32_t phases = 6;                     ///< see run()
  static constexpr std::uint32_t blocks_held = race_blocks_held; ///< others work while one waits for memory

  basic_draft_batch<Target, Draft> batch;
  accept_workspace of;
  accepted_batch out;
  row_fours<fours_at_once<Target, Draft>> fours;
  std::uint32_t most; ///< rows that a request may need

  /// Phase 0 clears, 1 races, 2 tells the other blocks, 3 asks whether this block is the last; then 4 looks
  /// at the tokens and 5 writes.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t b = at.block / fours.parts;
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
  static constexpr std::uint32_t lanes = row_lanes, fours_of_group = fours_at_once<Target, Draft>;
  using target_number = typename row_number<Target>::type;
  using draft_number = typename row_number<Draft>::type;

  // What a number in a row counts for: itself, or a probability.
  struct as_it_is {
    PLANECAST_HOST_DEVICE float operator()(float x) const noexcept { return x; }
  };
  struct by_softmax {
    row_softmax row;
    float scale;
    PLANECAST_HOST_DEVICE float operator()(float x) const noexcept { return row.probability(x, scale); }
  };

  struct thread_of {
    const race_program& program;
    block_place at;
    std::uint32_t b;
    batch_drafts drafts;
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
      return program.of.standing_of(b, row);
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
      program.fours.of_block(at.block, rows, [&](std::uint32_t row, std::uint32_t from, std::uint32_t to) {
        const standing best = best_of(first + row, from, to);
        if (best != 0)
          meet_max(standings(row)[at.thread % lanes], best);
      });
    }
    PLANECAST_HOST_DEVICE standing best_of(std::uint32_t place, std::uint32_t from,
                                           std::uint32_t to) const noexcept {
      constexpr bool logits = Kind == target_kind::logits;
      const auto& drafted = program.batch;
      const target_number* const target = drafted.target_row(b, drafts, place);
      if (How == acceptance::greedy || drafted.greedy(b))
        return best_in < logits ? contest::greatest_logit : contest::greatest_weight > ({}, target, from, to);
      if constexpr (How == acceptance::rejection)
        if (place < drafts.count && drafted.is_token(draft(place))) {
          const row_race race{drafted.noise(b, place), drafted.draft_probs == nullptr ? draft(place) : -1};
          const draft_number* const off = drafted.draft_row(drafts, place);
          if constexpr (logits)
            return best_of_rest(
                race, target, off, from, to,
                by_softmax{program.of.softmax_of(b, place), logit_scale(temperature_of(drafted, b))});
          else
            return best_of_rest(race, target, off, from, to, as_it_is{});
        }
      if constexpr (logits)
        return best_in<contest::noisy_logits>(
            row_race::of_logits(drafted.noise(b, place), temperature_of(drafted, b)), target, from, to);
      else
        return best_in<contest::weights>({drafted.noise(b, place)}, target, from, to);
    }

    template <contest C>
    PLANECAST_HOST_DEVICE standing best_in(const row_race& race, const target_number* target,
                                           std::uint32_t from, std::uint32_t to) const noexcept {
      constexpr bool logits = C == contest::greatest_logit || C == contest::noisy_logits;
      standing best = 0;
      program.fours.template of_thread<Target>(
          at, target, from, to, logits ? absent_logit : 0,
          [&](std::uint32_t four, const four_values& t) { best = best_of_four<C>(race, t, {}, four, best); });
      return best;
    }
    // Of two rows side by side.
    template <class Value>
    PLANECAST_HOST_DEVICE standing best_of_rest(const row_race& race, const target_number* target,
                                                const draft_number* off, std::uint32_t from, std::uint32_t to,
                                                const Value& value) const noexcept {
      const float absent = Kind == target_kind::logits ? absent_logit : 0;
      standing best = 0;
      std::uint32_t group = from + at.thread;
      if (group >= to)
        return best;
      const auto& rows_lie = program.fours;
      auto t = rows_lie.template load<Target>(target, group, absent);
      row_group<Draft, fours_of_group> d{};
      if (off != nullptr)
        d = rows_lie.template load<Draft>(off, group, 0);
      for (;;) {
        const std::uint32_t next = group + at.threads;
        row_group<Target, fours_of_group> next_t{};
        row_group<Draft, fours_of_group> next_d{};
        if (next < to) {
          next_t = rows_lie.template load<Target>(target, next, absent);
          if (off != nullptr)
            next_d = rows_lie.template load<Draft>(off, next, 0);
        }
        PLANECAST_DEVICE_UNROLL
        for (std::uint32_t k = 0; k < fours_of_group; ++k) {
          four_values weights = t.four(k);
          PLANECAST_DEVICE_UNROLL
          for (std::uint32_t i = 0; i < 4; ++i)
            weights.of[i] = value(weights.of[i]);
          best = best_of_four<contest::rest>(race, weights, d.four(k), fours_of_group * group + k, best);
        }
        if (next >= to)
          return best;
        group = next;
        t = next_t;
        d = next_d;
      }
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
      if (meet_add(program.of.plans[b].ticket, 1) + 1 == program.fours.parts) {
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
      const accepted_batch& to = program.out;
      const std::uint32_t most_drafts = program.batch.max_draft_tokens;
      const bool tokens_decide = by_tokens(program.batch, How, b);
      const std::uint32_t stand = tokens_decide ? fallen() : first, row_of_next = tokens_decide ? stand : 0;
      const token_id next = row_of_next < rows ? tokens()[row_of_next] : program.batch.bonus_token_ids[b];
      for (std::uint32_t i = at.thread; i <= most_drafts; i += at.threads)
        to.output_token_ids[std::size_t{b} * (most_drafts + 1) + i] = i < stand    ? draft(i)
                                                                      : i == stand ? next
                                                                                   : no_token;
      if (at.thread != 0)
        return;
      count(to.output_accepted_token_num, tokens_decide ? alone() : program.of.plans[b].alone);
      count(to.output_emitted_draft_token_num, stand);
      if (to.next_token_ids != nullptr)
        to.next_token_ids[b] = next;
    }
    PLANECAST_HOST_DEVICE void count(std::int32_t* to, std::uint32_t value) const noexcept {
      if (to != nullptr)
        to[b] = (program.out.add_to_counts ? to[b] : 0) + static_cast<std::int32_t>(value);
    }
  };
};

} // namespace planecast::inline v0::detail
