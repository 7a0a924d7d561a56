// Keys and values are cut into the same pages.
#include "planecast/policy/precision_policy.hpp"

namespace pc = planecast;
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_channel<32>>>;
constexpr auto pages = policy::page_tokens;
