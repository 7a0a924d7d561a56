#include "planecast/decode/noise.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <set>
#include <vector>

namespace decode_noise_test {

namespace pc = planecast;
using namespace planecast_test;
using real = long double; // 64 bits of fraction on x86, at least 53 elsewhere

namespace {

real chance(std::uint64_t x) {
  return std::ldexp(static_cast<real>(x), -64);
}
real wait(std::uint64_t x) {
  return -std::log1p(-chance(x)) / std::log(2.0L);
}

// Every magnitude that comes, from both ends of (0, 1).
std::uint64_t some_chance(random_source& random) {
  auto word = static_cast<std::uint32_t>(random.bits() >> 32 >> random.below(33));
  if (random.coin())
    word = ~word;
  const bool small = word < pc::detail::small_word;
  return pc::detail::chance_of(
      word, small ? static_cast<std::uint32_t>(random.bits() >> 32 >> random.below(32)) : 0x80000000u);
}

TEST_CASE("noise: the logarithm in integers is within 2^-25 of itself, and 2 units") {
  random_source random(first_seed());
  real worst = 0;
  const auto check = [&](std::uint64_t y) {
    const real is = std::ldexp(static_cast<real>(pc::detail::minus_log2_of_rest(y)), -64), should = wait(y);
    worst = std::max(worst, (std::abs(is - should) - std::ldexp(2.0L, -64)) / should);
  };
  for (std::uint32_t i = 0; i < rounds(2000000, 50000); ++i)
    check(random.bits() >> (1 + random.below(60)) | 1);
  for (std::uint64_t i = 0; i < 4096; ++i) { // evenly, and up to the end, where it must not overflow
    check((i << 51) + 1);
    check((std::uint64_t{1} << 63) - 1 - i);
  }
  CHECK(worst < 0x1.0p-25L);
  MESSAGE("worst: 2^", std::log2(worst));
}

TEST_CASE("noise: waiting times and Gumbel noise are within their bounds") {
  random_source random(first_seed());
  real worst_wait = 0, worst_gumbel = 0;
  for (std::uint32_t i = 0; i < rounds(2000000, 50000); ++i) {
    const std::uint64_t x = some_chance(random);
    CAPTURE(x);
    const pc::detail::waiting_time time = pc::detail::wait_of(x);
    const real should = wait(x);
    REQUIRE(time.bits > 0);
    if (should > 0x1p-39L)
      worst_wait = std::max(worst_wait, std::abs(static_cast<real>(time.value()) / should - 1));
    const std::int32_t gumbel = time.gumbel();
    REQUIRE(gumbel % 2 != 0);
    if (should > 0x1p-39L)
      worst_gumbel =
          std::max(worst_gumbel, std::abs(std::ldexp(static_cast<real>(gumbel), -24) + std::log2(should)));
  }
  CHECK(worst_wait < 0x1p-23L);
  CHECK(worst_gumbel < 0x1p-22L);
  MESSAGE("worst: 2^", std::log2(worst_wait), " of a waiting time, 2^", std::log2(worst_gumbel),
          " of Gumbel noise");
}

TEST_CASE("noise: small words are made finer by other words, and others have their middle") {
  pc::position_noise at{.seed = 3, .position = 1};
  std::uint32_t small = 0;
  for (std::uint32_t token = 0; token < 40000; ++token) {
    const std::uint32_t word =
        pc::detail::noise_words(at, pc::detail::noise_use::race, token / 4).of[token % 4];
    const std::uint64_t x = pc::detail::chance_of_token(at, token);
    REQUIRE(static_cast<std::uint32_t>(x >> 32) == word);
    const bool middle = static_cast<std::uint32_t>(x) == 0x80000001u;
    CHECK(middle == (word >= pc::detail::small_word));
    small += word < pc::detail::small_word ? 1 : 0;
  }
  CHECK(small > 0); // about ten
}

TEST_CASE("noise: no two of position, stream, seed, token and use share theirs") {
  std::set<std::uint64_t> seen;
  std::uint32_t count = 0;
  const auto add = [&](const pc::philox_words& words) {
    seen.insert(std::uint64_t{words.of[0]} << 32 | words.of[1]);
    ++count;
  };
  for (const std::uint64_t seed : {0u, 1u})
    for (const std::uint64_t position : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32})
      for (const std::uint32_t stream : {0u, 1u})
        for (const std::uint32_t four : {0u, 1u, 0x1FFFFFFFu})
          for (const auto use :
               {pc::detail::noise_use::race, pc::detail::noise_use::finer_race, pc::detail::noise_use::draft})
            add(pc::detail::noise_words({seed, position, stream}, use, four));
  CHECK(seen.size() == count);
}

// Kolmogorov's distance between what is drawn and what should be: above 1.95 / sqrt(n) once in a thousand.
template <class Distribution>
double distance(std::vector<double> drawn, Distribution share_below) {
  std::ranges::sort(drawn);
  const auto n = static_cast<double>(drawn.size());
  double worst = 0;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const double share = share_below(drawn[i]);
    worst = std::max({worst, share - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - share});
  }
  return worst * std::sqrt(n);
}

TEST_CASE("noise: it is distributed as it should be") {
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  std::vector<double> gumbel, uniform;
  const std::uint32_t count = rounds(400000, 20000);
  for (std::uint32_t token = 0; token < count; ++token) {
    gumbel.push_back(pc::gumbel_noise({.seed = seed, .position = 9}, token));
    uniform.push_back(pc::draft_noise({.seed = seed, .position = token}));
  }
  const double ln2 = std::log(2.0);
  const double of_gumbel = distance(gumbel, [&](double x) { return std::exp(-ln2 * std::exp(-ln2 * x)); });
  const double of_uniform = distance(uniform, [](double x) { return x; });
  MESSAGE("Kolmogorov: ", of_gumbel, ", ", of_uniform, " of 1.95 (one in a thousand) for seed ", seed);
  CHECK(of_gumbel < 1.95);
  CHECK(of_uniform < 1.95);
}

} // namespace

} // namespace decode_noise_test
