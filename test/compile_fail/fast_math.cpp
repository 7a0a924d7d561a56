// -ffast-math allows the compiler to change the arithmetic that fixes the bytes.
#include "planecast/config.hpp"
