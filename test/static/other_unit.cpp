// Includes every header a second time in one program: a function that is not inline would be there twice.
#include "unit.hpp"

planecast_test::unit_layouts layouts_of_other_unit() {
  return planecast_test::all_layouts();
}
std::uint64_t sample_of_other_unit() {
  return planecast_test::sample;
}
