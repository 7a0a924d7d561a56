// An engine and a cache that somebody looks at: both give way now and then, so that a screen can be drawn and
// Ctrl-C noticed.
#pragma once

#include "planecast/decode/speculate.hpp"

#include "language.hpp"

#include <chrono>
#include <functional>
#include <span>
#include <utility>

namespace demo {

using moment = std::chrono::steady_clock::time_point;

/// An engine each pass of which is made to last as long as a larger model's. rest(until) fills the time.
class paced_engine {
public:
  static constexpr bool batch_invariant = engine::batch_invariant;

  paced_engine(engine& e, double least_ms, std::function<void(moment)> rest)
      : engine_(e), least_(least_ms), rest_(std::move(rest)) {}

  planecast::token_id step(planecast::token_id t) {
    const moment until = due();
    const planecast::token_id next = engine_.step(t);
    rest_(until);
    return next;
  }
  void verify(std::span<const planecast::token_id> run, std::span<planecast::token_id> next) {
    const moment until = due();
    engine_.verify(run, next);
    rest_(until);
  }
  void truncate(std::size_t n) { engine_.truncate(n); }
  [[nodiscard]] std::size_t position() const { return engine_.position(); }

private:
  [[nodiscard]] moment due() const {
    return std::chrono::steady_clock::now() + std::chrono::duration_cast<moment::duration>(least_);
  }
  engine& engine_;
  std::chrono::duration<double, std::milli> least_;
  std::function<void(moment)> rest_;
};

/// A handle of an arriving cache whose waits are cut in pieces.
template <class K>
class watched_cache : public K {
public:
  watched_cache(K kv, std::function<void()> look) : K(std::move(kv)), look_(std::move(look)) {}

  planecast::status poll() {
    look_();
    return K::poll();
  }
  planecast::status wait(planecast::event e, planecast::deadline until) {
    for (;;) {
      look_();
      const planecast::status s = K::wait(e, planecast::deadline(std::chrono::milliseconds(5)).sooner(until));
      if (!(s == planecast::errc::timeout) || until.has_passed())
        return s;
    }
  }

private:
  std::function<void()> look_;
};

} // namespace demo
