// A cache whose sending side is driven from the same thread, a data frame every few looks.
#pragma once

#include "planecast/decode/speculate.hpp"

#include "support/gated.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>

namespace decode_test {

/// Models planecast::arriving_cache.
template <class Incoming>
class driven_cache {
public:
  using policy = typename Incoming::policy;

  /// turn() is called at every look.
  driven_cache(Incoming& kv, std::function<void()> turn) : kv_(kv), turn_(std::move(turn)) {}

  planecast::status poll() {
    turn_();
    return kv_.poll();
  }
  planecast::status wait(planecast::event e, planecast::deadline d) {
    while (!kv_.reached(e)) {
      turn_();
      if (const planecast::status s = kv_.wait(e, planecast::deadline::passed());
          !(s == planecast::errc::timeout) || d.has_passed())
        return s;
    }
    return {};
  }
  [[nodiscard]] int tier() const { return kv_.tier(); }
  [[nodiscard]] bool whole() const { return kv_.whole(); }
  [[nodiscard]] bool reached(planecast::event e) const { return kv_.reached(e); }

private:
  Incoming& kv_;
  std::function<void()> turn_;
};

/// Opens doors: every `looks` turns one more data frame may cross each.
class slowly {
public:
  explicit slowly(std::size_t looks) : looks_(looks) {}
  template <class Out>
  void operator()(Out& out, test::gate& door) {
    if (++looked_ % looks_ == 0)
      door.allowed = std::min(door.allowed, door.data.size()) + 1;
    (void)out.progress(planecast::deadline::passed());
  }

private:
  std::size_t looks_, looked_ = 0;
};

} // namespace decode_test
