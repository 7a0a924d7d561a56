// Two units of one program, perhaps by two compilers, must mean the same types and bytes.
#include "unit.hpp"

#include <cstdio>
#include <cstring>

planecast_test::unit_layouts layouts_of_other_unit();
std::uint64_t sample_of_other_unit();

int main() {
  int different = 0;
  const auto here = planecast_test::layouts, there = layouts_of_other_unit();
  for (std::size_t i = 0; i < here.size(); ++i)
    if (std::strcmp(here[i].name, there[i].name) != 0 || here[i].size != there[i].size ||
        here[i].alignment != there[i].alignment) {
      std::printf("%s: size %zu and %zu, alignment %zu and %zu\n", here[i].name, here[i].size, there[i].size,
                  here[i].alignment, there[i].alignment);
      ++different;
    }
  if (planecast_test::sample() != sample_of_other_unit()) {
    std::printf("the units code differently\n");
    ++different;
  }
  return different == 0 ? 0 : 1;
}
