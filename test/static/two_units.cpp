// Two units of one program, perhaps by two compilers, must mean the same types and bytes.
#include "unit.hpp"

#include <cstdio>
#include <cstring>

planecast_test::unit_layouts layouts_of_other_unit();
std::uint64_t sample_of_other_unit();

int main() {
  int different = 0;
  const auto here = planecast_test::all_layouts(), there = layouts_of_other_unit();
  for (std::size_t i = 0; i < here.size(); ++i) {
    const auto &a = here[i], &b = there[i];
    if (std::strcmp(a.name, b.name) == 0 && a.size == b.size && a.alignment == b.alignment &&
        a.members == b.members && a.offsets == b.offsets)
      continue;
    std::printf("%s: size %zu and %zu, alignment %zu and %zu, members at", a.name, a.size, b.size,
                a.alignment, b.alignment);
    for (std::size_t m = 0; m < a.members; ++m)
      std::printf(" %zu", a.offsets[m]);
    std::printf(" and");
    for (std::size_t m = 0; m < b.members; ++m)
      std::printf(" %zu", b.offsets[m]);
    std::printf("\n");
    ++different;
  }
  if (planecast_test::sample != sample_of_other_unit()) {
    std::printf("the units code differently\n");
    ++different;
  }
  return different == 0 ? 0 : 1;
}
