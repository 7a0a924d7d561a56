// The one source of the library's version: CMake reads these three lines.
#pragma once

#define PLANECAST_VERSION_MAJOR 0 ///< first part of the version: major.minor.patch
#define PLANECAST_VERSION_MINOR 1 ///< second part
#define PLANECAST_VERSION_PATCH 0 ///< third part

/// All of planecast. The inline namespace `v0` in it keeps two versions in one program apart: do not name it.
namespace planecast::inline v0 {

/// Version of the bytes on the wire. Two peers speak only if theirs are equal; it changes on its own, not
/// with the library's.
inline constexpr unsigned wire_version = 3;

} // namespace planecast::inline v0
