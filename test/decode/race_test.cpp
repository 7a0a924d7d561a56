#include "planecast/decode/race.hpp"

#include "code/flush_to_zero.hpp"
#include "code/rows.hpp"

#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace decode_race_test {

namespace pc = planecast;
using namespace planecast_test;
using pc::detail::contest;
using pc::detail::four_values;
using pc::detail::row_race;
using pc::detail::standing;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN(),
                tiny = std::numeric_limits<float>::denorm_min();

TEST_CASE("race: logits are ordered as they compare, and what is no number comes last") {
  const std::vector<float> rising = {
      -std::numeric_limits<float>::max(), -1, -1e-38f, -tiny, 0, tiny, 1e-38f, 1,
      std::numeric_limits<float>::max(),  inf};
  for (std::size_t i = 0; i + 1 < rising.size(); ++i)
    CHECK(pc::detail::order_of_logit(rising[i]) < pc::detail::order_of_logit(rising[i + 1]));
  for (const float x : rising)
    CHECK(pc::detail::logit_of_order(pc::detail::order_of_logit(x)) == x);
  CHECK(pc::detail::order_of_logit(-0.0f) == pc::detail::order_of_logit(0.0f));
  CHECK(pc::detail::order_of_logit(rising[0]) > 0);
  for (const float x : {nan, -nan, -inf})
    CHECK(pc::detail::order_of_logit(x) == 0);
}

TEST_CASE("race: weights are positive normal numbers, or nothing") {
  for (const float x : {nan, -nan, -inf, -1.0f, -0.0f, 0.0f, tiny, 1.1e-38f, -1e-39f})
    CHECK(pc::detail::weight_of(x) == 0);
  for (const float x : {0x1p-126f, 0.25f, 1.0f, 0x1p32f})
    CHECK(pc::detail::weight_of(x) == x);
  for (const float x : {0x1p33f, inf})
    CHECK(pc::detail::weight_of(x) == 0x1p32f);
}

TEST_CASE("race: ties go to the lowest token, and nothing beats nothing") {
  CHECK(pc::detail::standing_of(7, 3) > pc::detail::standing_of(7, 4));
  CHECK(pc::detail::standing_of(8, 4) > pc::detail::standing_of(7, 3));
  CHECK(pc::detail::standing_of(0, 3) == 0);
  CHECK(pc::detail::token_of(0) == -1);
  for (const std::uint32_t token : {0u, 5u, 0x7FFFFFFEu})
    CHECK(pc::detail::token_of(pc::detail::standing_of(1, token)) == static_cast<std::int32_t>(token));
}

TEST_CASE("race: temperatures") {
  for (const float t : {-1.0f, 0.0f, 9e-6f, nan, -inf})
    CHECK(pc::detail::is_greedy(t));
  for (const float t : {1e-5f, 1.0f, inf})
    CHECK(!pc::detail::is_greedy(t));
  CHECK(pc::detail::logit_divisor(inf) == pc::detail::logit_divisor(0x1p64f));
  CHECK(std::abs(pc::detail::logit_divisor(0.5f) - 0.5f * std::log(2.0f)) < 1e-7f);
}

TEST_CASE("race: a draft is judged without a rounding") {
  random_source random(first_seed());
  std::uint32_t stood = 0, fell = 0;
  for (std::uint32_t i = 0; i < 20000; ++i) {
    const pc::position_noise at{random.bits(), random.bits(), static_cast<std::uint32_t>(random.bits())};
    const auto u = static_cast<std::uint32_t>(pc::detail::draft_uniform(at));
    CHECK(u < 1u << 29);
    const float draft = static_cast<float>(random.uniform());
    // The float nearest to u · draft, and those beside it.
    float target = static_cast<float>(pc::draft_noise(at) * draft);
    if (random.coin())
      target = std::nextafter(target, random.coin() ? 2.0f : 0.0f);
    const long double product = std::ldexp(static_cast<long double>(u) * draft, -29);
    const bool stands = pc::detail::draft_stands(at, draft, target);
    CHECK(stands == (product < target));
    (stands ? stood : fell) += 1;
    CHECK(pc::detail::draft_stands(at, draft, draft) == (draft > 0));
    CHECK(!pc::detail::draft_stands(at, draft, 0));
    CHECK(!pc::detail::draft_stands(at, draft, nan));
    CHECK(pc::detail::draft_stands(at, 0, draft) == (draft > 0));
  }
  CHECK(stood > 0);
  CHECK(fell > 0);
}

// What a token counts for by the definition, without haste.
template <contest C>
standing alone(const row_race& row, float target, float draft, std::uint32_t token) {
  using namespace pc::detail;
  const waiting_time time = wait_of(chance_of_token(row.noise, token));
  if (C == contest::greatest_logit)
    return standing_of(order_of_logit(target), token);
  if (C == contest::noisy_logits)
    return order_of_logit(target) == 0 ? 0
                                       : standing_of(order_of_noisy_logit(target, row.divisor, time), token);
  float weight = weight_of(target);
  const std::uint32_t behind = bit_cast<std::uint32_t>(weight);
  if (C == contest::greatest_weight)
    return standing_of(behind, token);
  if (C == contest::rest)
    weight = static_cast<std::int32_t>(token) == row.drafted ? 0 : weight_of(weight - weight_of(draft));
  if (weight > 0)
    return standing_of(order_of_race(weight, time), token);
  return C == contest::rest ? standing_of(behind, token) : 0;
}

// The best of a row by its tokens alone is found by fours from any of them on, flushed to zero or not.
template <contest C>
void is_found_by_fours(const row_race& row, const std::vector<float>& target, const std::vector<float>& draft,
                       random_source& random) {
  constexpr bool logits = C == contest::greatest_logit || C == contest::noisy_logits;
  const auto vocab = static_cast<std::uint32_t>(target.size());
  standing best = 0;
  for (std::uint32_t i = 0; i < vocab; ++i)
    best = std::max(best, alone<C>(row, target[i], draft[i], i));
  // By fours, from any part of the row to any other.
  const auto by_fours = [&](std::uint32_t from, std::uint32_t step) {
    standing found = 0;
    const std::uint32_t fours = (vocab + 3) / 4;
    for (std::uint32_t k = 0; k < fours; ++k) {
      const std::uint32_t four = (from + k * step) % fours;
      four_values t, d{};
      for (std::uint32_t i = 0; i < 4; ++i) {
        t.of[i] = logits ? pc::detail::absent_logit : 0;
        if (4 * four + i < vocab) {
          t.of[i] = target[4 * four + i];
          d.of[i] = draft[4 * four + i];
        }
      }
      found = pc::detail::best_of_four<C>(row, t, d, four, found);
    }
    return found;
  };
  REQUIRE(by_fours(0, 1) == best);
  REQUIRE(by_fours(random.below(vocab), (vocab + 3) / 4 + 1) == best);
  if constexpr (flush_to_zero::supported) {
    const flush_to_zero on;
    REQUIRE(by_fours(0, 1) == best);
  }
}

template <contest C>
void best_is_the_best_alone(random_source& random) {
  constexpr bool logits = C == contest::greatest_logit || C == contest::noisy_logits;
  for (std::uint32_t round = 0; round < rounds(300, 60); ++round) {
    const std::uint32_t vocab = 1 + random.below(round % 2 == 0 ? 12 : 3000);
    row_race row = row_race::of_logits({random.bits(), random.bits(), 0}, round % 3 == 0 ? 1e-5f : 0.7f);
    if (C == contest::rest && random.coin())
      row.drafted = static_cast<std::int32_t>(random.below(vocab));
    std::vector<float> target(vocab), draft(vocab);
    const double spread = 8 * random.uniform();
    const auto value = [&] {
      if (random.below(20) == 0) {
        const float some[] = {nan, inf, -inf, tiny, -1, 0, -0.0f, 1e30f, -1e30f, 1.5e-38f};
        return some[random.below(10)];
      }
      return static_cast<float>(logits ? spread * random.gaussian() : std::exp(spread * random.gaussian()));
    };
    for (std::uint32_t i = 0; i < vocab; ++i) {
      target[i] = value();
      draft[i] = row.drafted >= 0 ? 0 : value();
    }
    is_found_by_fours<C>(row, target, draft, random);
  }
}

TEST_CASE("race: the best of a row is the best of its tokens, in any order, flushed to zero or not") {
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  random_source random(seed);
  best_is_the_best_alone<contest::greatest_logit>(random);
  best_is_the_best_alone<contest::greatest_weight>(random);
  best_is_the_best_alone<contest::noisy_logits>(random);
  best_is_the_best_alone<contest::weights>(random);
  best_is_the_best_alone<contest::rest>(random);
}

TEST_CASE("race: so it is of the least weights there are, of which many are alike") {
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  random_source random(seed);
  for (std::uint32_t round = 0; round < rounds(2000, 400); ++round) {
    const row_race row{{random.bits(), random.bits(), 0}};
    const std::uint32_t different = 1 + random.below(9); // of 2⁻¹²⁶ … 2⁻¹¹⁸
    std::vector<float> weights(4 + random.below(797));
    for (float& w : weights)
      w = std::ldexp(0x1p-126f, static_cast<int>(random.below(different)));
    is_found_by_fours<contest::weights>(row, weights, std::vector<float>(weights.size()), random);
    is_found_by_fours<contest::rest>(row, weights, std::vector<float>(weights.size()), random);
  }
}

} // namespace

} // namespace decode_race_test
