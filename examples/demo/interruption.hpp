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

namespace detail {
/// For all that asks a program to end, unless it was told to pass over it.
inline void at_interruption(void (*handler)(int)) {
  struct sigaction act = {};
  act.sa_handler = handler;
  sigemptyset(&act.sa_mask);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    if (sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
      sigaction(number, &act, nullptr);
  }
}
} // namespace detail

/// From now on a signal is noted, for check_interruption() to throw. A second one ends the program at once.
inline void note_interruptions() {
  detail::at_interruption([](int number) {
    if (detail::signal_came != 0) {
      if (detail::cursor_hidden != 0)
        (void)!write(STDOUT_FILENO, show_cursor, sizeof show_cursor - 1);
      _exit(128 + number);
    }
    detail::signal_came = number;
  });
}

/// For a program that has nothing to put in order: it says why, and ends.
inline void end_at_interruption() {
  detail::at_interruption([](int number) {
    constexpr char interrupted[] = "planecast-demo: interrupted\n", told[] = "planecast-demo: told to end\n";
    if (number == SIGINT)
      (void)!write(STDERR_FILENO, interrupted, sizeof interrupted - 1);
    else
      (void)!write(STDERR_FILENO, told, sizeof told - 1);
    _exit(128 + number);
  });
}

inline bool interruption_came() {
  return detail::signal_came != 0;
}

inline void check_interruption() {
  if (interruption_came())
    throw interrupted(detail::signal_came);
}

} // namespace demo
