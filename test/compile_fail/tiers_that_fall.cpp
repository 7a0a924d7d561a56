// A tier is a prefix: the next one has more planes.
#include "planecast/policy/tier.hpp"

constexpr auto count = planecast::tiers<8, 4>::count;
