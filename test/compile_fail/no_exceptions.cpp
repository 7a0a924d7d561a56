// Wrong arguments throw.
#include "planecast/config.hpp"
