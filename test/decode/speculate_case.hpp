// What tests of speculation share: an engine whose text hangs on everything, and random ways to arrive.
#pragma once

#include "planecast/decode/speculated.hpp"

#include "scripted_cache.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <random>
#include <span>
#include <vector>

namespace decode_test {

using pc::token_id, pc::token_tag;
using ids = std::vector<token_id>;

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  a = (a ^ b) * 0x9E3779B97F4A7C15u;
  a = (a ^ (a >> 29)) * 0xBF58476D1CE4E5B9u;
  return a ^ (a >> 32);
}

// An engine whose every token hangs on all that it holds: on the tiers of the prompt's tokens, and on how
// each later entry was computed. Entries left from a coarse cache, or from another text, give another text.
template <bool Invariant>
struct hashing {
  static constexpr bool batch_invariant = Invariant;
  std::vector<int> prompt; // the tier of each token
  int exact = 2;           // the tier that holds everything
  std::uint64_t seed = 0;
  std::vector<std::uint64_t> entries;
  std::size_t steps = 0, fed_to_verify = 0;

  hashing(std::size_t tokens, std::uint64_t s) : prompt(tokens, -1), seed(s) {}

  token_id feed(token_id t, std::uint64_t noise) {
    std::uint64_t h = mix(seed, static_cast<std::uint64_t>(t));
    for (const std::uint64_t e : entries)
      h = mix(h, e);
    for (const int tier : prompt)
      if (tier < exact)
        noise = mix(noise + 1, static_cast<std::uint64_t>(tier + 2)); // never 0 at the first
    noise = noise == 0 ? 0 : mix(noise, h);
    entries.push_back(static_cast<std::uint64_t>(t) * 2 + (noise != 0 && noise % 16 == 0 ? 1 : 0));
    return static_cast<token_id>((h + (noise != 0 && noise / 16 % 16 == 0 ? 1 : 0)) % 1000);
  }
  token_id step(token_id t) {
    ++steps;
    return feed(t, Invariant ? 0 : 7); // the arithmetic of steps is not verify's
  }
  void verify(std::span<const token_id> run, std::span<token_id> next) {
    REQUIRE(!run.empty());
    REQUIRE(run.size() == next.size());
    fed_to_verify += run.size();
    for (std::size_t i = 0; i < run.size(); ++i)
      next[i] = feed(run[i], 0);
  }
  void truncate(std::size_t n) {
    REQUIRE(n <= position());
    REQUIRE(n >= prompt.size());
    entries.resize(n - prompt.size());
  }
  std::size_t position() const { return prompt.size() + entries.size(); }
};

inline constexpr std::uint32_t prompt_tokens = 8;
inline constexpr token_id first = 5;

// What sequential decoding gives on a cache whose tokens hold these tiers, by verify's arithmetic.
inline ids sequential(std::uint64_t seed, const std::vector<int>& tiers, std::size_t max_tokens) {
  hashing<true> e(tiers.size(), seed);
  e.prompt = tiers;
  ids text = {first};
  while (text.size() < max_tokens)
    text.push_back(e.step(text.back()));
  return text;
}
inline ids sequential(std::uint64_t seed, int tier, std::size_t max_tokens) {
  return sequential(seed, std::vector<int>(prompt_tokens, tier), max_tokens);
}

// Follows the events and objects to those that make no sense.
struct witness {
  ids text;
  std::vector<token_tag> tags;
  std::size_t drafts = 0, taken_back = 0, drafts_taken_back = 0;
  std::vector<bool> was_draft;

  void operator()(const pc::token_event& e) {
    if (e.tag == token_tag::retracted) {
      REQUIRE(e.index + 1 == text.size());
      REQUIRE(e.id == text.back());
      REQUIRE(tags.back() != token_tag::verified);
      ++taken_back;
      drafts_taken_back += was_draft.back() ? 1 : 0;
      text.pop_back();
      tags.pop_back();
      was_draft.pop_back();
    } else if (e.index == text.size()) {
      text.push_back(e.id);
      tags.push_back(e.tag);
      was_draft.push_back(e.tag == token_tag::drafted);
      drafts += e.tag == token_tag::drafted ? 1 : 0;
    } else {
      REQUIRE(e.index < text.size());
      REQUIRE(e.id == text[e.index]);
      REQUIRE(e.tag > tags[e.index]);
      tags[e.index] = e.tag;
    }
  }
};

// Base at some poll, refines and tails in some order after it, each token at a time of its own.
inline script random_script(std::mt19937_64& random, int top = 2) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  script s;
  const std::size_t begin = below(4), refined = begin + below(25), end = refined + below(25);
  s.whole(begin, prompt_tokens, 0);
  const bool staged = below(2) == 0;
  std::size_t last = begin;
  for (std::uint32_t t = 0; t < prompt_tokens; ++t)
    for (int tier = 1; tier <= top; ++tier) {
      const std::size_t from = staged && tier == 2 ? refined : begin,
                        to = staged && tier == 1 ? refined : end;
      const std::size_t at = from + below(to - from + 1);
      s.arrivals.push_back({at, t, tier});
      last = std::max(last, at);
    }
  s.first_light = begin + (below(3) == 0 ? below(10) : 0);
  s.focused = std::max(last + below(3), s.first_light);
  return s;
}

} // namespace decode_test
