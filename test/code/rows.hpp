// Rows and tiles that are hard on the code, drawn from a seed that a failing test prints.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/policy/quantizer.hpp"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numbers>
#include <type_traits>
#include <vector>

// Sanitizers and -O0 make loops many times slower: the same properties, over fewer rows.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
#define PLANECAST_TEST_SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define PLANECAST_TEST_SLOW 1
#endif
#endif
#if !defined(PLANECAST_TEST_SLOW)
#define PLANECAST_TEST_SLOW 0
#endif

namespace planecast_test {

inline constexpr bool slow = PLANECAST_TEST_SLOW != 0;

/// How many rounds a property runs.
constexpr std::uint32_t rounds(std::uint32_t full, std::uint32_t when_slow) {
  return slow ? when_slow : full;
}

/// The first seed of a property; others follow it. PLANECAST_TEST_SEED repeats a failure, or looks elsewhere.
inline std::uint64_t first_seed() {
  const char* given = std::getenv("PLANECAST_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 0) : 1;
}

/// splitmix64: the same numbers from every compiler and standard library.
class random_source {
public:
  explicit random_source(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u) {}

  std::uint64_t bits() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  /// 0 … n − 1.
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>((bits() >> 32) * n >> 32); }
  std::uint16_t pattern() { return static_cast<std::uint16_t>(bits() >> 48); }
  bool coin() { return bits() >> 63 != 0; }
  /// From [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double gaussian() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

private:
  std::uint64_t state_;
};

template <class Number>
inline constexpr std::uint16_t greatest_finite = Number::greatest;
template <class Number>
inline constexpr std::uint16_t infinity = greatest_finite<Number> + 1;

template <class Number>
std::uint16_t nearest(double x) {
  return Number::nearest(static_cast<float>(x));
}

enum class hard : std::uint8_t {
  gaussian,
  gaussian_off_centre,
  gaussian_and_a_stray, ///< one value may be any pattern
  constant,
  zeros_of_both_signs,
  dead,       ///< zeros, and at most one value that is not
  neighbours, ///< two patterns, one apart
  window,     ///< patterns close to each other
  denormals,
  not_finite_among_numbers,
  nothing_finite,
  tiny_least_value, ///< the least value is lost beside the step
  least_step,       ///< about 2⁻¹⁰⁰, where the format has such numbers
  // From here on a tile may end up stored for its step.
  greatest_step, ///< about 2¹¹⁹, on both sides of it
  extremes,
  whole_range,
  any_pattern,
};
inline constexpr std::uint32_t hard_kinds = 17;
inline constexpr std::uint32_t hard_kinds_in_range = 13;

/// A scale row of that kind.
template <class Number>
std::vector<std::uint16_t> hard_row(hard kind, std::uint32_t count, random_source& random) {
  constexpr std::uint16_t top = greatest_finite<Number>;
  const auto sign = [&] { return random.coin() ? Number::sign : 0u; };
  constexpr std::uint32_t all = 2 * Number::sign - 1, few = Number::bits == 8 ? 8 : 64;
  const auto not_finite = [&] {
    return static_cast<std::uint16_t>(sign() | (top + 1u + random.below(all / 2 - top)));
  };
  // Between two values, both of them among the row if it is long enough.
  const auto between = [&](double low, double high) {
    std::vector<std::uint16_t> row;
    for (std::uint32_t i = 0; i < count; ++i)
      row.push_back(nearest<Number>(i == 0 ? low : i == 1 ? high : low + (high - low) * random.uniform()));
    return row;
  };
  const double scale = std::ldexp(1.0, static_cast<int>(random.below(24)) - 12);
  const double centre = kind == hard::gaussian_off_centre ? 8 * random.gaussian() : 0;
  const auto fixed = static_cast<std::uint16_t>(random.pattern() & all);
  const std::uint32_t start = Number::order(sign() | random.below(top));
  const std::uint32_t width = 1 + random.below(Number::bits == 8 ? 40 : 400);
  const std::uint32_t place = random.below(count);

  switch (kind) {
  case hard::tiny_least_value: {
    const double tiny = std::is_same_v<Number, planecast::bf16>
                            ? std::ldexp(1.0, -static_cast<int>(random.below(134)))
                            : std::ldexp(1.0, -static_cast<int>(random.below(25)));
    return between(random.coin() ? tiny : -tiny,
                   std::ldexp(1 + random.uniform(), static_cast<int>(random.below(16))));
  }
  case hard::least_step:
    if constexpr (std::is_same_v<Number, planecast::bf16>) {
      const double low = std::ldexp(random.gaussian(), -90 - static_cast<int>(random.below(45)));
      return between(low, low + 254 * 0x1p-100 * (0.97 + 0.06 * random.uniform()));
    }
    return between(-0x1p-24 * random.below(3), 0x1p-24 * random.below(3));
  case hard::greatest_step:
    if constexpr (std::is_same_v<Number, planecast::bf16>) {
      const double low = -0x1p127 * random.uniform();
      return between(low, low + 254 * 0x1p119 * (0.97 + 0.06 * random.uniform()));
    }
    return between(-65504 * random.uniform(), 65504 * random.uniform());
  case hard::whole_range:
    return between(-static_cast<double>(Number::value(top)), static_cast<double>(Number::value(top)));
  default:
    break;
  }
  std::vector<std::uint16_t> row;
  for (std::uint32_t i = 0; i < count; ++i)
    switch (kind) {
    case hard::constant:
      row.push_back(fixed);
      break;
    case hard::zeros_of_both_signs:
      row.push_back(static_cast<std::uint16_t>(sign()));
      break;
    case hard::dead:
      row.push_back(i == place ? fixed & all / 2 & top : std::uint16_t{0});
      break;
    case hard::neighbours:
      row.push_back(Number::pattern(start + (random.coin() ? 1u : 0u)));
      break;
    case hard::window:
      row.push_back(Number::pattern(planecast::detail::min(all, start + random.below(width))));
      break;
    case hard::denormals:
      row.push_back(static_cast<std::uint16_t>(sign() | random.below(few)));
      break;
    case hard::extremes:
      row.push_back(static_cast<std::uint16_t>(sign() | (top - random.below(few))));
      break;
    case hard::not_finite_among_numbers:
      row.push_back(random.below(4) == 0 ? not_finite() : nearest<Number>(random.gaussian() * scale));
      break;
    case hard::nothing_finite:
      row.push_back(not_finite());
      break;
    case hard::any_pattern:
      row.push_back(static_cast<std::uint16_t>(random.pattern() & all));
      break;
    case hard::gaussian_and_a_stray:
      row.push_back(i == place ? fixed : nearest<Number>(random.gaussian() * scale));
      break;
    default:
      row.push_back(nearest<Number>((random.gaussian() + centre) * scale));
    }
  return row;
}

/// A tile whose scale rows are of the first `kinds` kinds, or all of one kind.
template <class Number>
std::vector<std::uint16_t> hard_tile(planecast::tile_shape shape, bool rows_are_channels, std::uint32_t kinds,
                                     random_source& random) {
  std::vector<std::uint16_t> values(shape.values());
  const bool one_kind = random.below(3) == 0;
  const std::uint32_t kind = random.below(kinds);
  const std::uint32_t rows = rows_are_channels ? shape.dim : shape.tokens;
  const std::uint32_t length = rows_are_channels ? shape.tokens : shape.dim;
  for (std::uint32_t r = 0; r < rows; ++r) {
    const auto row =
        hard_row<Number>(static_cast<hard>(one_kind ? kind : random.below(kinds)), length, random);
    for (std::uint32_t i = 0; i < length; ++i)
      values[rows_are_channels ? i * shape.dim + r : r * shape.dim + i] = row[i];
  }
  return values;
}

} // namespace planecast_test
