// FNV-1a over fields in little-endian order: how two peers see at connect that they mean the same thing.
#pragma once

#include "planecast/config.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// Adds fields one by one; every field counts as eight little-endian bytes, whatever its type.
class fingerprint {
public:
  constexpr fingerprint& add(std::uint64_t field) noexcept {
    for (int i = 0; i < 8; ++i, field >>= 8)
      value_ = (value_ ^ (field & 0xFFu)) * 1099511628211u;
    return *this;
  }
  [[nodiscard]] constexpr std::uint64_t value() const noexcept { return value_; }

private:
  std::uint64_t value_ = 14695981039346656037u;
};

} // namespace planecast::inline v0
