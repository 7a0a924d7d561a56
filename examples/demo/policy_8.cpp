// Nothing below 8 bits: what is drafted is nearly always right, and comes later.
#include "hand_over.hpp"

namespace demo {

namespace pc = planecast;

extern const named_policy policy_8 =
    policy_named<pc::precision_policy<pc::tiers<8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                      pc::values<pc::per_token>>>("8", 0.55);

} // namespace demo
