// How fast the data lane is, from what the transport completes.
#pragma once

#include "planecast/config.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace planecast::inline v0::detail {

/// Counts bytes over the time in which the link had something to do throughout: from one look at its
/// completions to another, both of which found a frame's end, and of which the second left some of what was
/// under way at the first. Where all was done, the link may have stood idle since, and the time says nothing.
/// The rate is the median of the last samples, so that neither a burst into a buffer nor a stall moves it.
class bandwidth_meter {
public:
  using time = std::chrono::steady_clock::time_point;
  static constexpr std::uint64_t sample_bytes = 1024 * 1024;  ///< of a sample, at least
  static constexpr std::size_t least_samples = 5, kept = 15;  ///< to know; the last that count
  static constexpr std::chrono::microseconds short_time{100}; ///< in which no idleness is looked for

  /// The link was given so many bytes.
  void sent(std::uint64_t bytes, time now) noexcept {
    if (under_way_ == 0) {
      since_ = looked_ = now;
      bytes_ = 0;
      filling_ = true;
    }
    under_way_ += bytes;
    owed_ = filling_ ? under_way_ : owed_;
  }
  /// So many of them are done; looked() follows.
  void done(std::uint64_t bytes) noexcept {
    under_way_ -= std::min(bytes, under_way_);
    done_ += bytes;
  }
  /// All completions up to now were taken.
  void looked(time now) noexcept {
    if (done_ == 0)
      return;
    bytes_ += done_;
    if (done_ >= owed_ && now - looked_ > short_time)
      start(now);
    else if (bytes_ >= sample_bytes && now > since_) {
      samples_[taken_++ % kept] =
          static_cast<double>(bytes_) / std::chrono::duration<double>(now - since_).count();
      start(now);
    }
    looked_ = now;
    done_ = 0;
    owed_ = under_way_;
    filling_ = false;
  }

  /// Bytes a second; empty until enough has crossed.
  [[nodiscard]] std::optional<double> rate() const noexcept {
    if (taken_ < least_samples)
      return std::nullopt;
    std::array<double, kept> sorted = samples_;
    const std::size_t count = std::min(taken_, kept);
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(count / 2);
    std::nth_element(sorted.begin(), middle, sorted.begin() + static_cast<std::ptrdiff_t>(count));
    return *middle;
  }

private:
  void start(time now) noexcept {
    since_ = now;
    bytes_ = 0;
  }

  std::array<double, kept> samples_{};
  std::size_t taken_ = 0;                  // samples
  time since_{}, looked_{};                // a sample's beginning; the last look
  std::uint64_t under_way_ = 0, owed_ = 0; // bytes: now, and at the last look
  std::uint64_t done_ = 0, bytes_ = 0;     // since the last look; in this sample
  bool filling_ = false;                   // what is sent is under way from its beginning on
};

} // namespace planecast::inline v0::detail
