// What lane operations are tried with, thirty-two values by channel, and what they gave.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/cache/number.hpp"
#include "planecast/code/cell.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace planecast_test {

struct lane_inputs {
  std::uint16_t pattern[32], other[32], code[32];        // any two; below 256
  float low[32], step[32], inside[32], step_or_zero[32]; // a row's scalars, and a value of it
  float small[32];                                       // not too great for either format
  std::byte nibbles[16];
};

class lane_results {
public:
  void put(const char* name, std::uint32_t at, std::uint32_t bits) {
    std::vector<std::uint32_t>& all = results_[name];
    all.resize(std::max<std::size_t>(all.size(), at + 1));
    all[at] = bits;
  }
  /// The first that differs; nothing, if all are the same.
  [[nodiscard]] std::string difference(const lane_results& other) const {
    if (results_.size() != other.results_.size())
      return "other operations";
    for (const auto& [name, bits] : results_) {
      const auto& others = other.results_.at(name);
      for (std::size_t i = 0; i < std::max(bits.size(), others.size()); ++i)
        if (i >= bits.size() || i >= others.size() || bits[i] != others[i])
          return name + ", lane " + std::to_string(i) + ": " + std::to_string(i < bits.size() ? bits[i] : 0) +
                 ", not " + std::to_string(i < others.size() ? others[i] : 0);
    }
    return "";
  }
  [[nodiscard]] std::uint32_t of(const std::string& name, std::size_t lane) const {
    return results_.at(name)[lane];
  }

private:
  std::map<std::string, std::vector<std::uint32_t>, std::less<>> results_;
};

/// Patterns of any kind, the special ones often.
template <class Number>
std::uint16_t finite_pattern(random_source& random) {
  static constexpr std::uint16_t special[] = {
      0,      0x8000, 1,      0x8001, greatest_finite<Number>, greatest_finite<Number> | 0x8000,
      0x3C00, 0xBC00, 0x3F80, 0x0400};
  std::uint16_t p = random.below(5) == 0 ? special[random.below(std::size(special))] : random.pattern();
  while (!Number::finite(p))
    p = random.pattern();
  return p;
}

/// Rows as the format has them: a least and a greatest value, the step that fits, and a value between.
template <class Number>
lane_inputs draw_lanes(random_source& random) {
  using planecast::order_of, planecast::pattern_of;
  using cells = planecast::cells<Number, 8>;
  lane_inputs in;
  for (std::uint32_t i = 0; i < 32; ++i) {
    in.pattern[i] = finite_pattern<Number>(random);
    in.other[i] = random.below(4) == 0 ? in.pattern[i] : random.pattern();
    in.code[i] = static_cast<std::uint16_t>(random.below(256));
    for (;;) {
      cells cell;
      typename cells::extent e;
      const std::uint16_t least = finite_pattern<Number>(random);
      const std::uint32_t width = random.coin() ? 1 + random.below(1000) : random.below(0x10000);
      const std::uint16_t greatest = pattern_of(std::min(0xFFFFu, order_of(least) + width));
      e.add(least);
      e.add(greatest);
      if (!Number::finite(greatest) || !cell.fit(e) || cell.step == 0)
        continue;
      in.low[i] = Number::value(least);
      in.step[i] = planecast::bf16::value(cell.step);
      switch (random.below(4)) {
      case 0:
        in.inside[i] = Number::value(greatest);
        break;
      case 1: // where a cell begins
        in.inside[i] =
            std::min(in.low[i] + static_cast<float>(random.below(254)) * in.step[i], Number::value(greatest));
        break;
      default:
        in.inside[i] = Number::value(
            pattern_of(order_of(least) + random.below(order_of(greatest) - order_of(least) + 1)));
      }
      // fitted_steps takes it for the greatest: it must not be the least.
      if (in.inside[i] > in.low[i])
        break;
    }
    in.step_or_zero[i] = random.below(4) == 0 ? 0.0f : in.step[i];
    in.small[i] = static_cast<float>((2 * random.uniform() - 1) * 65503 *
                                     std::ldexp(1.0, -static_cast<int>(random.below(40))));
  }
  for (std::byte& b : in.nibbles)
    b = static_cast<std::byte>(random.bits());
  return in;
}

/// Whether two sets of lanes give the same for values drawn: each is called with inputs and results.
template <class Number, class Expected, class Found>
void same_lanes(const Expected& run_expected, const Found& run_found) {
  for (std::uint32_t k = 0; k < rounds(1000, 100); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const lane_inputs in = draw_lanes<Number>(random);
    lane_results expected, found;
    run_expected(in, expected);
    run_found(in, found);
    CHECK(found.difference(expected) == "");
  }
}

} // namespace planecast_test
