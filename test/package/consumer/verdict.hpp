// What every program of the consumer says in the end.
#pragma once

#include <planecast/version.hpp>

#include <cstdint>
#include <iostream>
#include <string>

// Says how it went, and whether the headers are of the version that the package claims.
inline int verdict(const char* link, std::uint64_t bytes, bool equal) {
  const std::string version = std::to_string(PLANECAST_VERSION_MAJOR) + '.' +
                              std::to_string(PLANECAST_VERSION_MINOR) + '.' +
                              std::to_string(PLANECAST_VERSION_PATCH);
  if (version != EXPECTED_VERSION) {
    std::cout << "the headers are of version " << version << ", not " EXPECTED_VERSION "\n";
    return 1;
  }
  std::cout << "planecast " << version << " over " << link << ": " << bytes << " bytes, "
            << (equal ? "equal to the last bit\n" : "not equal\n");
  return equal ? 0 : 1;
}
