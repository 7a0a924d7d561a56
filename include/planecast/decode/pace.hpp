// How long things take that a speculation weighs against each other.
#pragma once

#include "planecast/status.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

namespace planecast::inline v0::detail {

/// How long steps and verifications take, as far as that is known.
class pace {
public:
  using duration = deadline::clock::duration;

  /// `step`: where it is known beforehand.
  explicit pace(std::optional<duration> step) : known_(step.has_value()), step_(step) {}

  void took(bool is_step, duration time) {
    if (!is_step)
      verification_ = time;
    else // a slow one among others says little
      step_ = steps_++ == 0 || !step_ ? time : std::min(time, 2 * *step_);
  }
  /// Whether two steps and a verification would take longer than the rest.
  [[nodiscard]] bool outlasts(duration rest) const {
    if (!step_ || !(known_ || steps_ > 1))
      return false;
    const std::chrono::duration<double> step = *step_, whole = verification_.value_or(*step_);
    return rest < 2 * step + whole;
  }

private:
  bool known_;
  std::optional<duration> step_, verification_;
  std::size_t steps_ = 0; // that were timed
};

/// How much longer may be waited, by the clock: from when its request can do nothing but wait until it can
/// do something, whatever others compute meanwhile.
class patience {
public:
  using clock = deadline::clock;

  explicit patience(clock::duration all) : all_(all) {}

  void waits(bool now) {
    if (!now && since_) {
      before_ += clock::now() - *since_;
      since_.reset();
    } else if (now && !since_)
      since_ = clock::now();
  }
  [[nodiscard]] clock::duration left() const {
    const auto now = since_ ? clock::now() - *since_ : clock::duration{};
    return std::max(all_ - before_ - now, clock::duration{});
  }

private:
  clock::duration all_, before_{};
  std::optional<clock::time_point> since_;
};

} // namespace planecast::inline v0::detail
