#include "planecast/plan/falling_order.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <vector>

using namespace planecast::detail;

namespace {
constexpr float inf = std::numeric_limits<float>::infinity();
}

TEST_CASE("falling_key: it falls where the score rises, and only there") {
  const std::vector<float> rising = {-inf,   -3e38f, -1,         -1e-40f, -0.0f, 1e-45f,
                                     1e-40f, 1,      1.0000001f, 3e38f,   inf};
  for (std::size_t i = 0; i + 1 < rising.size(); ++i)
    CHECK(falling_key(rising[i]) > falling_key(rising[i + 1]));
  CHECK(falling_key(-0.0f) == falling_key(0.0f));
}

TEST_CASE("falling_order: as a stable sort by comparison, for any kind of scores") {
  falling_order sort; // one for all: what it keeps must not matter
  for (unsigned seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    std::vector<float> scores(dice.one_in(20) ? dice.below(5000) : dice.below(200));
    const std::uint32_t kind = dice.below(4);
    for (float& s : scores) {
      if (kind == 0) // any pattern that is a number: denormals, huge ones, both zeros
        do
          s = std::bit_cast<float>(static_cast<std::uint32_t>(dice.engine()()));
        while (std::isnan(s));
      else if (kind == 1)
        s = std::exp(dice.gaussian() * 4);
      else if (kind == 2) // many ties
        s = dice.one_in(3)   ? -0.0f
            : dice.one_in(9) ? (dice.one_in(2) ? inf : -inf)
                             : static_cast<float>(dice.below(4));
      else // the upper digits are the same everywhere
        s = 1 + static_cast<float>(dice.below(1000)) * 0x1p-23f;
    }
    const std::uint32_t first = dice.one_in(2) ? 0 : static_cast<std::uint32_t>(0u - scores.size());
    std::vector<std::uint32_t> expected(scores.size()), got(scores.size());
    std::iota(expected.begin(), expected.end(), first);
    std::stable_sort(expected.begin(), expected.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return scores[a - first] > scores[b - first]; });
    sort(scores, first, got);
    REQUIRE(got == expected);
  }
}
