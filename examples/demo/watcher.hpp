// Who is told what happens while one cache crosses.
#pragma once

#include "planecast/decode/speculate.hpp"

#include <cstdint>

namespace demo {

class watcher {
public:
  virtual ~watcher() = default;
  /// From here time counts.
  virtual void begin() = 0;
  /// Bytes of a plane came: of the base, 0, or of an upgrade, counted from 1.
  virtual void came(std::uint32_t plane, std::uint64_t bytes) = 0;
  virtual void said(const planecast::token_event& e) = 0;
  /// Called often, between all else. What it throws ends the transfer.
  virtual void tick() = 0;
};

} // namespace demo
