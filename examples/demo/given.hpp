// What a side was given, as far as both must have been given the same: told to the other side when they meet,
// before anything takes time.
#pragma once

#include "block.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace demo {

/// Names and values, in an order that is the same at both sides.
using given = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::string_view given_begins = "planecast-demo, given 1\n";
inline constexpr std::size_t most_given = 4096; // bytes of it

/// A line for each: the name, a tab, the value.
inline std::string written(const given& mine) {
  std::string text(given_begins);
  for (const auto& [name, value] : mine)
    text += harmless(name) + '\t' + harmless(value) + '\n';
  return text;
}

/// Empty if this is not what the other side of this demo says.
inline std::optional<given> read_given(std::string_view text) {
  if (!text.starts_with(given_begins) || text.size() > most_given)
    return std::nullopt;
  text.remove_prefix(given_begins.size());
  given all;
  while (!text.empty()) {
    const std::size_t tab = text.find('\t'), end = text.find('\n');
    if (end == text.npos || tab >= end)
      return std::nullopt;
    all.emplace_back(harmless(std::string(text.substr(0, tab))),
                     harmless(std::string(text.substr(tab + 1, end - tab - 1))));
    text.remove_prefix(end + 1);
  }
  return all;
}

/// What differs, with both values; empty if nothing does.
inline std::string differences(const given& here, const given& there) {
  const auto value = [](const given& all, const std::string& name) -> std::string {
    const auto at = std::ranges::find(all, name, &given::value_type::first);
    return at == all.end() ? "nothing" : at->second;
  };
  std::string text;
  const auto compare = [&](const std::string& name) {
    if (const std::string mine = value(here, name), theirs = value(there, name); mine != theirs)
      text += "\n  " + name + ": " + mine + " here, " + theirs + " there";
  };
  for (const auto& [name, mine] : here)
    compare(name);
  for (const auto& [name, theirs] : there)
    if (std::ranges::find(here, name, &given::value_type::first) == here.end())
      compare(name);
  return text;
}

} // namespace demo
