// Engines that choose tokens out of another's logits: the most probable, or by chance.
#pragma once

#include "planecast/decode/accept_sampled.hpp"
#include "planecast/decode/engine.hpp"
#include "planecast/decode/noise.hpp"
#include "planecast/decode/philox.hpp"
#include "planecast/decode/softmax.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

namespace planecast::inline v0 {

/// The most probable token; of several, the lowest.
struct greedy {
  /// The token of a row of logits. Position plays no part.
  [[nodiscard]] token_id choose(std::span<const float> logits, std::uint64_t) const {
    return sample_gumbel(logits, 0, {});
  }
};

/// Samples of the model at a temperature, by noise that seed, stream and position fix (Gumbel's; arXiv
/// 2408.07978): the same text whatever was drafted, however the batch is made up, and on whatever machine.
struct shared_noise {
  std::uint64_t seed = 0;   ///< of the text
  float temperature = 1;    ///< below 10⁻⁵: greedy
  std::uint32_t stream = 0; ///< tells requests apart that share a seed

  /// The token of a row of logits, at its position in the sequence, counted from the prompt's beginning. The
  /// prefill node chooses the first token by it, at the position behind the prompt.
  [[nodiscard]] token_id choose(std::span<const float> logits, std::uint64_t position) const {
    return sample_gumbel(logits, temperature, {seed, position, stream});
  }
};

/// Samples of the model at a temperature, where drafts are accepted with a probability (arXiv 2211.17192).
/// The text is distributed as the model's samples are, but it is not fixed by the seed: it hangs on when what
/// of the cache arrived. shared_noise has no such drawback; this is what others do, to compare with.
struct rejection {
  std::uint64_t seed = 0; ///< of draws and acceptances
  float temperature = 1;  ///< below 10⁻⁵: greedy
};

namespace detail {

// Probabilities of logits, in their place: softmax at a temperature, or all for the greatest.
inline void probabilities_of(std::span<float> row, float temperature) {
  const auto vocab = static_cast<std::uint32_t>(row.size());
  if (is_greedy(temperature)) {
    const token_id best = token_of(best_of_row<contest::greatest_logit>({}, row.data(), vocab));
    std::ranges::fill(row, 0.0f);
    if (best >= 0)
      row[static_cast<std::size_t>(best)] = 1;
    return;
  }
  const float scale = logit_scale(temperature);
  const row_softmax all = softmax_of_row(row.data(), vocab, scale);
  for (float& x : row)
    x = all.probability(x, scale);
}

inline token_id chosen(token_id token) {
  if (token < 0)
    throw std::runtime_error("planecast: sampled: no logit of a row is above -infinity");
  return token;
}

// At which temperature the probability of a choice is told; greedy: 1.
template <class How>
float told_temperature(const How& how) {
  if constexpr (requires { how.temperature; })
    return how.temperature < least_temperature ? 1 : how.temperature;
  else
    return 1;
}

// What becomes of rows that are tokens: a speculation's judge (course.hpp).
class token_judge {
public:
  std::span<token_id> rows(std::size_t n) {
    rows_.resize(n);
    return rows_;
  }
  [[nodiscard]] token_id draw(std::size_t) const { return rows_.front(); }
  std::size_t judge(std::size_t, std::span<const token_id> drafts, std::span<token_id> out) const {
    const std::size_t n = rows_.size();
    return accept_greedy(drafts.first(n - 1), rows_, out.first(n)) + 1;
  }

private:
  std::vector<token_id> rows_;
};

// The same for rows that are logits, by rejection. Of each token of the text it keeps the probabilities that
// it was drawn from. Each pass draws by noise of its own.
class rejection_judge {
public:
  rejection_judge(std::size_t vocabulary, const rejection& how) : vocab_(vocabulary), how_(how) {}

  std::span<float> rows(std::size_t n) {
    rows_.resize(n * vocab_);
    return rows_;
  }
  token_id draw(std::size_t index) {
    probabilities_of(rows_, how_.temperature);
    keep(index, 1);
    token_id next = no_token;
    accept_rejection(batch(index, {}, {}, noise_of(false)), {.output_token_ids = &next});
    return chosen(next);
  }
  std::size_t judge(std::size_t index, std::span<const token_id> drafts, std::span<token_id> out) {
    const std::size_t n = rows_.size() / vocab_;
    for (std::size_t i = 0; i < n; ++i)
      probabilities_of(std::span(rows_).subspan(i * vocab_, vocab_), how_.temperature);
    ++pass_;
    std::int32_t stand = 0;
    constexpr token_id beyond = 0; // where no row is behind the drafts, nobody asks what follows
    draft_batch all = batch(index, drafts, std::span(drawn_).subspan((index - 1) * vocab_), noise_of(true));
    if (n == drafts.size())
      all.bonus_token_ids = &beyond;
    accept_rejection(all, {.output_token_ids = out.data(), .output_emitted_draft_token_num = &stand});
    const std::size_t count = std::min(static_cast<std::size_t>(stand) + 1, n);
    (void)chosen(out[count - 1]);
    keep(index, count);
    return count;
  }

private:
  [[nodiscard]] draft_batch batch(std::size_t index, std::span<const token_id> drafts,
                                  std::span<const float> drawn, std::uint64_t seed) const {
    draft_batch b;
    b.batch_size = 1;
    b.max_draft_tokens = static_cast<std::uint32_t>(drafts.size());
    b.vocab_size = static_cast<std::uint32_t>(vocab_);
    b.draft_token_ids = drafts.data();
    b.target = rows_.data();
    b.draft_probs = drafts.empty() ? nullptr : drawn.data();
    b.seed = seed;
    b.offset = index;
    return b;
  }
  // Seeds of their own for what a pass draws and what it accepts by.
  [[nodiscard]] std::uint64_t noise_of(bool accepting) const {
    const philox_words words = philox({{pass_, accepting ? 1u : 0u, 0x72656A65u, 0}}, how_.seed);
    return std::uint64_t{words.of[0]} << 32 | words.of[1];
  }
  // The first `count` rows are those of the text from index on.
  void keep(std::size_t index, std::size_t count) {
    drawn_.resize(std::max(drawn_.size(), (index - 1 + count) * vocab_));
    std::ranges::copy(std::span(rows_).first(count * vocab_),
                      drawn_.begin() + static_cast<std::ptrdiff_t>((index - 1) * vocab_));
  }

  std::size_t vocab_;
  rejection how_;
  std::vector<float> rows_, drawn_; // drawn_: from the text's second token on
  std::uint32_t pass_ = 0;
};

} // namespace detail

/// An engine made of one that hands out logits and a way to choose: what speculate() takes. With greedy
/// and shared_noise, or any type with their choose(), it models `engine`; with rejection it is known to
/// speculate() alone, which then keeps a row of the vocabulary for each token of the text. Borrows the
/// engine.
/// Errors: throws std::invalid_argument for a vocabulary of nothing; std::runtime_error where no token
/// can be chosen, because no logit of a row is above −∞.
/// Example: `sampled chooser(model, shared_noise{.seed = 7, .temperature = 0.8f}); speculate(chooser, kv,
/// …)`
template <logits_engine E, class How>
class sampled {
public:
  static constexpr bool batch_invariant = E::batch_invariant; ///< as the engine's

  /// `e` must outlive it.
  sampled(E& e, How how) : engine_(&e), how_(how), logits_(e.vocabulary()) {
    if (logits_.empty())
      throw std::invalid_argument("planecast: sampled: the engine has no vocabulary");
  }

  /// As an engine's.
  token_id step(token_id t) {
    forget();
    engine_->forward({&t, 1}, row(1));
    return last_ = choose(0, engine_->position());
  }
  /// As an engine's.
  void verify(std::span<const token_id> run, std::span<token_id> next) {
    forget();
    const std::size_t before = engine_->position();
    engine_->forward(run, row(run.size()));
    for (std::size_t i = 0; i < run.size(); ++i)
      next[i] = choose(i, before + i + 1);
  }
  /// As an engine's.
  void truncate(std::size_t n) { engine_->truncate(n); }
  /// As an engine's.
  [[nodiscard]] std::size_t position() const { return engine_->position(); }

  /// The probability of the token of the last step, at the temperature; greedy: at 1.
  [[nodiscard]] float confidence() {
    if (confidence_)
      return *confidence_;
    if (last_ == no_token)
      return 0;
    const std::span<float> probabilities = row(1); // in the logits' place, which nobody needs any more
    detail::probabilities_of(probabilities, detail::told_temperature(how_));
    confidence_ = probabilities[static_cast<std::size_t>(last_)];
    return *confidence_;
  }

private:
  void forget() {
    last_ = no_token;
    confidence_.reset();
  }
  [[nodiscard]] std::span<float> row(std::size_t n) {
    logits_.resize(n * engine_->vocabulary());
    return logits_;
  }
  [[nodiscard]] token_id choose(std::size_t i, std::uint64_t position) const {
    const std::size_t vocab = engine_->vocabulary();
    return detail::chosen(how_.choose(std::span<const float>(logits_).subspan(i * vocab, vocab), position));
  }

  E* engine_;
  How how_;
  std::vector<float> logits_;
  token_id last_ = no_token;        // chosen out of the first row of logits_
  std::optional<float> confidence_; // of it
};

/// By rejection; see above.
template <logits_engine E>
class sampled<E, rejection> {
public:
  static constexpr bool batch_invariant = E::batch_invariant; ///< as the engine's

  /// `e` must outlive it.
  sampled(E& e, rejection how) : engine_(&e), how_(how) {
    if (e.vocabulary() == 0)
      throw std::invalid_argument("planecast: sampled: the engine has no vocabulary");
  }

  /// For speculate(): rows are logits.
  void forward(std::span<const token_id> run, std::span<float> logits) { engine_->forward(run, logits); }
  /// For speculate().
  [[nodiscard]] detail::rejection_judge judge() const { return {engine_->vocabulary(), how_}; }
  /// As an engine's.
  void truncate(std::size_t n) { engine_->truncate(n); }
  /// As an engine's.
  [[nodiscard]] std::size_t position() const { return engine_->position(); }

private:
  E* engine_;
  rejection how_;
};

} // namespace planecast::inline v0
