// The checksum of frames: NH (RFC 4418) with fixed keys. It finds damage; it is no protection from an
// attacker.
#pragma once

#include "planecast/cache/bytes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace planecast::inline v0 {

/// Bytes that are hashed together, with one key for each of their 32-bit words.
inline constexpr std::size_t checksum_block = 1024;

namespace detail {
// By what a block's sum is multiplied for each block that follows it.
inline constexpr std::uint64_t checksum_factor = 0x9E3779B97F4A7C15u;

// The i-th key is the upper half of splitmix64's i-th number from 0x706C616E65636173 ("planecas").
PLANECAST_HOST_DEVICE constexpr std::uint32_t checksum_key(std::uint32_t i) noexcept {
  std::uint64_t z = 0x706C616E65636173u + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<std::uint32_t>((z ^ (z >> 31)) >> 32);
}
inline constexpr auto checksum_keys = [] {
  std::array<std::uint32_t, checksum_block / 4> keys{};
  for (std::uint32_t i = 0; i < keys.size(); ++i)
    keys[i] = checksum_key(i);
  return keys;
}();

// What two words of a group give.
PLANECAST_HOST_DEVICE constexpr std::uint64_t
checksum_pair(std::uint32_t word, std::uint32_t key, std::uint32_t other, std::uint32_t other_key) noexcept {
  return std::uint64_t{word + key} * (other + other_key);
}
} // namespace detail

/// The checksum of a frame. It takes bytes piece by piece, so that it can run in the pass that copies them;
/// how they are cut does not matter.
///
/// Words are 32 bits, little-endian. A block of 256 words m with keys k gives
///
///     NH = Σ over groups of 8 words, i = 0…3: (m[i] + k[i]) · (m[i + 4] + k[i + 4])
///
/// (sums mod 2³², products and Σ mod 2⁶⁴; a last block is padded with zeros to 32 bytes). Blocks are joined
/// by h ← h · 0x9E3779B97F4A7C15 + NH, and the length in bytes is added at the end.
class checksum {
public:
  /// Takes in more bytes.
  void add(std::span<const std::byte> bytes) noexcept {
    length_ += bytes.size();
    while (!bytes.empty()) {
      if (held_ == 0 && bytes.size() >= checksum_block) {
        join(bytes.first(checksum_block));
        bytes = bytes.subspan(checksum_block);
        continue;
      }
      const std::size_t take = detail::min(bytes.size(), checksum_block - held_);
      std::memcpy(block_.data() + held_, bytes.data(), take);
      held_ += take;
      bytes = bytes.subspan(take);
      if (held_ == checksum_block) {
        join(block_);
        held_ = 0;
      }
    }
  }

  /// Checksum of the bytes so far; more may follow.
  [[nodiscard]] std::uint64_t value() const noexcept {
    checksum end = *this;
    if (held_ > 0) {
      const std::size_t padded = detail::align_up(held_, std::size_t{32});
      std::memset(end.block_.data() + held_, 0, padded - held_);
      end.join(std::span(end.block_).first(padded));
    }
    return end.hash_ + length_;
  }

private:
  void join(std::span<const std::byte> block) noexcept {
    std::uint64_t sum = 0;
    for (std::size_t w = 0; w < block.size() / 4; w += 8)
      for (std::size_t i = w; i < w + 4; ++i) {
        const auto a = detail::load<std::uint32_t>(&block[4 * i]),
                   b = detail::load<std::uint32_t>(&block[4 * i + 16]);
        sum += detail::checksum_pair(a, detail::checksum_keys[i], b, detail::checksum_keys[i + 4]);
      }
    hash_ = hash_ * detail::checksum_factor + sum;
  }

  std::array<std::byte, checksum_block> block_;
  std::size_t held_ = 0;
  std::uint64_t length_ = 0;
  std::uint64_t hash_ = 0;
};

/// Checksum of bytes that lie side by side.
[[nodiscard]] inline std::uint64_t checksum_of(std::span<const std::byte> bytes) noexcept {
  checksum c;
  c.add(bytes);
  return c.value();
}

} // namespace planecast::inline v0
