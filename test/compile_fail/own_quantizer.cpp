// A user's quantizer, but for SCALE_ROW: the message must name scale_row.
#include "planecast/policy/precision_policy.hpp"

namespace pc = planecast;

struct my_quantizer {
  static constexpr std::uint32_t page_tokens = 0;
  static constexpr std::uint32_t scale_rows(pc::tile_shape s) noexcept { return s.tokens; }
  SCALE_ROW;
  static constexpr std::uint64_t fingerprint() noexcept { return 99; }
};
using policy =
    pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<my_quantizer>, pc::values<pc::per_token>>;
