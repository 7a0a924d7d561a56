// The ways of sending a cache that are compared, and what came of each.
#pragma once

#include "planecast/code/coded_cache.hpp"
#include "planecast/policy/tier.hpp"

#include "timeline.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace demo {

struct mode {
  const char* name;
  const char* what;
  planecast::coding how; // of the values
  int until;             // the last tier that is sent
  bool one_shot;         // all of it before decoding starts
};

/// One-shot INT8 and INT4 are the same code, cut short: nesting costs it nothing.
inline constexpr std::array<mode, 4> modes = {
    {{"raw", "the cache as it is, then decoding", planecast::coding::raw, planecast::lossless, true},
     {"int8", "8 bits a value, then decoding", planecast::coding::planes, 8, true},
     {"int4", "4 bits a value, then decoding", planecast::coding::planes, 4, true},
     {"planecast", "decoding begins on the first bits, the others follow", planecast::coding::planes,
      planecast::lossless, false}}};

struct outcome {
  std::string name;
  std::uint64_t bytes_before_first_token = 0, bytes_total = 0, raw_bytes = 0;
  std::optional<double> first_drafted, first_verified_int8, first_verified_exact;
  std::optional<std::uint64_t> drafted, accepted; // accepted: by a later verification
  bool cache_equals_original = false, tokens_equal_original = false;
  bool ended = false;           // by a token of the model's that ends a text
  std::optional<bool> answered; // the text begins with the number hidden in the demo's own prompt
  timeline happened;
  std::string text;
};

/// What was sent, and how.
struct setting {
  std::string model, policy;
  std::string architecture = {};                                       // of the model
  std::vector<std::pair<std::string, std::uint64_t>> model_shape = {}; // its layers, heads, …, by name
  std::string prompt = {};                                             // a file; the demo's own if empty
  std::uint64_t seed = 1;                                              // of the number in the demo's own
  std::uint32_t prompt_tokens = 0, tokens = 0;
  double link_bytes_per_second = 0, latency_s = 0, budget = 0, step_s = 0;
};

} // namespace demo
