// The CPU backend.
#pragma once

#include "planecast/cpu/plain.hpp"

namespace planecast::inline v0 {

using cpu = plain_cpu;

} // namespace planecast::inline v0
