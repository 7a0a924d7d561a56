// Rotary positions: how fast each pair of channels turns, with the scalings that a config.json may name.
#pragma once

#include "sure_math.hpp"
#include "usual_floats.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace tiny {

/// What a config.json says of them.
struct rope_settings {
  enum class kind { plain, linear, llama3, yarn };
  kind type = kind::plain;
  double theta = 10000, factor = 1;
  double original_context = 0;                                // of llama3 and yarn
  double low_freq_factor = 1, high_freq_factor = 4;           // of llama3
  double beta_fast = 32, beta_slow = 1, attention_factor = 1; // of yarn
};

/// Rates of turning, in radians a position: one for each pair of channels i and i + dim/2.
class rope {
public:
  rope() = default;
  rope(const rope_settings& s, std::uint32_t dim) : scale_(static_cast<float>(s.attention_factor)) {
    const usual_floats mode;
    for (std::uint32_t i = 0; i < dim; i += 2) {
      const double rate = sure::exp(-sure::log(s.theta) * i / dim);
      rates_.push_back(static_cast<float>(scaled(s, rate, i / 2, dim)));
    }
  }

  [[nodiscard]] std::span<const float> rates() const { return rates_; }
  [[nodiscard]] float scale() const { return scale_; } // of cosines and sines

  /// Cosines and sines of a position, dim/2 of each. The angle is a float's product, as in the models'
  /// published code, and so the text.
  void at(std::size_t position, std::span<float> cosines, std::span<float> sines) const {
    for (std::size_t i = 0; i < rates_.size(); ++i) {
      const float angle = static_cast<float>(position) * rates_[i];
      const auto [sine, cosine] = sure::turn(static_cast<double>(angle));
      cosines[i] = static_cast<float>(cosine) * scale_;
      sines[i] = static_cast<float>(sine) * scale_;
    }
  }
  /// Turns one head's channels in place, its halves against each other.
  static void turn(std::span<float> head, std::span<const float> cosines, std::span<const float> sines) {
    const std::size_t half = head.size() / 2;
    for (std::size_t i = 0; i < half; ++i) {
      const float a = head[i], b = head[i + half];
      head[i] = a * cosines[i] - b * sines[i];
      head[i + half] = b * cosines[i] + a * sines[i];
    }
  }

private:
  static double scaled(const rope_settings& s, double rate, std::uint32_t pair, std::uint32_t dim) {
    switch (s.type) {
    case rope_settings::kind::plain:
      return rate;
    case rope_settings::kind::linear:
      return rate / s.factor;
    case rope_settings::kind::llama3: { // long waves are stretched, short ones left, a ramp between
      const double waves = s.original_context * rate / (2 * sure::pi); // in the original context
      const double kept =
          std::clamp((waves - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor), 0.0, 1.0);
      return (1 - kept) * rate / s.factor + kept * rate;
    }
    case rope_settings::kind::yarn: {          // the same with a ramp over pairs
      const auto turning = [&](double times) { // the pair that turns so often in the original context
        return dim * sure::log(s.original_context / (times * 2 * sure::pi)) / (2 * sure::log(s.theta));
      };
      const double low = std::max(std::floor(turning(s.beta_fast)), 0.0),
                   high = std::min(std::ceil(turning(s.beta_slow)), dim - 1.0);
      const double ramp = std::clamp((pair - low) / std::max(high - low, 0.001), 0.0, 1.0);
      return ramp * rate / s.factor + (1 - ramp) * rate;
    }
    }
    return rate;
  }

  std::vector<float> rates_;
  float scale_ = 1;
};

} // namespace tiny
