// How a model is probed, and what a verdict is of.
#pragma once

#include "planecast/cache/fingerprint.hpp"
#include "planecast/cache/geometry.hpp"
#include "planecast/decode/engine.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace planecast::inline v0 {

/// Where a needle is wanted.
struct needle_place {
  std::uint32_t length = 0; ///< tokens of the prompt, about
  double depth = 0;         ///< how far in, from 0, the beginning, to 1
  std::uint32_t number = 0; ///< of the attempt: each has another needle
};

/// A prompt that hides something and asks for it at its end, and what a model says that has found it.
/// Preconditions: a prompt of at least 2 tokens, an answer of at least one, none of which is negative.
struct needle_trial {
  std::vector<token_id> prompt; ///< ends where the answer begins
  std::vector<token_id> answer; ///< token for token, chosen greedily
};

/// What may be chosen for a probe. As it stands it is SpectrumKV's: three trials on 0.3 of the raw cache, of
/// which two must pass.
struct probe_options {
  std::uint64_t model = 0;     ///< the caller's own name of the weights: a hash, or name_fingerprint()
  std::uint32_t trials = 3;    ///< so many must count
  std::uint32_t must_pass = 2; ///< of these, for a tier to be tolerated
  std::uint32_t attempts = 12; ///< needles at most, those included that the model does not find anyway
  double share = 0.3;          ///< of raw, before first light: the budget of the lowest tier's trials
  std::vector<std::uint32_t> lengths = {512};   ///< of prompts, by turns
  std::vector<double> depths = {0.1, 0.5, 0.9}; ///< of needles, by turns
  std::chrono::milliseconds timeout{30'000};    ///< for coding a cache and reading it back, each time

  /// Whether they make sense: 1 ≤ must_pass ≤ trials ≤ attempts, lengths and depths are there, depths and the
  /// share are from 0 to 1.
  [[nodiscard]] bool valid() const noexcept {
    const auto part = [](double x) { return x >= 0 && x <= 1; };
    return must_pass >= 1 && must_pass <= trials && trials <= attempts && part(share) && !lengths.empty() &&
           !depths.empty() && std::ranges::all_of(depths, part);
  }
  /// The place of attempt `number`: every length with every depth before one of them comes again.
  /// Preconditions: valid().
  [[nodiscard]] needle_place place(std::uint32_t number) const noexcept {
    const std::size_t shift = number / std::lcm(lengths.size(), depths.size());
    return {lengths[number % lengths.size()], depths[(number + shift) % depths.size()], number};
  }
};

/// Of a name, to stand for a model: `name_fingerprint("Qwen2.5-7B, revision 52e2")`.
constexpr std::uint64_t name_fingerprint(std::string_view name) noexcept {
  fingerprint f;
  for (const char c : name)
    f.add(static_cast<unsigned char>(c));
  return f.value();
}

/// What a verdict is of. It says nothing of another model, another policy, or other trials.
struct probe_subject {
  std::uint64_t policy = 0;    ///< its fingerprint
  std::uint64_t geometry = 0;  ///< its fingerprint
  std::uint64_t model = 0;     ///< the caller's name of it
  std::uint64_t tiers = 0;     ///< bits of each, as decimal digits, 0 for lossless: 480
  std::uint64_t trials = 0;    ///< of the options
  std::uint64_t must_pass = 0; ///< of the options
  std::uint64_t attempts = 0;  ///< of the options
  std::uint64_t share = 0;     ///< of the options, in millionths
  std::uint64_t places = 0;    ///< fingerprint of the options' lengths and depths

  friend bool operator==(const probe_subject&, const probe_subject&) = default;

  /// Of a policy, a shape and options.
  /// Preconditions: the options are valid() (throws std::invalid_argument).
  template <class Policy>
  [[nodiscard]] static probe_subject of(const planecast::geometry& shape, const probe_options& options) {
    if (!options.valid())
      throw std::invalid_argument("planecast: probe: options that make no sense");
    probe_subject s{.policy = Policy::fingerprint(),
                    .geometry = shape.fingerprint(),
                    .model = options.model,
                    .trials = options.trials,
                    .must_pass = options.must_pass,
                    .attempts = options.attempts,
                    .share = millionths(options.share)};
    for (std::uint32_t i = 0; i < Policy::tiers::count; ++i)
      s.tiers = 10 * s.tiers + Policy::tiers::bits(i);
    fingerprint f;
    f.add(options.lengths.size());
    for (const std::uint32_t length : options.lengths)
      f.add(length);
    for (const double depth : options.depths)
      f.add(millionths(depth));
    s.places = f.value();
    return s;
  }

private:
  static std::uint64_t millionths(double x) noexcept {
    return static_cast<std::uint64_t>(std::llround(x * 1e6));
  }
};

} // namespace planecast::inline v0
