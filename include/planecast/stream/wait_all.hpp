// Waiting for several requests, each over a stream of its own, without leaving one of them behind.
#pragma once

#include "planecast/status.hpp"
#include "planecast/stream/event.hpp"

#include <chrono>

namespace planecast::inline v0 {

namespace detail {

// What wait_all does, for handles that each(f) hands to f one by one.
template <class Each>
status wait_each(event e, deadline until, Each&& each) {
  constexpr auto glance = std::chrono::microseconds(200);
  for (bool last = false;;) {
    status late, failed, failed_since;
    each([&](auto& handle) {
      const bool there = handle.reached(e); // it has more to do than what is waited for
      const status s = there  ? handle.wait(focused, deadline::passed())
                       : last ? handle.wait(e, deadline::passed())
                              : handle.wait(e, deadline(glance).sooner(until));
      if (!s.ok() && !(s == errc::timeout))
        (there ? failed_since : failed) = s;
      else if (!there && !s.ok())
        late = s;
    });
    if (!failed.ok())
      return failed;
    if (late.ok()) // all have it, whatever became of them since
      return {};
    if (!failed_since.ok())
      return failed_since;
    if (last)
      return late;
    last = until.has_passed(); // one look, however late it is
  }
}

} // namespace detail

/// Waits until an event came true for all of several requests (ok), one of them failed, or the deadline
/// passed (timeout). To wait for one after the other would drive one link at a time: the first light of the
/// second would come after the focus of the first.
/// Preconditions: the handles, of senders or of receivers, are used from one thread at a time.
/// Effects: drives all their links by turns, those too for which the event is there already.
/// Errors: the status of one that failed.
/// Example:
///
///     check(wait_all(focused, 5s, to_rank_0, to_rank_1));
template <class... Handles>
requires(sizeof...(Handles) > 0) //
    status wait_all(event e, deadline until, Handles&... handles) {
  return detail::wait_each(e, until, [&](auto&& f) { (f(handles), ...); });
}

} // namespace planecast::inline v0
