// What the demo is asked to do.
#pragma once

#include <charconv>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace demo {

struct options {
  std::uint32_t prompt = 1024;     // tokens whose cache crosses
  std::uint32_t tokens = 48;       // tokens to decode
  double seconds = 2;              // that the raw cache takes on the link
  double latency_ms = 1;           // of the link
  double budget = 0.3;             // of the raw cache, before decoding starts
  double step_ms = 20;             // that one pass of the engine takes at least
  std::uint64_t seed = 1;          // of the weights and the prompt
  std::string json;                // where the results go as well
  std::string commit = "not said"; // named there
  std::string role;                // both, in two processes, if empty
  std::string peer = "127.0.0.1:7440";
};

inline constexpr std::string_view help =
    R"(planecast-demo: hand a KV cache from one process to another over a slow link.

A prefill process fills a cache; a decode process needs it. Four ways to send it are tried
on the same shaped TCP link, one after the other, and a table compares them.

  --prompt N      tokens whose cache crosses              (1024)
  --tokens N      tokens to decode                        (48)
  --seconds S     the raw cache takes this long           (2)
  --latency MS    of the link                             (1)
  --budget B      part of the raw cache that planecast sends before decoding starts  (0.3)
  --step MS       one pass of the engine takes at least this long; 20 is about a model of
                  7 billion weights on one GPU            (20)
  --seed N        of the weights and the prompt           (1)
  --json FILE     write the results there as well, with the date and the machine
  --commit NAME   what was run, to be named in that file
  --role ROLE     run one side only: prefill or decode; give both the same options
  --peer H:P      where the decode side listens           (127.0.0.1:7440)
  --help
)";

template <class Number>
void read(Number& to, std::string_view name, std::string_view text, Number least, Number most) {
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), to);
  if (bad != std::errc{} || end != text.data() + text.size() || !(to >= least) || !(to <= most))
    throw std::invalid_argument(std::string(name) + " takes a number from " + std::to_string(least) + " to " +
                                std::to_string(most) + ", not \"" + std::string(text) + '"');
}

/// Throws std::invalid_argument with a sentence. False if help was asked for.
inline bool parse(int count, char** words, options& o) {
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    if (name == "--help" || name == "-h")
      return false;
    if (i + 1 == count)
      throw std::invalid_argument(std::string(name) + " is not known, or its value is missing; see --help");
    const std::string_view value = words[++i];
    if (name == "--prompt")
      read(o.prompt, name, value, 1u, 4000u);
    else if (name == "--tokens")
      read(o.tokens, name, value, 2u, 4000u);
    else if (name == "--seconds")
      read(o.seconds, name, value, 0.01, 3600.0);
    else if (name == "--latency")
      read(o.latency_ms, name, value, 0.0, 10000.0);
    else if (name == "--budget")
      read(o.budget, name, value, 0.0, 2.0);
    else if (name == "--step")
      read(o.step_ms, name, value, 0.0, 10000.0);
    else if (name == "--seed")
      read<std::uint64_t>(o.seed, name, value, 0, UINT64_MAX);
    else if (name == "--json")
      o.json = value;
    else if (name == "--commit")
      o.commit = value;
    else if (name == "--role" && (value == "prefill" || value == "decode"))
      o.role = value;
    else if (name == "--peer")
      o.peer = value;
    else
      throw std::invalid_argument(std::string(name) + ' ' + std::string(value) + " is not known; see --help");
  }
  return true;
}

} // namespace demo
