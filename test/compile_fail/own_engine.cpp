// A user's engine, but for TRUNCATE: the message must name truncate.
#include "planecast/planecast.hpp"

namespace pc = planecast;

struct my_engine {
  static constexpr bool batch_invariant = true;
  pc::token_id step(pc::token_id);
  void verify(std::span<const pc::token_id>, std::span<pc::token_id>);
  TRUNCATE;
  std::size_t position() const;
};
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, pc::loopback>;

void decode(my_engine& engine, stream::receiver::incoming& kv) {
  (void)pc::speculate(engine, kv, {.first = 1});
}
