// How much is sent before decoding starts.
#pragma once

#include "planecast/config.hpp"

#include <cstdint>
#include <limits>
#include <stdexcept>

namespace planecast::inline v0 {

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

  /// The ceiling for a cache of raw_bytes whose base takes base_bytes. It may be below the base: then the
  /// budget is infeasible.
  [[nodiscard]] std::uint64_t ceiling(std::uint64_t raw_bytes, std::uint64_t base_bytes) const noexcept {
    switch (kind_) {
    case kind::base:
      return base_bytes;
    case kind::bytes:
      return bytes_;
    case kind::share:
      break;
    }
    const double exact = share_ * static_cast<double>(raw_bytes);
    return exact >= 0x1p63 ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(exact);
  }

private:
  enum class kind : std::uint8_t { share, bytes, base };
  budget(kind k, double share, std::uint64_t n) noexcept : share_(share), bytes_(n), kind_(k) {}

  double share_;
  std::uint64_t bytes_;
  kind kind_;
};

} // namespace planecast::inline v0
