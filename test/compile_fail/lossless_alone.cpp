// The base is sent before there is a plan, and has no tails.
#include "planecast/policy/precision_policy.hpp"

namespace pc = planecast;
using policy = pc::precision_policy<pc::tiers<pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>, pc::planes<8, pc::tail>>;
constexpr auto pages = policy::page_tokens;
