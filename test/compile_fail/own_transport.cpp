// A user's transport, but for ABORT: the message must name abort.
#include "planecast/planecast.hpp"

namespace pc = planecast;

struct my_transport {
  pc::status send(pc::lane, pc::gather, pc::op_id) noexcept;
  pc::status receive(pc::lane, pc::slot, pc::op_id) noexcept;
  std::size_t poll(std::span<pc::completion>, pc::deadline) noexcept;
  ABORT;
  pc::transport_limits limits() noexcept;
};
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, my_transport>;
