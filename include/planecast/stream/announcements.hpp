// What a receiver remembers of requests before both ends have named them.
#pragma once

#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

namespace planecast::inline v0::detail {

/// A sender's `open`.
struct announcement {
  std::uint32_t tokens = 0, first = 0, opening = 0;
  std::uint64_t kept = 0;
};

/// Requests that the sender has announced and nobody expects yet, and ids that were given up before the
/// sender announced them. No more than `most` of each.
class announcements {
public:
  explicit announcements(std::size_t most) : most_(most) {}

  /// False if there are too many. The last announcement of an id counts.
  bool add(std::uint64_t id, announcement a) {
    if (open_.size() >= most_ && !open_.contains(id))
      return false;
    open_[id] = a;
    return true;
  }
  void withdraw(std::uint64_t id) {
    open_.erase(id);
    given_up_.erase(id);
  }
  /// The request is expected now: what was announced of it, if anything was.
  std::optional<announcement> expect(std::uint64_t id) {
    given_up_.erase(id);
    const auto found = open_.extract(id);
    return found.empty() ? std::nullopt : std::optional(found.mapped());
  }

  void give_up(std::uint64_t id) {
    if (given_up_.size() < most_)
      given_up_.insert(id);
  }
  /// Whether an id that is announced now was given up before; it is forgotten then.
  bool was_given_up(std::uint64_t id) { return given_up_.erase(id) > 0; }

private:
  std::size_t most_;
  std::map<std::uint64_t, announcement> open_;
  std::set<std::uint64_t> given_up_;
};

} // namespace planecast::inline v0::detail
