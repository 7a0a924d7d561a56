#include "planecast/plan/key_norm.hpp"

#include <doctest/doctest.h>
#include <stdexcept>
#include <vector>

namespace plan_key_norm_test {

using namespace planecast;

namespace {

// Two layers of three tokens; token t's keys are [t + 1 + layer, 0, …].
struct fixture {
  geometry model{.dtype = number::bf16, .layers = 2, .kv_heads = 1, .key_dim = 8, .value_dim = 8};
  std::vector<std::uint16_t> keys[2];
  fixture() {
    for (std::uint32_t l = 0; l < 2; ++l) {
      keys[l].resize(3 * 8);
      for (std::uint32_t t = 0; t < 3; ++t)
        keys[l][t * 8] = bf16::nearest(static_cast<float>((t + 1) * (l + 1)));
    }
  }
  [[nodiscard]] kv_view view(std::uint32_t layer, std::uint32_t tokens = 3) const {
    return {keys[layer].data(), kv_strides::nhd(1, 8), keys[layer].data(), kv_strides::nhd(1, 8), tokens};
  }
};

} // namespace

TEST_CASE("key_norm: long keys first, or short ones") {
  const fixture f;
  std::vector<float> out(3), part(1);
  key_norm by(f.model, 3, key_norm_order::long_first);
  by.add(1, f.view(1));
  by.score(0, out);
  CHECK(out == std::vector<float>{2, 4, 6}); // one layer is enough
  by.add(0, f.view(0));
  by.score(0, out);
  CHECK(out == std::vector<float>{1.5, 3, 4.5});
  key_norm other(f.model, 3, key_norm_order::short_first);
  other.add(0, f.view(0));
  other.score(2, part);
  CHECK(part == std::vector<float>{-3});
}

TEST_CASE("key_norm: layer by layer") {
  const fixture f;
  layered_key_norm by(f.model, 3, key_norm_order::short_first);
  CHECK(by.layers() == 2);
  by.add(1, f.view(1));
  std::vector<float> out(2);
  by.score(1, 1, out);
  CHECK(out == std::vector<float>{-4, -6});
  CHECK_THROWS_AS(by.score(0, 1, out), std::invalid_argument); // not added
  CHECK_THROWS_AS(by.score(1, 2, out), std::invalid_argument);
  CHECK_THROWS_AS(by.score(2, 0, out), std::invalid_argument);
}

TEST_CASE("key_norm: what cannot be added, and leaves nothing behind") {
  fixture f;
  key_norm by(f.model, 3, key_norm_order::long_first);
  std::vector<float> out(3);
  CHECK_THROWS_AS(by.score(0, out), std::invalid_argument); // no layer yet
  CHECK_THROWS_AS(by.add(2, f.view(0)), std::invalid_argument);
  CHECK_THROWS_AS(by.add(0, f.view(0, 2)), std::invalid_argument);
  const kv_view narrow(layouts::nl_x_two_nb_bs_nh_hs, f.keys[0].data(),
                       {.block_size = 3, .heads = 1, .dim = 4}, token_slots::first(3));
  CHECK_THROWS_AS(by.add(0, narrow), std::invalid_argument);
  f.keys[0][8] = 0x7F80;
  CHECK_THROWS_AS(by.add(0, f.view(0)), std::invalid_argument);
  f.keys[0][8] = 0;
  by.add(0, f.view(0));
  CHECK_THROWS_AS(by.add(0, f.view(0)), std::invalid_argument); // twice
  by.score(0, out);
  CHECK(out == std::vector<float>{1, 0, 3});
}

} // namespace plan_key_norm_test
