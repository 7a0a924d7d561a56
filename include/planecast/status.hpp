// What a call that cannot throw says, and how long a call may wait.
#pragma once

#include "planecast/config.hpp"

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace planecast::inline v0 {

/// What came of a call, in one word. The values go on the wire: they do not change.
enum class errc : std::uint8_t {
  ok = 0,          ///< nothing went wrong
  timeout = 1,     ///< the deadline passed
  closed = 2,      ///< the peer or the link is gone
  corrupt = 3,     ///< bytes that fail their checksum or make no sense
  mismatch = 4,    ///< the peers disagree: `here` and `there` say on what
  infeasible = 5,  ///< the budget is below the least: `here` is the budget, `there` the least
  limit = 6,       ///< a stated limit would be passed: `here` is the limit, `there` what was asked
  cancelled = 7,   ///< either side gave the request up
  unsupported = 8, ///< not in this version
  unknown = 9,     ///< what it rests on has not been measured yet
  device = 10,     ///< a call to a device's runtime failed: `there` is its own number for it
};

/// Outcome of a call: a code, what it is about, and both sides' values where two disagree. Holds no memory of
/// its own.
/// Example:
///
///     if (const status s = shot.wait(first_light, 2s); !s)
///       log(s.message());
struct [[nodiscard]] status {
  errc code = errc::ok;    ///< which way it went
  const char* about = "";  ///< a literal that names the subject; never null, but it may be empty
  std::uint64_t here = 0;  ///< this side's value, the limit, the budget: see errc; 0 where there is none
  std::uint64_t there = 0; ///< the peer's value, what was asked, the least: see errc

  /// Whether the code is errc::ok.
  [[nodiscard]] constexpr bool ok() const noexcept { return code == errc::ok; }
  /// The same.
  constexpr explicit operator bool() const noexcept { return ok(); }
  /// Compares the code alone: `if (s == errc::timeout)`.
  friend constexpr bool operator==(const status& s, errc c) noexcept { return s.code == c; }

  /// A line for people: the code, what it is about, and both values where the code gives them a meaning.
  [[nodiscard]] std::string message() const {
    constexpr const char* names[] = {"ok",    "timeout",   "closed",      "corrupt", "mismatch", "infeasible",
                                     "limit", "cancelled", "unsupported", "unknown", "device"};
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
  /// what() is the status's message, after "planecast: ".
  explicit error(planecast::status s) : std::runtime_error("planecast: " + s.message()), status_(s) {}
  /// Likewise, with what a status cannot hold at the end: an address, or the system's own words.
  explicit error(planecast::status s, const std::string& more)
      : std::runtime_error("planecast: " + s.message() + ": " + more), status_(s) {}
  /// What it was made from; its code tells one failure from another.
  [[nodiscard]] planecast::status status() const noexcept { return status_; }

private:
  planecast::status status_;
};

/// For callers who would rather catch than look.
/// Errors: throws `error` with the status, unless it is ok.
/// Example: `check(shot.wait(focused, 10s));`
inline void check(const status& s) {
  if (!s.ok())
    throw error(s);
}

/// The moment at which a wait ends. A duration converts: `wait(first_light, 2s)`. There is no "for ever". A
/// call whose deadline has passed looks once at what is there, and does not wait.
class deadline {
public:
  using clock = std::chrono::steady_clock; ///< setting the machine's time moves no deadline

  /// So long from now. A duration of zero or less, or NaN, has passed; one that the clock cannot count ends
  /// at its last moment.
  template <class Rep, class Period>
  deadline(std::chrono::duration<Rep, Period> from_now) : at_(after(clock::now(), from_now)) {}
  /// At a moment of the clock.
  constexpr deadline(clock::time_point at) noexcept : at_(at) {}

  /// A deadline that has passed: look, do not wait.
  static constexpr deadline passed() noexcept { return deadline{clock::time_point::min()}; }

  /// The moment; of passed(), the first that the clock has.
  [[nodiscard]] constexpr clock::time_point at() const noexcept { return at_; }
  /// Whether it is that late now. Reads the clock, but for passed().
  [[nodiscard]] bool has_passed() const noexcept {
    return at_ == clock::time_point::min() || clock::now() >= at_;
  }
  /// The earlier of the two.
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
