#include "planecast/cpu/self_test.hpp"

#include "code/flush_to_zero.hpp"
#include "support/backends.hpp"

#include <cfenv>
#include <doctest/doctest.h>
#include <string_view>
#include <type_traits>

namespace cpu_self_test_test {

namespace pc = planecast;

TEST_CASE("self_test: this build codes the bytes of every other") {
  CHECK(pc::self_test().message() == "ok");
}

TEST_CASE("self_test: flush-to-zero changes nothing") {
  const planecast_test::flush_to_zero on;
  volatile float denormal = 0x1p-140f;
  const bool flushed = denormal * 1.0f == 0.0f;
  CHECK(flushed == planecast_test::flush_to_zero::supported);
  CHECK(pc::self_test().ok());
}

TEST_CASE("self_test: another rounding mode is seen, or makes no difference") {
  // The vectors set their own mode and give the caller's back; plain loops take what there is.
  const bool plain = pc::widest() == pc::instruction_set::plain;
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    REQUIRE(std::fesetround(mode) == 0);
    const pc::status result = pc::self_test();
    CHECK(std::fegetround() == mode);
    std::fesetround(FE_TONEAREST);
    CHECK(result.ok() == !plain);
    if (plain) {
      CHECK(result == pc::errc::unsupported);
      CHECK(std::string_view(result.about).find("rounding") != std::string_view::npos);
    }
  }
}

TEST_CASE("self_test: of every backend that the machine has") {
  test::with_each_backend([]<class Backend>(std::type_identity<Backend>, std::size_t place) {
    CAPTURE(place);
    CHECK(pc::self_test<Backend>().ok());
  });
}

} // namespace cpu_self_test_test
