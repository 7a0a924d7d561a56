// The one source of the library's version: CMake reads these three lines.
#pragma once

#define PLANECAST_VERSION_MAJOR 0
#define PLANECAST_VERSION_MINOR 1
#define PLANECAST_VERSION_PATCH 0

namespace planecast::inline v0 {

/// Version of the bytes on the wire. Two peers speak only if theirs are equal; it changes on its own.
inline constexpr unsigned wire_version = 1;

} // namespace planecast::inline v0
