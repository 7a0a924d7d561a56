#include "planecast/cpu/instruction_set.hpp"

#include <doctest/doctest.h>
#include <string>

namespace cpu_instruction_set_test {

namespace pc = planecast;

namespace {

constexpr pc::instruction_set all_sets[] = {pc::instruction_set::plain, pc::instruction_set::avx2,
                                            pc::instruction_set::avx512};
const char* name_of(pc::instruction_set set) {
  return set == pc::instruction_set::avx512 ? "avx512" : set == pc::instruction_set::avx2 ? "avx2" : "plain";
}

} // namespace

// A run that compares nothing but plain loops with themselves says so.
TEST_CASE("instruction_set: which sets this machine can test") {
  std::string here, missing;
  for (const pc::instruction_set set : all_sets)
    (pc::supports(set) ? here : missing).append(" ").append(name_of(set));
  MESSAGE("instruction sets tested here:" << here
                                          << (missing.empty() ? "" : "; not on this machine:" + missing));
}

TEST_CASE("instruction_set: the widest is one that there is, and none above it") {
  CHECK(pc::supports(pc::instruction_set::plain));
  CHECK(pc::supports(pc::widest()));
  for (const pc::instruction_set set : all_sets)
    CHECK((set <= pc::widest()) == pc::supports(set));
  CHECK(pc::widest() == pc::widest());
#if !PLANECAST_X86
  CHECK(pc::widest() == pc::instruction_set::plain);
#endif
}

} // namespace cpu_instruction_set_test
