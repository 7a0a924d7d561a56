#include "planecast/code/backend.hpp"

#include <doctest/doctest.h>

namespace code_backend_test {

namespace pc = planecast;

namespace {

// The least that a backend must have. Each near miss below changes one thing of it.
struct minimal {
  template <class Q, class P>
  static pc::encoded_tile encode(pc::number, pc::tile_layout<Q, P>, pc::source_rows, std::byte*,
                                 std::uint32_t*) noexcept {
    return {};
  }
  template <class Q, class P>
  static void decode(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t, std::uint32_t,
                     std::uint32_t, pc::target_rows) noexcept {}
  template <class Q, class P>
  static pc::status decode_exact(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t,
                                 std::uint32_t, std::span<const std::byte>, pc::target_rows,
                                 std::size_t&) noexcept {
    return {};
  }
};

struct may_throw : minimal {
  template <class Q, class P>
  static void decode(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t, std::uint32_t,
                     std::uint32_t, pc::target_rows) {}
};

struct says_bool : minimal {
  template <class Q, class P>
  static bool decode_exact(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t, std::uint32_t,
                           std::span<const std::byte>, pc::target_rows, std::size_t&) noexcept {
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

struct no_decode_exact {
  template <class Q, class P>
  static pc::encoded_tile encode(pc::number, pc::tile_layout<Q, P>, pc::source_rows, std::byte*,
                                 std::uint32_t*) noexcept;
  template <class Q, class P>
  static void decode(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t, std::uint32_t,
                     std::uint32_t, pc::target_rows) noexcept;
};

struct tells_not_what_it_used : minimal {
  template <class Q, class P>
  static pc::status decode_exact(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t,
                                 std::uint32_t, std::span<const std::byte>, pc::target_rows) noexcept {
    return {};
  }
};

struct wants_to_write_the_tile : minimal {
  template <class Q, class P>
  static void decode(pc::number, pc::tile_layout<Q, P>, std::byte*, std::uint32_t, std::uint32_t,
                     std::uint32_t, pc::target_rows) noexcept {}
};

struct is_an_object : minimal {
  template <class Q, class P>
  void decode(pc::number, pc::tile_layout<Q, P>, const std::byte*, std::uint32_t, std::uint32_t,
              std::uint32_t, pc::target_rows) const noexcept {}
};

// A backend for values per token is none for another quantizer, or for other planes.
struct for_values_only : minimal {
  using values_layout = pc::tile_layout<pc::per_token, pc::planes<4, 4, pc::tail>>;
  static void decode(pc::number, values_layout, const std::byte*, std::uint32_t, std::uint32_t, std::uint32_t,
                     pc::target_rows) noexcept {}
};

static_assert(pc::backend<minimal>);
static_assert(pc::backend<minimal, pc::per_channel<64>, pc::planes<8, pc::tail>>);
static_assert(!pc::backend<may_throw>);
static_assert(!pc::backend<says_bool>);
static_assert(!pc::backend<forgets_tail_ends>);
static_assert(!pc::backend<no_decode_exact>);
static_assert(!pc::backend<tells_not_what_it_used>);
static_assert(!pc::backend<wants_to_write_the_tile>);
static_assert(!pc::backend<is_an_object>);
static_assert(pc::backend<for_values_only>);
static_assert(!pc::backend<for_values_only, pc::per_channel<64>>);
static_assert(!pc::backend<for_values_only, pc::per_token, pc::planes<8, pc::tail>>);
static_assert(!pc::backend<int>);

} // namespace

TEST_CASE("backend: an encoded tile is by default empty and not stored") {
  CHECK(pc::encoded_tile{}.bytes == 0);
  CHECK(!pc::encoded_tile{}.stored);
}

} // namespace code_backend_test
