// A decoder of tiles that shares no code with the library: written from the definition, one bit at a time,
// with searches over the numbers of a format where the library computes. Slow, and meant to be plain.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace independent {

/// Everything about a tile that its bytes do not say.
struct description {
  std::string dtype;            ///< bf16, fp16, e4m3, e5m2
  std::string quantizer;        ///< per_channel, per_token, channel_groups, token_groups, balanced, verbatim
  std::size_t group = 1;        ///< of the groups
  std::vector<unsigned> planes; ///< widths; 0 is the tail
  std::size_t tokens = 0, dim = 0;
};

class decoder {
public:
  decoder(description what, std::vector<std::uint8_t> tile) : what_(std::move(what)), tile_(std::move(tile)) {
    for (const unsigned width : what_.planes)
      code_bits_ += width;
    f_ = what_.dtype == "bf16"   ? format{16, 7}
         : what_.dtype == "fp16" ? format{16, 10}
         : what_.dtype == "e4m3" ? format{8, 3}
                                 : format{8, 2};
    for (unsigned p = 0; p < 2 * half(); ++p)
      values_.push_back(worked_out(p));
    const bool balanced = what_.quantizer == "balanced";
    const std::size_t across = (what_.dim + what_.group - 1) / what_.group,
                      down = (what_.tokens + what_.group - 1) / what_.group;
    const std::size_t rows = what_.quantizer == "per_channel"      ? what_.dim
                             : what_.quantizer == "channel_groups" ? down * what_.dim
                             : what_.quantizer == "token_groups"   ? what_.tokens * across
                             : what_.quantizer == "verbatim"       ? 0
                                                                   : what_.tokens;
    first_plane_ = 16 + 4 * rows + (balanced ? what_.dim : 0);
    tails_ = first_plane_ + what_.tokens * what_.dim * code_bits_ / 8;
    stored_ = number(0, 4) == 0xFFFFFFFFu;
    for (std::size_t i = 4; i < 16; ++i)
      require(byte(i) == 0, "the header ends in zeros");
    if (stored_) {
      require(tile_.size() == 16 + f_.bits / 8 * what_.tokens * what_.dim,
              "a stored tile holds its values and no more");
      return;
    }
    require(what_.quantizer != "verbatim", "a verbatim tile is stored");
    require(tile_.size() == tails_ + number(0, 4), "the header tells the length of the tails");
    for (std::size_t r = 0; r < rows; ++r) {
      const unsigned low = number(16 + 2 * r, 2), step = number(16 + 2 * rows + 2 * r, 2);
      if (!balanced) {
        rows_.push_back({value(low), bf16_value(step), low, step == 0});
        tables_.push_back(table(rows_.back()));
        continue;
      }
      for (std::size_t c = 0; c < what_.dim; ++c) { // each value has cells of its own
        const int e = static_cast<signed char>(byte(16 + 4 * rows + c));
        const double m = (low < 32768 ? low : low - 65536.0) / 16384;
        const bool zero = step == 0 || e == -128;
        rows_.push_back(
            {zero ? 0.0f : static_cast<float>(std::ldexp(m, e)),
             zero ? 0.0f : static_cast<float>(std::ldexp(static_cast<double>(bf16_value(step)), e)), nothing,
             zero});
        tables_.push_back(table(rows_.back()));
      }
    }
  }

  [[nodiscard]] bool stored() const { return stored_; }

  /// Every original value.
  [[nodiscard]] std::vector<std::uint16_t> exact() const {
    std::vector<std::uint16_t> values;
    std::size_t at = 8 * tails_; // in bits
    for (std::size_t t = 0; t < what_.tokens; ++t) {
      for (std::size_t c = 0; c < what_.dim; ++c) {
        if (stored_) {
          values.push_back(
              static_cast<std::uint16_t>(number(16 + f_.bits / 8 * (t * what_.dim + c), f_.bits / 8)));
          continue;
        }
        const std::vector<unsigned>& first = tables_[row_of(t, c)];
        const unsigned q = code(t, c, what_.planes.size());
        unsigned bits = 0; // enough for all that the cell holds
        while ((1u << bits) < first[q + 1] - first[q])
          ++bits;
        unsigned rest = 0;
        for (unsigned b = 0; b < bits; ++b)
          rest |= bit(at++) << b;
        require(first[q] + rest < first[q + 1], "the tail stays in its cell");
        values.push_back(pattern(first[q] + rest));
      }
      while (!stored_ && at % 8 != 0)
        require(bit(at++) == 0, "a token's tails are padded with zeros");
    }
    require(stored_ || at == 8 * tile_.size(), "the tails end where the tile does");
    return values;
  }

  /// Every value from the first planes. Not for stored tiles.
  [[nodiscard]] std::vector<std::uint16_t> prefix(std::size_t planes) const {
    unsigned bits = 0;
    for (std::size_t p = 0; p < planes; ++p)
      bits += what_.planes[p];
    const auto span = static_cast<float>(1u << (code_bits_ - bits));
    std::vector<std::uint16_t> values;
    for (std::size_t t = 0; t < what_.tokens; ++t)
      for (std::size_t c = 0; c < what_.dim; ++c) {
        const row& r = rows_[row_of(t, c)];
        const float centre = static_cast<float>(code(t, c, planes)) * span + span / 2; // in units of q
        const float offset = (centre - 1.0f) * r.step;
        values.push_back(nearest(r.low + offset));
      }
    return values;
  }

private:
  struct row {
    float low, step;
    unsigned pattern; // of the least value, or nothing
    bool one;         // there is one ordinary cell
  };
  struct format {
    unsigned bits, fraction;
  };
  static constexpr unsigned nothing = 0xFFFFFFFF;

  static void require(bool good, const char* what) {
    if (!good)
      throw std::runtime_error(std::string("not a tile as defined: ") + what);
  }
  [[nodiscard]] unsigned byte(std::size_t i) const { return tile_.at(i); }
  [[nodiscard]] unsigned bit(std::size_t i) const { return byte(i / 8) >> i % 8 & 1u; }
  [[nodiscard]] unsigned number(std::size_t at, std::size_t bytes) const {
    unsigned sum = 0;
    for (std::size_t i = bytes; i-- > 0;)
      sum = sum * 256 + byte(at + i);
    return sum;
  }
  [[nodiscard]] std::size_t row_of(std::size_t token, std::size_t channel) const {
    const std::string& q = what_.quantizer;
    return q == "per_channel"      ? channel
           : q == "channel_groups" ? token / what_.group * what_.dim + channel
           : q == "token_groups"
               ? token * ((what_.dim + what_.group - 1) / what_.group) + channel / what_.group
           : q == "balanced" ? token * what_.dim + channel
                             : token;
  }

  // The code's first bits: each plane token-major, each value's bits in a row, the lowest first.
  [[nodiscard]] unsigned code(std::size_t token, std::size_t channel, std::size_t planes) const {
    unsigned q = 0;
    std::size_t plane = 8 * first_plane_;
    for (std::size_t p = 0; p < planes; ++p) {
      const unsigned width = what_.planes[p];
      const std::size_t at = plane + (token * what_.dim + channel) * width;
      for (unsigned b = width; b-- > 0;)
        q = 2 * q + bit(at + b);
      plane += what_.tokens * what_.dim * width;
    }
    return q;
  }

  // Orders: the negative patterns from the greatest size down, then the others.
  [[nodiscard]] unsigned half() const { return 1u << (f_.bits - 1); } // and the pattern of −0
  [[nodiscard]] std::uint16_t pattern(unsigned order) const {
    return static_cast<std::uint16_t>(order < half() ? 2 * half() - 1 - order : order - half());
  }
  [[nodiscard]] unsigned order(unsigned pattern) const {
    return pattern >= half() ? 2 * half() - 1 - pattern : pattern + half();
  }

  static float power(int exponent) { return static_cast<float>(std::ldexp(1.0, exponent)); }
  static float bf16_value(unsigned p) { return number_value(p, 7, 8); }
  [[nodiscard]] float value(unsigned p) const { return values_[p]; }
  [[nodiscard]] float worked_out(unsigned p) const {
    const int fraction = static_cast<int>(f_.fraction);
    if (what_.dtype == "e4m3" && (p & 0x78) == 0x78 &&
        (p & 0x7F) != 0x7F) // a number where others have infinity
      return (p >= 128 ? -1.0f : 1.0f) * static_cast<float>(8 + (p & 7)) * power(5);
    return number_value(p, fraction, static_cast<int>(f_.bits) - 1 - fraction);
  }

  // IEEE 754's meaning of sign, exponent and fraction.
  static float number_value(unsigned p, int fraction_bits, int exponent_bits) {
    const int all_ones = (1 << exponent_bits) - 1, bias = all_ones / 2;
    const int exponent = static_cast<int>(p >> fraction_bits) & all_ones;
    const auto fraction = static_cast<float>(p & ((1u << fraction_bits) - 1));
    float size = 0;
    if (exponent == all_ones)
      size = fraction == 0 ? HUGE_VALF : std::nanf("");
    else if (exponent == 0)
      size = fraction * power(1 - bias - fraction_bits);
    else
      size = (fraction * power(-fraction_bits) + 1.0f) * power(exponent - bias);
    return (p >> (fraction_bits + exponent_bits)) != 0 ? -size : size;
  }
  // What follows the greatest number: infinity, or what stands in its place.
  [[nodiscard]] unsigned infinity() const {
    return what_.dtype == "bf16"   ? 0x7F80
           : what_.dtype == "fp16" ? 0x7C00
           : what_.dtype == "e4m3" ? 0x7F
                                   : 0x7C;
  }

  // The order of the least number of the format that is not below x; a zero is −0.
  [[nodiscard]] unsigned least_not_below(float x) const {
    unsigned from = order(infinity() + half() - 1), to = order(infinity()); // finite numbers, and one more
    while (from < to) {
      const unsigned middle = (from + to) / 2;
      if (value(pattern(middle)) >= x)
        to = middle;
      else
        from = middle + 1;
    }
    return from;
  }

  // The nearest finite number, of two as near the one with an even pattern; x's sign is kept.
  [[nodiscard]] std::uint16_t nearest(float x) const {
    const unsigned sign = std::signbit(x) ? half() : 0;
    const double size = std::fabs(static_cast<double>(x));
    double least = HUGE_VAL;
    unsigned best = 0;
    for (unsigned p = 0, end = infinity(); p < end; ++p) {
      const double off = std::fabs(static_cast<double>(values_[p]) - size);
      if (off < least || (off == least && p % 2 == 0)) {
        least = off;
        best = p;
      }
    }
    return static_cast<std::uint16_t>(sign + best);
  }

  // Where each cell begins, and where the last ends.
  [[nodiscard]] std::vector<unsigned> table(const row& r) const {
    const unsigned cells = 1u << code_bits_;
    std::vector<unsigned> first(cells + 1);
    for (unsigned q = 1; q < cells; ++q) {
      const bool zero = r.pattern == nothing || r.pattern == 0 || r.pattern == half();
      if (r.one)
        first[q] = q == 1 ? order(zero ? half() : r.pattern) : order(zero ? 0 : r.pattern) + 1;
      else if (q == 1 && r.pattern != nothing)
        first[q] = order(r.pattern);
      else {
        const float above = static_cast<float>(q - 1) * r.step;
        first[q] = least_not_below(r.low + above);
      }
    }
    first[cells] = 2 * half();
    return first;
  }

  description what_;
  format f_{};
  std::vector<float> values_; // of every pattern
  std::vector<std::uint8_t> tile_;
  unsigned code_bits_ = 0;
  std::size_t first_plane_ = 0, tails_ = 0;
  bool stored_ = false;
  std::vector<row> rows_;
  std::vector<std::vector<unsigned>> tables_;
};

} // namespace independent
