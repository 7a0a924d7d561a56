#include "planecast/cpu/self_test.hpp"

#include "code/flush_to_zero.hpp"
#include "code/rows.hpp"

#include <cfenv>
#include <chrono>
#include <doctest/doctest.h>
#include <string_view>

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

TEST_CASE("self_test: is cheap enough for every start") {
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    CHECK(pc::self_test().ok());
    best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
  }
  CHECK(best < std::chrono::milliseconds(planecast_test::slow ? 200 : 5));
}
