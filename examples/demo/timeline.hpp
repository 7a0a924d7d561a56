// What happened when, while one cache crossed and was decoded on.
#pragma once

#include "planecast/decode/speculate.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace demo {

/// Seconds since the decode side was ready.
struct timeline {
  struct plane {
    std::string name;           // "4 bits", "+4 bits", "+tail"
    std::uint64_t expected = 0; // bytes, about
    std::uint64_t bytes = 0;    // that have come, headers included
  };
  struct arrival { // of one plane's bytes, between two looks
    double at = 0;
    std::uint32_t plane = 0;
    std::uint64_t bytes = 0;
  };
  struct word {
    double at = 0;
    planecast::token_event what;
  };

  std::vector<plane> planes;
  std::vector<arrival> arrivals;
  std::vector<word> words;
  double end = 0; // when all was said

  [[nodiscard]] std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const plane& p : planes)
      sum += p.bytes;
    return sum;
  }
};

/// When the n-th token of the text, counted from 1, was first as sure as the tag says and stayed; drafted:
/// when it was first shown at all.
inline std::optional<double> time_of(const timeline& t, std::size_t n, planecast::token_tag tag) {
  std::optional<double> found;
  bool shown = false;
  for (const auto& [at, what] : t.words) {
    if (what.index + 1 != n)
      continue;
    if (what.tag == planecast::token_tag::retracted) {
      found.reset();
      shown = false;
    } else if (!found && (what.tag == tag || (tag == planecast::token_tag::drafted && !shown)))
      found = at;
    shown = what.tag != planecast::token_tag::retracted;
  }
  return found;
}

/// How many tokens were taken back.
inline std::size_t retracted(const timeline& t) {
  return static_cast<std::size_t>(std::ranges::count_if(
      t.words, [](const timeline::word& w) { return w.what.tag == planecast::token_tag::retracted; }));
}

/// The text as it stands, with how sure each token is.
struct standing_token {
  planecast::token_id id = 0;
  planecast::token_tag tag = planecast::token_tag::drafted;
};
inline std::vector<standing_token> text_of(const timeline& t) {
  std::vector<standing_token> text;
  for (const auto& [at, what] : t.words)
    if (what.tag == planecast::token_tag::retracted)
      text.resize(std::min(text.size(), what.index));
    else {
      text.resize(std::max(text.size(), what.index + 1));
      text[what.index] = {what.id, what.tag};
    }
  return text;
}

} // namespace demo
