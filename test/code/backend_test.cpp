#include "planecast/code/backend.hpp"

#include <doctest/doctest.h>

namespace pc = planecast;

namespace {

// The least that a backend must have.
struct minimal {
  template <class Q, class P>
  static pc::encoded_tile encode(pc::number, pc::tile_layout<Q, P>, const std::uint16_t*, std::byte*,
                                 std::uint32_t*) noexcept {
    return {};
  }
  template <class Q, class P>
  static void decode(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t, std::uint32_t,
                     std::uint16_t*) noexcept {}
  template <class Q, class P>
  static pc::status decode_exact(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t,
                                 std::span<const std::byte>, std::uint16_t*, std::size_t&) noexcept {
    return {};
  }
};

struct may_throw : minimal {
  template <class Q, class P>
  static void decode(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t, std::uint32_t,
                     std::uint16_t*) {}
};

struct says_bool : minimal {
  template <class Q, class P>
  static bool decode_exact(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t,
                           std::span<const std::byte>, std::uint16_t*, std::size_t&) noexcept {
    return true;
  }
};

struct forgets_tail_ends : minimal {
  template <class Q, class P>
  static pc::encoded_tile encode(pc::number, pc::tile_layout<Q, P>, const std::uint16_t*,
                                 std::byte*) noexcept {
    return {};
  }
};

static_assert(pc::backend<minimal>);
static_assert(pc::backend<minimal, pc::per_channel<64>, pc::planes<8, pc::tail>>);
static_assert(!pc::backend<may_throw>);
static_assert(!pc::backend<says_bool>);
static_assert(!pc::backend<forgets_tail_ends>);
static_assert(!pc::backend<int>);

} // namespace

TEST_CASE("backend: an encoded tile is by default empty and not stored") {
  CHECK(pc::encoded_tile{}.bytes == 0);
  CHECK(!pc::encoded_tile{}.stored);
}
