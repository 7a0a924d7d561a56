// FNV-1a over fields in little-endian order: how two peers see at connect that they mean the same thing.
#pragma once

#include "planecast/config.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// A 64-bit hash of fields in their order: FNV-1a, to which every field is eight little-endian bytes,
/// whatever its type. It finds what differs by mistake; it is no protection from a peer that lies.
/// Example: `const std::uint64_t mine = fingerprint{}.add(1).add(64).value();`
class fingerprint {
public:
  /// Takes in one more field.
  constexpr fingerprint& add(std::uint64_t field) noexcept {
    for (int i = 0; i < 8; ++i, field >>= 8)
      value_ = (value_ ^ (field & 0xFFu)) * 1099511628211u;
    return *this;
  }
  /// Hash of the fields so far; more may follow.
  [[nodiscard]] constexpr std::uint64_t value() const noexcept { return value_; }

private:
  std::uint64_t value_ = 14695981039346656037u;
};

} // namespace planecast::inline v0
