// What the two sides do for one cache, and the policies under which they can do it.
#pragma once

#include "planecast/code/coded_cache.hpp"
#include "planecast/decode/speculate.hpp"
#include "planecast/plan/budget.hpp"
#include "planecast/transport/shaped.hpp"
#include "planecast/transport/socket.hpp"

#include "language.hpp"
#include "timeline.hpp"
#include "watcher.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

namespace demo {

/// What the prefill side does in one way.
struct sending {
  const engine& from;
  planecast::geometry shape;
  std::uint32_t tokens = 0;
  planecast::coding how = planecast::coding::planes;
  int until = planecast::lossless; // the last tier that is sent
  planecast::budget before_first_token;
  planecast::link_shape link;
  double seconds = 2; // that the raw cache takes

  [[nodiscard]] std::chrono::duration<double> timeout() const {
    return std::chrono::duration<double>(10 * seconds + 30);
  }
  /// Small beside the cache, so that bars move and a plan is not held up; not so small that headers count.
  [[nodiscard]] std::uint32_t chunk_bytes() const {
    const std::uint64_t part = shape.raw_bytes(tokens) / 128;
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(part, 16 * 1024, 512 * 1024));
  }
};

/// What the decode side does in one way. The engine's cache holds nothing yet.
struct receiving {
  engine& into;
  planecast::geometry shape;
  std::uint32_t tokens = 0;
  planecast::token_id first = 0;         // of the text
  std::uint32_t text = 0;                // tokens of it, at most
  std::vector<planecast::token_id> ends; // tokens that end it
  double step_ms = 0;
  std::chrono::duration<double> timeout{30};
};

struct received {
  planecast::speculated said;
  std::uint64_t bytes_before_first_token = 0, bytes = 0;
};

/// A policy by its name, and what is done under it.
struct named_policy {
  std::string_view name;
  double budget; // of the raw cache, if none is said
  void (*send)(const sending&, planecast::socket);
  received (*receive)(const receiving&, planecast::socket, watcher&);
  std::vector<timeline::plane> (*planes)(const sending&);
};

// Each is compiled on its own.
extern const named_policy policy_4_8_lossless, policy_2_2_2_2, policy_8;

} // namespace demo
