#include "planecast/plan/importance.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <array>
#include <doctest/doctest.h>
#include <limits>
#include <string>

namespace plan_importance_test {

using namespace planecast;

namespace {

// The least that is an importance. Each near miss below changes one thing of it.
struct minimal {
  void score(std::uint32_t first, std::span<float> out) const {
    for (float& s : out)
      s = static_cast<float>(first++);
  }
};
static_assert(importance<minimal>);

struct nothing {};
struct changes_when_asked {
  void score(std::uint32_t, std::span<float>) {}
};
struct returns_scores {
  std::vector<float> score(std::uint32_t, std::span<float>) const { return {}; }
};
struct gives_all_at_once {
  void score(std::span<float>) const {}
};
struct cannot_be_told_where_to {
  void score(std::uint32_t, std::span<const float>) const = delete;
};
struct in_double {
  void score(std::uint32_t, std::span<double>) const {}
};
struct keeps_it_to_itself {
private:
  void score(std::uint32_t, std::span<float>) const {}
};
static_assert(!importance<nothing>);
static_assert(!importance<changes_when_asked>);
static_assert(!importance<returns_scores>);
static_assert(!importance<gives_all_at_once>);
static_assert(!importance<cannot_be_told_where_to>);
static_assert(!importance<in_double>);
static_assert(!importance<keeps_it_to_itself>);
static_assert(!importance<std::vector<float>>);
static_assert(!importance<float>);

// What later importances look like: they hold what they were made from, may throw, may take any position.
struct recency {
  float half_life;
  std::size_t tokens;
  void score(std::size_t first, std::span<float> out) const noexcept {
    for (std::size_t k = 0; k < out.size(); ++k)
      out[k] = -static_cast<float>(tokens - first - k) / half_life;
  }
};
static_assert(importance<recency>);

// Ranks one token at a time, the best of those that are left, by the words of the contract.
ranking ranked_by_hand(const std::vector<float>& scores, pinned_tokens pins, std::uint32_t first) {
  const std::uint64_t end = first + scores.size();
  const auto is_sink = [&](std::uint64_t token) { return token < pins.sinks; };
  const auto is_recent = [&](std::uint64_t token) { return end - token <= pins.recent; };
  ranking r;
  std::vector<bool> taken(scores.size());
  while (r.tokens.size() < scores.size()) {
    std::uint64_t best = end;
    for (std::uint64_t token = first; token < end; ++token) {
      if (taken[token - first])
        continue;
      const auto before = [&](std::uint64_t a, std::uint64_t b) {
        const bool a_pinned = is_sink(a) || is_recent(a), b_pinned = is_sink(b) || is_recent(b);
        if (a_pinned != b_pinned)
          return a_pinned;
        if (!a_pinned && scores[a - first] != scores[b - first])
          return scores[a - first] > scores[b - first];
        return a < b;
      };
      if (best == end || before(token, best))
        best = token;
    }
    taken[best - first] = true;
    r.tokens.push_back(static_cast<std::uint32_t>(best));
    r.pinned += is_sink(best) || is_recent(best) ? 1 : 0;
  }
  return r;
}

} // namespace

TEST_CASE("rank: sinks and recent tokens first, then by falling score, ties by position") {
  const std::vector<float> scores = {0, 5, 1, 9, 9, 2, 7, 3};
  const ranking r = rank_tokens(scores, {.sinks = 2, .recent = 1});
  CHECK(r.pinned == 3);
  CHECK(r.tokens == std::vector<std::uint32_t>{0, 1, 7, 3, 4, 6, 5, 2});
}

TEST_CASE("rank: more pins than tokens pin every token once") {
  const std::vector<float> scores(5);
  CHECK(rank_tokens(scores, {.sinks = 4, .recent = 32}).pinned == 5);
  CHECK(rank_tokens(scores, {.sinks = 9, .recent = 9}).tokens == std::vector<std::uint32_t>{0, 1, 2, 3, 4});
  CHECK(rank_tokens(std::vector<float>{}).tokens.empty());
}

TEST_CASE("rank: a NaN score is an error, an infinite one is not") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS(rank_tokens(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}),
                  std::invalid_argument);
  CHECK(rank_tokens(std::vector<float>{1, inf, -inf, 2}, {.sinks = 0, .recent = 0}).tokens ==
        std::vector<std::uint32_t>{1, 3, 0, 2});
}

TEST_CASE("rank: the rest of a sequence, by positions in all of it") {
  const std::vector<float> scores = {1, 5, 2, 9, 3};
  const ranking r = rank_tokens(scores, {.sinks = 4, .recent = 1}, 3); // token 3 is the last of the sinks
  CHECK(r.pinned == 2);
  CHECK(r.tokens == std::vector<std::uint32_t>{3, 7, 6, 4, 5});
  CHECK(rank_tokens(scores, {.sinks = 4, .recent = 0}, 4).pinned == 0);
  CHECK(rank_tokens(std::vector<float>{}, {}, 100).tokens.empty());
  constexpr std::uint32_t last = std::numeric_limits<std::uint32_t>::max() - 5;
  CHECK(rank_tokens(scores, {.sinks = 4, .recent = 0}, last).tokens.front() == last + 3);
  CHECK_THROWS_AS(rank_tokens(scores, {}, last + 1), std::invalid_argument);
}

TEST_CASE("rank: the order that the contract's words give, over random cases") {
  for (unsigned seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    std::vector<float> scores(dice.below(120));
    for (float& s : scores)
      s = dice.one_in(20) ? std::numeric_limits<float>::infinity() : static_cast<float>(dice.below(30)) - 10;
    const pinned_tokens pins{dice.below(10), dice.below(50)};
    const std::uint32_t first = dice.one_in(2) ? 0 : dice.below(14);
    const ranking r = rank_tokens(scores, pins, first), by_hand = ranked_by_hand(scores, pins, first);
    REQUIRE(r.tokens == by_hand.tokens);
    REQUIRE(r.pinned == by_hand.pinned);
  }
}

TEST_CASE("rank: by an importance, as by the scores that it gives") {
  for (unsigned seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    std::vector<float> scores(dice.between(1, 200));
    for (float& s : scores)
      s = dice.gaussian();
    const std::uint32_t first = dice.below(scores.size());
    const auto rest = std::span<const float>(scores).subspan(first);
    const pinned_tokens pins{dice.below(6), dice.below(40)};
    const ranking r = rank_tokens(given_scores(scores), static_cast<std::uint32_t>(rest.size()), pins, first);
    REQUIRE(r.tokens == rank_tokens(rest, pins, first).tokens);
  }
  CHECK(rank_tokens(minimal{}, 4, {.sinks = 1, .recent = 0}).tokens ==
        std::vector<std::uint32_t>{0, 3, 2, 1});
  CHECK(rank_tokens(recency{8, 10}, 3, {.sinks = 0, .recent = 0}, 7).tokens ==
        std::vector<std::uint32_t>{9, 8, 7});
  CHECK(rank_tokens(equal_scores{}, 4, {.sinks = 0, .recent = 1}).tokens ==
        std::vector<std::uint32_t>{3, 0, 1, 2});
}

TEST_CASE("importance: given scores are the engine's, and end where they end") {
  const std::array<float, 5> mass = {1, 2, 3, 4, 5};
  const given_scores given(mass);
  std::array<float, 3> out{};
  given.score(2, out);
  CHECK(out == std::array<float, 3>{3, 4, 5});
  given.score(5, {});
  CHECK_THROWS_AS(given.score(3, out), std::invalid_argument);
  CHECK_THROWS_AS(given.score(6, {}), std::invalid_argument);
  CHECK_THROWS_AS(given.score(std::numeric_limits<std::uint32_t>::max(), out), std::invalid_argument);
  CHECK_THROWS_AS(rank_tokens(given, 6), std::invalid_argument);
  try {
    (void)rank_tokens(given, 6);
  } catch (const std::invalid_argument& e) {
    CHECK(std::string(e.what()) == "planecast: fewer importance scores than tokens");
  }
}

TEST_CASE("importance: a NaN is found wherever the scores come from") {
  const std::array<float, 2> mass = {1, std::numeric_limits<float>::quiet_NaN()};
  CHECK_THROWS_AS(rank_tokens(given_scores(mass), 2), std::invalid_argument);
  CHECK(rank_tokens(given_scores(mass), 1).tokens == std::vector<std::uint32_t>{0});
}

TEST_CASE("importance: what an importance throws passes") {
  struct fails {
    void score(std::uint32_t, std::span<float>) const { throw std::length_error("no attention kept"); }
  };
  CHECK_THROWS_AS(rank_tokens(fails{}, 1), std::length_error);
}

} // namespace plan_importance_test
