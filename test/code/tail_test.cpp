#include "planecast/code/tail.hpp"

#include "code/rows.hpp"

#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <utility>
#include <vector>

namespace code_tail_test {

namespace pc = planecast;
using namespace planecast_test;

TEST_CASE("tail: numbers of any width come back") {
  for (std::uint32_t k = 0; k < rounds(2000, 200); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> numbers; // value, bits
    std::size_t bits = 0;
    for (std::uint32_t i = random.below(200); i > 0; --i) {
      const std::uint32_t width = random.below(17);
      numbers.emplace_back(static_cast<std::uint32_t>(random.bits()) & ((1u << width) - 1), width);
      bits += width;
    }
    std::vector<std::byte> bytes((bits + 7) / 8); // not one more: a sanitizer sees what is written past it
    pc::detail::bit_writer out(bytes.data());
    for (const auto& [number, width] : numbers)
      out.put(number, width);
    CHECK(out.finish() == bytes.data() + bytes.size());

    pc::detail::bit_reader in(bytes.data(), bytes.size());
    bool same = true;
    for (const auto& [number, width] : numbers)
      same = in.get(width) == number && same;
    CHECK(same);
    CHECK(!in.past_end());
    CHECK(in.padding_is_zero());
    CHECK(in.at() == bytes.data() + bytes.size());
  }
}

TEST_CASE("tail: the first number is in the lowest bits, and what is left over is zero") {
  std::byte bytes[3]{};
  pc::detail::bit_writer out(bytes);
  out.put(0x5, 3);
  out.put(0x1FF, 9);
  CHECK(out.finish() == bytes + 2);
  CHECK(bytes[0] == std::byte{0xFD});
  CHECK(bytes[1] == std::byte{0x0F});
  CHECK(bytes[2] == std::byte{0});
}

TEST_CASE("tail: nothing written is no bytes") {
  std::byte byte{};
  pc::detail::bit_writer out(&byte);
  out.put(0, 0);
  CHECK(out.finish() == &byte);
}

TEST_CASE("tail: a reader past the end gives zeros and says so") {
  const std::byte byte{0xFF};
  pc::detail::bit_reader in(&byte, 1);
  CHECK(in.get(4) == 0xF);
  CHECK(!in.past_end());
  CHECK(in.get(16) == 0xF);
  CHECK(in.past_end());
  CHECK(in.get(16) == 0);
  pc::detail::bit_reader empty(nullptr, 0);
  CHECK(empty.get(0) == 0);
  CHECK(!empty.past_end());
  CHECK(empty.get(1) == 0);
  CHECK(empty.past_end());
}

TEST_CASE("tail: a reader sees padding that is not zero") {
  const std::byte bytes[] = {std::byte{0x12}, std::byte{0x80}};
  pc::detail::bit_reader in(bytes, 2);
  CHECK(in.get(9) == 0x12);
  CHECK(!in.padding_is_zero());
}

} // namespace code_tail_test
