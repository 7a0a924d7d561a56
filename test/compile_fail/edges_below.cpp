// The base of the edges has all planes of the others' base.
#include "planecast/policy/layered_policy.hpp"

namespace pc = planecast;
using keys = pc::keys<pc::per_channel<64>>;
using values = pc::values<pc::per_token>;
using usual = pc::precision_policy<pc::tiers<8, pc::lossless>, keys, values, pc::planes<4, 4, pc::tail>>;
using edge = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, keys, values>;
constexpr auto pages = pc::layered_policy<usual, pc::edges<1, 1, edge>>::page_tokens;
