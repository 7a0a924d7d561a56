#include "planecast/decode/softmax.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

namespace decode_softmax_test {

namespace pc = planecast;
using namespace planecast_test;
using real = long double;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

TEST_CASE("softmax: powers of two are within 2^-23 of themselves") {
  random_source random(first_seed());
  real worst = 0;
  for (std::uint32_t i = 0; i < rounds(500000, 20000); ++i) {
    const auto d = static_cast<float>(std::ldexp(random.uniform(), static_cast<int>(random.below(30)) - 23));
    const pc::detail::power p = pc::detail::power_of_minus(d);
    const real should = std::exp2(-static_cast<real>(d));
    CHECK(p.bits <= 1u << 30);
    worst = std::max(worst, std::abs(static_cast<real>(p.value()) / should - 1));
    CHECK(std::abs(std::ldexp(static_cast<real>(p.in_2_40()), -40) - should) <= should * 0x1p-25L + 0x1p-40L);
  }
  CHECK(worst < 0x1p-23L);
  MESSAGE("worst: 2^", std::log2(worst));
  for (const float d : {64.0f, 1e30f, inf, nan})
    CHECK(pc::detail::power_of_minus(d).bits == 0);
  CHECK(pc::detail::power_of_minus(63.99f).bits > 0);
}

pc::detail::row_softmax row_of(const std::vector<float>& logits, float scale) {
  pc::detail::row_softmax row;
  for (const float x : logits)
    row.greatest = std::max<std::uint64_t>(row.greatest, pc::detail::order_of_logit(x));
  for (const float x : logits)
    row.sum += row.power_of(x, scale).in_2_40();
  return row;
}

TEST_CASE("softmax: probabilities are softmax's") {
  random_source random(first_seed());
  for (std::uint32_t round = 0; round < rounds(200, 20); ++round) {
    const float temperature = 0.25f + 2 * static_cast<float>(random.uniform());
    const float scale = pc::detail::logit_scale(temperature);
    std::vector<float> logits(1 + random.below(3000));
    real top = -1e9L, all = 0;
    for (float& x : logits) {
      x = static_cast<float>(4 * random.gaussian());
      top = std::max(top, static_cast<real>(x));
    }
    for (const float x : logits)
      all += std::exp((static_cast<real>(x) - top) / static_cast<real>(temperature));
    const auto row = row_of(logits, scale);
    for (const float x : logits) {
      const real should = std::exp((static_cast<real>(x) - top) / static_cast<real>(temperature)) / all;
      // A logit of 20 divided by 1/4 is a product of 2^7 or less, rounded to 2^-18 of its unit, twice. What
      // is 64 bits below the greatest is nothing.
      CHECK(std::abs(static_cast<real>(row.probability(x, scale)) - should) <= should * 2e-5L + 0x1p-64L);
    }
  }
}

TEST_CASE("softmax: the sum of the most tokens fits, and that of twice as many does not") {
  const std::uint64_t greatest = pc::detail::power_of_minus(0).in_2_40(),
                      most = pc::detail::most_softmax_tokens,
                      room = std::numeric_limits<std::uint64_t>::max() / greatest;
  CHECK(most <= room);
  CHECK(2 * most > room);
}

TEST_CASE("softmax: rows that are hard") {
  const float scale = pc::detail::logit_scale(1);
  CHECK(row_of({3}, scale).probability(3, scale) == 1);
  CHECK(row_of({nan, -inf}, scale).probability(nan, scale) == 0);
  CHECK(row_of({nan, -inf, 2}, scale).probability(-inf, scale) == 0);
  CHECK(row_of({nan, -inf, 2}, scale).probability(2, scale) == 1);
  CHECK(row_of({inf, 5, inf}, scale).probability(inf, scale) == 0.5f);
  CHECK(row_of({inf, 5, inf}, scale).probability(5, scale) == 0);
  const float most = std::numeric_limits<float>::max();
  CHECK(row_of({most, 0}, scale).probability(most, scale) == 1);
  CHECK(row_of({-most, -most}, scale).probability(-most, scale) == 0.5f);
  CHECK(row_of({0.0f, -0.0f}, scale).probability(-0.0f, scale) == 0.5f);
}

} // namespace

} // namespace decode_softmax_test
