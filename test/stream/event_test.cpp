#include "planecast/stream/event.hpp"

#include <doctest/doctest.h>

namespace stream_event_test {

using namespace planecast;

// `delivered` frames carry them as numbers.
TEST_CASE("event: numbers on the wire") {
  CHECK(static_cast<int>(source_free) == 0);
  CHECK(static_cast<int>(first_light) == 1);
  CHECK(static_cast<int>(focused) == 2);
  CHECK(static_cast<int>(quiesced) == 3);
}

} // namespace stream_event_test
