#include "planecast/plan/pays.hpp"

#include <doctest/doctest.h>
#include <limits>

namespace plan_pays_test {

using namespace planecast;

namespace {
constexpr double gigabit = 1e9 / 8;
constexpr coding_costs at(double link) {
  return {.encode = 20e9, .decode = 20e9, .link = link, .share = 0.73};
}
static_assert(pays_serial(at(1 * gigabit)));
static_assert(!pays_pipelined(at(400 * gigabit)));
} // namespace

TEST_CASE("pays: one after the other, below (1 - share) / (1 / encode + 1 / decode)") {
  const double even = 0.27 / (2 / 20e9); // 2.7e9 bytes a second
  CHECK(pays_serial(at(0.999 * even)));
  CHECK(!pays_serial(at(1.001 * even)));
  CHECK(!pays_serial({.encode = 20e9, .decode = 20e9, .link = 1, .share = 1})); // nothing saved
}

TEST_CASE("pays: side by side, as long as no stage is slower than the raw link") {
  CHECK(pays_pipelined(at(159 * gigabit))); // 20 GB/s are 160 Gb/s
  CHECK(!pays_pipelined(at(161 * gigabit)));
  CHECK(!pays_pipelined({.encode = 1e9, .decode = 9e9, .link = 2e9, .share = 0.5}));
  CHECK(!pays_pipelined({.encode = 9e9, .decode = 1e9, .link = 2e9, .share = 0.5}));
  CHECK(!pays_pipelined({.encode = 9e9, .decode = 9e9, .link = 2e9, .share = 1}));
  CHECK(pays_pipelined(
      {.encode = std::numeric_limits<double>::infinity(), .decode = 9e9, .link = 2e9, .share = 0.9}));
}

TEST_CASE("pays: what pays one after the other pays side by side") {
  for (double link = 1e7; link < 1e12; link *= 1.3)
    for (double encode = 1e8; encode < 1e12; encode *= 3)
      for (double share = 0.1; share < 1.2; share += 0.1) {
        const coding_costs c{encode, 2 * encode, link, share};
        CHECK((!pays_serial(c) || pays_pipelined(c)));
      }
}

} // namespace plan_pays_test
