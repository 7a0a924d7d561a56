// The definition of the code was tried before the library was written, over adversarial rows; the hash of all
// its boundaries stands in that trial. Here are the same rows, and the library's boundaries.
#include "planecast/code/cell.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <random>
#include <vector>

namespace code_trial_test {

namespace pc = planecast;

namespace {

// The trial's rows. Every draw is a statement of its own: their order is part of the definition.
template <class Number>
std::vector<std::uint16_t> trial_row(int mode, std::mt19937_64& random) {
  const auto count = static_cast<std::size_t>(1 + random() % 64);
  const auto limited = [](std::uint64_t order) {
    return pc::pattern_of(static_cast<std::uint32_t>(std::min<std::uint64_t>(0xFFFF, order)));
  };
  const auto pattern = [&] { return static_cast<std::uint16_t>(random() % 65536); };
  const auto signed_zero = [&] { return random() % 2 != 0 ? 0u : 0x8000u; };
  std::normal_distribution<double> gaussian;
  std::vector<std::uint16_t> row;
  if (mode == 0) {
    for (std::size_t i = 0; i < count; ++i)
      row.push_back(pattern());
  } else if (mode == 1) {
    const std::uint64_t start = random() % 65536;
    const std::uint64_t width = 1 + random() % 400;
    for (std::size_t i = 0; i < count; ++i)
      row.push_back(limited(start + random() % width));
  } else if (mode == 2) {
    row.assign(count, pattern());
  } else if (mode <= 5) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t sign = signed_zero();
      const std::uint32_t size = mode == 3   ? 0
                                 : mode == 4 ? static_cast<std::uint32_t>(random() % 64)
                                             : 0x7BFFu - static_cast<std::uint32_t>(random() % 64);
      row.push_back(static_cast<std::uint16_t>(sign | size));
    }
  } else {
    const double scale = std::ldexp(1.0, static_cast<int>(random() % 24) - 12);
    const double offset = mode == 7 ? gaussian(random) * 8 : 0;
    for (std::size_t i = 0; i < count; ++i)
      row.push_back(limited(Number::ceil_order(static_cast<float>((gaussian(random) + offset) * scale))));
    if (mode == 8)
      row.push_back(pattern());
  }
  return row;
}

template <class Number>
std::uint64_t trial_hash(int rows) {
  std::mt19937_64 random(3);
  std::uint64_t hash = 1469598103934665603u;
  const auto add = [&](std::uint64_t field) { hash = (hash ^ field) * 1099511628211u; };
  for (int k = 0; k < rows; ++k) {
    typename pc::cells<Number, 8>::extent extent;
    for (const std::uint16_t x : trial_row<Number>(k % 9, random))
      extent.add(x);
    pc::cells<Number, 8> cells;
    if (!cells.fit(extent))
      continue;
    add(cells.low ^ static_cast<std::uint64_t>(cells.step) << 32); // s stood there as an fp32
    for (std::uint32_t q = 0; q <= 256; ++q)
      add(cells.first(q));
  }
  return hash;
}

} // namespace

// The rows come through std::normal_distribution, which every standard library writes in its own way.
#if defined(__GLIBCXX__)
TEST_CASE("trial: the boundaries of its first 20,000 rows") {
  CHECK(trial_hash<pc::bf16>(20'000) == 0xa5d8ff41c5ea42a8u);
  CHECK(trial_hash<pc::fp16>(20'000) == 0x87bd85b988a36568u);
}

TEST_CASE("trial: the boundaries of all its rows" * doctest::skip(planecast_test::slow)) {
  CHECK(trial_hash<pc::bf16>(300'000) == 0x51062d14a98d0cc3u);
  CHECK(trial_hash<pc::fp16>(300'000) == 0x5e218225bb44dd8cu);
}
#endif

} // namespace code_trial_test
