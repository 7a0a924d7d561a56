// Sorting by score: the order that rankings and orders of worth are made from.
#pragma once

#include "planecast/config.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

/// A whole number that falls as the score rises; −0 and +0 have the same.
/// Preconditions: the score is not NaN.
PLANECAST_HOST_DEVICE constexpr std::uint32_t falling_key(float score) noexcept {
  auto bits = bit_cast<std::uint32_t>(score);
  if (bits == 0x80000000u)
    bits = 0;
  return (bits >> 31) != 0 ? bits : ~bits & 0x7FFFFFFFu;
}
/// Likewise of a double.
inline std::uint64_t falling_key(double number) noexcept {
  const auto pattern = std::bit_cast<std::uint64_t>(number + 0.0); // −0 becomes +0
  return pattern >> 63 != 0 ? pattern : ~pattern & ~(std::uint64_t{1} << 63);
}

/// An item of a list, and what it is sorted by.
struct keyed_item {
  std::uint32_t key, item;
};

/// Sorts by rising keys, equal ones staying in their order, and by no more than the keys' `digits` highest
/// digits of 11 bits (the last of 10). All digits are counted in one pass; one that all keys share costs
/// nothing. `room` is for as many items, and left with anything in it.
inline void radix_sort(std::span<keyed_item> items, std::span<keyed_item> room, unsigned digits = 3) {
  constexpr std::size_t values = 1u << 11;
  constexpr std::array<unsigned, 3> shifts{21, 10, 0}; // of the highest digit first
  constexpr std::array<std::uint32_t, 3> masks{values - 1, values - 1, values / 2 - 1};
  if (items.empty())
    return;
  std::array<std::array<std::uint32_t, values>, 3> counts{};
  for (const keyed_item i : items)
    for (unsigned d = 0; d < 3; ++d)
      ++counts[d][i.key >> shifts[d] & masks[d]];
  const std::size_t count = items.size();
  keyed_item *from = items.data(), *to = room.data();
  for (unsigned d = digits; d-- > 0;) {
    std::array<std::uint32_t, values>& at = counts[d];
    if (at[from->key >> shifts[d] & masks[d]] == count)
      continue;
    std::uint32_t before = 0;
    for (std::uint32_t& n : at)
      before += std::exchange(n, before);
    for (std::size_t k = 0; k < count; ++k)
      to[at[from[k].key >> shifts[d] & masks[d]]++] = from[k];
    std::swap(from, to);
  }
  if (from != items.data())
    std::copy_n(from, count, items.data());
}
/// The same with room of its own.
inline void radix_sort(std::vector<keyed_item>& items) {
  const auto room = std::make_unique_for_overwrite<keyed_item[]>(items.size());
  radix_sort(items, {room.get(), items.size()});
}

/// The order of numbers, the greatest first, of equal ones the one that `items` names first. Made in two
/// steps: by the highest bits in which the numbers differ, which a radix sort puts in order in a time that
/// does not depend on them; then, where those leave neighbours open, by comparing the numbers themselves.
/// Preconditions: every item is the index of a number; none is NaN; keys and room may hold anything.
template <class NumberOf>
void sort_falling(std::span<keyed_item> items, std::span<keyed_item> room, const NumberOf& number_of) {
  if (items.size() < 2)
    return;
  std::uint64_t least = ~std::uint64_t{0}, most = 0;
  for (const keyed_item i : items) {
    const std::uint64_t key = falling_key(number_of(i.item));
    least = std::min(least, key);
    most = std::max(most, key);
  }
  // So that the highest digit is used, whatever the range.
  const int width = static_cast<int>(std::bit_width(most - least));
  const int right = std::max(0, width - 32), left = std::max(0, 32 - width);
  for (keyed_item& i : items)
    i.key = static_cast<std::uint32_t>((falling_key(number_of(i.item)) - least) >> right << left);
  const unsigned digits = items.size() <= 1u << 17 ? 2 : 3; // what is open for few items is soon compared
  const unsigned open = digits == 2 ? 10 : 0;
  radix_sort(items, room, digits);

  constexpr std::ptrdiff_t few = 16; // are sorted faster by inserting them
  const auto before = [&](keyed_item a, keyed_item b) { return number_of(a.item) > number_of(b.item); };
  for (auto run = items.begin(); run != items.end();) {
    const std::uint32_t bits = run->key >> open;
    auto end = run + 1;
    bool in_order = true;
    for (; end != items.end() && end->key >> open == bits; ++end)
      in_order = in_order && !before(*end, *(end - 1));
    if (!in_order && end - run > few) {
      for (auto i = run; i != end; ++i) // which is looked at no more: now the place, for equal ones
        i->key = static_cast<std::uint32_t>(i - run);
      std::sort(run, end,
                [&](keyed_item a, keyed_item b) { return before(a, b) || (!before(b, a) && a.key < b.key); });
    } else if (!in_order)
      for (auto i = run + 1; i != end; ++i) {
        const keyed_item here = *i;
        auto to = i;
        for (; to != run && before(here, *(to - 1)); --to)
          *to = *(to - 1);
        *to = here;
      }
    run = end;
  }
}

} // namespace planecast::inline v0::detail
