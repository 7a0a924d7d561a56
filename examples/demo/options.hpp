// What the demo is asked to do.
#pragma once

#include "units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace demo {

struct options {
  std::string prompt;                            // a file; the demo's own if empty
  std::string model;                             // a directory; the embedded one if empty
  std::uint32_t tokens = 80;                     // to decode, at most
  bool ignore_eos = false;                       // do not end where the model ends a text
  double rate = 0;                               // of the link, bytes a second; 0: raw takes two seconds
  double latency_ms = 1;                         // of the link
  std::optional<double> budget;                  // of the raw cache, before decoding starts
  std::string policy = "4-8-lossless";           // one of policies.hpp
  double step_ms = 20;                           // that one pass of the engine takes at least
  std::uint64_t seed = 1;                        // of the number in the demo's own prompt
  std::string json, svg;                         // where the results go as well
  std::string commit = "not said";               // named there
  std::string role;                              // both, in two processes, if empty
  std::string host = "127.0.0.1", port = "7440"; // where the decode side listens; no brackets
  bool unencrypted = false;                      // between two machines

  [[nodiscard]] std::string peer() const {
    return (host.find(':') == host.npos ? host : '[' + host + ']') + ':' + port;
  }
};

inline constexpr std::string_view help =
    R"(planecast-demo: hand a KV cache from one process to another over a slow link, four ways.

A prefill process computes the cache of a prompt. A decode process needs it, to write on. The
link between them is TCP, made slow. The cache is sent

  raw         as it is, all of it before decoding starts
  int8, int4  in 8 or 4 bits a value, all of it before decoding starts
  planecast   4 bits first; then decoding starts, while the other bits arrive, and what was
              drafted on 4 bits is verified on 8 and on the original

one way after the other. One sees bytes and text arrive, and then a table.

What crosses
  --prompt FILE    text if the model's tokens are bytes, else token ids with white space between
                   (default: a page of English with a number in it, which its end asks for)
  --model DIR      a model: config.json and model.safetensors  (default: the one that comes along)
  --tokens N       tokens to write, at most                    (80)
  --ignore-eos     go on behind a token that ends a text by the model's config.json (eos_token_id)
  --seed N         another number in the default prompt        (1)

How it crosses
  --link RATE      10Gbit, 800Mbit, 2MB/s, ...   (default: so that the raw cache takes 2 seconds)
  --latency TIME   1ms, 200us, ...                             (1ms)
  --policy NAME    of the way planecast; the other three are not changed
                     4-8-lossless   4 bits, 4 more, and the rest  (default)
                     2-2-2-2        the same tiers out of planes of 2 bits, and the rest
                     8              8 bits, and the rest: slower to start, nothing to take back
  --budget B       part of the raw cache to send before decoding starts  (0.3; policy 8: 0.55)
  --step TIME      one pass of the engine takes at least so long         (20ms)
                   20ms is what 14 GB of weights take that are read at 700 GB/s

What is kept of it
  --svg FILE       the timeline as a picture
  --json FILE      all figures and events, with the date and the machine
  --commit NAME    what was run, to be named in the JSON

Two processes of your own
  --role prefill|decode   run one side; start either first. They meet before they read the prompt,
                          and end if what they were given differs
  --peer HOST:PORT        where the decode side listens        (127.0.0.1:7440)
                          An address in numbers; the decode side binds it: 0.0.0.0:7440 is any
                          of its own.
  --unencrypted           to other machines too. Nothing is encrypted yet: whoever is on the way can
                          read and change the cache. Or lay a tunnel, and leave the peer as it is:
                          ssh -L 7440:127.0.0.1:7440 decode-host

Plain lines are printed where the output is no terminal, or one of less than 46 columns or 15
rows, and where NO_COLOR is set.
)";

[[noreturn]] inline void refuse(std::string_view name, const std::string& takes, std::string_view text) {
  throw std::invalid_argument(std::string(name) + " takes " + takes + ", not \"" + std::string(text) + '"');
}

template <class Number>
Number read_number(std::string_view name, std::string_view text, Number least, Number most) {
  Number n{};
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (bad != std::errc{} || end != text.data() + text.size() || !(n >= least) || !(n <= most)) {
    const auto said = [](Number x) {
      if constexpr (std::is_integral_v<Number>)
        return std::to_string(x);
      else
        return with_digits(x, 0);
    };
    refuse(name, "a number from " + said(least) + " to " + said(most), text);
  }
  return n;
}

inline double read_time(std::string_view name, std::string_view text) {
  const auto ms = read_milliseconds(text);
  if (!ms || !(*ms >= 0) || *ms > 10000)
    refuse(name, "a time from 0 to 10s, such as 1ms or 200us", text);
  return *ms;
}

inline void read_peer(std::string_view name, std::string_view text, options& o) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0)
    refuse(name, "HOST:PORT, such as 127.0.0.1:7440", text);
  (void)read_number<std::uint16_t>(std::string(name) + "'s port", text.substr(colon + 1), 1, 65535);
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  if (host.find_first_of("[]") != host.npos)
    refuse(name, "HOST:PORT, such as [::1]:7440", text);
  o.host = host;
  o.port = text.substr(colon + 1);
}

/// All that there are but for --help: those that stand alone, and those that take a value.
inline constexpr std::array<std::string_view, 2> flags = {"--unencrypted", "--ignore-eos"};
inline constexpr std::array<std::string_view, 14> valued = {
    "--prompt", "--model", "--tokens", "--link", "--latency", "--budget", "--policy",
    "--step",   "--seed",  "--json",   "--svg",  "--commit",  "--role",   "--peer"};

/// Throws std::invalid_argument with a sentence. False if help was asked for.
inline bool parse(int count, char** words, options& o) {
  bool peer = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    if (name == "--help" || name == "-h")
      return false;
    if (std::ranges::find(flags, name) != flags.end()) {
      (name == "--unencrypted" ? o.unencrypted : o.ignore_eos) = true;
      continue;
    }
    if (std::ranges::find(valued, name) == valued.end())
      throw std::invalid_argument(std::string(name) + " is not known; see --help");
    if (i + 1 == count || *words[i + 1] == '\0')
      throw std::invalid_argument(std::string(name) + " lacks its value; see --help");
    const std::string_view value = words[++i];
    if (name == "--prompt")
      o.prompt = value;
    else if (name == "--model")
      o.model = value;
    else if (name == "--tokens")
      o.tokens = read_number(name, value, 2u, 4000u);
    else if (name == "--link") {
      const auto rate = read_rate(value);
      if (!rate || !(*rate >= 1000))
        refuse(name, "a rate of 1kB/s or more, such as 10Gbit, 800Mbit or 2MB/s", value);
      o.rate = *rate;
    } else if (name == "--latency")
      o.latency_ms = read_time(name, value);
    else if (name == "--budget")
      o.budget = read_number(name, value, 0.0, 2.0);
    else if (name == "--policy")
      o.policy = value;
    else if (name == "--step")
      o.step_ms = read_time(name, value);
    else if (name == "--seed")
      o.seed = read_number<std::uint64_t>(name, value, 1, 1'000'000);
    else if (name == "--json")
      o.json = value;
    else if (name == "--svg")
      o.svg = value;
    else if (name == "--commit")
      o.commit = value;
    else if (name == "--role") {
      if (value != "prefill" && value != "decode")
        refuse(name, "prefill or decode", value);
      o.role = value;
    } else {
      read_peer(name, value, o);
      peer = true;
    }
  }
  if (peer && o.role.empty())
    throw std::invalid_argument("--peer is for one side of two: say --role prefill or --role decode as well");
  if (o.role == "prefill")
    for (const auto& [name, path] : {std::pair("--json", &o.json), std::pair("--svg", &o.svg)})
      if (!path->empty())
        throw std::invalid_argument(std::string(name) +
                                    " is for the decode side: the prefill side sees no results");
  return true;
}

/// What the prefill side of this command is given, which writes no results.
/// Preconditions: parse took the words.
inline std::vector<std::string> words_for_prefill(int count, char** words, const std::string& peer) {
  std::vector<std::string> all{words[0]};
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    const int taken = std::ranges::find(valued, name) == valued.end() ? 1 : 2;
    if (name != "--json" && name != "--svg")
      all.insert(all.end(), words + i, words + i + taken);
    i += taken - 1;
  }
  all.insert(all.end(), {"--role", "prefill", "--peer", peer});
  return all;
}

} // namespace demo
