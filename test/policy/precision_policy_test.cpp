#include "planecast/policy/precision_policy.hpp"

#include <doctest/doctest.h>
#include <type_traits>

namespace policy_precision_policy_test {

namespace pc = planecast;

namespace {

using standard = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                      pc::values<pc::per_token>>;
using finer = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                   pc::values<pc::per_token>, pc::planes<2, 2, 2, 2, pc::tail>>;
using lossy = pc::precision_policy<pc::tiers<4, 8>, pc::keys<pc::per_token>, pc::values<pc::per_token>>;
using short_pages = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_token>,
                                         pc::values<pc::per_channel<32>>>;

static_assert(std::is_empty_v<standard>);
static_assert(std::is_same_v<standard::planes, pc::planes<4, 4, pc::tail>>);
static_assert(std::is_same_v<standard::key_quantizer, pc::per_channel<64>>);
static_assert(std::is_same_v<standard::value_quantizer, pc::per_token>);
static_assert(standard::page_tokens == 64 && lossy::page_tokens == 64 && short_pages::page_tokens == 32);
static_assert(standard::base_planes == 1 && finer::base_planes == 2 && !lossy::planes::has_tail);

// Tiers over planes finer than they are: the base is what the lowest tier needs, and no more.
template <class Tiers, class Planes = pc::planes_of<Tiers>>
using over = pc::precision_policy<Tiers, pc::keys<pc::per_channel<64>>, pc::values<pc::per_token>, Planes>;
using twos = pc::planes<2, 2, 2, 2, pc::tail>;
static_assert(over<pc::tiers<2, 4, 8, pc::lossless>, twos>::base_planes == 1);
static_assert(over<pc::tiers<4, 8, pc::lossless>, twos>::base_planes == 2);
static_assert(over<pc::tiers<8, pc::lossless>, twos>::base_planes == 4);
static_assert(over<pc::tiers<8, pc::lossless>>::base_planes == 1);
static_assert(std::is_same_v<over<pc::tiers<8, pc::lossless>>::planes, pc::planes<8, pc::tail>>);
static_assert(over<pc::tiers<4, 8>>::base_planes == 1);
static_assert(std::is_same_v<over<pc::tiers<4, 8>>::planes, pc::planes<4, 4>>);
static_assert(over<pc::tiers<4, 8>, pc::planes<4, 4, pc::tail>>::planes::has_tail); // a plane above all tiers

} // namespace

TEST_CASE("precision_policy: everything that changes the bytes changes the fingerprint") {
  using other_keys =
      pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_token>, pc::values<pc::per_token>>;
  using swapped = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_token>,
                                       pc::values<pc::per_channel<64>>>;
  using other_tiers = pc::precision_policy<pc::tiers<4, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                           pc::values<pc::per_token>, pc::planes<4, 4, pc::tail>>;
  const std::uint64_t all[] = {standard::fingerprint(),
                               finer::fingerprint(),
                               lossy::fingerprint(),
                               short_pages::fingerprint(),
                               other_keys::fingerprint(),
                               swapped::fingerprint(),
                               other_tiers::fingerprint(),
                               over<pc::tiers<2, 4, 8, pc::lossless>, twos>::fingerprint(),
                               over<pc::tiers<8, pc::lossless>, twos>::fingerprint(),
                               over<pc::tiers<8, pc::lossless>>::fingerprint(),
                               over<pc::tiers<4, 8>>::fingerprint()};
  for (const auto& a : all)
    for (const auto& b : all)
      CHECK((a == b) == (&a == &b));
}

TEST_CASE("precision_policy: the standard policy's fingerprint stays what it is") {
  CHECK(standard::fingerprint() == 0xefd57d7829f1cb0eu);
}

} // namespace policy_precision_policy_test
