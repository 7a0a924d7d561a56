// How much is sent before decoding starts.
#pragma once

#include "planecast/config.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>

namespace planecast::inline v0 {

/// What a budget of time is counted by: how fast the data lane is, and what is on it.
struct link_load {
  double bytes_per_second = 0; ///< as measured; 0 if that is not known
  std::uint64_t ahead = 0; ///< bytes that cross before what is planned: of other requests, or on their way
  std::uint64_t sent = 0;  ///< bytes of this request that were given to the transport
};

/// A ceiling for the bytes of first light on the data lane: base, scalars, plan and frame headers included.
/// Example: `shot.plan(budget::of_raw(0.5), scores)`
class budget {
public:
  /// A share of the raw cache's bytes; 1 is all of them, and more is no error.
  /// Preconditions: share ≥ 0 (throws std::invalid_argument; also for NaN).
  static budget of_raw(double share) {
    if (!(share >= 0))
      throw std::invalid_argument("planecast: a budget's share of the raw cache is negative or NaN");
    return budget(kind::share, share, 0);
  }
  /// So many bytes, whatever the cache's size.
  static budget bytes(std::uint64_t n) noexcept { return budget(kind::bytes, 0, n); }
  /// The least that can be decoded from: no upgrade before decoding starts.
  static budget base() noexcept { return budget(kind::base, 0, 0); }
  /// All that is planned before decoding starts.
  static budget everything() noexcept { return bytes(std::numeric_limits<std::uint64_t>::max()); }
  /// What crosses in so long from the plan on, at so many bytes a second. What of the request was sent before
  /// counts as well, and what goes before it is taken off: other requests' first light, and what the
  /// transport still holds.
  /// Preconditions: neither is negative or NaN, and the rate is finite (throws std::invalid_argument).
  /// Example: `shot.plan(budget::within(80ms, 1.25e9), scores)`
  template <class Rep, class Period>
  static budget within(std::chrono::duration<Rep, Period> time, double bytes_per_second) {
    if (!(bytes_per_second >= 0) || bytes_per_second > std::numeric_limits<double>::max())
      throw std::invalid_argument("planecast: a budget's bytes a second are negative, infinite or NaN");
    return budget(kind::time, seconds(time), 0, bytes_per_second);
  }
  /// Likewise at the rate that the sender has measured: stream_sender::bandwidth().
  /// Preconditions: the time is neither negative nor NaN (throws std::invalid_argument).
  template <class Rep, class Period>
  static budget within(std::chrono::duration<Rep, Period> time) {
    return budget(kind::measured, seconds(time), 0);
  }

  /// Whether the ceiling cannot be told without a measured rate.
  [[nodiscard]] bool needs_rate() const noexcept { return kind_ == kind::measured; }

  /// The ceiling for a cache of raw_bytes whose base takes base_bytes. It may be below the base: then the
  /// budget is infeasible. A rate that is needed and not known counts as 0.
  [[nodiscard]] std::uint64_t ceiling(std::uint64_t raw_bytes, std::uint64_t base_bytes,
                                      const link_load& link = {}) const noexcept {
    switch (kind_) {
    case kind::base:
      return base_bytes;
    case kind::bytes:
      return bytes_;
    case kind::share:
      return whole(share_ * static_cast<double>(raw_bytes));
    case kind::time:
    case kind::measured:
      break;
    }
    const double rate = kind_ == kind::time ? rate_ : link.bytes_per_second;
    const std::uint64_t crossing = whole(share_ * rate);
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t all = crossing > most - link.sent ? most : crossing + link.sent;
    return all == most ? most : all - (link.ahead < all ? link.ahead : all);
  }

private:
  enum class kind : std::uint8_t { share, bytes, base, time, measured };
  budget(kind k, double share, std::uint64_t n, double rate = 0) noexcept
      : share_(share), rate_(rate), bytes_(n), kind_(k) {}

  template <class Rep, class Period>
  static double seconds(std::chrono::duration<Rep, Period> time) {
    const double s = std::chrono::duration<double>(time).count();
    if (!(s >= 0))
      throw std::invalid_argument("planecast: a budget's time is negative or NaN");
    return s;
  }
  static std::uint64_t whole(double bytes) noexcept { // an infinite time at a rate of 0 is nothing
    return bytes >= 0x1p63  ? std::numeric_limits<std::uint64_t>::max()
           : bytes == bytes ? static_cast<std::uint64_t>(bytes)
                            : 0;
  }

  double share_, rate_; // of raw, or seconds; bytes a second
  std::uint64_t bytes_;
  kind kind_;
};

} // namespace planecast::inline v0
