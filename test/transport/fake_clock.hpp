// A clock that a test moves. One for each tag, so that no two test cases share one.
#pragma once

#include <chrono>

namespace transport_test {

template <class Tag>
struct fake_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<fake_clock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept { return time_point(current); }
  static inline duration current = std::chrono::hours(1);
};

} // namespace transport_test
