#include "planecast/decode/arriving_cache.hpp"

#include "scripted_cache.hpp"

#include <doctest/doctest.h>

namespace decode_arriving_cache_test {

namespace pc = planecast;
using decode_test::scripted_cache;

namespace {

// The least that arrives. Each near miss below changes one thing of it.
struct minimal {
  using policy = decode_test::three_tiers;
  pc::status poll();
  int tier() const;
  bool whole() const;
  bool reached(pc::event) const;
  pc::status wait(pc::event, pc::deadline);
};
static_assert(pc::arriving_cache<minimal>);

struct no_tier : minimal {
  void tier() const;
};
struct says_nothing_of_dropped_tokens : minimal {
  void whole() const;
};
struct asks_for_change : minimal {
  bool whole();
};
struct waits_for_ever : minimal {
  void wait(pc::event);
};
struct no_policy {
  pc::status poll();
  int tier() const;
  bool whole() const;
  bool reached(pc::event) const;
  pc::status wait(pc::event, pc::deadline);
};
static_assert(!pc::arriving_cache<no_tier>);
static_assert(!pc::arriving_cache<says_nothing_of_dropped_tokens>);
static_assert(!pc::arriving_cache<asks_for_change>);
static_assert(!pc::arriving_cache<waits_for_ever>);
static_assert(!pc::arriving_cache<no_policy>);

} // namespace

TEST_CASE("arriving_cache: the tests' own says what its script says") {
  decode_test::script s;
  CHECK(scripted_cache<>(1, s, [](auto, auto) {}).whole());
  s.drops_tokens = true;
  CHECK_FALSE(scripted_cache<>(1, s, [](auto, auto) {}).whole());
}

} // namespace decode_arriving_cache_test
