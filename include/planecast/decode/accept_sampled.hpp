// Which tokens of a batch stand, and what follows them, by values: the plain loops.
#pragma once

#include "planecast/decode/accept.hpp"
#include "planecast/decode/draft_batch.hpp"
#include "planecast/decode/race.hpp"
#include "planecast/decode/softmax.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

namespace planecast::inline v0 {

namespace detail {

// `value` is what a token's number in the row counts for.
template <contest C, class Target = float, class Draft = float, class Value>
standing best_of_row(const row_race& race, const typename row_number<Target>::type* target,
                     const typename row_number<Draft>::type* draft, std::uint32_t vocab, const Value& value) {
  standing best = 0;
  for (std::uint32_t first = 0; first < vocab; first += 4) {
    four_values t, d{};
    for (std::uint32_t i = 0; i < 4; ++i) {
      const bool there = first + i < vocab;
      t.of[i] = there ? value(row_number<Target>::value(target[first + i]))
                      : (C == contest::greatest_logit || C == contest::noisy_logits ? absent_logit : 0);
      if (there && draft != nullptr)
        d.of[i] = row_number<Draft>::value(draft[first + i]);
    }
    best = best_of_four<C>(race, t, d, first / 4, best);
  }
  return best;
}

template <contest C, class Target = float>
standing best_of_row(const row_race& race, const typename row_number<Target>::type* target,
                     std::uint32_t vocab) {
  return best_of_row<C, Target>(race, target, nullptr, vocab, [](float x) { return x; });
}

template <class Target = float>
row_softmax softmax_of_row(const typename row_number<Target>::type* logits, std::uint32_t vocab,
                           float scale) {
  row_softmax row;
  for (std::uint32_t i = 0; i < vocab; ++i)
    row.greatest = max<std::uint64_t>(row.greatest, order_of_logit(row_number<Target>::value(logits[i])));
  for (std::uint32_t i = 0; i < vocab; ++i)
    row.sum += row.power_of(row_number<Target>::value(logits[i]), scale).in_2_40();
  return row;
}

// The target's own token at a place: its greatest, or by noise.
template <class Target, class Draft>
token_id target_token(const basic_draft_batch<Target, Draft>& batch, std::uint32_t b, batch_drafts d,
                      std::uint32_t i, bool greedy) {
  const auto* const row = batch.target_row(b, d, i);
  const std::uint32_t vocab = batch.vocab_size;
  if (batch.kind == target_kind::logits) {
    if (greedy)
      return token_of(best_of_row<contest::greatest_logit, Target>({}, row, vocab));
    const float temperature = batch.temperature == nullptr ? 1 : batch.temperature[b];
    return token_of(best_of_row<contest::noisy_logits, Target>(
        row_race::of_logits(batch.noise(b, i), temperature), row, vocab));
  }
  return token_of(greedy ? best_of_row<contest::greatest_weight, Target>({}, row, vocab)
                         : best_of_row<contest::weights, Target>({batch.noise(b, i)}, row, vocab));
}

// What is known of a request once its drafts are judged. Those behind the first that does not stand are
// looked at only if it is asked how many stand alone.
struct judged {
  std::uint32_t stand = 0;  // so many from the first
  std::uint32_t alone = 0;  // so many on their own
  token_id next = no_token; // what follows those that stand
};

template <class Batch>
void write_judged(const Batch& batch, const accepted_batch& out, std::uint32_t b, batch_drafts d,
                  const judged& j) {
  token_id* const row = out.output_token_ids + std::size_t{b} * (batch.max_draft_tokens + 1);
  for (std::uint32_t i = 0; i <= batch.max_draft_tokens; ++i)
    row[i] = i < j.stand ? batch.draft_token_ids[d.first + i] : i == j.stand ? j.next : no_token;
  const auto count = [&](std::int32_t* at, std::uint32_t value) {
    if (at != nullptr)
      at[b] = (out.add_to_counts ? at[b] : 0) + static_cast<std::int32_t>(value);
  };
  count(out.output_accepted_token_num, j.alone);
  count(out.output_emitted_draft_token_num, j.stand);
  if (out.next_token_ids != nullptr)
    out.next_token_ids[b] = j.next;
}

inline bool asks_alone(const accepted_batch& out) {
  return out.output_accepted_token_num != nullptr;
}

template <class Batch>
void check_batch(const Batch& batch, const accepted_batch& out) {
  if (batch.vocab_size == 0 || batch.vocab_size > 0x7FFFFFFFu)
    throw std::invalid_argument("planecast: a batch needs a vocabulary of 1 … 2^31 - 1 tokens");
  if (batch.batch_size > 0 && !has_all(batch, out))
    throw std::invalid_argument("planecast: a batch needs drafts, a target and output_token_ids");
}

// A draft stands if it is the target's token.
template <class Batch>
judged judge_by_tokens(const Batch& batch, std::uint32_t b, batch_drafts d, bool greedy, bool all) {
  judged j;
  bool go_on = true;
  for (std::uint32_t i = 0; i < d.count && (go_on || all); ++i) {
    const token_id wanted = target_token(batch, b, d, i, greedy), draft = batch.draft_token_ids[d.first + i];
    const bool same = wanted >= 0 && wanted == draft;
    j.alone += same ? 1 : 0;
    if (go_on && !same)
      j.next = wanted;
    go_on = go_on && same;
    j.stand += go_on ? 1 : 0;
  }
  if (go_on)
    j.next = batch.bonus_token_ids != nullptr ? batch.bonus_token_ids[b]
                                              : target_token(batch, b, d, d.count, greedy);
  return j;
}

template <class Target, class Draft>
judged judge_by_rejection(const basic_draft_batch<Target, Draft>& batch, std::uint32_t b, batch_drafts d,
                          bool all) {
  using target_is = row_number<Target>;
  const bool logits = batch.kind == target_kind::logits;
  const float scale = logits ? logit_scale(batch.temperature == nullptr ? 1 : batch.temperature[b]) : 1;
  judged j;
  j.stand = d.count;
  row_softmax of_first; // that does not stand
  for (std::uint32_t i = 0; i < d.count && (j.stand == d.count || all); ++i) {
    const token_id draft = batch.draft_token_ids[d.first + i];
    row_softmax row;
    bool stands = batch.is_token(draft);
    if (stands) {
      const auto* const target = batch.target_row(b, d, i);
      if (logits)
        row = softmax_of_row<Target>(target, batch.vocab_size, scale);
      const float wanted = target_is::value(target[draft]);
      stands = draft_stands(
          batch.noise(b, i),
          batch.draft_probs == nullptr ? 1 : row_number<Draft>::value(batch.draft_row(d, i)[draft]),
          logits ? row.probability(wanted, scale) : wanted);
    }
    j.alone += stands ? 1 : 0;
    if (!stands && j.stand == d.count) {
      j.stand = i;
      of_first = row;
    }
  }
  if (j.stand == d.count) {
    j.next = batch.bonus_token_ids != nullptr ? batch.bonus_token_ids[b]
                                              : target_token(batch, b, d, d.count, false);
    return j;
  }
  const token_id draft = batch.draft_token_ids[d.first + j.stand];
  if (!batch.is_token(draft)) {
    j.next = target_token(batch, b, d, j.stand, false);
    return j;
  }
  const row_race race{batch.noise(b, j.stand), batch.draft_probs == nullptr ? draft : -1};
  j.next = token_of(best_of_row<contest::rest, Target, Draft>(
      race, batch.target_row(b, d, j.stand), batch.draft_row(d, j.stand), batch.vocab_size,
      [&](float x) { return logits ? of_first.probability(x, scale) : x; }));
  return j;
}

} // namespace detail

/// A token by shared noise (Gumbel, arXiv 2408.07978): the greatest of logits / temperature + noise. It is
/// softmax's sample, and a function of the noise and the logits alone: whoever draws at the same place from
/// similar logits most often draws the same token. −1 if no logit is above −∞.
/// Values count as in draft_batch, and a temperature below 10⁻⁵ is greedy.
/// Example: `sample_gumbel(logits, 0.8f, {.seed = 7, .position = 42})`
[[nodiscard]] inline token_id sample_gumbel(std::span<const float> logits, float temperature,
                                            const position_noise& noise) {
  const auto vocab = static_cast<std::uint32_t>(logits.size());
  if (detail::is_greedy(temperature))
    return detail::token_of(detail::best_of_row<detail::contest::greatest_logit>({}, logits.data(), vocab));
  return detail::token_of(detail::best_of_row<detail::contest::noisy_logits>(
      detail::row_race::of_logits(noise, temperature), logits.data(), vocab));
}

/// Greedy acceptance by values, of every request: a draft stands if it is its row's greatest token, the
/// lowest of several. Temperatures and noise do not count.
/// Effects: writes `out`. output_accepted_token_num counts the drafts that are their row's token.
/// Errors: throws std::invalid_argument for a vocabulary of nothing, or where a pointer is missing.
template <class Target, class Draft>
void accept_greedy(const basic_draft_batch<Target, Draft>& batch, const accepted_batch& out) {
  detail::check_batch(batch, out);
  for (std::uint32_t b = 0; b < batch.batch_size; ++b) {
    const auto d = batch.of(b);
    detail::write_judged(batch, out, b, d,
                         detail::judge_by_tokens(batch, b, d, true, detail::asks_alone(out)));
  }
}

/// Acceptance by shared noise (Gumbel): each row's token is a sample of the target that the noise of its
/// place fixes, and a draft stands if it is that token. So the output is fixed by the seed, whatever was
/// drafted. draft_probs do not count.
/// Effects: as accept_greedy().
/// Errors: as accept_greedy().
template <class Target, class Draft>
void accept_gumbel(const basic_draft_batch<Target, Draft>& batch, const accepted_batch& out) {
  detail::check_batch(batch, out);
  for (std::uint32_t b = 0; b < batch.batch_size; ++b) {
    const auto d = batch.of(b);
    detail::write_judged(batch, out, b, d,
                         detail::judge_by_tokens(batch, b, d, batch.greedy(b), detail::asks_alone(out)));
  }
}

/// Acceptance by rejection (arXiv 2211.17192): a draft stands if u · p_draft < p_target, u its place's
/// uniform number. In place of the first that does not, a sample of max(0, p_target − p_draft), or the
/// target's greatest if that is nothing anywhere; after the last, a sample of the target. The output is
/// distributed as the target's samples are, where the drafts are samples of draft_probs, drawn by other noise
/// than that of their places, and each row of probabilities, of target and draft, adds up to one.
/// Probabilities of logits are softmax's. Greedy requests are accepted as by accept_greedy().
/// Effects: writes `out`. output_accepted_token_num counts the drafts that stand on their own: FlashInfer's.
/// Errors: as accept_greedy(), and std::invalid_argument for logits of 2²⁴ tokens or more.
template <class Target, class Draft>
void accept_rejection(const basic_draft_batch<Target, Draft>& batch, const accepted_batch& out) {
  detail::check_batch(batch, out);
  if (batch.kind == target_kind::logits && batch.vocab_size > detail::most_softmax_tokens)
    throw std::invalid_argument("planecast: rejection from logits needs a vocabulary below 2^24 tokens");
  for (std::uint32_t b = 0; b < batch.batch_size; ++b) {
    const auto d = batch.of(b);
    detail::write_judged(batch, out, b, d,
                         batch.greedy(b) ? detail::judge_by_tokens(batch, b, d, true, detail::asks_alone(out))
                                         : detail::judge_by_rejection(batch, b, d, detail::asks_alone(out)));
  }
}

} // namespace planecast::inline v0
