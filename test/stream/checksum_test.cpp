#include "planecast/stream/checksum.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace stream_checksum_test {

using namespace planecast;

namespace {

// The same sum from its description alone: byte by byte, in 64-bit arithmetic, with nothing of the library's.
class plain_checksum {
public:
  plain_checksum() {
    std::uint64_t state = 0x706C616E65636173u;
    for (std::uint64_t& key : keys_) {
      state += 0x9E3779B97F4A7C15u;
      std::uint64_t z = state;
      z ^= z >> 30;
      z *= 0xBF58476D1CE4E5B9u;
      z ^= z >> 27;
      z *= 0x94D049BB133111EBu;
      z ^= z >> 31;
      key = z >> 32;
    }
  }

  std::uint64_t operator()(const std::vector<std::byte>& bytes) const {
    std::uint64_t hash = 0;
    for (std::size_t block = 0; block < bytes.size(); block += 1024) {
      const std::size_t words = std::min<std::size_t>(256, (bytes.size() - block + 31) / 32 * 8);
      std::uint64_t sum = 0;
      for (std::size_t group = 0; group < words; group += 8)
        for (std::size_t i = group; i < group + 4; ++i) {
          const std::uint64_t a = (word(bytes, block + 4 * i) + keys_[i]) % 0x100000000u;
          const std::uint64_t b = (word(bytes, block + 4 * (i + 4)) + keys_[i + 4]) % 0x100000000u;
          sum += a * b;
        }
      hash = hash * 0x9E3779B97F4A7C15u + sum;
    }
    return hash + bytes.size();
  }

private:
  static std::uint64_t word(const std::vector<std::byte>& bytes, std::size_t at) {
    std::uint64_t w = 0;
    for (std::size_t i = 4; i-- > 0;)
      w = w * 256 + (at + i < bytes.size() ? std::to_integer<std::uint64_t>(bytes[at + i]) : 0);
    return w;
  }

  std::uint64_t keys_[256];
};

std::vector<std::byte> noise(std::size_t size, test::dice& dice) {
  std::vector<std::byte> bytes(size);
  for (std::byte& b : bytes)
    b = static_cast<std::byte>(dice.below(256));
  return bytes;
}

} // namespace

TEST_CASE("checksum: pinned values") {
  CHECK(checksum_of({}) == 0);
  CHECK(checksum_of(std::vector<std::byte>(1)) == 0x3DF961B8430E8074u);
  CHECK(checksum_of(std::vector<std::byte>(1024)) == 0x55B022AC0691BA52u);
  CHECK(checksum_of(std::vector<std::byte>(1025)) == 0x594B3FD6C306312Eu);
  std::vector<std::byte> counting(3000);
  for (std::size_t i = 0; i < counting.size(); ++i)
    counting[i] = static_cast<std::byte>(i * 7 % 251);
  CHECK(checksum_of(counting) == 0x6481F75D2F28A814u);
}

TEST_CASE("checksum: equals one written from its description, at every length") {
  const plain_checksum plain;
  test::dice dice(1);
  const std::vector<std::byte> all = noise(4100, dice);
  for (std::size_t length = 0; length <= all.size(); ++length) {
    const std::vector<std::byte> bytes(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(length));
    if (checksum_of(bytes) != plain(bytes))
      FAIL_CHECK("differs at length " << length);
  }
}

TEST_CASE("checksum: pieces of any size give the same as one") {
  const plain_checksum plain;
  for (unsigned seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const std::vector<std::byte> bytes = noise(dice.below(6000), dice);
    checksum sum;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t most = dice.one_in(2) ? 40 : 2500;
      const std::size_t take = std::min<std::size_t>(dice.below(most), bytes.size() - at);
      sum.add(std::span(bytes).subspan(at, take));
      at += take;
      if (dice.one_in(8)) // to look does not change it
        CHECK(sum.value() == checksum_of(std::span(bytes).first(at)));
    }
    CHECK(sum.value() == plain(bytes));
  }
}

TEST_CASE("checksum: finds every single flipped bit of 2,000 bytes") {
  test::dice dice(2);
  for (std::vector<std::byte> bytes : {noise(2000, dice), std::vector<std::byte>(2000)}) {
    const std::uint64_t right = checksum_of(bytes);
    std::size_t missed = 0;
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      const auto mask = static_cast<std::byte>(1u << bit % 8);
      bytes[bit / 8] ^= mask;
      missed += checksum_of(bytes) == right ? 1 : 0;
      bytes[bit / 8] ^= mask;
    }
    CHECK(missed == 0);
  }
}

TEST_CASE("checksum: finds what is swapped, added or cut off") {
  test::dice dice(3);
  const std::vector<std::byte> bytes = noise(5 * checksum_block + 77, dice);
  const std::uint64_t right = checksum_of(bytes);

  const auto swapped = [&](std::size_t a, std::size_t b, std::size_t length) {
    std::vector<std::byte> other = bytes;
    std::swap_ranges(other.begin() + static_cast<std::ptrdiff_t>(a),
                     other.begin() + static_cast<std::ptrdiff_t>(a + length),
                     other.begin() + static_cast<std::ptrdiff_t>(b));
    return checksum_of(other);
  };
  for (std::size_t a = 0; a < 5; ++a)
    for (std::size_t b = a + 1; b < 5; ++b)
      CHECK(swapped(a * checksum_block, b * checksum_block, checksum_block) != right);
  for (const std::size_t unit : {4u, 16u, 32u, 64u}) // words and groups within a block
    for (std::size_t a = 0; a + 2 * unit <= checksum_block; a += unit)
      CHECK(swapped(a, a + unit, unit) != right);

  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{31}, std::size_t{32},
                                   std::size_t{1000}, checksum_block, bytes.size()}) {
    std::vector<std::byte> longer(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    const std::uint64_t before = checksum_of(longer);
    for (int more = 0; more < 3000; ++more) {
      longer.push_back(std::byte{0});
      if (checksum_of(longer) == before)
        FAIL_CHECK(length << " bytes and " << more + 1 << " zeros");
    }
  }
  for (std::size_t length = 0; length < bytes.size(); ++length)
    if (checksum_of(std::span(bytes).first(length)) == right)
      FAIL_CHECK("cut to " << length);
}

} // namespace stream_checksum_test
