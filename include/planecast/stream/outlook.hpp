// When the rest of a request will be there, by what has come of it.
#pragma once

#include "planecast/policy/planes.hpp"
#include "planecast/status.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

namespace planecast::inline v0::detail {

/// Adds up what is still to come, in bytes: of an upgrade of each plane, the mean of those that came. Before
/// one came a code's plane is as large as its width says, and a tail as large as what a code leaves of the
/// raw value, which is about twice of what it will be: so a guess errs towards a longer wait.
template <class Planes>
class outlook {
public:
  using time = std::chrono::steady_clock::time_point;

  /// Upgrades of a plane are planned. `raw_bytes` is what their values are uncoded, `raw_bits` each of them.
  void plan(std::uint32_t plane, std::uint64_t upgrades, std::uint64_t raw_bytes,
            std::uint32_t raw_bits) noexcept {
    of_plane& p = planes_[plane];
    p.planned += upgrades;
    const std::uint32_t width = Planes::width(plane) != 0      ? Planes::width(plane)
                                : raw_bits > Planes::code_bits ? raw_bits - Planes::code_bits
                                                               : 1;
    p.guess = static_cast<double>(raw_bytes) * width / raw_bits / static_cast<double>(upgrades);
  }
  /// The plan is complete: from now on bytes are counted, of which so many had come before.
  void begin(std::uint64_t bytes, time now) noexcept {
    begun_ = now;
    before_ = bytes;
  }
  /// Upgrades of a plane are in the pages, out of so many bytes.
  void came(std::uint32_t plane, std::uint64_t upgrades, std::uint64_t bytes) noexcept {
    planes_[plane].came += upgrades;
    planes_[plane].bytes += bytes;
  }

  /// How long the rest takes, if it goes on as since the beginning; empty before anything came. A link that
  /// stands still takes longer and longer.
  [[nodiscard]] std::optional<deadline::clock::duration> left(std::uint64_t bytes, time now) const noexcept {
    double rest = 0;
    for (const of_plane& p : planes_)
      if (p.planned > p.came)
        rest += static_cast<double>(p.planned - p.came) *
                (p.came > 0 ? static_cast<double>(p.bytes) / static_cast<double>(p.came) : p.guess);
    if (rest == 0)
      return deadline::clock::duration{};
    if (!begun_ || bytes <= before_ || now <= *begun_)
      return std::nullopt;
    const double seconds =
        rest / static_cast<double>(bytes - before_) * std::chrono::duration<double>(now - *begun_).count();
    constexpr double most = 1e6; // a number of nanoseconds must hold it
    return std::chrono::duration_cast<deadline::clock::duration>(
        std::chrono::duration<double>(seconds < most ? seconds : most));
  }

private:
  struct of_plane {
    std::uint64_t planned = 0, came = 0, bytes = 0;
    double guess = 0; // bytes of an upgrade
  };
  std::array<of_plane, Planes::count> planes_{};
  std::optional<time> begun_;
  std::uint64_t before_ = 0;
};

} // namespace planecast::inline v0::detail
