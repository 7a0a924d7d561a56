#include "planecast/policy/layered_policy.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <type_traits>

namespace policy_layered_policy_test {

namespace pc = planecast;

namespace {

using usual = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<32>>,
                                   pc::values<pc::per_token>>;
using careful = pc::precision_policy<pc::tiers<8, pc::lossless>, pc::keys<pc::per_token>,
                                     pc::values<pc::per_token>, pc::planes<4, 4, pc::tail>>;
using raw = pc::precision_policy<pc::tiers<4, pc::lossless>, pc::keys<pc::verbatim>, pc::values<pc::verbatim>,
                                 pc::planes<4, 4, pc::tail>>;
using layered = pc::layered_policy<usual, pc::edges<2, 1, careful>>;

static_assert(std::is_empty_v<layered>);
static_assert(careful::page_tokens == 64 && layered::page_tokens == 32); // no edge asks for a page
static_assert(layered::base_planes == 1 && careful::base_planes == 2);

template <class Policy>
constexpr std::uint32_t base(std::uint32_t layer, std::uint32_t layers) {
  return Policy::with_layer(layer, layers, []<class P>(P) { return P::base_planes; });
}

} // namespace

TEST_CASE("layered_policy: the first and the last layers are edges") {
  const std::uint32_t of_six[] = {2, 2, 1, 1, 1, 2};
  for (std::uint32_t layer = 0; layer < 6; ++layer) {
    CAPTURE(layer);
    CHECK(base<layered>(layer, 6) == of_six[layer]);
    CHECK(base<usual>(layer, 6) == 1);
  }
  CHECK(base<layered>(1, 2) == 2); // both ends meet
  CHECK(base<layered>(0, 1) == 2);
  CHECK(base<pc::layered_policy<usual, pc::edges<0, 1, careful>>>(0, 4) == 1);
  CHECK(base<pc::layered_policy<usual, pc::edges<0, 1, careful>>>(3, 4) == 2);
  std::uint32_t policies = 0;
  layered::with_each([&](auto) { ++policies; });
  CHECK(policies == 2);
}

TEST_CASE("layered_policy: everything that changes the bytes changes the fingerprint") {
  const std::uint64_t all[] = {usual::fingerprint(),
                               careful::fingerprint(),
                               layered::fingerprint(),
                               pc::layered_policy<usual, pc::edges<1, 2, careful>>::fingerprint(),
                               pc::layered_policy<usual, pc::edges<2, 1, raw>>::fingerprint(),
                               pc::layered_policy<usual, pc::edges<2, 1, usual>>::fingerprint()};
  for (const auto& a : all)
    for (const auto& b : all)
      CHECK((a == b) == (&a == &b));
}

} // namespace policy_layered_policy_test
