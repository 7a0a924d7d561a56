// The terminal: whether there is one, how wide it is, and a region of it that is drawn again and again.
#pragma once

#include "interruption.hpp"

#include <clocale>
#include <cstdlib>
#include <cstring>
#include <langinfo.h>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>
#include <vector>

namespace demo {

/// Lines at the end of the output that change until they are left behind. Where the output is no terminal, or
/// one that cannot do it or is too small for it, `live()` is false, and nothing but plain lines should be
/// printed. It can change: people resize their windows.
class screen {
public:
  screen() {
    const char* const term = std::getenv("TERM");
    const char* const plain = std::getenv("NO_COLOR");
    able_ = isatty(STDOUT_FILENO) == 1 && term != nullptr && *term != '\0' &&
            std::strcmp(term, "dumb") != 0 && (plain == nullptr || *plain == '\0');
    std::setlocale(LC_CTYPE, "");
    utf8_ = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  }
  screen(const screen&) = delete;
  screen& operator=(const screen&) = delete;
  ~screen() { leave(); }

  static constexpr int least_columns = 46, least_rows = 15; // of a region with five planes' bars

  [[nodiscard]] bool live() const { return able_ && columns() >= least_columns && rows() >= least_rows; }
  [[nodiscard]] bool utf8() const { return utf8_; }
  [[nodiscard]] int columns() const { return size().first; }
  [[nodiscard]] int rows() const { return size().second; }

  /// Draws the region anew. Each line fits the width.
  void draw(const std::vector<std::string>& lines) {
    const int width = columns();
    if (width < width_) // what is drawn may be broken into more rows now: it stays, and another comes below
      drawn_ = 0;
    width_ = width;
    std::string out = drawn_ == 0 ? "\x1b[?25l" : "\x1b[" + std::to_string(drawn_) + "A";
    detail::cursor_hidden = 1;
    out += '\r';
    for (const std::string& line : lines)
      out += line + "\x1b[0m\x1b[K\n";
    out += "\x1b[J";
    drawn_ = lines.size();
    print(out);
  }
  /// Leaves what is drawn where it is; what is printed next stands below it.
  void leave() {
    drawn_ = 0;
    if (detail::cursor_hidden != 0)
      print("\x1b[0m\x1b[?25h");
    detail::cursor_hidden = 0;
  }
  /// All at once, so that a terminal shows no halves.
  static void print(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t n = write(STDOUT_FILENO, text.data() + at, text.size() - at);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return;
      at += static_cast<std::size_t>(n);
    }
  }

private:
  static std::pair<int, int> size() {
    winsize now{};
    const auto said = [](const char* name, int otherwise) {
      const char* const text = std::getenv(name);
      const int n = text != nullptr ? std::atoi(text) : 0;
      return n > 0 ? n : otherwise;
    };
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) == 0 && now.ws_col > 0 && now.ws_row > 0)
      return {now.ws_col, now.ws_row};
    return {said("COLUMNS", 80), said("LINES", 24)};
  }

  bool able_ = false, utf8_ = false;
  std::size_t drawn_ = 0; // lines
  int width_ = 0;         // of the screen, then
};

} // namespace demo
