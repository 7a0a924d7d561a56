// All layers have the same planes.
#include "planecast/policy/layered_policy.hpp"

namespace pc = planecast;
using keys = pc::keys<pc::per_channel<64>>;
using values = pc::values<pc::per_token>;
using usual = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, keys, values>;
using edge = pc::precision_policy<pc::tiers<8, pc::lossless>, keys, values>; // planes<8, tail>
constexpr auto pages = pc::layered_policy<usual, pc::edges<1, 1, edge>>::page_tokens;
