// Names from files in messages.
#pragma once

#include <string>
#include <string_view>

namespace tiny {

/// A name from a file as messages show it: short, and nothing in it that a terminal obeys.
inline std::string in_quotes(std::string_view name) {
  std::string shown = "\"";
  for (const char c : name.substr(0, 80))
    shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + (name.size() > 80 ? "...\"" : "\"");
}

} // namespace tiny
