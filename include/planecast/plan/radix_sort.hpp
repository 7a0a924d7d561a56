// Sorting by numbers, in time that does not grow with what they are.
#pragma once

#include "planecast/config.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace planecast::inline v0::detail {

/// Sorts by rising key_of(item), a u64; items of equal keys stay in their order. Digits that are the same in
/// all keys cost nothing.
template <class T, class KeyOf>
void radix_sort(std::vector<T>& items, const KeyOf& key_of) {
  constexpr std::uint32_t bits = 11, digits = 6; // 66 bits
  constexpr std::size_t values = std::size_t{1} << bits;
  std::vector<std::array<std::size_t, values>> counts(digits);
  const auto digit = [](std::uint64_t key, std::uint32_t d) { return key >> (d * bits) & (values - 1); };
  for (const T& item : items) {
    const std::uint64_t key = key_of(item);
    for (std::uint32_t d = 0; d < digits; ++d)
      ++counts[d][digit(key, d)];
  }
  std::vector<T> other;
  for (std::uint32_t d = 0; d < digits && !items.empty(); ++d) {
    std::array<std::size_t, values>& at = counts[d];
    if (at[digit(key_of(items.front()), d)] == items.size())
      continue;
    std::size_t before = 0;
    for (std::size_t& n : at) {
      const std::size_t count = n;
      n = before;
      before += count;
    }
    other.resize(items.size());
    for (const T& item : items)
      other[at[digit(key_of(item), d)]++] = item;
    items.swap(other);
  }
}

/// A key by which greater numbers come first, as falling_key(float) has it; −0 and +0 have the same.
/// Preconditions: not NaN.
inline std::uint64_t falling_key(double number) noexcept {
  const auto pattern = std::bit_cast<std::uint64_t>(number + 0.0); // −0 becomes +0
  return pattern >> 63 != 0 ? pattern : ~pattern & ~(std::uint64_t{1} << 63);
}

} // namespace planecast::inline v0::detail
