#include "planecast/cache/fingerprint.hpp"

#include <doctest/doctest.h>
#include <string_view>

namespace cache_fingerprint_test {

namespace pc = planecast;

namespace {

std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : bytes)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash;
}

} // namespace

TEST_CASE("fingerprint: is FNV-1a over little-endian fields") {
  CHECK(fnv1a("foobar") == 0x85944171F73967E8u); // the published value: the reference above is FNV-1a
  CHECK(pc::fingerprint{}.value() == fnv1a(""));
  CHECK(pc::fingerprint{}.add(0x6867666564636261u).value() == fnv1a("abcdefgh"));
  CHECK(pc::fingerprint{}.add(0x6867666564636261u).add(0x7A).value() ==
        fnv1a(std::string_view("abcdefghz\0\0\0\0\0\0\0", 16)));
}

TEST_CASE("fingerprint: the order of fields counts") {
  CHECK(pc::fingerprint{}.add(1).add(2).value() != pc::fingerprint{}.add(2).add(1).value());
}

static_assert(pc::fingerprint{}.add(1).value() != pc::fingerprint{}.value());

} // namespace cache_fingerprint_test
