#include "planecast/plan/falling_order.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <vector>

namespace plan_falling_order_test {

using namespace planecast::detail;

namespace {

template <class Number>
Number any_number(test::dice& dice) {
  for (;;) {
    Number x{};
    if constexpr (sizeof(Number) == 8)
      x = std::bit_cast<Number>(dice.engine()());
    else
      x = std::bit_cast<Number>(static_cast<std::uint32_t>(dice.engine()()));
    if (!std::isnan(x))
      return x;
  }
}

// Numbers of a kind: any pattern, as scores are, many ties, or such that only the lowest bits differ.
template <class Number>
std::vector<Number> numbers(test::dice& dice, std::size_t count) {
  constexpr Number inf = std::numeric_limits<Number>::infinity();
  const std::uint32_t kind = dice.below(5);
  std::vector<Number> made(count);
  for (Number& x : made)
    switch (kind) {
    case 0:
      x = any_number<Number>(dice);
      break;
    case 1:
      x = std::exp(static_cast<Number>(dice.gaussian()) * 4);
      break;
    case 2:
      x = dice.one_in(3)   ? -Number{0}
          : dice.one_in(9) ? (dice.one_in(2) ? inf : -inf)
                           : Number(dice.below(4));
      break;
    case 3:
      x = 1 + Number(dice.below(1000)) * std::numeric_limits<Number>::epsilon();
      break;
    default: // neighbours far apart in between
      x = dice.one_in(50) ? any_number<Number>(dice)
                          : 1 + Number(dice.below(5000)) * std::numeric_limits<Number>::epsilon();
    }
  return made;
}

std::vector<std::uint32_t> items_of(const std::vector<keyed_item>& list) {
  std::vector<std::uint32_t> items;
  for (const keyed_item i : list)
    items.push_back(i.item);
  return items;
}

} // namespace

TEST_CASE_TEMPLATE("falling_key: it falls where the number rises, and only there", Number, float, double) {
  constexpr Number inf = std::numeric_limits<Number>::infinity(),
                   least = std::numeric_limits<Number>::denorm_min();
  const std::vector<Number> rising = {-inf,
                                      Number(-3e38),
                                      -1,
                                      -2 * least,
                                      -least,
                                      0,
                                      least,
                                      2 * least,
                                      1,
                                      1 + std::numeric_limits<Number>::epsilon(),
                                      Number(3e38),
                                      inf};
  for (std::size_t i = 0; i + 1 < rising.size(); ++i)
    CHECK(falling_key(rising[i]) > falling_key(rising[i + 1]));
  CHECK(falling_key(-Number{0}) == falling_key(Number{0}));
}

TEST_CASE("radix_sort: as a stable sort, by so many digits") {
  for (unsigned seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const std::vector<float> scores =
        numbers<float>(dice, dice.one_in(20) ? dice.below(5000) : dice.below(200));
    const unsigned digits = dice.between(1, 3), open = digits == 1 ? 21 : digits == 2 ? 10 : 0;
    std::vector<keyed_item> list;
    for (const float s : scores)
      list.push_back({falling_key(s), static_cast<std::uint32_t>(list.size())});
    std::vector<keyed_item> expected = list;
    std::stable_sort(expected.begin(), expected.end(),
                     [&](keyed_item a, keyed_item b) { return a.key >> open < b.key >> open; });
    std::vector<keyed_item> room(list.size());
    if (digits == 3 && dice.one_in(2))
      radix_sort(list); // with room of its own
    else
      radix_sort(list, room, digits);
    REQUIRE(items_of(list) == items_of(expected));
  }
}

TEST_CASE("sort_falling: as a stable sort by comparison, for any kind of numbers, few or many") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const std::uint32_t size = seed < 2         ? (1u << 17) + dice.below(1000)
                               : dice.one_in(9) ? dice.below(20000)
                                                : dice.below(200);
    const std::vector<double> all = numbers<double>(dice, size);
    std::vector<std::uint32_t> expected(size); // named in any order
    std::iota(expected.begin(), expected.end(), 0u);
    std::shuffle(expected.begin(), expected.end(), dice.engine());
    std::vector<keyed_item> list;
    for (const std::uint32_t i : expected)
      list.push_back({static_cast<std::uint32_t>(dice.engine()()), i});
    std::stable_sort(expected.begin(), expected.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return all[a] > all[b]; });
    std::vector<keyed_item> room(size);
    sort_falling(list, room, [&](std::uint32_t i) { return all[i]; });
    REQUIRE(items_of(list) == expected);
  }
}

} // namespace plan_falling_order_test
