#include "planecast/policy/tier.hpp"

#include <doctest/doctest.h>

namespace policy_tier_test {

namespace pc = planecast;

TEST_CASE("tier: bits from the lowest tier on, 0 for lossless") {
  using tiers = pc::tiers<4, 8, pc::lossless>;
  static_assert(tiers::count == 3);
  CHECK(tiers::bits(0) == 4);
  CHECK(tiers::bits(1) == 8);
  CHECK(tiers::bits(2) == 0);
  CHECK(pc::tiers<4>::bits(0) == 4);
  using four = pc::tiers<2, 4, 8, pc::lossless>;
  static_assert(four::count == 4);
  CHECK(four::bits(0) == 2);
  CHECK(four::bits(2) == 8);
  CHECK(four::bits(3) == pc::lossless);
  CHECK(pc::tiers<pc::lossless>::bits(0) == 0);
}

TEST_CASE("tier: other tiers have other fingerprints") {
  CHECK(pc::tiers<4, 8>::fingerprint() != pc::tiers<4, 8, pc::lossless>::fingerprint());
  CHECK(pc::tiers<4>::fingerprint() != pc::tiers<8>::fingerprint());
  CHECK(pc::tiers<2, 4, 8>::fingerprint() != pc::tiers<4, 8>::fingerprint());
  CHECK(pc::tiers<4, 8>::fingerprint() == pc::fingerprint{}.add(2).add(4).add(8).value());
}

// The names survive beside CUDA's global int4.
struct int4 {
  int x, y, z, w;
};
using namespace planecast;
static_assert(tiers<4, 8, lossless>::count == 3 && sizeof(int4) == 16);

} // namespace policy_tier_test
