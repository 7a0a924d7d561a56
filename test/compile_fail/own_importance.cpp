// A user's importance, but for SCORE: the message must name score.
#include "planecast/planecast.hpp"

namespace pc = planecast;

struct my_importance {
  SCORE;
};
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, pc::loopback>;

pc::status order(stream::sender::outgoing& shot) {
  return shot.plan(pc::budget::base(), my_importance{});
}
