// The model, its prompt, and the cache and way of each side that come from them.
#pragma once

#include "planecast/version.hpp"

#include "given.hpp"
#include "interruption.hpp"
#include "language.hpp"
#include "modes.hpp"
#include "options.hpp"
#include "ways.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace demo {

/// Of the four ways, only planecast's is as the user says: the others are what it is compared with.
inline const named_policy& policy_of(const mode& m, const options& o) {
  std::string known;
  for (const named_policy* p : {&policy_4_8_lossless, &policy_2_2_2_2, &policy_8}) {
    if (p->name == o.policy)
      return m.one_shot ? policy_4_8_lossless : *p;
    known += (known.empty() ? "" : ", ") + std::string(p->name);
  }
  throw std::invalid_argument("--policy " + o.policy + " is not known; there are " + known);
}

/// What both sides must have been given, or else the one would look for a cache that the other does not send.
inline given given_to(const options& o, const language& speech) {
  const auto brief = [](double x) { // 0.5, not 0.500000
    char text[40];
    std::snprintf(text, sizeof text, "%.9g", x);
    return std::string(text);
  };
  const auto marked = [](const std::string& what, std::uint64_t fingerprint) {
    char text[24];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(fingerprint));
    return what + " (" + text + ")";
  };
  planecast::fingerprint prompt;
  for (const planecast::token_id t : speech.prompt())
    prompt.add(static_cast<std::uint64_t>(t));
  std::string model = speech.architecture();
  for (const auto& [fact, n] : speech.shape())
    if (fact == "num_hidden_layers")
      model += " of " + std::to_string(n) + " layers";
  return {{"planecast", std::to_string(PLANECAST_VERSION_MAJOR) + "." +
                            std::to_string(PLANECAST_VERSION_MINOR) + "." +
                            std::to_string(PLANECAST_VERSION_PATCH)},
          {"the model", marked(model, speech.fingerprint())},
          {"the prompt", marked(std::to_string(speech.prompt().size()) + " tokens", prompt.value())},
          {"--policy", o.policy},
          {"--budget", brief(o.budget.value_or(policy_of(modes.back(), o).budget))},
          {"--link", o.rate > 0 ? brief(o.rate) + " B/s" : "the default"},
          {"--latency", brief(o.latency_ms) + " ms"}};
}

/// What both sides can make for themselves: the model, the prompt, and the original that all is compared
/// with.
struct original {
  language speech;
  std::uint32_t tokens; // of the prompt
  demo::engine engine;
  planecast::geometry shape;
  planecast::token_id first;
  double rate;                                                      // of the link
  planecast::budget before_first_token = planecast::budget::base(); // in the way planecast
  double budget = 0;                                                // the same, of the raw cache

  original(const options& o, language l)
      : speech(std::move(l)), tokens(static_cast<std::uint32_t>(speech.prompt().size())),
        engine(speech.make_engine()), shape(engine.geometry()),
        first(engine.prefill(speech.prompt(), [](std::uint32_t) { check_interruption(); })),
        rate(o.rate > 0 ? o.rate : static_cast<double>(raw_bytes()) / 2) {
    const mode& ours = modes.back();
    const named_policy& policy = policy_of(ours, o);
    const double least =
        static_cast<double>(policy.planes(way(ours, o)).front().expected) / static_cast<double>(raw_bytes());
    if (o.budget && *o.budget < least)
      throw std::invalid_argument("--budget " + with_digits(*o.budget, 2) +
                                  " is too small: the first bits of every token take " +
                                  with_digits(least, 2) + " of the raw cache");
    budget = o.budget.value_or(std::max(policy.budget, least));
    if (o.budget || budget > 1.02 * least) // scales weigh more in a short cache
      before_first_token = planecast::budget::of_raw(budget);
  }

  /// What the model writes on the cache as it is: so many tokens, or up to one that ends a text. The cache
  /// then holds the prompt alone again.
  [[nodiscard]] std::vector<planecast::token_id> text(std::size_t most) {
    std::vector<planecast::token_id> all{first};
    while (all.size() < most && !speech.ends_text(all.back())) {
      check_interruption();
      all.push_back(engine.step(all.back()));
    }
    engine.truncate(tokens);
    return all;
  }
  [[nodiscard]] std::uint64_t raw_bytes() const { return shape.raw_bytes(tokens); }
  [[nodiscard]] sending way(const mode& m, const options& o) const {
    return {.from = engine,
            .shape = shape,
            .tokens = tokens,
            .how = m.how,
            .until = m.until,
            .before_first_token = m.one_shot ? planecast::budget::everything() : before_first_token,
            .link = {.bytes_per_second = rate,
                     .latency = std::chrono::duration_cast<std::chrono::nanoseconds>(
                         std::chrono::duration<double, std::milli>(o.latency_ms))},
            .seconds = static_cast<double>(raw_bytes()) / rate};
  }
};

inline bool same_cache(const original& o, const demo::engine& other) {
  for (std::uint32_t l = 0; l < o.shape.layers; ++l) {
    const planecast::kv_view a = o.engine.view(l, o.tokens), b = other.view(l, o.tokens);
    for (std::uint32_t t = 0; t < o.tokens; ++t)
      for (std::uint32_t h = 0; h < o.shape.kv_heads; ++h)
        if (std::memcmp(a.key(t, h), b.key(t, h), 2 * std::size_t{o.shape.key_dim}) != 0 ||
            std::memcmp(a.value(t, h), b.value(t, h), 2 * std::size_t{o.shape.value_dim}) != 0)
          return false;
  }
  return true;
}

} // namespace demo
