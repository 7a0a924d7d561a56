#include "planecast/policy/planes.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <type_traits>

namespace policy_planes_test {

namespace pc = planecast;

using standard = pc::planes<4, 4, pc::tail>;
static_assert(standard::count == 3 && standard::fixed == 2 && standard::code_bits == 8 && standard::has_tail);
static_assert(pc::planes<2, 2, 2, 2, pc::tail>::fixed == 4);
static_assert(pc::planes<8, pc::tail>::code_bits == 8 && pc::planes<8, pc::tail>::fixed == 1);
static_assert(!pc::planes<4, 4>::has_tail && pc::planes<4, 4>::fixed == pc::planes<4, 4>::count);
static_assert(pc::planes<4>::code_bits == 4);

static_assert(std::is_same_v<pc::planes_of<pc::tiers<4, 8, pc::lossless>>, standard>);
static_assert(std::is_same_v<pc::planes_of<pc::tiers<8, pc::lossless>>, pc::planes<8, pc::tail>>);
static_assert(std::is_same_v<pc::planes_of<pc::tiers<2, 4, 8>>, pc::planes<2, 2, 4>>);
static_assert(std::is_same_v<pc::planes_of<pc::tiers<4, 8>>, pc::planes<4, 4>>);
static_assert(std::is_same_v<pc::planes_of<pc::tiers<2, 4, 8, pc::lossless>>, pc::planes<2, 2, 4, pc::tail>>);
static_assert(std::is_same_v<pc::planes_of<pc::tiers<4, pc::lossless>>, pc::planes<4, pc::tail>>);
static_assert(std::is_same_v<pc::planes_of<pc::tiers<8>>, pc::planes<8>>);
static_assert(std::is_empty_v<standard>);

TEST_CASE("planes: widths, and the bits before each") {
  CHECK(standard::width(0) == 4);
  CHECK(standard::width(1) == 4);
  CHECK(standard::width(2) == 0);
  CHECK(standard::bits_before(0) == 0);
  CHECK(standard::bits_before(1) == 4);
  CHECK(standard::bits_before(2) == 8);
  CHECK(standard::bits_before(3) == 8);
  CHECK(pc::planes<1, 2, 4>::bits_before(2) == 3);
}

TEST_CASE("planes: how many hold a tier") {
  CHECK(standard::holding(4) == 1);
  CHECK(standard::holding(8) == 2);
  CHECK(standard::holding(pc::lossless) == 3);
  CHECK(standard::holding(6) == 0);
  CHECK(pc::planes<4, 4>::holding(pc::lossless) == 0);
  using twos = pc::planes<2, 2, 2, 2, pc::tail>;
  CHECK(twos::holding(2) == 1);
  CHECK(twos::holding(4) == 2);
  CHECK(twos::holding(6) == 3);
  CHECK(twos::holding(8) == 4);
  CHECK(twos::holding(pc::lossless) == 5);
  CHECK(twos::holding(3) == 0);
  CHECK(twos::holding(10) == 0);
  using eight = pc::planes<8, pc::tail>;
  CHECK(eight::holding(4) == 0);
  CHECK(eight::holding(8) == 1);
  CHECK(eight::holding(pc::lossless) == 2);
  CHECK(pc::planes<4, 4>::holding(8) == 2);
}

TEST_CASE("planes: every layout of a code of eight bits cuts it where its widths say") {
  const auto cuts = []<int... Widths>(pc::planes<Widths...>) {
    using planes = pc::planes<Widths...>;
    constexpr int widths[] = {Widths...};
    std::uint32_t before = 0;
    for (std::uint32_t p = 0; p < planes::fixed; ++p) {
      CHECK(planes::width(p) == static_cast<std::uint32_t>(widths[p]));
      CHECK(planes::bits_before(p) == before);
      before += planes::width(p);
      CHECK(planes::holding(before) == p + 1);
    }
    CHECK(planes::bits_before(planes::count) == before);
    CHECK(planes::code_bits == before);
    CHECK(planes::count == planes::fixed + (planes::has_tail ? 1u : 0u));
  };
  cuts(standard{});
  cuts(pc::planes<2, 2, 2, 2, pc::tail>{});
  cuts(pc::planes<8, pc::tail>{});
  cuts(pc::planes<4, 4>{});
  cuts(pc::planes<1, 1, 1, 1, 1, 1, 1, 1, pc::tail>{});
  cuts(pc::planes<4, 2, 1, 1>{});
  cuts(pc::planes<2>{});
}

TEST_CASE("planes: other layouts have other fingerprints") {
  CHECK(standard::fingerprint() != pc::planes<8, pc::tail>::fingerprint());
  CHECK(standard::fingerprint() != pc::planes<4, 4>::fingerprint());
  CHECK(pc::planes<2, 4>::fingerprint() != pc::planes<4, 2>::fingerprint());
  CHECK(pc::planes<2, 2, 2, 2, pc::tail>::fingerprint() != pc::planes<2, 2, 2, 2>::fingerprint());
  CHECK(standard::fingerprint() == pc::fingerprint{}.add(3).add(4).add(4).add(0).value());
}

} // namespace policy_planes_test
