#include "planecast/stream/options.hpp"

#include <doctest/doctest.h>

using namespace planecast;

TEST_CASE("options: the defaults of the two ends fit each other") {
  const sender_options sender;
  const receiver_options receiver;
  CHECK(sender.chunk_bytes <= receiver.chunk_bytes); // else the handshake would fail
  CHECK(sender.window_bytes >= 2 * std::size_t{sender.chunk_bytes});
  CHECK(receiver.slots >= 2); // one is filled while another is looked at
  CHECK(receiver.slots <= receiver.staged_frames);
  CHECK(sender.linger.count() > 0);
  CHECK(receiver.linger.count() > 0);
  CHECK(plan_options{}.until == lossless);
}
