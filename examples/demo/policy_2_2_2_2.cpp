// The same tiers, out of planes of two bits: tokens rise in smaller steps.
#include "hand_over.hpp"

namespace demo {

namespace pc = planecast;

extern const named_policy policy_2_2_2_2 =
    policy_named<pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                      pc::values<pc::per_token>, pc::planes<2, 2, 2, 2, pc::tail>>>("2-2-2-2",
                                                                                                    0.3);

} // namespace demo
