// Random numbers for tests, by seed.
#pragma once

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
  float gaussian() { return normal_(engine_); }
  std::mt19937_64& engine() { return engine_; }

private:
  std::mt19937_64 engine_;
  std::normal_distribution<float> normal_;
};

} // namespace test
