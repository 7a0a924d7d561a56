// Batches of drafts as an engine might have them, drawn from a seed: dense and ragged, peaked and flat rows,
// zeros, and now and then numbers and ids that make no sense.
#pragma once

#include "planecast/decode/draft_batch.hpp"
#include "planecast/decode/row_number.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

namespace planecast_test {

/// What may be asked of a case.
struct batch_wish {
  bool logits = false;  ///< the target's rows
  bool nonsense = true; ///< numbers that are none, ids beyond the vocabulary
  std::uint32_t most_vocab = 400;
};

/// A batch, with outputs that are poisoned and guarded.
template <template <class> class Allocator>
struct batch_case {
  template <class T>
  using array = std::vector<T, Allocator<T>>;
  static constexpr std::int32_t poison = 0x5A5A5A5A;
  static constexpr std::size_t guard = 4;

  planecast::draft_batch batch;
  planecast::accepted_batch out;
  array<planecast::token_id> drafts, bonus, output, next;
  array<std::int32_t> ends, alone, emitted;
  array<float> target, draft_probs, temperature;
  array<std::uint64_t> seeds, offsets;

  batch_case(const batch_wish& wish, random_source& random) {
    const std::uint32_t requests = random.below(12) == 0 ? 0 : 1 + random.below(6), n = random.below(6),
                        least = 1 + random.below(random.coin() ? wish.most_vocab : 9),
                        vocab = random.below(4) == 0 ? (least + 7) / 8 * 8 : least;
    batch.batch_size = requests;
    batch.max_draft_tokens = n;
    batch.vocab_size = vocab;
    batch.kind = wish.logits ? planecast::target_kind::logits : planecast::target_kind::probabilities;
    std::uint32_t tokens = requests * n;
    if (random.coin()) {
      tokens = 0;
      for (std::uint32_t b = 0; b < requests; ++b)
        ends.push_back(static_cast<std::int32_t>(tokens += random.below(n + 1)));
      ends.push_back(0); // a vector that is empty has no pointer
      batch.cu_num_draft_tokens = ends.data();
    }
    const bool has_bonus = random.coin();
    const std::uint32_t rows = tokens + (has_bonus ? 0 : requests);
    if (has_bonus) {
      for (std::uint32_t b = 0; b <= requests; ++b)
        bonus.push_back(static_cast<std::int32_t>(random.below(vocab)));
      batch.bonus_token_ids = bonus.data();
    }
    const bool nonsense = wish.nonsense && random.below(3) == 0;
    // Rows are padded with what would win, were it looked at.
    const auto step = [&](std::size_t& of) {
      if (random.coin())
        of = vocab + (random.coin() ? 8 : random.below(9));
      return of == 0 ? vocab : of;
    };
    const std::size_t target_step = step(batch.target_step), draft_step = step(batch.draft_step);
    target.resize(rows * target_step + 4, 1e30f);
    for (std::uint32_t r = 0; r < rows; ++r)
      fill(target.data() + r * target_step, wish.logits, nonsense, random);
    batch.target = target.data();
    if (random.coin()) {
      draft_probs.resize(tokens * draft_step + 4, -1e30f);
      for (std::uint32_t r = 0; r < tokens; ++r)
        fill(draft_probs.data() + r * draft_step, false, nonsense, random);
      if (random.coin() && rows >= tokens && !wish.logits) // the target's, a little off
        for (std::size_t i = 0; i < std::size_t{tokens} * vocab; ++i)
          draft_probs[i / vocab * draft_step + i % vocab] =
              target[i / vocab * target_step + i % vocab] *
              (0.8f + 0.4f * static_cast<float>(random.uniform()));
      batch.draft_probs = draft_probs.data();
    }
    for (std::uint32_t i = 0; i <= tokens; ++i)
      drafts.push_back(random.below(20) == 0 && nonsense
                           ? static_cast<std::int32_t>(random.bits())
                           : static_cast<std::int32_t>(random.below(vocab + (nonsense ? 2 : 0))) -
                                 (nonsense ? 1 : 0));
    batch.draft_token_ids = drafts.data();
    if (random.coin()) {
      const float some[] = {-1, 0, 0.5f, 1, 2, 1e-6f, std::numeric_limits<float>::quiet_NaN(), 1e30f};
      for (std::uint32_t b = 0; b <= requests; ++b)
        temperature.push_back(some[random.below(nonsense ? 8 : 5)]);
      batch.temperature = temperature.data();
    }
    batch.seed = random.bits();
    batch.offset = random.bits() >> random.below(64);
    for (std::uint32_t b = 0; b <= requests; ++b) {
      seeds.push_back(random.bits());
      offsets.push_back(random.bits() >> random.below(64));
    }
    if (random.coin())
      batch.seeds = seeds.data();
    if (random.coin())
      batch.offsets = offsets.data();

    out.add_to_counts = random.below(4) == 0;
    out.output_token_ids = output.data();
    reset();
    out.output_token_ids = output.data();
    if (random.below(4) != 0)
      out.output_accepted_token_num = alone.data();
    if (random.below(4) != 0)
      out.output_emitted_draft_token_num = emitted.data();
    if (random.below(4) != 0)
      out.next_token_ids = next.data();
  }
  batch_case(const batch_case&) = delete;

  /// Poisons the outputs anew; counts that are added to begin at 100.
  void reset() {
    const std::size_t requests = batch.batch_size;
    output.assign(requests * (batch.max_draft_tokens + 1) + guard, poison);
    next.assign(requests + guard, poison);
    alone.assign(requests + guard, poison);
    emitted.assign(requests + guard, poison);
    if (out.add_to_counts)
      for (std::size_t b = 0; b < requests; ++b)
        alone[b] = emitted[b] = 100;
  }
  /// Makes the drafts those that stand, most of them: accept writes the outputs.
  template <class Accept>
  void favour(Accept accept, random_source& random) {
    const auto next_is = out.next_token_ids;
    const auto emitted_is = out.output_emitted_draft_token_num;
    out.next_token_ids = next.data();
    out.output_emitted_draft_token_num = emitted.data();
    for (std::uint32_t round = 0; round < batch.max_draft_tokens; ++round) {
      reset();
      accept(batch, out);
      for (std::uint32_t b = 0; b < batch.batch_size; ++b) {
        const auto d = batch.of(b);
        const auto stand = static_cast<std::uint32_t>(emitted[b] - (out.add_to_counts ? 100 : 0));
        if (stand < d.count && random.below(8) != 0)
          drafts[d.first + stand] = next[b];
      }
    }
    out.next_token_ids = next_is;
    out.output_emitted_draft_token_num = emitted_is;
    reset();
  }
  /// Whether both wrote the same, and nothing beside it.
  bool same_outputs(const batch_case& other) const {
    return output == other.output && next == other.next && alone == other.alone && emitted == other.emitted;
  }

private:
  void fill(float* row, bool logits, bool nonsense, random_source& random) const {
    const std::uint32_t vocab = batch.vocab_size;
    const double spread = 0.1 + 6 * random.uniform(), zeros = random.coin() ? 0 : random.uniform();
    double all = 0;
    for (std::uint32_t i = 0; i < vocab; ++i) {
      const double logit = spread * random.gaussian();
      row[i] = static_cast<float>(logits ? logit : std::exp(logit));
      if (random.uniform() < zeros)
        row[i] = logits ? -std::numeric_limits<float>::infinity() : 0;
      all += row[i];
    }
    if (!logits && all > 0)
      for (std::uint32_t i = 0; i < vocab; ++i)
        row[i] = static_cast<float>(row[i] / all);
    if (logits && random.coin()) // many are equal
      for (std::uint32_t i = 0; i < vocab; ++i)
        row[i] = std::round(row[i]);
    using limit = std::numeric_limits<float>;
    const float some[] = {limit::quiet_NaN(),
                          -limit::quiet_NaN(),
                          limit::infinity(),
                          -limit::infinity(),
                          limit::denorm_min(),
                          -1e-39f,
                          3e-39f,
                          1e-38f,
                          -0.0f,
                          0,
                          limit::max(),
                          limit::lowest(),
                          limit::min(),
                          1e20f,
                          -1};
    if (nonsense)
      for (std::uint32_t count = random.below(1 + vocab); count > 0; --count)
        row[random.below(vocab)] = some[random.below(random.coin() ? 15 : 10)];
    if (nonsense && random.below(8) == 0)
      std::fill_n(row, vocab, some[random.below(15)]);
  }
};

/// The rows of a case as numbers of 16 bits, or as they are: those of the case become what these are as
/// floats, so that both are one batch.
template <class Target, class Draft, template <class> class Allocator>
struct narrow_rows {
  planecast::basic_draft_batch<Target, Draft> batch;

  narrow_rows(batch_case<Allocator>& of, random_source& random)
      : target_(patterns<Target>(of.target, random)), draft_probs_(patterns<Draft>(of.draft_probs, random)) {
    const planecast::draft_batch& from = of.batch;
    batch = {.batch_size = from.batch_size,
             .max_draft_tokens = from.max_draft_tokens,
             .vocab_size = from.vocab_size,
             .draft_token_ids = from.draft_token_ids,
             .cu_num_draft_tokens = from.cu_num_draft_tokens,
             .target = first<Target>(of.target, target_),
             .kind = from.kind,
             .draft_probs =
                 from.draft_probs == nullptr ? nullptr : first<Draft>(of.draft_probs, draft_probs_),
             .bonus_token_ids = from.bonus_token_ids,
             .temperature = from.temperature,
             .seed = from.seed,
             .offset = from.offset,
             .seeds = from.seeds,
             .offsets = from.offsets,
             .target_step = from.target_step,
             .draft_step = from.draft_step};
  }
  narrow_rows(const narrow_rows&) = delete;

private:
  using array_of_patterns = std::vector<std::uint16_t, Allocator<std::uint16_t>>;
  using array_of_floats = std::vector<float, Allocator<float>>;

  template <class Format>
  static array_of_patterns patterns(array_of_floats& row, random_source& random) {
    array_of_patterns narrow;
    if constexpr (!std::is_same_v<Format, float>) {
      const bool any = random.below(8) == 0;
      for (float& x : row) {
        narrow.push_back(any ? static_cast<std::uint16_t>(random.bits()) : Format::from_fp32(x));
        x = Format::value(narrow.back());
      }
    }
    return narrow;
  }
  template <class Format>
  static const auto* first(const array_of_floats& wide, const array_of_patterns& narrow) {
    if constexpr (std::is_same_v<Format, float>)
      return wide.data();
    else
      return narrow.data();
  }

  array_of_patterns target_, draft_probs_;
};

} // namespace planecast_test
