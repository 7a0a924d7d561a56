// A value's bits would straddle bytes.
#include "planecast/policy/planes.hpp"

constexpr auto bits = planecast::planes<4, 3>::code_bits;
