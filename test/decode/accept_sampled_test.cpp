#include "planecast/decode/accept_sampled.hpp"

#include "decode/batch_case.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace decode_accept_sampled_test {

namespace pc = planecast;
using namespace planecast_test;
using real = long double;
using ids = std::vector<pc::token_id>;
using counts = std::vector<std::int32_t>;
using host_case = batch_case<std::allocator>;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

// The definition once more, by long doubles and with nothing of the library's but its noise. `close` becomes
// true where a rounding might decide.
struct by_definition {
  const pc::draft_batch& batch;
  bool close = false;

  [[nodiscard]] static real weight(float p) { return p >= 0x1p-126f ? std::min(p, 0x1p32f) : 0.0f; }

  // The token of the greatest score; scores that are −∞ do not take part.
  pc::token_id best(const std::vector<real>& scores, real slack) {
    pc::token_id found = -1;
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (scores[i] > -std::numeric_limits<real>::infinity() &&
          (found < 0 || scores[i] > scores[static_cast<std::size_t>(found)]))
        found = static_cast<pc::token_id>(i);
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (slack > 0 && found >= 0 && static_cast<pc::token_id>(i) != found &&
          scores[i] >= scores[static_cast<std::size_t>(found)] - slack)
        close = true;
    return found;
  }
  [[nodiscard]] real gumbel(std::uint32_t b, std::uint32_t i, std::uint32_t token) const {
    const std::uint64_t x = pc::detail::chance_of_token(batch.noise(b, i), token);
    return -std::log(-std::log1p(-std::ldexp(static_cast<real>(x), -64)));
  }
  [[nodiscard]] float temperature(std::uint32_t b) const {
    return batch.temperature == nullptr ? 1 : batch.temperature[b];
  }
  pc::token_id target(std::uint32_t b, std::uint32_t i, const float* row, bool greedy) {
    std::vector<real> scores;
    const real nothing = -std::numeric_limits<real>::infinity();
    for (std::uint32_t v = 0; v < batch.vocab_size; ++v) {
      real score = nothing;
      if (batch.kind == pc::target_kind::probabilities) {
        if (weight(row[v]) > 0)
          score = greedy ? weight(row[v]) : std::log(weight(row[v])) + gumbel(b, i, v);
      } else if (row[v] == row[v]) {
        score = row[v];
        if (!greedy) {
          const real scaled = score / std::min(temperature(b), 0x1p64f);
          const bool fits = std::abs(scaled / std::log(2.0L)) <= std::numeric_limits<float>::max();
          score = (fits ? scaled : scaled < 0 ? nothing : -nothing) + gumbel(b, i, v);
        }
      }
      scores.push_back(score);
    }
    real size = 1;
    for (const real s : scores)
      if (s > nothing)
        size = std::max(size, std::abs(s));
    return best(scores, greedy ? 0 : size * 1e-6L);
  }
  // What the row's numbers are as probabilities: softmax's, if they are logits.
  std::vector<real> probabilities(std::uint32_t b, const float* row) {
    std::vector<real> p(row, row + batch.vocab_size);
    if (batch.kind == pc::target_kind::probabilities) {
      for (std::uint32_t v = 0; v < batch.vocab_size; ++v)
        p[v] = weight(row[v]);
      return p;
    }
    real top = -std::numeric_limits<real>::infinity(), all = 0;
    for (real& x : p)
      if (x == x)
        top = std::max(top, x);
    for (real& x : p) {
      const real below = x == top ? 0 : (top - x) / (std::min(temperature(b), 0x1p64f) * std::log(2.0L));
      close = close || (x == x && std::abs(x) > 1e30L && x != top) || std::abs(below - 64) < 0.1L;
      x = x == x && x > -std::numeric_limits<real>::infinity() && below < 64 ? std::exp2(-below) : 0;
      all += x;
    }
    for (real& x : p)
      x = all > 0 ? x / all : 0;
    return p;
  }
  pc::token_id rest(std::uint32_t b, std::uint32_t i, const float* row, const float* draft_row,
                    pc::token_id d) {
    const bool logits = batch.kind == pc::target_kind::logits;
    const real slack = logits ? 1e-5L : 0; // of a probability
    const std::vector<real> p = probabilities(b, row);
    const real nothing = -std::numeric_limits<real>::infinity();
    std::vector<real> least(batch.vocab_size, nothing), most = least;
    bool any = false, perhaps = false;
    for (std::uint32_t v = 0; v < batch.vocab_size; ++v) {
      const real off = draft_row == nullptr ? 0 : weight(draft_row[v]);
      const auto score = [&](real of) {
        const real left = logits ? of - off : static_cast<real>(static_cast<float>(of - off));
        return left >= 0x1p-126L ? std::log(left) + gumbel(b, i, v) : nothing;
      };
      if (draft_row == nullptr && v == static_cast<std::uint32_t>(d))
        continue;
      least[v] = score(p[v] * (1 - slack));
      most[v] = score(p[v] * (1 + slack));
      any = any || least[v] > nothing;
      perhaps = perhaps || most[v] > nothing;
    }
    close = close || any != perhaps || (logits && !any);
    if (!any)
      return target(b, i, row, true);
    const pc::token_id found = best(least, 1e-5L);
    for (std::uint32_t v = 0; v < batch.vocab_size; ++v)
      if (static_cast<pc::token_id>(v) != found && most[v] >= least[static_cast<std::size_t>(found)] - 1e-5L)
        close = true;
    return found;
  }

  // The outcome of a request.
  struct outcome {
    ids output;
    std::int32_t alone = 0, emitted = 0;
  };
  outcome request(std::uint32_t b, int method) {
    const bool greedy = method == 0 || (batch.temperature != nullptr && !(temperature(b) >= 1e-5f));
    const std::uint32_t begin = batch.cu_num_draft_tokens == nullptr ? b * batch.max_draft_tokens
                                : b == 0                             ? 0
                                         : static_cast<std::uint32_t>(batch.cu_num_draft_tokens[b - 1]);
    const std::uint32_t n = batch.cu_num_draft_tokens == nullptr
                                ? batch.max_draft_tokens
                                : static_cast<std::uint32_t>(batch.cu_num_draft_tokens[b]) - begin;
    const std::size_t first_row = begin + (batch.bonus_token_ids == nullptr ? b : 0);
    outcome o;
    bool on = true;
    for (std::uint32_t i = 0; i <= n; ++i) {
      const float* const row =
          batch.target + (first_row + i) * (batch.target_step == 0 ? batch.vocab_size : batch.target_step);
      if (i == n) {
        if (on)
          o.output.push_back(batch.bonus_token_ids != nullptr ? batch.bonus_token_ids[b]
                                                              : target(b, i, row, greedy));
        break;
      }
      const pc::token_id d = batch.draft_token_ids[begin + i];
      const bool token = d >= 0 && static_cast<std::uint32_t>(d) < batch.vocab_size;
      const float* const draft_row =
          batch.draft_probs == nullptr
              ? nullptr
              : batch.draft_probs +
                    (begin + i) * (batch.draft_step == 0 ? std::size_t{batch.vocab_size} : batch.draft_step);
      bool stands = false;
      if (greedy || method == 1)
        stands = token && target(b, i, row, greedy) == d;
      else if (token) {
        const real u = pc::draft_noise(batch.noise(b, i)),
                   p = draft_row == nullptr ? real{1} : weight(draft_row[d]);
        const real wanted = probabilities(b, row)[static_cast<std::size_t>(d)];
        stands = u * p < wanted;
        close = close || (batch.kind == pc::target_kind::logits && std::abs(u * p - wanted) < 1e-5L * wanted);
      }
      o.alone += stands;
      if (on && stands) {
        o.output.push_back(d);
        ++o.emitted;
      } else if (on) {
        on = false;
        o.output.push_back(greedy || method == 1 || !token ? target(b, i, row, greedy)
                                                           : rest(b, i, row, draft_row, d));
      }
    }
    o.output.resize(batch.max_draft_tokens + 1, -1);
    return o;
  }
};

template <class Batch>
void accept_by(int method, const Batch& batch, const pc::accepted_batch& out) {
  if (method == 0)
    pc::accept_greedy(batch, out);
  else if (method == 1)
    pc::accept_gumbel(batch, out);
  else
    pc::accept_rejection(batch, out);
}

TEST_CASE("acceptance does as its definition says, whatever the batch") {
  std::uint32_t compared = 0, left_out = 0, all_accepted = 0, some_accepted = 0, degraded = 0;
  for (std::uint32_t round = 0; round < rounds(4000, 400); ++round) {
    const std::uint64_t seed = first_seed() + round;
    CAPTURE(seed);
    random_source random(seed);
    const int method = static_cast<int>(random.below(3));
    CAPTURE(method);
    batch_wish wish;
    wish.logits = random.coin();
    host_case c(wish, random);
    c.favour([&](const auto& b, const auto& o) { accept_by(method, b, o); }, random);
    accept_by(method, c.batch, c.out);
    host_case::array<pc::token_id> output(c.output.size(), host_case::poison),
        next(c.next.size(), host_case::poison);
    auto alone = c.alone, emitted = c.emitted;
    bool close = false;
    for (std::uint32_t b = 0; b < c.batch.batch_size; ++b) {
      by_definition is{c.batch};
      const auto o = is.request(b, method);
      close = close || is.close;
      std::copy(o.output.begin(), o.output.end(), output.begin() + b * (c.batch.max_draft_tokens + 1));
      const std::int32_t before = c.out.add_to_counts ? 100 : 0;
      if (c.out.output_accepted_token_num != nullptr)
        alone[b] = before + o.alone;
      if (c.out.output_emitted_draft_token_num != nullptr)
        emitted[b] = before + o.emitted;
      if (c.out.next_token_ids != nullptr)
        next[b] = o.output[static_cast<std::size_t>(o.emitted)];
      const auto n = c.batch.of(b).count;
      all_accepted += n > 0 && o.emitted == static_cast<std::int32_t>(n);
      some_accepted += o.emitted > 0 && o.emitted < static_cast<std::int32_t>(n);
      degraded += o.output[static_cast<std::size_t>(o.emitted)] == -1;
    }
    if (close) {
      ++left_out;
      continue;
    }
    ++compared;
    REQUIRE(c.output == output);
    REQUIRE(c.next == next);
    REQUIRE(c.alone == alone);
    REQUIRE(c.emitted == emitted);
  }
  MESSAGE(compared, " compared, ", left_out, " too close to call");
  CHECK(left_out * 5 < compared);
  CHECK(all_accepted > 0);
  CHECK(some_accepted > 0);
  CHECK(degraded > 0);
}

template <class Target, class Draft>
void rows_are_the_floats_they_are() {
  std::uint32_t tokens = 0;
  for (std::uint32_t round = 0; round < rounds(600, 100); ++round) {
    const std::uint64_t seed = first_seed() + round;
    CAPTURE(seed);
    random_source random(seed);
    const int method = static_cast<int>(random.below(3));
    batch_wish wish;
    wish.logits = random.coin();
    host_case c(wish, random);
    const narrow_rows<Target, Draft, std::allocator> rows(c, random);
    c.favour([&](const auto& b, const auto& o) { accept_by(method, b, o); }, random);
    accept_by(method, c.batch, c.out);
    const auto output = c.output, next = c.next;
    const auto alone = c.alone, emitted = c.emitted;
    c.reset();
    accept_by(method, rows.batch, c.out);
    REQUIRE(c.output == output);
    REQUIRE(c.next == next);
    REQUIRE(c.alone == alone);
    REQUIRE(c.emitted == emitted);
    for (const pc::token_id t : output)
      tokens += t >= 0 && t != host_case::poison ? 1 : 0;
  }
  CHECK(tokens > 0);
}
TEST_CASE("rows of 16-bit numbers are taken for the floats that they are") {
  rows_are_the_floats_they_are<pc::bf16, float>();
  rows_are_the_floats_they_are<pc::fp16, pc::bf16>();
  rows_are_the_floats_they_are<float, pc::fp16>();
}

// A small batch by hand.
struct hand {
  ids drafts, output;
  std::vector<float> target, draft_probs, temperature;
  counts ends, alone = counts(8, 99), emitted = counts(8, 99);
  ids bonus;
  pc::draft_batch batch;
  pc::accepted_batch out;

  void ready(std::uint32_t requests, std::uint32_t n, std::uint32_t vocab) {
    batch.batch_size = requests;
    batch.max_draft_tokens = n;
    batch.vocab_size = vocab;
    batch.draft_token_ids = drafts.data();
    batch.target = target.data();
    batch.draft_probs = draft_probs.empty() ? nullptr : draft_probs.data();
    batch.temperature = temperature.empty() ? nullptr : temperature.data();
    batch.cu_num_draft_tokens = ends.empty() ? nullptr : ends.data();
    batch.bonus_token_ids = bonus.empty() ? nullptr : bonus.data();
    output.assign(requests * (n + 1), 99);
    out = {output.data(), alone.data(), emitted.data(), nullptr, false};
  }
};

TEST_CASE("dense and ragged batches, with and without bonuses, are the same requests") {
  hand dense;
  dense.drafts = {1, 2, /**/ 0, 2};
  dense.target = {0, 1, 0, /**/ 0, 0, 1, /**/ 1, 0, 0, /* the other */ 0, 1, 0, /**/ 0, 0, 1, /**/ 1, 0, 0};
  dense.ready(2, 2, 3);
  pc::accept_rejection(dense.batch, dense.out);
  CHECK(dense.output == ids{1, 2, 0, /**/ 1, -1, -1});
  CHECK(dense.emitted == counts{2, 0, 99, 99, 99, 99, 99, 99});
  CHECK(dense.alone == counts{2, 1, 99, 99, 99, 99, 99, 99}); // the other's second draft stands on its own

  hand ragged;
  ragged.drafts = {1, /* none */ 2, 2};
  ragged.ends = {1, 1, 3};
  ragged.target = {0, 1, 0, /**/ 0, 0, 1, /*-*/ 1, 0, 0, /*-*/ 0, 0, 1, /**/ 1, 0, 0, /**/ 1, 0, 0};
  ragged.ready(3, 2, 3);
  pc::accept_rejection(ragged.batch, ragged.out);
  CHECK(ragged.output == ids{1, 2, -1, /**/ 0, -1, -1, /**/ 2, 0, -1});
  CHECK(ragged.emitted == counts{1, 0, 1, 99, 99, 99, 99, 99});

  hand bonus = ragged;
  bonus.target = {0, 1, 0, /*-*/ 0, 0, 1, /**/ 1, 0, 0};
  bonus.bonus = {7, 8, 9};
  bonus.ready(3, 2, 3);
  pc::accept_rejection(bonus.batch, bonus.out);
  CHECK(bonus.output == ids{1, 7, -1, /**/ 8, -1, -1, /**/ 2, 0, -1});
}

TEST_CASE("greedy requests stand beside sampled ones") {
  hand h;
  h.drafts = {1, 1};
  h.target = {0.4f, 0.6f, /**/ 0.7f, 0.3f, /*-*/ 0.4f, 0.6f, /**/ 0.7f, 0.3f};
  h.temperature = {-1, 0};
  h.ready(2, 1, 2);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    h.batch.seed = seed;
    pc::accept_rejection(h.batch, h.out);
    CHECK(h.output == ids{1, 0, /**/ 1, 0});
    pc::accept_gumbel(h.batch, h.out);
    CHECK(h.output == ids{1, 0, /**/ 1, 0});
  }
}

TEST_CASE("rows of nothing give no token, and drafts that are none do not stand") {
  hand h;
  h.drafts = {0, -1, 5};
  h.target = {0, nan, -1, /**/ 1, 0, 0, /**/ 0, inf, 0, /**/ 0, 1, 0, /**/ 0, 0, 1, /**/ 1, 0, 0};
  h.ready(3, 1, 3);
  pc::accept_rejection(h.batch, h.out);
  CHECK(h.output == ids{-1, -1, /**/ 1, -1, /**/ 2, -1});
  pc::accept_gumbel(h.batch, h.out);
  CHECK(h.output == ids{-1, -1, /**/ 1, -1, /**/ 2, -1});
}

TEST_CASE("by shared noise the text is the seed's, whatever is drafted") {
  random_source random(first_seed());
  const std::uint32_t vocab = 50, length = 24;
  std::vector<float> logits(std::size_t{length + 8} * vocab);
  for (float& x : logits)
    x = static_cast<float>(2 * random.gaussian());
  const std::uint64_t seed = 11, start = 1000;
  const float temperature = 0.8f;
  const auto row = [&](std::size_t at) { return std::span<const float>(logits).subspan(at * vocab, vocab); };
  ids alone;
  for (std::uint32_t at = 0; at < length; ++at)
    alone.push_back(pc::sample_gumbel(row(at), temperature, {.seed = seed, .position = start + at}));

  std::uint32_t accepted = 0;
  for (std::uint32_t round = 0; round < 50; ++round) {
    ids text;
    while (text.size() < length) {
      const std::uint32_t n = random.below(5);
      ids drafts, output(n + 1);
      for (std::uint32_t i = 0; i < n; ++i)
        drafts.push_back(random.coin() && text.size() + i < length
                             ? alone[text.size() + i]
                             : static_cast<std::int32_t>(random.below(vocab)));
      pc::draft_batch one;
      one.batch_size = 1;
      one.max_draft_tokens = n;
      one.vocab_size = vocab;
      one.draft_token_ids = drafts.data();
      one.target = row(text.size()).data();
      one.kind = pc::target_kind::logits;
      one.temperature = &temperature;
      one.seeds = &seed;
      one.offset = start + text.size();
      std::int32_t emitted = 0;
      pc::accept_gumbel(one, {output.data(), nullptr, &emitted, nullptr, false});
      accepted += static_cast<std::uint32_t>(emitted);
      text.insert(text.end(), output.begin(), output.begin() + emitted + 1);
    }
    text.resize(length);
    REQUIRE(text == alone);
  }
  CHECK(accepted > 0);
}

// Pearson's chi-square against shares, with the quantile of one error in a thousand (Wilson and Hilferty).
struct fit {
  double chi_square = 0, most = 0;
};
fit fit_of(const std::vector<std::uint32_t>& seen, const std::vector<double>& shares) {
  double drawn = 0, all = 0;
  for (const std::uint32_t s : seen)
    drawn += s;
  for (const double s : shares)
    all += s;
  fit f;
  double freedom = -1;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const double expected = drawn * shares[i] / all;
    if (expected == 0)
      CHECK(seen[i] == 0);
    else {
      f.chi_square += (seen[i] - expected) * (seen[i] - expected) / expected;
      ++freedom;
    }
  }
  const double h = 2 / (9 * freedom);
  f.most = freedom * std::pow(1 - h + 3.0902 * std::sqrt(h), 3);
  return f;
}

// Shares of the first two tokens of the output, for drafts that come of draft_probs: they must be the
// target's.
void output_is_distributed_as_target(int method, bool with_draft_probs, std::uint64_t seed,
                                     bool logits = false) {
  CAPTURE(logits);
  CAPTURE(method);
  CAPTURE(with_draft_probs);
  CAPTURE(seed);
  random_source random(seed);
  constexpr std::uint32_t vocab = 6, n = 2;
  hand h;
  h.drafts = {0, 0};
  std::vector<double> target_shares[n + 1], draft_shares[n];
  const auto row = [&](std::vector<float>& into, std::vector<double>& shares, std::uint32_t zeros) {
    double all = 0;
    for (std::uint32_t v = 0; v < vocab; ++v) {
      shares.push_back(v == zeros ? 0 : std::exp(random.gaussian()));
      all += shares.back();
    }
    for (double& s : shares) {
      into.push_back(static_cast<float>(s / all));
      s = into.back();
    }
  };
  for (std::uint32_t i = 0; i <= n; ++i)
    row(h.target, target_shares[i], i + 1);
  for (std::uint32_t i = 0; i < n; ++i)
    row(h.draft_probs, draft_shares[i], i + 3);
  const auto probs = h.draft_probs;
  if (!with_draft_probs)
    h.draft_probs.clear();
  if (logits) { // of which softmax, at that temperature, makes the same shares
    h.temperature = {0.5f};
    for (float& x : h.target)
      x = 0.5f * std::log(x) + 3;
    h.batch.kind = pc::target_kind::logits;
  }
  h.ready(1, n, vocab);
  h.batch.seed = seed;

  std::vector<std::uint32_t> first(vocab), pairs(vocab * vocab);
  const std::uint32_t count = rounds(200000, 10000);
  std::uint32_t accepted = 0;
  for (std::uint32_t k = 0; k < count; ++k) {
    for (std::uint32_t i = 0; i < n; ++i) { // a sample of the draft's row; or what an n-gram might say
      double u = random.uniform();
      std::uint32_t v = 0;
      if (with_draft_probs)
        while (v + 1 < vocab && (u -= draft_shares[i][v]) >= 0)
          ++v;
      else
        v = i + 4;
      h.drafts[i] = static_cast<std::int32_t>(v);
    }
    h.batch.offset = std::uint64_t{k} * (n + 1);
    accept_by(method, h.batch, h.out);
    accepted += static_cast<std::uint32_t>(h.emitted[0]);
    REQUIRE(h.output[0] >= 0);
    ++first[static_cast<std::size_t>(h.output[0])];
    if (h.output[1] >= 0)
      ++pairs[static_cast<std::size_t>(h.output[0]) * vocab + static_cast<std::size_t>(h.output[1])];
  }
  CHECK(accepted > 0);
  const fit of_first = fit_of(first, target_shares[0]);
  // Where there is a second token, it is the target's, whatever the first was.
  std::vector<std::uint32_t> second(vocab);
  for (std::uint32_t k = 0; k < vocab * vocab; ++k)
    second[k % vocab] += pairs[k];
  const fit of_second = fit_of(second, target_shares[1]);
  MESSAGE("method ", method, ", seed ", seed, ": chi-square ", of_first.chi_square, " and ",
          of_second.chi_square, " of ", of_first.most, " (one in a thousand)");
  CHECK(of_first.chi_square < of_first.most);
  CHECK(of_second.chi_square < of_second.most);
}

// Eight times two statistics, each above its bound once in a thousand if all is well: with other seeds than
// these this test fails about once in sixty times.
TEST_CASE("outputs are distributed as the target is") {
  for (std::uint64_t seed = first_seed(); seed < first_seed() + 2; ++seed) {
    output_is_distributed_as_target(1, true, seed);
    output_is_distributed_as_target(2, true, seed);
    output_is_distributed_as_target(2, false, seed);
    output_is_distributed_as_target(2, true, seed, true);
  }
}

TEST_CASE("a temperature sharpens and flattens as softmax does") {
  const std::vector<float> logits = {0.3f, -1, 2, 0, 1.1f, -inf, -0.4f};
  for (const float temperature : {0.5f, 1.0f, 3.0f}) {
    CAPTURE(temperature);
    std::vector<std::uint32_t> seen(logits.size());
    std::vector<double> shares;
    for (const float x : logits)
      shares.push_back(std::exp(static_cast<double>(x) / static_cast<double>(temperature)));
    for (std::uint32_t k = 0; k < rounds(100000, 5000); ++k)
      ++seen[static_cast<std::size_t>(pc::sample_gumbel(logits, temperature, {.seed = 5, .position = k}))];
    const fit f = fit_of(seen, shares);
    MESSAGE("temperature ", temperature, ": chi-square ", f.chi_square, " of ", f.most,
            " (one in a thousand)");
    CHECK(f.chi_square < f.most);
  }
}

TEST_CASE("what makes no batch throws") {
  hand h;
  h.drafts = {0};
  h.target = {1, 1};
  h.ready(1, 1, 1);
  h.batch.vocab_size = 0;
  CHECK_THROWS_AS(pc::accept_gumbel(h.batch, h.out), std::invalid_argument);
  h.batch.vocab_size = 1;
  h.batch.target = nullptr;
  CHECK_THROWS_AS(pc::accept_greedy(h.batch, h.out), std::invalid_argument);
  h.batch.batch_size = 0;
  h.batch.vocab_size = 1 << 24;
  CHECK_NOTHROW(pc::accept_rejection(h.batch, h.out));
  h.batch.kind = pc::target_kind::logits;
  CHECK_NOTHROW(pc::accept_gumbel(h.batch, h.out));
  CHECK_THROWS_AS(pc::accept_rejection(h.batch, h.out), std::invalid_argument);
  h.batch.vocab_size = (1 << 24) - 1;
  CHECK_NOTHROW(pc::accept_rejection(h.batch, h.out));
}

} // namespace

} // namespace decode_accept_sampled_test
