// A batch of drafts at the size of an engine's, drawn fast.
#pragma once

#include "planecast/decode/draft_batch.hpp"
#include "planecast/decode/row_number.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace planecast_test {

/// How large.
struct batch_extents {
  std::uint32_t requests = 32, drafts = 8, vocab = 128256;
  std::size_t step = 128512; ///< numbers from a row to the next, of the draft's, too
};

/// A dense batch: most drafts are far above their row's other tokens, and rows are padded with what would
/// win, were it looked at. Outputs are poisoned and guarded.
template <class Target, class Draft, template <class> class Allocator>
struct large_batch {
  template <class T>
  using array = std::vector<T, Allocator<T>>;
  using batch_is = planecast::basic_draft_batch<Target, Draft>;
  static constexpr std::int32_t poison = 0x5A5A5A5A;
  static constexpr std::size_t guard = 4;

  batch_is batch;
  planecast::accepted_batch out;
  array<planecast::token_id> drafts, output, next;
  array<std::int32_t> alone, emitted;
  array<typename batch_is::target_number> target;
  array<typename batch_is::draft_number> draft_probs;
  array<float> temperature;
  array<std::uint64_t> seeds, offsets;
  std::vector<std::int32_t> favoured; ///< drafts that are, of each request

  /// With `drawn` the draft's rows are there; with `tempered` a request in four is greedy.
  large_batch(const batch_extents& of, planecast::target_kind kind, bool drawn, bool tempered,
              random_source& random) {
    batch.batch_size = of.requests;
    batch.max_draft_tokens = of.drafts;
    batch.vocab_size = of.vocab;
    batch.kind = kind;
    batch.target_step = batch.draft_step = of.step;
    target.resize(std::size_t{of.requests} * (of.drafts + 1) * of.step);
    draft_probs.resize(drawn ? std::size_t{of.requests} * of.drafts * of.step : 0);
    const bool logits = kind == planecast::target_kind::logits;
    const float even = 1 / static_cast<float>(of.vocab);
    auto* row = target.data();
    auto* draft_row = draft_probs.data();
    for (std::uint32_t b = 0; b < of.requests; ++b) {
      seeds.push_back(random.bits());
      offsets.push_back(random.bits() >> random.below(64));
      temperature.push_back(random.below(4) == 0 ? 0.0f : 0.5f + static_cast<float>(random.uniform()));
      favoured.push_back(0);
      for (std::uint32_t i = 0; i <= of.drafts; ++i, row += of.step) {
        // The tokens that a number of 16 bits would take for others, or a row's end cuts off, among them.
        const std::uint32_t some[] = {of.vocab - 1, 0, 65535, 65536},
                            token = random.coin() ? random.below(of.vocab) : some[random.below(4)];
        const bool is_favoured = random.below(8) != 0;
        const float high = is_favoured ? 0.02f * even : 2 * even;
        fill<Target>(row, of, logits ? -8 : 0, logits ? 8 : high, 1e30f, random);
        if (i == of.drafts)
          continue;
        if (is_favoured) {
          row[token % of.vocab] = number<Target>(logits ? 60.0f : 0.99f);
          ++favoured[b];
        }
        drafts.push_back(static_cast<planecast::token_id>(token % of.vocab));
        if (drawn) {
          fill<Draft>(draft_row, of, 0, even, -1e30f, random);
          draft_row[token % of.vocab] = number<Draft>(0.5f);
          draft_row += of.step;
        }
      }
    }
    batch.target = target.data();
    batch.draft_probs = drawn ? draft_probs.data() : nullptr;
    batch.draft_token_ids = drafts.data();
    batch.temperature = tempered ? temperature.data() : nullptr;
    batch.seeds = seeds.data();
    batch.offsets = offsets.data();
    reset();
    out.output_token_ids = output.data();
    out.output_accepted_token_num = alone.data();
    out.output_emitted_draft_token_num = emitted.data();
    out.next_token_ids = next.data();
  }
  large_batch(const large_batch&) = delete;

  /// Poisons the outputs anew.
  void reset() {
    const std::size_t requests = batch.batch_size;
    output.assign(requests * (batch.max_draft_tokens + 1) + guard, poison);
    next.assign(requests + guard, poison);
    alone.assign(requests + guard, poison);
    emitted.assign(requests + guard, poison);
  }

private:
  template <class Format>
  static auto number(float x) {
    if constexpr (std::is_same_v<Format, float>)
      return x;
    else
      return Format::from_fp32(x);
  }
  template <class Format, class Number>
  static void fill(Number* row, const batch_extents& of, float low, float high, float behind,
                   random_source& random) {
    const float step = (high - low) * 0x1p-32f;
    std::uint32_t t = 0;
    for (; t + 1 < of.vocab; t += 2) {
      const std::uint64_t two = random.bits();
      row[t] = number<Format>(low + step * static_cast<float>(two >> 32));
      row[t + 1] = number<Format>(low + step * static_cast<float>(two & 0xFFFFFFFFu));
    }
    if (t < of.vocab)
      row[t] = number<Format>(low);
    std::fill(row + of.vocab, row + of.step, number<Format>(behind));
  }
};

} // namespace planecast_test
