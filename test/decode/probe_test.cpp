#include "planecast/decode/probe.hpp"

#include "support/dice.hpp"
#include "toy_engine/toy_engine.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace decode_probe_test {

namespace {

namespace pc = planecast;
using pc::token_id;

using per_channel = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                         pc::values<pc::per_token>>;
using per_token =
    pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_token>, pc::values<pc::per_token>>;
static_assert(pc::scoring_engine<toy::engine>);

// The least that can be probed. Each near miss changes one thing of it.
struct minimal {
  static constexpr bool batch_invariant = true;
  token_id step(token_id);
  void verify(std::span<const token_id>, std::span<token_id>);
  void truncate(std::size_t);
  std::size_t position() const;
  void prefill(std::span<const token_id>);
  pc::kv_view view(std::uint32_t, std::uint32_t) const;
  pc::kv_pages pages(std::uint32_t, std::uint32_t);
  pc::geometry geometry() const;
};
static_assert(pc::probed_engine<minimal>);
static_assert(!pc::scoring_engine<minimal>);

struct needs_a_vector : minimal {
  void prefill(std::vector<token_id>&&);
};
static_assert(!pc::probed_engine<needs_a_vector>);
struct view_needs_more : minimal {
  pc::kv_view view(std::uint32_t, std::uint32_t);
};
static_assert(!pc::probed_engine<view_needs_more>);
struct pages_only_read : minimal {
  pc::kv_view pages(std::uint32_t, std::uint32_t);
};
static_assert(!pc::probed_engine<pages_only_read>);
struct shapeless : minimal {
  int geometry() const;
};
static_assert(!pc::probed_engine<shapeless>);
struct cannot_step : minimal {
  token_id step(token_id) = delete;
};
static_assert(!pc::probed_engine<cannot_step>);
struct scores_in_double : minimal {
  std::span<const double> importance() const;
};
static_assert(!pc::scoring_engine<scores_in_double>);
static_assert(!pc::needle_maker<pc::needle_trial (*)(std::uint32_t, const char*)>);

constexpr std::uint32_t dim = 64;

// Where an engine of these tests keeps its cache: one head, tokens one after another.
struct memory {
  struct layer {
    std::vector<std::uint16_t> k, v;
  };
  std::vector<layer> layers;
  std::size_t held = 0;

  memory(std::uint32_t count, std::uint32_t room)
      : layers(count, {std::vector<std::uint16_t>(std::size_t{room} * dim),
                       std::vector<std::uint16_t>(std::size_t{room} * dim)}) {}
  pc::kv_view view(std::uint32_t l, std::uint32_t tokens) const {
    return {layers[l].k.data(), pc::kv_strides::nhd(1, dim), layers[l].v.data(), pc::kv_strides::nhd(1, dim),
            tokens};
  }
  pc::kv_pages pages(std::uint32_t l, std::uint32_t tokens) {
    return {layers[l].k.data(), pc::kv_strides::nhd(1, dim), layers[l].v.data(), pc::kv_strides::nhd(1, dim),
            tokens};
  }
  pc::geometry geometry() const {
    return {
        .layers = static_cast<std::uint32_t>(layers.size()), .kv_heads = 1, .key_dim = dim, .value_dim = dim};
  }
  void truncate(std::size_t n) {
    if (n > held)
      throw std::invalid_argument("beyond the end");
    held = n;
  }
  std::size_t position() const { return held; }
};

// An engine that finds the needle, the prompt's first token, where no key of the prompt is further from what
// it was than it can bear.
struct exacting : memory {
  static constexpr bool batch_invariant = true;
  float bears = 0;
  std::vector<float> scores;
  std::vector<layer> original;
  std::vector<std::vector<layer>> answered_on; // the caches on which a first answer token was asked for
  std::size_t prompt = 0;
  token_id needle = 0;

  exacting() : memory(2, 300) {}
  token_id prefill(std::span<const token_id> tokens) {
    if (held != 0)
      throw std::invalid_argument("the cache is not empty");
    test::dice dice(static_cast<std::uint64_t>(tokens[0]));
    for (layer& l : layers)
      for (auto* array : {&l.k, &l.v})
        std::generate_n(array->begin(), tokens.size() * dim,
                        [&] { return pc::bf16::nearest(dice.gaussian()); });
    original = layers;
    held = prompt = tokens.size();
    needle = tokens[0];
    return 0;
  }
  float error() const {
    float most = 0;
    for (std::size_t l = 0; l < layers.size(); ++l)
      for (std::size_t i = 0; i < (prompt - 1) * dim; ++i)
        most = std::max(most, std::abs(pc::bf16::value(layers[l].k[i]) - pc::bf16::value(original[l].k[i])));
    return most;
  }
  token_id step(token_id t) {
    if (held == prompt - 1) {
      answered_on.push_back(layers);
      REQUIRE(t == 9); // the prompt's last
    }
    ++held;
    return error() <= bears ? needle + static_cast<token_id>(held - prompt) : -5;
  }
  void verify(std::span<const token_id> run, std::span<token_id> next) {
    std::ranges::transform(run, next.begin(), [&](token_id t) { return step(t); });
  }
  std::span<const float> importance() const { return scores; }
};
static_assert(pc::scoring_engine<exacting>);

pc::needle_trial two_tokens(const pc::needle_place& at) {
  pc::needle_trial trial{std::vector<token_id>(at.length, 9), {}};
  trial.prompt[0] = static_cast<token_id>(100 * (at.number + 1));
  trial.answer = {trial.prompt[0], trial.prompt[0] + 1};
  return trial;
}

pc::probe_options short_prompts() {
  pc::probe_options o;
  o.lengths = {200};
  return o;
}

TEST_CASE("probe: the verdict is the least precision that the engine bears") {
  struct expected {
    float bears;
    std::uint32_t passed[2];
    pc::tolerated_tier lowest;
  };
  // 4 bits of normal values are off by some 0.2, 8 bits by some 0.01.
  for (const expected& x : {expected{1.0f, {3, 3}, {0, 4}}, expected{0.05f, {0, 3}, {1, 8}},
                            expected{0.0f, {0, 0}, {2, pc::lossless}}}) {
    exacting e;
    e.bears = x.bears;
    const pc::probe_verdict v = pc::probe<per_channel>(e, two_tokens, short_prompts());
    CHECK(v.conclusive());
    CHECK(v.inconclusive == 0);
    CHECK(v.tiers == std::vector<pc::probed_tier>{{4, 3, x.passed[0], 0}, {8, 3, x.passed[1], 0}});
    CHECK(v.lowest() == x.lowest);
    CHECK(v.tolerates(0) == (x.passed[0] == 3));
    CHECK(v.tolerates(1) == (x.passed[1] == 3));
    CHECK(e.position() == 0);
  }
}

TEST_CASE("probe: two of three pass, one of three does not; what is not found at all does not count") {
  // What the engine bears, needle by needle: everything, int8, the original, nothing at all.
  struct course {
    std::vector<float> bears;
    std::uint32_t passed, inconclusive;
  };
  for (const course& c :
       {course{{1, 0.05f, 1}, 2, 0}, course{{0.05f, 1, 0}, 1, 0}, course{{-1, 1, -1, 1, -1, -1, 0}, 2, 4}}) {
    exacting e;
    const auto make = [&](const pc::needle_place& at) {
      e.bears = c.bears.at(at.number);
      return two_tokens(at);
    };
    const pc::probe_verdict v = pc::probe<per_channel>(e, make, short_prompts());
    CHECK(v.conclusive());
    CHECK(v.inconclusive == c.inconclusive);
    CHECK(v.tiers[0].passed == c.passed);
    CHECK(v.tolerates(0) == (c.passed == 2));
  }
}

TEST_CASE("probe: too few trials that count make no verdict") {
  exacting e;
  std::uint32_t asked = 0;
  const auto make = [&](const pc::needle_place& at) {
    ++asked;
    e.bears = at.number < 2 ? 1.0f : -1.0f;
    return two_tokens(at);
  };
  pc::probe_options o = short_prompts();
  o.attempts = 5;
  const pc::probe_verdict v = pc::probe<per_channel>(e, make, o);
  CHECK(asked == 5);
  CHECK(!v.conclusive());
  CHECK(!v.lowest());
  CHECK(!v.tolerates(0));
  CHECK(v.inconclusive == 3);
  CHECK(v.tiers == std::vector<pc::probed_tier>{{4, 2, 2, 0}, {8, 2, 2, 0}});
  CHECK(v.save().find("undecided") != std::string::npos);
  CHECK(!pc::probe_verdict{}.conclusive());
}

TEST_CASE("probe: where the budget is below the base, the base alone is tried") {
  exacting e;
  e.bears = 1;
  pc::probe_options o = short_prompts();
  o.share = 0.2;
  const pc::probe_verdict v = pc::probe<per_channel>(e, two_tokens, o);
  CHECK(v.tiers == std::vector<pc::probed_tier>{{4, 3, 3, 3}, {8, 3, 3, 0}});
  CHECK(v.lowest() == pc::tolerated_tier{0, 4});
  for (std::size_t i = 1; i < e.answered_on.size(); i += 3) // no token is sharper, not even the pinned
    CHECK(!std::equal(e.answered_on[i][0].k.begin(), e.answered_on[i][0].k.begin() + dim,
                      e.answered_on[i - 1][0].k.begin()));
  o.share = 1; // all of it is lossless before first light
  e.bears = 0;
  CHECK(pc::probe<per_channel>(e, two_tokens, o).tiers[0].passed == 3);
}

// What a plan of its own sends before first light, or all of it.
std::vector<memory::layer> as_served(const std::vector<memory::layer>& original, std::uint32_t tokens,
                                     pc::budget b, std::span<const float> scores, int until) {
  using stream = pc::plane_stream<per_channel, pc::loopback>;
  memory from(2, 300), to(2, 300);
  from.layers = original;
  auto [a, z] = pc::loopback::pair();
  stream::sender out(std::move(a), from.geometry());
  stream::receiver in(std::move(z), from.geometry());
  auto shot = out.open({.id = 77, .tokens = tokens});
  auto kv = in.expect({.id = 77, .tokens = tokens}, {to.pages(0, tokens), to.pages(1, tokens)});
  for (std::uint32_t l = 0; l < 2; ++l)
    pc::check(shot.put(l, from.view(l, tokens)));
  pc::check(shot.plan(b, scores, {.until = until}));
  for (int turn = 0; turn < 1000 && !kv.reached(pc::first_light); ++turn) {
    (void)out.progress(pc::deadline::passed());
    (void)kv.wait(pc::first_light, pc::deadline::passed());
  }
  REQUIRE(kv.reached(pc::first_light));
  return to.layers;
}

TEST_CASE("probe: needles are looked for on what would be served, bit for bit") {
  exacting e;
  e.bears = 1;
  test::dice dice(3);
  e.scores.resize(200);
  std::ranges::generate(e.scores, [&] { return dice.gaussian(); });
  pc::probe_options o = short_prompts();
  o.share = 0.4;
  (void)pc::probe<per_channel>(e, two_tokens, o);
  REQUIRE(e.answered_on.size() == 9); // the original, 4 bits and some more, 8 bits: three times
  const auto same = [](const std::vector<memory::layer>& a, const std::vector<memory::layer>& b) {
    for (std::size_t l = 0; l < 2; ++l)
      for (std::size_t i = 0; i < 200 * std::size_t{dim}; ++i)
        if (a[l].k[i] != b[l].k[i] || a[l].v[i] != b[l].v[i])
          return false;
    return true;
  };
  std::size_t sharp = 0;
  for (std::size_t i = 0; i < 9; i += 3) {
    const auto& original = e.answered_on[i];
    CHECK(same(e.answered_on[i + 1],
               as_served(original, 200, pc::budget::of_raw(0.4), e.scores, pc::lossless)));
    CHECK(same(e.answered_on[i + 2], as_served(original, 200, pc::budget::everything(), e.scores, 8)));
    CHECK(!same(e.answered_on[i + 1], original));
    CHECK(!same(e.answered_on[i + 2], original));
    for (std::size_t t = 0; t < 200; ++t)
      sharp += std::equal(original[0].k.begin() + static_cast<std::ptrdiff_t>(t * dim),
                          original[0].k.begin() + static_cast<std::ptrdiff_t>((t + 1) * dim),
                          e.answered_on[i + 1][0].k.begin() + static_cast<std::ptrdiff_t>(t * dim));
  }
  CHECK(sharp >= 3 * 36); // what is pinned
  CHECK(sharp < 3 * 60);
}

TEST_CASE("probe: places go through all lengths and depths") {
  pc::probe_options o;
  o.lengths = {100, 200};
  o.depths = {0, 0.25, 0.5, 1};
  std::vector<std::pair<std::uint32_t, double>> seen;
  for (std::uint32_t n = 0; n < 8; ++n) {
    const pc::needle_place p = o.place(n);
    CHECK(p.number == n);
    CHECK(std::ranges::find(seen, std::pair(p.length, p.depth)) == seen.end());
    seen.emplace_back(p.length, p.depth);
  }
  CHECK(seen[0].first != seen[1].first);
  CHECK(seen[0].second < seen[1].second);
}

TEST_CASE("probe: what makes no sense is refused") {
  exacting e;
  const auto with = [](auto change) {
    pc::probe_options o = short_prompts();
    change(o);
    return o;
  };
  for (const pc::probe_options& o :
       {with([](auto& x) { x.must_pass = 0; }), with([](auto& x) { x.must_pass = 4; }),
        with([](auto& x) { x.attempts = 2; }), with([](auto& x) { x.lengths = {}; }),
        with([](auto& x) { x.depths = {}; }), with([](auto& x) {
          x.depths = {0.5, 1.1};
        }),
        with([](auto& x) { x.share = std::nan(""); }), with([](auto& x) { x.share = -0.1; })}) {
    CHECK(!o.valid());
    CHECK_THROWS_AS((void)pc::probe<per_channel>(e, two_tokens, o), std::invalid_argument);
  }
  for (const pc::needle_trial& t :
       {pc::needle_trial{{1}, {2}}, pc::needle_trial{{1, 9}, {}}, pc::needle_trial{{1, 9}, {3, -1}}})
    CHECK_THROWS_AS((void)pc::probe<per_channel>(
                        e, [&](const pc::needle_place&) { return t; }, short_prompts()),
                    std::invalid_argument);
  e.bears = 1;
  CHECK_THROWS_AS((void)pc::probe<per_channel>(e, two_tokens, with([](auto& x) { x.timeout = {}; })),
                  pc::error);
  e.scores = {1, 2, 3}; // not one for each token
  CHECK_THROWS_AS((void)pc::probe<per_channel>(e, two_tokens, short_prompts()), std::invalid_argument);
}

// A layer of attention that says what came after the last token where it stood before: a key is the token
// before, a value the token itself. A key's channels are 2, or 2 and the contrast; one channel is far from
// all that, as in Qwen2.5's.
struct recalling : memory {
  static constexpr bool batch_invariant = true;
  static constexpr std::size_t vocab = 64;
  float constant, contrast;
  std::array<std::array<float, dim>, vocab> meanings{};
  std::vector<token_id> said;

  recalling(float c, float d) : memory(1, 400), constant(c), contrast(d) {
    test::dice dice(5);
    for (auto& m : meanings)
      for (float& x : m)
        x = dice.one_in(2) ? 1.0f : -1.0f;
  }
  std::size_t vocabulary() const { return vocab; }
  void prefill(std::span<const token_id> prompt) {
    std::vector<float> logits(prompt.size() * vocab);
    forward(prompt, logits);
  }
  void forward(std::span<const token_id> run, std::span<float> logits) {
    for (std::size_t i = 0; i < run.size(); ++i)
      feed(run[i], logits.subspan(i * vocab, vocab));
  }
  void truncate(std::size_t n) {
    memory::truncate(n);
    said.resize(n);
  }

private:
  void feed(token_id t, std::span<float> logits) {
    const auto &before = meanings[said.empty() ? 0 : at(said.back())], &asks = meanings[at(t)];
    said.push_back(t);
    std::uint16_t* const k = &layers[0].k[held * dim];
    std::uint16_t* const v = &layers[0].v[held * dim];
    for (std::size_t c = 0; c < dim; ++c) {
      k[c] = pc::bf16::nearest(c == 7 ? constant + before[c] : before[c] > 0 ? 2 + contrast : 2);
      v[c] = pc::bf16::nearest(asks[c]);
    }
    ++held;
    std::vector<float> scores(held);
    for (std::size_t p = 0; p < held; ++p)
      for (std::size_t c = 0; c < dim; ++c)
        scores[p] += (c == 7 ? 0.001f : asks[c] / (2 * contrast)) * pc::bf16::value(layers[0].k[p * dim + c]);
    const float most = *std::ranges::max_element(scores);
    std::array<float, dim> out{};
    for (std::size_t p = 0; p < held; ++p)
      for (std::size_t c = 0; c < dim; ++c)
        out[c] += std::exp(scores[p] - most) * pc::bf16::value(layers[0].v[p * dim + c]);
    for (std::size_t j = 0; j < vocab; ++j) {
      logits[j] = 0;
      for (std::size_t c = 0; c < dim; ++c)
        logits[j] += out[c] * meanings[j][c];
    }
  }
  static std::size_t at(token_id t) { return static_cast<std::size_t>(t); }
};
static_assert(pc::probed_engine<recalling>);
static_assert(!pc::scoring_engine<recalling>);

pc::needle_trial fifty_is_followed(const pc::needle_place& at) {
  test::dice dice(at.number);
  pc::needle_trial trial;
  for (std::uint32_t i = 0; i < at.length; ++i)
    trial.prompt.push_back(static_cast<token_id>(dice.below(40)));
  trial.answer = {static_cast<token_id>(51 + at.number % 6), 60};
  const auto needle = trial.prompt.begin() + static_cast<std::ptrdiff_t>(at.depth * (at.length - 8)) + 2;
  needle[0] = 50;
  needle[1] = trial.answer[0];
  needle[2] = trial.answer[1];
  trial.prompt.back() = 50;
  return trial;
}

TEST_CASE(
    "probe: a channel far from zero is tolerated by a quantizer of channels, and not by one of tokens") {
  const auto lowest = [](float constant, float contrast) {
    recalling a(constant, contrast), b(constant, contrast);
    pc::probe_options o = short_prompts();
    o.share = 0.32; // beside so small a cache the plan weighs more
    const pc::probe_verdict channel = pc::probe<per_channel>(a, fifty_is_followed, o),
                            token = pc::probe<per_token>(b, fifty_is_followed, o);
    CAPTURE(channel.save());
    CAPTURE(token.save());
    for (const pc::probe_verdict* v : {&channel, &token}) {
      CHECK(v->conclusive());
      CHECK(v->tiers.at(0).base_alone == 0);
    }
    CHECK(channel.subject.policy != token.subject.policy);
    CHECK(channel.lowest() == pc::tolerated_tier{0, 4});
    return token.lowest().value();
  };
  CHECK(lowest(4, 2) == pc::tolerated_tier{0, 4});
  // 200 away, tokens have steps of 14 at 4 bits and of 0.8 at 8.
  CHECK(lowest(200, 2) == pc::tolerated_tier{1, 8});
  CHECK(lowest(200, 0.5f) == pc::tolerated_tier{2, pc::lossless});
}

TEST_CASE("probe: the toy engine bears 8 bits") {
  toy::config c;
  c.layers = 2;
  c.context = 256;
  const auto model = std::make_shared<const toy::model>(c);
  toy::engine e(model);
  const auto make = [&](const pc::needle_place& at) { // no needle: that it says what it would say
    test::dice dice(at.number);
    pc::needle_trial trial;
    for (std::uint32_t i = 0; i < at.length; ++i)
      trial.prompt.push_back(static_cast<token_id>(dice.below(c.vocab)));
    toy::engine other(model);
    trial.answer = {other.prefill(trial.prompt)};
    while (trial.answer.size() < 4)
      trial.answer.push_back(other.step(trial.answer.back()));
    return trial;
  };
  const pc::probe_verdict v = pc::probe<per_channel>(e, make, short_prompts());
  CHECK(v.conclusive());
  CHECK(v.inconclusive == 0);
  CHECK(v.tolerates(1));
  CHECK(e.position() == 0);
}

} // namespace

} // namespace decode_probe_test
