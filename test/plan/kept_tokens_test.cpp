#include "planecast/plan/kept_tokens.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <numeric>
#include <set>
#include <stdexcept>
#include <vector>

namespace plan_kept_tokens_test {

using namespace planecast;

namespace {

using positions = std::vector<std::uint32_t>;

positions listed(const kept_tokens& kept) {
  return {kept.positions().begin(), kept.positions().end()};
}

} // namespace

TEST_CASE("kept_tokens: positions rise, whatever order they are given in") {
  const kept_tokens kept({7, 0, 3}, 9);
  CHECK(listed(kept) == positions{0, 3, 7});
  CHECK(kept.tokens() == 3);
  CHECK(kept.of() == 9);
  CHECK(kept.dropped() == 6);
  CHECK(kept == kept_tokens({0, 3, 7}, 9));
  CHECK(kept_tokens{}.tokens() == 0);
  CHECK(kept_tokens({}, 5).dropped() == 5);
}

TEST_CASE("kept_tokens: a position twice, or beyond the sequence, is refused") {
  CHECK_THROWS_AS(kept_tokens({1, 2, 1}, 9), std::invalid_argument);
  CHECK_THROWS_AS(kept_tokens({0, 9}, 9), std::invalid_argument);
  CHECK_THROWS_AS(kept_tokens({0}, 0), std::invalid_argument);
}

TEST_CASE("kept_tokens: the fingerprint tells lists apart, and is 0 where nothing is dropped") {
  CHECK(kept_tokens({0, 1, 2}, 3).fingerprint() == 0);
  CHECK(kept_tokens{}.fingerprint() == 0);
  // Written down once: both ends may be of different builds.
  CHECK(kept_tokens({0, 1}, 3).fingerprint() == planecast::fingerprint{}.add(3).add(0).add(1).value());
  std::set<std::uint64_t> seen;
  for (std::uint32_t of = 1; of < 9; ++of)
    for (std::uint32_t mask = 0; mask + 1 < 1u << of; ++mask) { // all lists but the whole
      positions some;
      for (std::uint32_t t = 0; t < of; ++t)
        if ((mask >> t & 1) != 0)
          some.push_back(t);
      CHECK(seen.insert(kept_tokens(some, of).fingerprint()).second);
    }
  CHECK(seen.count(0) == 0);
}

TEST_CASE("kept_tokens: values of the tokens that are sent") {
  const std::vector<float> scores = {5, 6, 7, 8};
  CHECK(kept_tokens({3, 1}, 4).only(scores) == std::vector<float>{6, 8});
  CHECK_THROWS_AS((void)kept_tokens({3, 1}, 5).only(scores), std::invalid_argument);
}

TEST_CASE("kept_tokens: the most important ones, pinned ones before all") {
  const std::vector<float> scores = {0, 5, 1, 9, 9, 2, 7, 3};
  const ranking r = rank_tokens(scores, {.sinks = 1, .recent = 1}); // 0 7 | 3 4 6 1 5 2
  CHECK(listed(keep_most(r, 0)).empty());
  CHECK(listed(keep_most(r, 1)) == positions{0});
  CHECK(listed(keep_most(r, 4)) == positions{0, 3, 4, 7});
  CHECK(listed(keep_most(r, 6)) == positions{0, 1, 3, 4, 6, 7});
  CHECK(keep_most(r, 8).fingerprint() == 0);
  CHECK(keep_most(r, 0xFFFF'FFFFu).tokens() == 8);
  CHECK(keep_most(r, 3).of() == 8);
  CHECK_THROWS_AS(keep_most(rank_tokens(scores, {}, 3), 8), std::invalid_argument); // not from position 0 on
}

TEST_CASE("kept_tokens: as many as fit, and no more") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    std::vector<float> scores(dice.below(60));
    for (float& s : scores)
      s = static_cast<float>(dice.below(20));
    const ranking r = rank_tokens(scores, {.sinks = dice.below(4), .recent = dice.below(9)});
    // A cost for each token, and one for each page that is begun.
    const std::uint64_t token = 1 + dice.below(9), page = dice.below(50), fixed = dice.below(30);
    const auto bytes = [&](std::uint32_t n) { return fixed + n * token + (n + 7) / 8 * page; };
    const std::uint64_t ceiling = dice.below(1200);
    const kept_tokens kept = keep_within(r, ceiling, bytes);
    REQUIRE(kept == keep_most(r, kept.tokens()));
    CHECK((kept.tokens() == 0 || bytes(kept.tokens()) <= ceiling));
    CHECK((kept.dropped() == 0 || bytes(kept.tokens() + 1) > ceiling));
  }
}

TEST_CASE("kept_tokens: what is kept fits, even where more tokens take less") {
  const ranking r = rank_tokens(std::vector<float>(20));
  const auto bytes = [](std::uint32_t n) -> std::uint64_t { return n % 3 == 1 ? 100 : n; };
  for (std::uint64_t ceiling = 0; ceiling < 120; ++ceiling) {
    const kept_tokens kept = keep_within(r, ceiling, bytes);
    CHECK((kept.tokens() == 0 || bytes(kept.tokens()) <= ceiling));
  }
}

} // namespace plan_kept_tokens_test
