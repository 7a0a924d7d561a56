// A user's layered importance, but for LAYERS: the message must name layers.
#include "planecast/planecast.hpp"

namespace pc = planecast;

struct my_importance {
  LAYERS;
  void score(std::uint32_t, std::uint32_t, std::span<float>) const;
};
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, pc::loopback>;

pc::status order(stream::sender::outgoing& shot) {
  return shot.plan(pc::budget::base(), my_importance{});
}
