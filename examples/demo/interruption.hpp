// Ctrl-C, and being told to end: noticed where it does no harm, and then said.
#pragma once

#include <csignal>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace demo {

struct interrupted : std::runtime_error {
  explicit interrupted(int signal)
      : std::runtime_error(signal == SIGINT ? "interrupted" : "told to end"), number(signal) {}
  int number;
};

namespace detail {
inline volatile std::sig_atomic_t signal_came = 0;
inline volatile std::sig_atomic_t cursor_hidden = 0; // set by the screen
} // namespace detail

inline constexpr char show_cursor[] = "\x1b[?25h\x1b[0m\n";

/// From now on a signal is noted, for check_interruption() to throw. A second one ends the program at once.
inline void note_interruptions() {
  struct sigaction act = {};
  act.sa_handler = [](int number) {
    if (detail::signal_came != 0) {
      if (detail::cursor_hidden != 0)
        (void)!write(STDOUT_FILENO, show_cursor, sizeof show_cursor - 1);
      _exit(128 + number);
    }
    detail::signal_came = number;
  };
  sigemptyset(&act.sa_mask);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    if (sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
      sigaction(number, &act, nullptr);
  }
}

/// For a program that has nothing to put in order: it says that it was interrupted, and ends.
inline void end_at_interruption() {
  struct sigaction act = {};
  act.sa_handler = [](int number) {
    constexpr char text[] = "planecast-demo: interrupted\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(128 + number);
  };
  sigemptyset(&act.sa_mask);
  struct sigaction before = {};
  if (sigaction(SIGINT, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
    sigaction(SIGINT, &act, nullptr);
}

inline void check_interruption() {
  if (detail::signal_came != 0)
    throw interrupted(detail::signal_came);
}

} // namespace demo
