// Six bits are no prefix of planes of four bits each.
#include "planecast/policy/precision_policy.hpp"

namespace pc = planecast;
using policy = pc::precision_policy<pc::tiers<4, 6, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>, pc::planes<4, 4, pc::tail>>;
constexpr auto pages = policy::page_tokens;
