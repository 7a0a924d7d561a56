// A fuzzer's bytes, as choices; and what a fuzzer says when something is wrong.
#pragma once

#include "planecast/cache/bytes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

/// Ends the program, with the line, where a promise is broken: in the fuzzer and where its corpus is
/// replayed.
#define FUZZ_CHECK(promise)                                                                                  \
  do {                                                                                                       \
    if (!(promise)) {                                                                                        \
      std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise);                             \
      std::abort();                                                                                          \
    }                                                                                                        \
  } while (false)

namespace fuzz {

/// Reads choices from the front of an input; zeros when it is used up.
class input {
public:
  input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}

  [[nodiscard]] bool empty() const { return at_ == end_; }
  std::uint32_t byte() { return at_ == end_ ? 0u : *at_++; }
  std::uint32_t word() {
    const std::uint32_t low = byte();
    return low | byte() << 8;
  }
  /// 0 … n − 1.
  std::uint32_t below(std::uint32_t n) { return n <= 256 ? byte() % n : word() % n; }
  bool coin() { return (byte() & 1) != 0; }
  template <class T>
  T number() {
    T all = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      all = static_cast<T>(all | static_cast<T>(static_cast<T>(byte()) << 8 * i));
    return all;
  }

private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

/// Numbers that follow from a seed, so that a short input makes long tiles (splitmix64).
class filler {
public:
  explicit filler(std::uint32_t seed) : state_(seed * 0x9E3779B97F4A7C15u) {}
  std::uint32_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<std::uint32_t>(z >> 32);
  }

private:
  std::uint64_t state_;
};

/// Patterns of a tile: the input's own, smooth, equal, of few kinds, or any.
inline void fill(std::span<std::uint16_t> values, input& in) {
  const std::uint32_t kind = in.below(6), own = in.below(64);
  const std::uint32_t middle = in.word(), spread = in.word();
  filler noise(in.byte());
  std::uint16_t some[4];
  for (std::uint16_t& x : some)
    x = static_cast<std::uint16_t>(in.word());
  for (std::uint16_t& x : values) {
    const std::uint32_t r = noise.next();
    switch (kind) {
    case 0: // around a value, of both signs
      x = static_cast<std::uint16_t>((middle & 0x7FFF) + r % (spread % 600 + 1) +
                                     (r & 0x80000000u) / 0x10000);
      break;
    case 1:
      x = static_cast<std::uint16_t>(middle + r % (spread + 1));
      break;
    case 2:
      x = some[r % 4];
      break;
    case 3:
      x = static_cast<std::uint16_t>(r);
      break;
    case 4: // mostly alike, seldom anything
      x = static_cast<std::uint16_t>(r % 61 == 0 ? r >> 8 : middle + (r & 31));
      break;
    default:
      x = static_cast<std::uint16_t>(middle);
    }
  }
  for (std::uint32_t i = 0; i < own && !in.empty(); ++i) {
    const std::uint32_t at = in.word();
    values[at % values.size()] = static_cast<std::uint16_t>(in.word());
  }
}

/// The same of values of 8 bits: a pattern's sign and its last seven bits.
inline void fill(std::span<std::uint8_t> values, input& in) {
  std::vector<std::uint16_t> wide(values.size());
  fill(std::span(wide), in);
  std::transform(wide.begin(), wide.end(), values.begin(),
                 [](std::uint16_t x) { return static_cast<std::uint8_t>((x & 0x7Fu) | (x >> 8 & 0x80u)); });
}

/// Spoils some of the bytes, as the input says.
inline void spoil(std::vector<std::byte>& bytes, input& in) {
  for (std::uint32_t n = in.below(8); n > 0 && !bytes.empty(); --n) {
    const std::uint32_t at = in.word();
    bytes[at % bytes.size()] = static_cast<std::byte>(in.byte());
  }
  switch (in.below(8)) {
  case 0:
    bytes.resize(bytes.size() - std::min<std::size_t>(bytes.size(), in.word()));
    break;
  case 1:
    bytes.resize(bytes.size() + in.byte());
    break;
  default:
    break;
  }
}

} // namespace fuzz
