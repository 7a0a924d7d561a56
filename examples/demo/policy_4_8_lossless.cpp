// The policy of the examples: each tier is one plane.
#include "hand_over.hpp"

namespace demo {

namespace pc = planecast;

extern const named_policy policy_4_8_lossless =
    policy_named<pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                      pc::values<pc::per_token>>>("4-8-lossless", 0.3);

} // namespace demo
