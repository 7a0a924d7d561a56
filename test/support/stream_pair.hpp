// A sender and a receiver in one thread, driven turn by turn.
#pragma once

#include "planecast/planecast.hpp"

#include "support/gated.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace test {

using namespace std::chrono_literals;

using default_policy = planecast::precision_policy<planecast::tiers<4, 8, planecast::lossless>,
                                                   planecast::keys<planecast::per_channel<64>>,
                                                   planecast::values<planecast::per_token>>;

/// Both ends over loopback; `door` holds back and records what the sender sends.
template <class Policy = default_policy, class Link = gated<planecast::loopback>,
          class Backend = planecast::cpu>
struct stream_pair {
  using sender = typename planecast::plane_stream<Policy, Link, Backend>::sender;
  using receiver = typename planecast::plane_stream<Policy, planecast::loopback, Backend>::receiver;

  std::shared_ptr<gate> door = std::make_shared<gate>();
  std::pair<planecast::loopback, planecast::loopback> ends = planecast::loopback::pair();
  sender out;
  receiver in;

  explicit stream_pair(planecast::geometry shape, planecast::sender_options so = {},
                       planecast::receiver_options ro = {})
      : stream_pair(shape, shape, so, ro) {}
  stream_pair(planecast::geometry here, planecast::geometry there, planecast::sender_options so,
              planecast::receiver_options ro)
      : out(Link(std::move(ends.first), door), here, so), in(std::move(ends.second), there, ro) {}

  /// Lets both ends work, without waiting, until done() or `turns` have passed; done().
  template <class Done>
  bool run(Done&& done, int turns = 20000) {
    for (int i = 0; i < turns; ++i) {
      if (done())
        return true;
      (void)out.progress(planecast::deadline::passed());
      (void)in.progress(planecast::deadline::passed());
    }
    return done();
  }
  /// The same, the request's pages brought up to date each turn.
  template <class Incoming, class Done>
  bool run(Incoming& kv, Done&& done, int turns = 20000) {
    return run([&] { return (void)kv.poll(), done(); }, turns);
  }
  void settle() {
    run([] { return false; }, 20);
  }
};

} // namespace test
