// Rankings of random scores by a runner, beside the CPU's.
#pragma once

#include "planecast/plan/importance.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace planecast_test {

/// Scores of which many are equal, some are infinite, and zeros have both signs.
inline void draw_scores(random_source& random, float* scores, std::uint32_t count) {
  const std::uint32_t kinds = 1 + random.below(4);
  for (std::uint32_t t = 0; t < count; ++t)
    switch (random.below(kinds)) {
    case 0:
      scores[t] = static_cast<float>(random.gaussian());
      break;
    case 1:
      scores[t] = static_cast<float>(random.below(5)) - 2.0f;
      break;
    case 2:
      scores[t] = random.coin() ? 0.0f : -0.0f;
      break;
    default:
      scores[t] = random.coin()   ? std::numeric_limits<float>::infinity()
                  : random.coin() ? -std::numeric_limits<float>::infinity()
                                  : 0x1p-140f;
    }
}

/// What goes wrong; nothing, if all is well. A runner has an allocator of memory that it reaches, and
///
///     rank(scores, count, pins, first, ranked, not_a_number)
///
/// which says what goes wrong there.
template <class Runner>
std::string order_trouble(Runner&& run, random_source& random, std::uint32_t count) {
  using runner = std::remove_cvref_t<Runner>;
  const std::uint32_t first = random.coin() ? 0 : random.below(100);
  const planecast::pinned_tokens pins{random.below(random.coin() ? 6 : count + 200),
                                      random.below(random.coin() ? 40 : count + 10)};
  constexpr std::uint32_t poison = 0xA5A5A5A5u;
  std::vector<float, typename runner::template allocator<float>> scores(count);
  std::vector<std::uint32_t, typename runner::template allocator<std::uint32_t>> ranked(count + 8, poison),
      not_a_number(1);
  draw_scores(random, scores.data(), count);
  if (const std::string wrong =
          run.rank(scores.data(), count, pins, first, ranked.data(), not_a_number.data());
      !wrong.empty())
    return wrong;
  const planecast::ranking expected = planecast::rank_tokens(std::span<const float>(scores), pins, first);
  if (!std::equal(expected.tokens.begin(), expected.tokens.end(), ranked.begin()))
    return "another order";
  if (std::any_of(ranked.begin() + count, ranked.end(), [](std::uint32_t t) { return t != poison; }))
    return "written behind the ranking";
  if (not_a_number[0] != 0)
    return "numbers that are none";
  scores[random.below(count)] =
      random.coin() ? std::numeric_limits<float>::quiet_NaN() : -std::numeric_limits<float>::quiet_NaN();
  const std::string wrong = run.rank(scores.data(), count, pins, first, ranked.data(), not_a_number.data());
  return !wrong.empty() || not_a_number[0] == 1 ? wrong : "NaN is not said";
}
/// Of any number of tokens.
template <class Runner>
std::string order_trouble(Runner&& run, std::uint64_t seed, std::uint32_t most_tokens) {
  random_source random(seed);
  const std::uint32_t count = 1 + random.below(random.coin() ? 50 : most_tokens);
  return order_trouble(run, random, count);
}

} // namespace planecast_test
