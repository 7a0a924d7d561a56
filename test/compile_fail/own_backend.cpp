// A user's backend, but for DECODE_EXACT: the message must name decode_exact.
#include "planecast/planecast.hpp"

namespace pc = planecast;

struct my_backend {
  template <class Q, class P>
  static pc::encoded_tile encode(pc::number, pc::tile_layout<Q, P>, pc::source_rows, std::byte*,
                                 std::uint32_t*) noexcept;
  template <class Q, class P>
  static void decode(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t, std::uint32_t,
                     std::uint32_t, pc::target_rows) noexcept;
  template <class Q, class P>
  static DECODE_EXACT;
};
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, pc::loopback, my_backend>;
