#include "planecast/cpu/attention_sets.hpp"
#include "planecast/cpu/key_norm.hpp"

#include "support/dice.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace cpu_key_norm_test {

using namespace planecast;

TEST_CASE("key norm: the mean over the heads of the root of the sum of squares, by every set") {
  for (unsigned seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const number dtype = dice.one_in(2) ? number::bf16 : number::fp16;
    const std::uint32_t tokens = dice.between(1, 50), heads = dice.between(1, 5), dim = dice.between(1, 577);
    std::vector<std::uint16_t> keys(std::size_t{tokens} * heads * dim);
    std::vector<double> expected(tokens);
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t h = 0; h < heads; ++h) {
        double sum = 0;
        for (std::uint32_t c = 0; c < dim; ++c)
          with_format(dtype, [&]<class N>(N) {
            std::uint16_t& key = keys[(std::size_t{t} * heads + h) * dim + c];
            key = N::nearest(dice.gaussian() * static_cast<float>(t + 1));
            sum += double{N::value(key)} * double{N::value(key)};
          });
        expected[t] += std::sqrt(sum) / heads;
      }
    const auto strides = kv_strides::nhd(heads, dim);
    const kv_view view(keys.data(), strides, keys.data(), strides, tokens);
    detail::any_attention_set([&]<class Set>(Set) {
      std::vector<float> norms(tokens, 1.0f); // it is added to
      detail::add_key_norms<Set>(view, dtype, heads, dim, norms);
      for (std::uint32_t t = 0; t < tokens; ++t)
        REQUIRE(double{norms[t]} == doctest::Approx(1 + expected[t]).epsilon(1e-5));
      return false;
    });
  }
}

TEST_CASE("key norm: a key that is not finite is said") {
  std::vector<std::uint16_t> keys(3 * 16);
  keys[2 * 16 + 11] = 0x7F80;
  const kv_view view(keys.data(), kv_strides::nhd(1, 16), keys.data(), kv_strides::nhd(1, 16), 3);
  std::vector<float> norms(3);
  try {
    detail::add_key_norms<detail::attention_plain>(view, number::bf16, 1, 16, norms);
    CHECK(false);
  } catch (const std::invalid_argument& e) {
    CHECK(std::string(e.what()) == "planecast: key norm: the key of token 2 is not finite");
  }
}

} // namespace cpu_key_norm_test
