// A user's importance, but for SCORE: the message must name score.
#include "planecast/stream/plane_stream.hpp"
#include "planecast/transport/loopback.hpp"

namespace pc = planecast;

struct my_importance {
  SCORE;
};
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, pc::loopback>;

void plan(stream::sender::outgoing& shot) {
  (void)shot.plan(pc::budget::of_raw(0.5), my_importance{});
}
