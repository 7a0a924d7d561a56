// How one way of sending a cache looks in a terminal: bars, and text.
#pragma once

#include "timeline.hpp"
#include "units.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace demo {

/// What is drawn, beside the timeline.
struct block {
  std::string name, what; // of the way
  std::uint64_t raw_bytes = 0;
  double now = 0;           // since the decode side was ready
  std::string state = {};   // of the first token
  std::string verdict = {}; // in the end
  std::function<std::string(planecast::token_id)> spelled;
  struct ghost { // a token that was taken back, shown for a moment
    std::size_t index = 0;
    planecast::token_id id = 0;
  };
  std::vector<ghost> ghosts = {}; // by index
};

struct drawing_options {
  int columns = 80;
  int text_rows = 3;
  bool utf8 = true;
};

namespace style {
inline constexpr std::string_view none = "\x1b[0m", title = "\x1b[1m", faint = "\x1b[2m", drafted = "\x1b[2m",
                                  int8 = "", verified = "\x1b[1;32m", gone = "\x1b[9;31m";
inline constexpr std::string_view planes[] = {"\x1b[34m", "\x1b[36m", "\x1b[32m", "\x1b[33m", "\x1b[35m"};

inline std::string_view of(planecast::token_tag tag) {
  switch (tag) {
  case planecast::token_tag::drafted:
    return drafted;
  case planecast::token_tag::verified_int8:
    return int8;
  case planecast::token_tag::verified:
    return verified;
  case planecast::token_tag::retracted:
    return gone;
  }
  return none;
}
} // namespace style

/// As many columns as it takes, less what is too much. For ASCII.
inline std::string cut_to(std::string text, std::size_t columns) {
  if (text.size() > columns)
    text.resize(columns);
  return text;
}

/// Breaks a paragraph into lines, between words.
inline std::string wrapped(const std::string& text, int columns) {
  std::istringstream words(text);
  std::string out, line;
  for (std::string word; words >> word;) {
    if (!line.empty() && line.size() + 1 + word.size() > static_cast<std::size_t>(columns)) {
      out += line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return line.empty() ? out : out + line + "\n";
}

/// A token's spelling that moves no cursor: what is not ASCII, or not to be seen, becomes one character.
inline std::string harmless(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c >= ' ' && c <= '~' ? c : c == '\n' || c == '\t' || c == '\r' ? ' ' : '?';
  return out;
}

/// A bar from column `begin` to `end` of `width`, of which a share is full; eighths of a column where they
/// can be written.
inline std::string bar(double begin, double end, double share, int width, std::string_view colour,
                       bool utf8) {
  static constexpr const char* eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int first = static_cast<int>(begin * width + 0.5);
  const int last = std::max(first + 1, static_cast<int>(end * width + 0.5));
  const int full = static_cast<int>(share * (last - first) * 8 + 1e-9);
  std::string out(static_cast<std::size_t>(first), ' ');
  out += colour;
  for (int i = 0; i < full / 8; ++i)
    out += utf8 ? "█" : "#";
  int left = last - first - full / 8;
  if (utf8 && full % 8 != 0) {
    out += eighths[full % 8];
    --left;
  }
  out += style::none;
  out += style::faint;
  for (int i = 0; i < left; ++i)
    out += utf8 ? "░" : ".";
  out += style::none;
  out.append(static_cast<std::size_t>(std::max(0, width - last)), ' ');
  return out;
}

/// The text in rows of so many columns, broken between words where there are any; the last rows if there are
/// more.
inline std::vector<std::string> text_rows(const block& b, const timeline& t, std::size_t columns,
                                          std::size_t most) {
  struct cell {
    char letter;
    std::string_view look;
  };
  std::vector<cell> cells;
  const auto add = [&](planecast::token_id id, std::string_view look) {
    for (const char c : harmless(b.spelled(id)))
      cells.push_back({c, look});
  };
  const std::vector<standing_token> text = text_of(t);
  const std::size_t ghosts_at =
      b.ghosts.empty() ? text.size() : std::min(b.ghosts.front().index, text.size());
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == ghosts_at)
      for (const block::ghost& g : b.ghosts)
        add(g.id, style::gone);
    if (i < text.size())
      add(text[i].id, style::of(text[i].tag));
  }
  std::vector<std::string> rows;
  for (std::size_t at = 0; at < cells.size();) {
    std::size_t end = std::min(at + columns, cells.size());
    if (end < cells.size())
      for (std::size_t i = end; i > at + columns / 2; --i)
        if (cells[i].letter == ' ') {
          end = i;
          break;
        }
    std::string row;
    std::string_view look;
    for (std::size_t i = at; i < end; ++i) {
      if (cells[i].look != look || i == at) {
        row += style::none;
        row += look = cells[i].look;
      }
      row += cells[i].letter;
    }
    if (std::any_of(cells.begin() + static_cast<std::ptrdiff_t>(at),
                    cells.begin() + static_cast<std::ptrdiff_t>(end),
                    [](const cell& c) { return c.letter != ' '; }))
      rows.push_back(row + std::string(style::none));
    at = end < cells.size() && cells[end].letter == ' ' ? end + 1 : end;
  }
  if (rows.size() > most)
    rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(most));
  return rows;
}

/// The lines, none wider than the columns, if these are 30 or more. Bars stand where their bytes stand in the
/// raw cache: what is free at the right is never sent.
inline std::vector<std::string> draw(const block& b, const timeline& t, const drawing_options& how) {
  const int columns = std::max(how.columns, 30);
  constexpr int label = 11, figures = 10;
  const int width = std::max(columns - label - figures - 1, 4);
  const std::string clock = spoken_seconds(b.now);
  std::vector<std::string> lines;
  const std::size_t room = static_cast<std::size_t>(columns) - clock.size() - 1;
  const std::string name = cut_to(b.name, room), what = cut_to("  " + b.what, room - name.size());
  lines.push_back(std::string(style::title) + name + std::string(style::none) + what +
                  std::string(room + 1 - name.size() - what.size(), ' ') + clock);
  double begin = 0;
  for (std::size_t i = 0; i < t.planes.size(); ++i) {
    const timeline::plane& p = t.planes[i];
    const double all = static_cast<double>(std::max(p.expected, p.bytes));
    const double end =
        std::min(1.0, begin + all / static_cast<double>(std::max<std::uint64_t>(b.raw_bytes, 1)));
    std::string row = cut_to("  " + p.name, label - 1);
    row.resize(label, ' ');
    row += bar(begin, end, all > 0 ? static_cast<double>(p.bytes) / all : 0, width,
               style::planes[i % std::size(style::planes)], how.utf8);
    const std::string bytes = cut_to(spoken_bytes(p.bytes), figures);
    lines.push_back(row + std::string(figures - bytes.size() + 1, ' ') + bytes);
    begin = end;
  }
  const auto text = text_rows(b, t, static_cast<std::size_t>(columns - label),
                              static_cast<std::size_t>(std::max(how.text_rows, 1)));
  for (std::size_t i = 0; i < text.size(); ++i)
    lines.push_back((i == 0 ? "  text     " : std::string(label, ' ')) + text[i]);
  for (const std::string* below : {&b.state, &b.verdict}) {
    std::istringstream rest(wrapped(*below, columns - 2));
    for (std::string line; std::getline(rest, line);)
      lines.push_back(std::string(style::faint) + "  " + line + std::string(style::none));
  }
  return lines;
}

} // namespace demo
