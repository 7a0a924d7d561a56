// The message must name what the user's quantizer lacks.
#include "planecast/policy/precision_policy.hpp"

struct forgetful {
  static constexpr std::uint32_t page_tokens = 0;
  static constexpr std::uint32_t scale_rows(planecast::tile_shape s) noexcept { return s.tokens; }
  static constexpr std::uint64_t fingerprint() noexcept { return 3; }
};
using keys = planecast::keys<forgetful>;
