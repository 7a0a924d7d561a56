// Random numbers for tests, by seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

namespace test {

class dice {
public:
  explicit dice(std::uint64_t seed) : engine_(seed) {}

  /// 0 … n − 1.
  std::uint32_t below(std::uint64_t n) { return static_cast<std::uint32_t>(engine_() % n); }
  /// low … high.
  std::uint32_t between(std::uint32_t low, std::uint32_t high) { return low + below(high - low + 1); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  /// As std::normal_distribution<float> is drawn (by Marsaglia's method), without what that computes anew
  /// each time.
  float gaussian() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    float x = 0, y = 0, square = 0;
    do {
      x = side();
      y = side();
      square = x * x + y * y;
    } while (square > 1 || square == 0);
    const float factor = std::sqrt(-2 * std::log(square) / square);
    spare_ = x * factor;
    has_spare_ = true;
    return y * factor;
  }
  std::mt19937_64& engine() { return engine_; }

private:
  // From −1 to 1.
  float side() {
    const float from_0 = std::min(static_cast<float>(engine_()) * 0x1p-64f, 1 - 0x1p-24f);
    return static_cast<float>(2.0f * from_0 - 1.0);
  }

  std::mt19937_64 engine_;
  bool has_spare_ = false;
  float spare_ = 0;
};

} // namespace test
