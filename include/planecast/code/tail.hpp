// Numbers of 0 to 16 bits, one after the other: the tails of a token.
#pragma once

#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// Writes numbers of few bits into bytes, from the lowest bit of the first byte on.
class bit_writer {
public:
  explicit bit_writer(std::byte* to) noexcept : to_(to) {}

  /// Preconditions: bits ≤ 16 and value has no more.
  void put(std::uint32_t value, std::uint32_t bits) noexcept {
    held_ |= value << count_;
    for (count_ += bits; count_ >= 8; count_ -= 8, held_ >>= 8)
      *to_++ = static_cast<std::byte>(held_);
  }
  /// Pads with zeros to a whole byte; returns the end.
  std::byte* finish() noexcept {
    if (count_ > 0)
      *to_++ = static_cast<std::byte>(held_);
    held_ = count_ = 0;
    return to_;
  }

private:
  std::byte* to_;
  std::uint32_t held_ = 0, count_ = 0;
};

/// Reads them back. Past the end it reads zeros and remembers that it did.
class bit_reader {
public:
  bit_reader(const std::byte* from, std::size_t bytes) noexcept : at_(from), end_(from + bytes) {}

  std::uint32_t get(std::uint32_t bits) noexcept {
    for (; count_ < bits; count_ += 8) {
      if (at_ == end_)
        past_end_ = true;
      else
        held_ |= static_cast<std::uint32_t>(*at_++) << count_;
    }
    const std::uint32_t value = held_ & ((1u << bits) - 1);
    held_ >>= bits;
    count_ -= bits;
    return value;
  }
  /// What is left of the last byte read is padding.
  [[nodiscard]] bool padding_is_zero() const noexcept { return held_ == 0; }
  [[nodiscard]] bool past_end() const noexcept { return past_end_; }
  [[nodiscard]] const std::byte* at() const noexcept { return at_; }

private:
  const std::byte* at_;
  const std::byte* end_;
  std::uint32_t held_ = 0, count_ = 0;
  bool past_end_ = false;
};

} // namespace planecast::inline v0::detail
