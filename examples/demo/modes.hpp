// The ways of sending a cache that are compared, and what came of each.
#pragma once

#include "planecast/planecast.hpp"

#include <array>
#include <cstdint>
#include <iomanip>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace demo {

namespace pc = planecast;

struct mode {
  const char* name;
  pc::coding how; // of the values
  int until;      // the last tier that is sent
  bool one_shot;  // all of it before decoding starts
};

/// One-shot INT8 and INT4 are the same code, cut short: nesting costs it nothing.
inline constexpr std::array<mode, 4> modes = {{{"raw", pc::coding::raw, pc::lossless, true},
                                               {"int8", pc::coding::planes, 8, true},
                                               {"int4", pc::coding::planes, 4, true},
                                               {"planecast", pc::coding::planes, pc::lossless, false}}};

struct outcome {
  std::string name;
  std::uint64_t bytes_before_first_token = 0, bytes_total = 0, raw_bytes = 0;
  std::optional<double> first_drafted, first_verified_int8, first_verified_exact;
  std::optional<std::uint64_t> drafted, accepted; // accepted: by a later verification
  bool cache_equals_original = false, tokens_equal_original = false;
};

/// Where and when: lines of the object, as bench/context.hpp writes them.
inline void write_json(std::ostream& to, const std::vector<outcome>& all, const std::string& context) {
  const auto field = [&](const char* name, const auto& value) {
    to << "\"" << name << "\": ";
    if (value)
      to << *value;
    else
      to << "null";
    to << ", ";
  };
  to << "{\n" << context << ",\n  \"modes\": [";
  for (const outcome& o : all) {
    to << (&o == all.data() ? "\n" : ",\n") << "  {\"name\": \"" << o.name << "\", "
       << "\"bytes_before_first_token\": " << o.bytes_before_first_token
       << ", \"bytes_total\": " << o.bytes_total << ", \"raw_bytes\": " << o.raw_bytes << ", ";
    field("first_drafted_s", o.first_drafted);
    field("first_verified_int8_s", o.first_verified_int8);
    field("first_verified_exact_s", o.first_verified_exact);
    field("drafted", o.drafted);
    field("accepted", o.accepted);
    to << std::boolalpha << "\"cache_equals_original\": " << o.cache_equals_original
       << ", \"tokens_equal_original\": " << o.tokens_equal_original << "}";
  }
  to << "\n]}\n";
}

inline void write_table(std::ostream& to, const std::vector<outcome>& all) {
  const auto time = [&](std::optional<double> t) {
    if (t)
      to << std::setw(9) << *t << " s";
    else
      to << std::setw(11) << "-";
  };
  to << "\n                before   in all    first     verified    verified   drafted/   cache    text\n"
        "              1st token            drafted     int8       exact    accepted  =original =original\n";
  to << std::fixed << std::setprecision(2);
  for (const outcome& o : all) {
    const auto share = [&](std::uint64_t bytes) {
      to << std::setw(9) << static_cast<double>(bytes) / static_cast<double>(o.raw_bytes);
    };
    to << std::left << std::setw(12) << o.name << std::right;
    share(o.bytes_before_first_token);
    share(o.bytes_total);
    time(o.first_drafted);
    time(o.first_verified_int8);
    time(o.first_verified_exact);
    to << std::setw(10)
       << (o.drafted ? std::to_string(*o.drafted) + "/" + (o.accepted ? std::to_string(*o.accepted) : "-")
                     : "-")
       << std::setw(9) << (o.cache_equals_original ? "yes" : "no") << std::setw(9)
       << (o.tokens_equal_original ? "yes" : "no") << "\n";
  }
  to << "\nBytes on the data lane as parts of the raw cache; times since the decode side was ready.\n";
}

} // namespace demo
