#include "planecast/cache/bytes.hpp"

#include <cstdint>
#include <doctest/doctest.h>

namespace cache_bytes_test {

namespace pc = planecast;

TEST_CASE("bytes: numbers are little-endian and need no alignment") {
  std::byte bytes[10]{};
  pc::detail::store(bytes + 1, std::uint32_t{0x01020304});
  CHECK(bytes[0] == std::byte{0});
  CHECK(bytes[1] == std::byte{4});
  CHECK(bytes[4] == std::byte{1});
  CHECK(bytes[5] == std::byte{0});
  CHECK(pc::detail::load<std::uint32_t>(bytes + 1) == 0x01020304u);
  CHECK(pc::detail::load<std::uint16_t>(bytes + 1) == 0x0304u);
  pc::detail::store(bytes + 1, std::uint64_t{0x1122334455667788});
  CHECK(pc::detail::load<std::uint64_t>(bytes + 1) == 0x1122334455667788u);
}

TEST_CASE("bytes: align_up reaches the next multiple and no further") {
  CHECK(pc::detail::align_up(0u, 16u) == 0);
  CHECK(pc::detail::align_up(1u, 16u) == 16);
  CHECK(pc::detail::align_up(16u, 16u) == 16);
  CHECK(pc::detail::align_up(std::uint64_t{0x1'0000'0001}, std::uint64_t{16}) == 0x1'0000'0010u);
}

} // namespace cache_bytes_test
