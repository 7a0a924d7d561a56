// eˣ, ln, sine and cosine in double, of our own, so that no math library can differ: nothing but sums,
// products and quotients, which are the same everywhere. Good to about 1e-14.
#pragma once

#include <cmath>
#include <cstdint>

namespace tiny::sure {

inline constexpr double pi = 3.14159265358979323846, ln2 = 0.693147180559945309417;

/// eˣ for |x| up to 700.
inline double exp(double x) {
  const auto whole = static_cast<std::int64_t>(x / ln2 + (x < 0 ? -0.5 : 0.5));
  const double f = x - static_cast<double>(whole) * ln2;
  double sum = 1, term = 1;
  for (int i = 1; i < 20; ++i)
    sum += term *= f / i;
  return std::ldexp(sum, static_cast<int>(whole)); // exact
}

/// The natural logarithm of x > 0.
inline double log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent); // exact; ½ … 1
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  const double y = (m - 1) / (m + 1), square = y * y; // |y| < 0.172
  double sum = 0, power = 2 * y;
  for (int i = 1; i < 27; i += 2, power *= square)
    sum += power / i;
  return exponent * ln2 + sum;
}

struct sine_cosine {
  double sine, cosine;
};
/// Of an angle of at most some 10⁸, in radians.
inline sine_cosine turn(double angle) {
  // Quarters of a turn are taken off in two parts of π/2, the first short enough for exact products.
  constexpr double high = 1.57079632580280303955078125, low = 9.920935796805404e-10;
  const auto quarter = static_cast<std::int64_t>(angle / (pi / 2) + (angle < 0 ? -0.5 : 0.5));
  const double x = (angle - static_cast<double>(quarter) * high) - static_cast<double>(quarter) * low;
  const double square = x * x;
  double s = 0, c = 0, odd = x, even = 1;
  for (int i = 1; i < 20; i += 2) {
    s += odd;
    c += even;
    even *= -square / (i * (i + 1));
    odd *= -square / ((i + 1) * (i + 2));
  }
  switch (quarter & 3) {
  case 0:
    return {s, c};
  case 1:
    return {c, -s};
  case 2:
    return {-s, -c};
  default:
    return {-c, s};
  }
}

} // namespace tiny::sure
