#include "planecast/decode/engine.hpp"

#include <doctest/doctest.h>

namespace decode_engine_test {

namespace {

using planecast::token_id;

// The least that is an engine: its next token is the number of tokens held. Each near miss below changes one
// thing of it.
struct minimal {
  static constexpr bool batch_invariant = true;
  std::size_t held = 0;

  token_id step(token_id) { return static_cast<token_id>(++held); }
  void verify(std::span<const token_id> run, std::span<token_id> next) {
    for (std::size_t i = 0; i < run.size(); ++i)
      next[i] = step(run[i]);
  }
  void truncate(std::size_t n) { held = n; }
  std::size_t position() const { return held; }
};
static_assert(planecast::engine<minimal>);

struct says_nothing_of_batches {
  token_id step(token_id);
  void verify(std::span<const token_id>, std::span<token_id>);
  void truncate(std::size_t);
  std::size_t position() const;
};
static_assert(!planecast::engine<says_nothing_of_batches>);

struct says_it_too_late : says_nothing_of_batches {
  bool batch_invariant = true; // not a constant
};
static_assert(!planecast::engine<says_it_too_late>);

struct step_gives_logits : minimal {
  std::span<const float> step(token_id);
};
static_assert(!planecast::engine<step_gives_logits>);

struct verify_gives_a_count : minimal {
  std::size_t verify(std::span<const token_id>, std::span<token_id>);
};
static_assert(!planecast::engine<verify_gives_a_count>);

struct position_needs_more : minimal {
  std::size_t position();
};
static_assert(!planecast::engine<position_needs_more>);

struct verify_wants_to_write_the_run : minimal {
  void verify(std::span<token_id> run, std::span<token_id> next);
};
static_assert(!planecast::engine<verify_wants_to_write_the_run>);

struct truncate_says_how_many : minimal {
  std::size_t truncate(std::size_t);
};
static_assert(!planecast::engine<truncate_says_how_many>);

struct counts_in_int : minimal {
  int position() const;
};
static_assert(!planecast::engine<counts_in_int>);

struct no_truncate : minimal {
private:
  using minimal::truncate;
};
static_assert(!planecast::engine<no_truncate>);
static_assert(!planecast::engine<int>);

// What throws is an engine like another.
struct may_throw_or_not : minimal {
  token_id step(token_id) noexcept;
  std::size_t position() const noexcept;
};
static_assert(planecast::engine<may_throw_or_not>);

struct cannot_truncate : minimal {
  void truncate(std::size_t) = delete;
};
static_assert(!planecast::engine<cannot_truncate>);

// The least that hands out logits.
struct minimal_logits {
  static constexpr bool batch_invariant = false;
  void forward(std::span<const token_id> run, std::span<float> logits);
  void truncate(std::size_t);
  std::size_t position() const;
  std::size_t vocabulary() const;
};
static_assert(planecast::logits_engine<minimal_logits>);
static_assert(!planecast::engine<minimal_logits>);

struct logits_in_double : minimal_logits {
  void forward(std::span<const token_id> run, std::span<double> logits);
};
static_assert(!planecast::logits_engine<logits_in_double>);

struct vocabulary_may_change : minimal_logits {
  std::size_t vocabulary();
};
static_assert(!planecast::logits_engine<vocabulary_may_change>);

struct wants_to_write_the_run : minimal_logits {
  void forward(std::span<token_id> run, std::span<float> logits);
};
static_assert(!planecast::logits_engine<wants_to_write_the_run>);
static_assert(!planecast::logits_engine<minimal>);

TEST_CASE("a minimal engine decodes") {
  minimal e;
  CHECK(e.step(5) == 1);
  token_id next[2] = {};
  const token_id run[2] = {1, 2};
  e.verify(run, next);
  CHECK(next[1] == 3);
  e.truncate(1);
  CHECK(e.position() == 1);
}

} // namespace

} // namespace decode_engine_test
