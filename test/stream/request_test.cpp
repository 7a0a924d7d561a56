#include "planecast/stream/request.hpp"

#include <doctest/doctest.h>

using namespace planecast;

TEST_CASE("request: goes out in planes unless it is told otherwise") {
  const request r{.id = 5, .tokens = 7};
  CHECK(r.id == 5);
  CHECK(r.tokens == 7);
  CHECK(r.how == coding::planes);
  CHECK(r.first == 0); // nothing of it is there yet
  CHECK(request{}.tokens == 0);
}
