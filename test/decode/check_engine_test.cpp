#include "planecast/decode/check_engine.hpp"

#include "code/rows.hpp"
#include "toy_engine/toy_engine.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace decode_check_engine_test {

namespace {

namespace pc = planecast;
using pc::token_id, pc::engine_promise;

constexpr std::size_t vocab = 50;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  a = (a ^ b) * 0x9E3779B97F4A7C15u;
  a = (a ^ (a >> 29)) * 0xBF58476D1CE4E5B9u;
  return a ^ (a >> 32);
}

// What may be wrong with an engine, each by itself.
enum class wrong {
  nothing,
  step_counts_two,          // position() is one too far after a step
  verify_counts_less,       // and one short after a run
  truncate_does_nothing,    // position() says so
  truncate_hides,           // position() is right, entries stay and count
  first_entry_stays,        // a run does not write where something was before
  beyond_is_read,           // entries behind the end take part
  verify_writes_wrong,      // the last K and V of a run are other than a step's; the choices are right
  verify_chooses_otherwise, // where it should choose an even token
  verify_skips_the_last,    // of `next`
  step_chooses_no_token,
  step_forgets, // does not repeat itself
};

// An engine whose every choice hangs on all that it holds.
template <bool Invariant>
struct hashing {
  static constexpr bool batch_invariant = Invariant;
  wrong how = wrong::nothing;
  std::vector<std::uint64_t> entries = std::vector<std::uint64_t>(10, 7);
  std::size_t held = 10, fed = 0;
  std::size_t off = 0; // of position()

  token_id feed(token_id t, std::uint64_t flaw, bool in_run = false) {
    if (how == wrong::truncate_hides || held == entries.size())
      entries.push_back(static_cast<std::uint64_t>(t) * 4 + flaw);
    else if (how != wrong::first_entry_stays || !in_run)
      entries[held] = static_cast<std::uint64_t>(t) * 4 + flaw;
    ++held;
    const bool all = how == wrong::truncate_hides || how == wrong::beyond_is_read;
    std::uint64_t h = 0;
    for (std::size_t i = 0; i < (all ? entries.size() : held); ++i)
      h = mix(h, i + 1 == held ? entries[i] & ~std::uint64_t{2} : entries[i]);
    return static_cast<token_id>(h % vocab);
  }
  token_id step(token_id t) {
    off += how == wrong::step_counts_two && held == 17 ? 1 : 0;
    if (how == wrong::step_chooses_no_token && held == 20)
      return feed(t, 0), static_cast<token_id>(vocab);
    return feed(t, how == wrong::step_forgets && ++fed % 97 == 0 ? 1 : 0);
  }
  void verify(std::span<const token_id> run, std::span<token_id> next) {
    for (std::size_t i = 0; i < run.size(); ++i)
      next[i] = feed(run[i], how == wrong::verify_writes_wrong && i + 1 == run.size() ? 2 : 0, true);
    if (how == wrong::verify_chooses_otherwise && run.size() > 1 && next[0] % 2 == 0)
      next[0] = (next[0] + 1) % static_cast<token_id>(vocab);
    if (how == wrong::verify_skips_the_last && run.size() > 1)
      next.back() = -1;
    off -= how == wrong::verify_counts_less && run.size() > 2 ? 1 : 0;
  }
  void truncate(std::size_t n) {
    if (n > position())
      throw std::invalid_argument("beyond the end");
    if (how == wrong::truncate_does_nothing)
      return;
    held = n;
    off = 0;
    if (how != wrong::truncate_hides && how != wrong::first_entry_stays && how != wrong::beyond_is_read)
      entries.resize(n);
  }
  std::size_t position() const { return held + off; }
};

bool found(const pc::engine_report& r, engine_promise p) {
  return std::ranges::find(r.failures, p, &pc::engine_failure::promise) != r.failures.end();
}

TEST_CASE("check_engine: what keeps its promises passes") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    hashing<true> e;
    const pc::engine_report r = pc::check_engine(e, {.vocabulary = vocab, .seed = seed});
    CAPTURE(r.message());
    REQUIRE(r.ok());
    CHECK(r.divergences.empty());
    CHECK(r.compared == 6 * 32);
    CHECK(!r.logit_difference);
    CHECK(e.position() == 10);
    CHECK(r.message() == "ok: 192 choices compared, run against steps, 0 differ");
  }
  hashing<false> modest;
  CHECK(pc::check_engine(modest, {.others = {3, 4, 5}}).ok());
}

TEST_CASE("check_engine: what is wrong is found, by its name and the first place") {
  struct flaw {
    wrong how;
    engine_promise promise;
    const char* words;
  };
  const flaw flaws[] = {
      {wrong::step_counts_two, engine_promise::position, "position() is 19 after step(), not 18"},
      {wrong::verify_counts_less, engine_promise::position, "after verify()"},
      {wrong::truncate_does_nothing, engine_promise::position, "after truncate()"},
      {wrong::truncate_hides, engine_promise::truncate, "fed again one by one"},
      {wrong::first_entry_stays, engine_promise::truncate, "fed again in the same runs"},
      {wrong::beyond_is_read, engine_promise::truncate, "truncate() left something behind"},
      {wrong::verify_writes_wrong, engine_promise::batch_invariance, "throughout gives"},
      {wrong::verify_chooses_otherwise, engine_promise::batch_invariance, "verify(), in a run of "},
      {wrong::verify_skips_the_last, engine_promise::batch_invariance, "gives -1"},
      {wrong::step_chooses_no_token, engine_promise::choice, "step() chose 50, which is no token"},
      {wrong::step_forgets, engine_promise::truncate, "does not repeat itself"},
  };
  for (const flaw& f : flaws)
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      CAPTURE(std::string(f.words));
      CAPTURE(seed);
      hashing<true> e{.how = f.how};
      const pc::engine_report r = pc::check_engine(e, {.vocabulary = vocab, .seed = seed});
      CAPTURE(r.message());
      REQUIRE(!r.ok());
      REQUIRE(found(r, f.promise));
      REQUIRE(r.message().find(f.words) != std::string::npos);
      for (const pc::engine_failure& failure : r.failures) {
        CHECK(failure.position >= 10);
        CHECK(failure.position < 10 + 32);
      }
      if (f.how != wrong::truncate_does_nothing)
        CHECK(e.position() == 10);
    }
}

TEST_CASE("check_engine: one that is not batch-invariant diverges without failing, and nothing else passes") {
  hashing<false> e{.how = wrong::verify_writes_wrong};
  const pc::engine_report r = pc::check_engine(e, {.vocabulary = vocab});
  CAPTURE(r.message());
  CHECK(r.ok());
  CHECK(r.divergences.size() > 20);
  for (const pc::engine_divergence& d : r.divergences) {
    CHECK(d.stepped != d.verified);
    CHECK(!d.margin);
  }
  CHECK(!r.widest_margin());
  for (const wrong how : {wrong::verify_counts_less, wrong::first_entry_stays, wrong::beyond_is_read,
                          wrong::step_forgets, wrong::truncate_hides}) {
    CAPTURE(static_cast<int>(how));
    hashing<false> bad{.how = how};
    CHECK(!pc::check_engine(bad, {.vocabulary = vocab}).ok());
  }
}

// The least that is an engine: its next token is the number of tokens held.
struct minimal {
  static constexpr bool batch_invariant = true;
  std::size_t held = 3;
  token_id step(token_id) { return static_cast<token_id>(++held); }
  void verify(std::span<const token_id> run, std::span<token_id> next) {
    for (std::size_t i = 0; i < run.size(); ++i)
      next[i] = step(run[i]);
  }
  void truncate(std::size_t n) { held = n; }
  std::size_t position() const { return held; }
};

TEST_CASE("check_engine: a minimal engine passes; tokens to feed are needed, and enough of them") {
  minimal e;
  const pc::engine_report r = pc::check_engine(e, {.others = {1}, .rounds = 3, .tokens = 3});
  CHECK(r.ok());
  CHECK(r.compared == 9);
  CHECK(e.held == 3);
  CHECK_THROWS_AS(pc::check_engine(e), std::invalid_argument);
  CHECK_THROWS_AS(pc::check_engine(e, {.others = {1}, .tokens = 2}), std::invalid_argument);
  CHECK(pc::check_engine(e, {.others = {1}, .rounds = 0}).compared == 0);
}

TEST_CASE("check_engine: the toy engine keeps what it promises") {
  toy::config c;
  c.layers = 2;
  c.context = 128;
  toy::engine e(std::make_shared<toy::model>(c));
  std::vector<token_id> prompt(40);
  for (std::size_t i = 0; i < prompt.size(); ++i)
    prompt[i] = static_cast<token_id>(i * 37 % c.vocab);
  (void)e.prefill(prompt);
  const pc::engine_report r =
      pc::check_engine(e, {.vocabulary = c.vocab, .rounds = planecast_test::rounds(6, 2)});
  CAPTURE(r.message());
  CHECK(r.ok());
  CHECK(e.position() == 40);
}

// One that hands out its logits. Runs of more than one token are `off` from steps in the token's own row, and
// by `written` in what is written.
template <bool Invariant>
struct logits_of {
  static constexpr bool batch_invariant = Invariant;
  float off = 0, written = 0;
  bool nan_in_runs = false;
  std::vector<float> entries = std::vector<float>(4, 0.25f);

  void forward(std::span<const token_id> run, std::span<float> logits) {
    for (std::size_t i = 0; i < run.size(); ++i) {
      const bool alone = run.size() == 1;
      entries.push_back(static_cast<float>(run[i]) + (alone ? 0.0f : written));
      float sum = 0;
      for (std::size_t k = 0; k < entries.size(); ++k)
        sum += entries[k] / static_cast<float>(1 + (k * 5) % 7);
      for (std::size_t j = 0; j < vocabulary(); ++j)
        logits[i * vocabulary() + j] =
            std::sin(sum * static_cast<float>(j + 1)) + (!alone && j % 2 == 0 ? off : 0.0f);
      if (nan_in_runs && !alone && i == 1)
        logits[i * vocabulary() + 3] = std::numeric_limits<float>::quiet_NaN();
    }
  }
  void truncate(std::size_t n) { entries.resize(n); }
  std::size_t position() const { return entries.size(); }
  std::size_t vocabulary() const { return 20; }
};
static_assert(pc::logits_engine<logits_of<true>>);
static_assert(!pc::engine<logits_of<true>>);

TEST_CASE("check_engine: logits are compared bit for bit, and their differences told") {
  logits_of<true> good;
  const pc::engine_report r = pc::check_engine(good);
  CAPTURE(r.message());
  CHECK(r.ok());
  CHECK(r.compared == 192);
  CHECK(r.logit_difference == 0.0f);
  CHECK(good.position() == 4);

  for (const bool where : {false, true}) { // no choice differs, perhaps, and it is found all the same
    logits_of<true> liar{.off = where ? 1e-6f : 0.0f, .written = where ? 0.0f : 1e-4f};
    const pc::engine_report found_out = pc::check_engine(liar);
    CAPTURE(found_out.message());
    CHECK(found(found_out, engine_promise::batch_invariance));
    CHECK(!found(found_out, engine_promise::truncate));
    CHECK(found_out.logit_difference > 0.0f);
  }

  logits_of<false> modest{.off = 0.1f};
  const pc::engine_report told = pc::check_engine(modest, {.rounds = 20});
  CAPTURE(told.message());
  CHECK(told.ok());
  CHECK(static_cast<double>(told.logit_difference.value()) == doctest::Approx(0.1).epsilon(0.001));
  CHECK(!told.divergences.empty());
  CHECK(told.widest_margin().value() <= 0.1001f);
  CHECK(told.message().find("the widest margin") != std::string::npos);

  logits_of<false> holes;
  holes.nan_in_runs = true;
  CHECK(pc::check_engine(holes).logit_difference == std::numeric_limits<float>::infinity());
}

// Of both kinds: each is looked at.
struct both : logits_of<true> {
  bool choose_otherwise = false;
  token_id step(token_id t) {
    std::vector<float> row(vocabulary());
    forward({&t, 1}, row);
    return static_cast<token_id>(std::ranges::max_element(row) - row.begin());
  }
  void verify(std::span<const token_id> run, std::span<token_id> next) {
    for (std::size_t i = 0; i < run.size(); ++i)
      next[i] = step(run[i]);
    if (choose_otherwise)
      next[0] = 0;
  }
};

TEST_CASE("check_engine: an engine of both kinds is looked at as both") {
  both e;
  const pc::engine_report r = pc::check_engine(e);
  CHECK(r.ok());
  CHECK(r.compared == 2 * 192);
  e.choose_otherwise = true;
  CHECK(!pc::check_engine(e).ok());
}

TEST_CASE("check_engine: what the engine throws passes") {
  struct full : minimal {
    token_id step(token_id t) { return held == 20 ? throw std::length_error("full") : minimal::step(t); }
  } e;
  CHECK_THROWS_AS(pc::check_engine(e, {.others = {1}}), std::length_error);
}

} // namespace

} // namespace decode_check_engine_test
