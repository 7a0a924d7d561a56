// Which of the numbered frames on the data lane have come.
#pragma once

#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>
#include <set>

namespace planecast::inline v0::detail {

/// Numbers count from 0. A frame that is sent again keeps its number, so it comes late; on a lane that keeps
/// its promise of order every other one is the next.
class arrivals {
public:
  static constexpr std::size_t most_missing = 4096;

  /// A number was read. False if it is so far ahead that it cannot be true.
  [[nodiscard]] bool see(std::uint64_t number) {
    if (number >= next_ && number - next_ >= most_missing - missing_.size())
      return false;
    for (; next_ <= number; ++next_)
      missing_.insert(missing_.end(), next_);
    return true;
  }
  /// A frame came whose number cannot be read: the next one, or one of those that are missing. False if too
  /// many are.
  [[nodiscard]] bool see_unreadable() {
    missing_.insert(missing_.end(), next_++);
    return missing_.size() <= most_missing;
  }
  /// The frame of a number that was seen is whole. False if it came before.
  bool take(std::uint64_t number) { return missing_.erase(number) > 0; }
  /// A number that was taken is missing again. False if too many are.
  [[nodiscard]] bool forget(std::uint64_t number) {
    missing_.insert(number);
    return missing_.size() <= most_missing;
  }

  [[nodiscard]] const std::set<std::uint64_t>& missing() const noexcept { return missing_; }

private:
  std::uint64_t next_ = 0; // after the greatest that was seen
  std::set<std::uint64_t> missing_;
};

} // namespace planecast::inline v0::detail
