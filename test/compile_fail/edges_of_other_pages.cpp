// All layers are cut into the same pages.
#include "planecast/policy/layered_policy.hpp"

namespace pc = planecast;
template <unsigned Page>
using with = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<Page>>,
                                  pc::values<pc::per_token>>;
constexpr auto pages = pc::layered_policy<with<64>, pc::edges<1, 1, with<32>>>::page_tokens;
