#include "planecast/plan/radix_sort.hpp"

#include "planecast/plan/falling_order.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <limits>
#include <utility>
#include <vector>

using namespace planecast;

TEST_CASE("radix_sort: as a stable sort does it") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const std::uint64_t mask = dice.one_in(2) ? ~std::uint64_t{0} : std::uint64_t{0xFF} << dice.below(57);
    std::vector<std::pair<std::uint64_t, std::uint32_t>> items(dice.below(300));
    for (std::uint32_t i = 0; i < items.size(); ++i)
      items[i] = {(dice.one_in(3) ? dice.below(5) : dice.engine()()) & mask, i};
    auto sorted = items;
    std::stable_sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return a.first < b.first; });
    detail::radix_sort(items, [](const auto& x) { return x.first; });
    REQUIRE(items == sorted);
  }
}

TEST_CASE("radix_sort: keys of falling numbers") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> falling = {inf, 3e38f, 2, 1.5f, 1e-40f, 0, -1e-40f, -1, -3e38f, -inf};
  for (std::size_t i = 1; i < falling.size(); ++i) {
    CHECK(detail::falling_key(falling[i - 1]) < detail::falling_key(falling[i]));
    CHECK(detail::falling_key(static_cast<double>(falling[i - 1])) <
          detail::falling_key(static_cast<double>(falling[i])));
  }
  CHECK(detail::falling_key(-0.0f) == detail::falling_key(0.0f));
  CHECK(detail::falling_key(-0.0) == detail::falling_key(0.0));
}
