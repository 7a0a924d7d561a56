// The message must name what the user's backend lacks.
#include "planecast/code/backend.hpp"

namespace pc = planecast;

struct lossy {
  template <class Q, class P>
  static pc::encoded_tile encode(pc::number, pc::tile_layout<Q, P>, const std::uint16_t*, std::byte*,
                                 std::uint32_t*) noexcept;
  template <class Q, class P>
  static void decode(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t, std::uint32_t,
                     std::uint16_t*) noexcept;
};
static_assert(pc::backend<lossy>);
