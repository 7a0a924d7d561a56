// What a receiver's pages hold where that is not the type that is sent.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/cache/number.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace planecast::inline v0 {

/// What fp8 numbers stand for, of keys and of values: themselves times these, as engines with fp8 caches keep
/// it (vLLM's k_scale and v_scale). Numbers of 16 bits stand for themselves.
/// Preconditions: each is from 2⁻¹⁰⁰ to 2¹⁰⁰; who takes them throws otherwise.
struct kv_scales {
  float keys = 1;        ///< of the pages
  float values = 1;      ///< likewise
  float sent_keys = 1;   ///< of what is sent
  float sent_values = 1; ///< likewise

  /// Whether all of them are in range.
  [[nodiscard]] constexpr bool valid() const noexcept {
    for (const float s : {keys, values, sent_keys, sent_values})
      if (!(s >= 0x1p-100f && s <= 0x1p100f)) // then no product is subnormal, and no quotient that matters
        return false;
    return true;
  }
};

namespace detail {

/// The pattern of a value in another format, or at another scale: fl32(fl32(value · times) / over), as a
/// conversion from binary32 gives it (from_fp32). A NaN passes by the arithmetic, which may lose its sign.
/// Preconditions: the scales are valid; that of a format of 16 bits is 1.
template <class From, class To>
constexpr std::uint16_t converted(std::uint16_t pattern, float times, float over) noexcept {
  const float x = From::value(pattern);
  return To::from_fp32(x != x ? x : x * times / over);
}

/// What pages hold that were said to be of one type, and what comes for them.
struct held_numbers {
  bool fp32 = false;          ///< the pages hold it, and take it from `sent` alone
  number held = number::bf16; ///< in the pages otherwise
  number sent = number::bf16; ///< once it is known; until then the same
  kv_scales scales = {};

  /// Whether pages may be of it: only fp8 has scales.
  [[nodiscard]] constexpr bool good() const noexcept {
    return scales.valid() && (value_bytes(held) == 1 || (scales.keys == 1 && scales.values == 1));
  }
  /// Likewise of what is sent.
  [[nodiscard]] constexpr bool may_come(number dtype) const noexcept {
    if (fp32)
      return dtype == sent;
    return value_bytes(dtype) == 1 || (scales.sent_keys == 1 && scales.sent_values == 1);
  }
  [[nodiscard]] constexpr float times(bool is_value) const noexcept {
    return is_value ? scales.sent_values : scales.sent_keys;
  }
  [[nodiscard]] constexpr float over(bool is_value) const noexcept {
    return is_value ? scales.values : scales.keys;
  }
  /// Whether bits change on their way into the pages.
  [[nodiscard]] constexpr bool converts(bool is_value) const noexcept {
    return fp32 || held != sent || times(is_value) != over(is_value);
  }
  /// Converts values that lie side by side.
  void convert(bool is_value, const std::byte* in, std::uint32_t count, std::byte* out) const noexcept {
    const float by = times(is_value), to = over(is_value);
    with_format(sent, [&]<class From>(From) {
      if (fp32)
        for (std::uint32_t i = 0; i < count; ++i)
          store(out + 4 * std::size_t{i}, bit_cast<std::uint32_t>(From::value(get<From>(in, i))));
      else
        with_format(held, [&]<class To>(To) {
          if (by == 1 && to == 1)
            for (std::uint32_t i = 0; i < count; ++i)
              put<To>(out, i, To::from_fp32(From::value(get<From>(in, i))));
          else
            for (std::uint32_t i = 0; i < count; ++i)
              put<To>(out, i, converted<From, To>(get<From>(in, i), by, to));
        });
    });
  }

private:
  template <class Number>
  static std::uint16_t get(const std::byte* from, std::uint32_t i) noexcept {
    if constexpr (Number::bits == 8)
      return static_cast<std::uint16_t>(from[i]);
    else
      return load<std::uint16_t>(from + 2 * std::size_t{i});
  }
  template <class Number>
  static void put(std::byte* to, std::uint32_t i, std::uint16_t pattern) noexcept {
    if constexpr (Number::bits == 8)
      to[i] = static_cast<std::byte>(pattern);
    else
      store(to + 2 * std::size_t{i}, pattern);
  }
};

} // namespace detail
} // namespace planecast::inline v0
