// A user's engine for batches, but for FORWARD: the message must name forward.
#include "planecast/planecast.hpp"

namespace pc = planecast;

struct my_engine {
  static constexpr bool batch_invariant = true;
  FORWARD;
  void truncate(std::size_t, std::size_t);
  std::size_t position(std::size_t) const;
};
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using incoming = pc::plane_stream<policy, pc::loopback>::receiver::incoming;

void decode(my_engine& engine, const std::vector<pc::batch_request<incoming>>& requests) {
  (void)pc::speculate_batch(engine, requests);
}
