#include "planecast/stream/options.hpp"

#include <doctest/doctest.h>

using namespace planecast;

TEST_CASE("options: the defaults of the two ends fit each other") {
  const sender_options sender;
  const receiver_options receiver;
  CHECK(sender.chunk_bytes == 0); // each end chooses, and so that they agree: see messages_test
  CHECK(receiver.chunk_bytes == 0);
  CHECK(receiver.slots >= 2); // one is filled while another is looked at
  CHECK(receiver.slots <= receiver.staged_frames);
  CHECK(sender.linger.count() > 0);
  CHECK(receiver.linger.count() > 0);
  CHECK(plan_options{}.until == lossless);
  CHECK(sender.carries == shard{}); // all of the model
  CHECK(receiver.carries == sender.carries);
}
