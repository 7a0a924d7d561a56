// The tail says what is left after all other planes.
#include "planecast/policy/planes.hpp"

constexpr auto bits = planecast::planes<4, planecast::tail, 4>::code_bits;
