// An engine that hands out logits, which hang on all that it holds.
#pragma once

#include "speculate_case.hpp"

#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <vector>

namespace decode_test {

// An engine whose logits hang on all that it holds, and on how coarse the prompt is: coarse logits are about
// the exact ones.
template <bool Invariant = true>
struct hashed_logits {
  static constexpr bool batch_invariant = Invariant;
  std::vector<int> prompt; // the tier of each token
  std::size_t vocab = 5;
  std::uint64_t seed = 0;
  std::vector<std::uint64_t> entries;
  std::size_t rows = 0;

  hashed_logits(std::size_t tokens, std::uint64_t s) : prompt(tokens, -1), seed(s) {}

  static float unit(std::uint64_t bits) { return static_cast<float>(bits >> 40) * 0x1p-24f; }
  void forward(std::span<const token_id> run, std::span<float> logits) {
    REQUIRE(logits.size() == run.size() * vocab);
    for (std::size_t i = 0; i < run.size(); ++i, ++rows) {
      REQUIRE(run[i] >= 0);
      std::uint64_t h = mix(seed, static_cast<std::uint64_t>(run[i])), coarse = 0;
      for (const std::uint64_t e : entries)
        h = mix(h, e);
      for (const int tier : prompt)
        coarse = tier < 2 ? mix(coarse + 1, static_cast<std::uint64_t>(tier + 2)) : coarse;
      entries.push_back(static_cast<std::uint64_t>(run[i]) +
                        1000 * (coarse % 2)); // K and V of a coarse cache
      for (std::size_t t = 0; t < vocab; ++t)
        logits[i * vocab + t] = 3 * unit(mix(h, t)) + (coarse != 0 ? unit(mix(mix(h, coarse), t)) : 0);
    }
  }
  void truncate(std::size_t n) {
    REQUIRE(n >= prompt.size());
    REQUIRE(n <= position());
    entries.resize(n - prompt.size());
  }
  std::size_t position() const { return prompt.size() + entries.size(); }
  std::size_t vocabulary() const { return vocab; }
};

} // namespace decode_test
