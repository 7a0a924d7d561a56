// Whether this program, as it was built and as it runs, codes the bytes that every other does.
#pragma once

#include "planecast/cache/fingerprint.hpp"
#include "planecast/cpu/cpu.hpp"

#include <array>
#include <cstdint>
#include <type_traits>

namespace planecast::inline v0 {

namespace detail {

// A tile's values by integer operations alone: smooth and rough channels, zeros, denormals, numbers that are
// lost beside others, and a few that are not finite.
template <class Number>
constexpr std::uint16_t self_test_value(std::uint32_t token, std::uint32_t channel) noexcept {
  std::uint32_t noise = (token * 31 + channel + 1) * 0x9E3779B9u;
  noise = (noise ^ (noise >> 15)) * 0x85EBCA6Bu;
  noise ^= noise >> 13;
  const std::uint32_t sign = noise & 0x8000u;
  const std::uint32_t one = Number::id == number::bf16 ? 0x3F80u : 0x3C00u;
  switch (channel) {
  case 0:
    return static_cast<std::uint16_t>(sign);
  case 1:
    return static_cast<std::uint16_t>(sign | (noise & 63u));
  case 2:
    return static_cast<std::uint16_t>(one + (noise & 1u));
  case 3: // a least value of 0.625 or 0.3125 units in the last place of an fp32 boundary from 8192 on, so
  case 6: // that rounding to nearest goes once up and once down, and any other mode is seen
    if (Number::id == number::bf16)
      return static_cast<std::uint16_t>(token == 5 ? (channel == 3 ? 0x3A20u : 0x39A0u)
                                                   : 0x4600u + (noise & 127u));
    return static_cast<std::uint16_t>(token == 5 ? (channel == 3 ? 0x1100u : 0x0D00u)
                                                 : 0x7000u + (noise & 1023u));
  case 4:
    return static_cast<std::uint16_t>(token == 3 ? 0x7F81u | sign : sign | (one + (noise & 63u)));
  case 5:
    return static_cast<std::uint16_t>(one);
  default:
    return static_cast<std::uint16_t>(sign | (one - 256 + (noise & 511u)));
  }
}

// Likewise, for formats of 8 bits.
template <class Number>
requires(Number::bits == 8) constexpr std::uint16_t
    self_test_value(std::uint32_t token, std::uint32_t channel) noexcept {
  std::uint32_t noise = (token * 67 + channel + 1) * 0x9E3779B9u;
  noise = (noise ^ (noise >> 15)) * 0x85EBCA6Bu;
  noise ^= noise >> 13;
  const std::uint32_t sign = noise & 0x80u, one = Number::id == number::fp8_e4m3 ? 0x38u : 0x3Cu;
  switch (channel % 16) {
  case 0:
    return static_cast<std::uint16_t>(sign);
  case 1:
    return static_cast<std::uint16_t>(sign | (noise & 3u));
  case 2:
    return static_cast<std::uint16_t>(one + (noise & 1u));
  case 4:
    return static_cast<std::uint16_t>(token == 3 ? 0x7Fu | sign : one + (noise & 3u));
  default:
    return static_cast<std::uint16_t>(sign | (one - 8 + (noise & 15u)));
  }
}

template <class Backend, class Number, quantizer Q, std::uint32_t Tokens = 16, std::uint32_t Dim = 16>
void self_test_tile(fingerprint& seen) noexcept {
  using plane_layout = std::conditional_t<Number::bits == 8, planes<4, tail>, planes<4, 4, tail>>;
  using value_type = std::conditional_t<Number::bits == 8, std::uint8_t, std::uint16_t>;
  constexpr tile_layout<Q, plane_layout> layout{{Tokens, Dim}, value_bytes(Number::id)};
  std::array<value_type, layout.shape.values()> values;
  for (std::uint32_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<value_type>(self_test_value<Number>(i / layout.shape.dim, i % layout.shape.dim));
  std::array<std::byte, layout.bound()> tile;
  std::array<std::uint32_t, layout.shape.tokens> ends;
  const encoded_tile coded = Backend::encode(
      Number::id, layout, source_rows::of(values.data(), layout.shape.dim), tile.data(), ends.data());
  for (std::uint32_t i = 0; i < coded.bytes; ++i)
    seen.add(static_cast<std::uint64_t>(tile[i]));
  if (coded.stored) // none of these is, where the arithmetic is right
    return;
  std::array<value_type, layout.shape.dim> row;
  const auto rows = target_rows::of(row.data(), layout.shape.dim);
  for (std::uint32_t t = 0, begin = 0; t < layout.shape.tokens; begin = ends[t++]) {
    for (std::uint32_t p = 1; p <= plane_layout::fixed; ++p) {
      Backend::decode(Number::id, layout, tile.data(), t, 1, p, rows);
      for (const value_type x : row)
        seen.add(x);
    }
    std::size_t used = 0;
    const status exact =
        Backend::decode_exact(Number::id, layout, tile.data(), t, 1,
                              {tile.data() + layout.tails_at() + begin, ends[t] - begin}, rows, used);
    seen.add(static_cast<std::uint64_t>(exact.code));
    for (const value_type x : row)
      seen.add(x);
  }
}

} // namespace detail

/// Lets a backend code a few hard tiles in all formats, and compares bytes and decoded values with what every
/// build gives. Compiler options that change floating-point results, or a rounding mode other than to
/// nearest, change the bytes on the wire. -ffast-math is refused at compile time; this finds the others.
/// Flush-to-zero is allowed.
/// Preconditions: the machine has the instructions of the backend.
/// Effects: none but the answer. It allocates nothing, codes ten small tiles, and speaks for the calling
/// thread's floating-point state: call it once when the program starts.
/// Errors: `unsupported`, with the expected hash in `here` and this program's in `there`.
/// Example: `check(self_test());`
template <class Backend = cpu>
requires backend<Backend>
[[nodiscard]] status self_test() noexcept {
  constexpr std::uint64_t expected = 0xA10B22962F40EDA1u;
  fingerprint seen;
  detail::self_test_tile<Backend, fp16, per_channel<64>>(seen);
  detail::self_test_tile<Backend, fp16, per_token>(seen);
  detail::self_test_tile<Backend, bf16, per_channel<64>>(seen);
  detail::self_test_tile<Backend, bf16, per_token>(seen);
  detail::self_test_tile<Backend, fp16, balanced>(seen);
  detail::self_test_tile<Backend, bf16, balanced>(seen);
  detail::self_test_tile<Backend, e4m3, per_token, 8, 64>(seen);
  detail::self_test_tile<Backend, e5m2, per_token, 8, 64>(seen);
  detail::self_test_tile<Backend, e4m3, balanced, 16, 64>(seen);
  detail::self_test_tile<Backend, e5m2, balanced, 16, 64>(seen);
  if (seen.value() != expected)
    return {errc::unsupported,
            "self_test: this program's floating-point options or rounding mode change the coded bytes",
            expected, seen.value()};
  return {};
}

} // namespace planecast::inline v0
