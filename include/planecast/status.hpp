// What a call that cannot throw says, and how long a call may wait.
#pragma once

#include "planecast/config.hpp"

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace planecast::inline v0 {

/// The values go on the wire: they do not change.
enum class errc : std::uint8_t {
  ok = 0,
  timeout = 1,     ///< the deadline passed
  closed = 2,      ///< the peer or the link is gone
  corrupt = 3,     ///< bytes that fail their checksum or make no sense
  mismatch = 4,    ///< the peers disagree: `here` and `there` say on what
  infeasible = 5,  ///< the budget is below the least: `here` is the budget, `there` the least
  limit = 6,       ///< a stated limit would be passed: `here` is the limit, `there` what was asked
  cancelled = 7,   ///< either side gave the request up
  unsupported = 8, ///< not in this version
};

/// Outcome of a call: a code, what it is about, and both sides' values where two disagree.
/// Holds no memory of its own: `about` points to a string literal.
struct [[nodiscard]] status {
  errc code = errc::ok;
  const char* about = "";
  std::uint64_t here = 0;
  std::uint64_t there = 0;

  [[nodiscard]] constexpr bool ok() const noexcept { return code == errc::ok; }
  constexpr explicit operator bool() const noexcept { return ok(); }
  friend constexpr bool operator==(const status& s, errc c) noexcept { return s.code == c; }

  [[nodiscard]] std::string message() const {
    constexpr const char* names[] = {"ok",         "timeout", "closed",    "corrupt",    "mismatch",
                                     "infeasible", "limit",   "cancelled", "unsupported"};
    std::string text = names[static_cast<unsigned>(code)];
    if (*about != '\0')
      text.append(": ").append(about);
    if (code == errc::mismatch)
      text += " (here " + std::to_string(here) + ", peer " + std::to_string(there) + ")";
    if (code == errc::infeasible)
      text += " (asked " + std::to_string(here) + ", the least is " + std::to_string(there) + ")";
    if (code == errc::limit)
      text += " (limit " + std::to_string(here) + ", asked " + std::to_string(there) + ")";
    return text;
  }
};

/// Thrown where a call has no other way to say that it failed: constructors and connecting.
class error : public std::runtime_error {
public:
  explicit error(planecast::status s) : std::runtime_error("planecast: " + s.message()), status_(s) {}
  explicit error(planecast::status s, const std::string& more)
      : std::runtime_error("planecast: " + s.message() + ": " + more), status_(s) {}
  [[nodiscard]] planecast::status status() const noexcept { return status_; }

private:
  planecast::status status_;
};

/// Throws `error` unless the status is ok: for callers who would rather catch than look.
inline void check(const status& s) {
  if (!s.ok())
    throw error(s);
}

/// The moment at which a wait ends. A duration converts: `wait(first_light, 2s)`. There is no "for ever".
class deadline {
public:
  using clock = std::chrono::steady_clock;

  template <class Rep, class Period>
  deadline(std::chrono::duration<Rep, Period> from_now) : at_(after(clock::now(), from_now)) {}
  constexpr deadline(clock::time_point at) noexcept : at_(at) {}

  /// A deadline that has passed: look, do not wait.
  static constexpr deadline passed() noexcept { return deadline{clock::time_point::min()}; }

  [[nodiscard]] constexpr clock::time_point at() const noexcept { return at_; }
  [[nodiscard]] bool has_passed() const noexcept {
    return at_ == clock::time_point::min() || clock::now() >= at_;
  }
  [[nodiscard]] constexpr deadline sooner(deadline other) const noexcept {
    return other.at_ < at_ ? other : *this;
  }

private:
  // The longest durations end at the end of time, and not before its beginning.
  template <class Rep, class Period>
  static clock::time_point after(clock::time_point now, std::chrono::duration<Rep, Period> d) {
    using seconds = std::chrono::duration<double>;
    const double wanted = seconds(d).count();
    if (!(wanted > 0))
      return clock::time_point::min();
    if (wanted >= seconds(clock::time_point::max() - now).count())
      return clock::time_point::max();
    return now + std::chrono::duration_cast<clock::duration>(d);
  }

  clock::time_point at_;
};

} // namespace planecast::inline v0
