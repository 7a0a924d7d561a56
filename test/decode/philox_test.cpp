#include "planecast/decode/philox.hpp"

#include <cstdint>
#include <doctest/doctest.h>

namespace decode_philox_test {

using planecast::philox;
using planecast::philox_words;

// Random123, tests/kat_vectors, the lines "philox4x32 10": counter, key, result.
static_assert(philox({{0, 0, 0, 0}}, 0) == philox_words{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
static_assert(philox({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffffffffffff) ==
              philox_words{{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
static_assert(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0x299f31d0a4093822) ==
              philox_words{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});

TEST_CASE("philox: each word of the counter and each half of the key change every word") {
  const philox_words counter = {{1, 2, 3, 4}};
  const std::uint64_t key = 5;
  const philox_words plain = philox(counter, key);
  const auto other = [&](const philox_words& words) {
    bool all = true;
    for (int i = 0; i < 4; ++i)
      all = all && words.of[i] != plain.of[i];
    return all;
  };
  for (int i = 0; i < 4; ++i) {
    philox_words next = counter;
    ++next.of[i];
    CHECK(other(philox(next, key)));
  }
  CHECK(other(philox(counter, key + 1)));
  CHECK(other(philox(counter, key + (std::uint64_t{1} << 32))));
}

} // namespace decode_philox_test
