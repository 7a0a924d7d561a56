// What the vector loops need, by hand: thirty-two 16-bit lanes that are plain arrays, each function from its
// meaning. It runs the loops at 512 bits where no such vectors are, and says what the lanes of real vectors
// must give.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/code/tail.hpp"
#include "planecast/cpu/detail/float_mode.hpp"
#include "planecast/cpu/instruction_set.hpp"
#include "planecast/cpu/plain.hpp"

#if PLANECAST_X86

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <immintrin.h>
#include <span>
#include <utility>

namespace planecast::inline v0::detail::by_hand {

inline constexpr std::uint32_t lanes = 32;

struct ints {
  std::uint16_t at[lanes] = {};
};
/// Lane 2·i is lo[i], lane 2·i + 1 is hi[i].
struct two_floats {
  float lo[lanes / 2] = {};
  float hi[lanes / 2] = {};
  float& at(std::uint32_t i) noexcept { return i % 2 == 0 ? lo[i / 2] : hi[i / 2]; }
  float at(std::uint32_t i) const noexcept { return i % 2 == 0 ? lo[i / 2] : hi[i / 2]; }
};

template <class F>
inline ints each_int(F&& f) noexcept {
  ints r;
  for (std::uint32_t i = 0; i < lanes; ++i)
    r.at[i] = static_cast<std::uint16_t>(f(i));
  return r;
}
template <class F>
inline two_floats each_float(F&& f) noexcept {
  two_floats r;
  for (std::uint32_t i = 0; i < lanes; ++i)
    r.at(i) = f(i);
  return r;
}
inline int as_signed(std::uint16_t x) noexcept {
  return static_cast<std::int16_t>(x);
}

inline ints load(const void* from) noexcept {
  ints r;
  std::memcpy(r.at, from, sizeof r.at);
  return r;
}
inline void store(void* to, ints x) noexcept {
  std::memcpy(to, x.at, sizeof x.at);
}
inline void stream(void* to, ints x) noexcept {
  if (reinterpret_cast<std::uintptr_t>(to) % 64 != 0)
    std::abort(); // as the instruction would
  store(to, x);
}
inline ints load_codes(const std::uint8_t* from) noexcept {
  return each_int([&](std::uint32_t i) { return from[i]; });
}
inline void store_codes(std::uint8_t* to, ints x) noexcept {
  for (std::uint32_t i = 0; i < lanes; ++i)
    to[i] = static_cast<std::uint8_t>(x.at[i]);
}
inline two_floats load_floats(const float* from) noexcept {
  two_floats r;
  std::copy_n(from, lanes / 2, r.lo);
  std::copy_n(from + lanes / 2, lanes / 2, r.hi);
  return r;
}
inline void store_floats(float* to, two_floats x) noexcept {
  std::copy_n(x.lo, lanes / 2, to);
  std::copy_n(x.hi, lanes / 2, to + lanes / 2);
}
inline two_floats splat(float x) noexcept {
  return each_float([&](std::uint32_t) { return x; });
}
inline ints splat_int(int x) noexcept {
  return each_int([&](std::uint32_t) { return x; });
}

inline ints add(ints a, ints b) noexcept {
  return each_int([&](std::uint32_t i) { return a.at[i] + b.at[i]; });
}
inline ints sub(ints a, ints b) noexcept {
  return each_int([&](std::uint32_t i) { return a.at[i] - b.at[i]; });
}
inline ints bit_or(ints a, ints b) noexcept {
  return each_int([&](std::uint32_t i) { return a.at[i] | b.at[i]; });
}
inline ints bit_and(ints a, ints b) noexcept {
  return each_int([&](std::uint32_t i) { return a.at[i] & b.at[i]; });
}
inline ints bit_not(ints a) noexcept {
  return each_int([&](std::uint32_t i) { return ~a.at[i]; });
}
inline ints without(ints a, ints mask) noexcept {
  return bit_and(a, bit_not(mask));
}
inline ints least(ints a, ints b) noexcept {
  return each_int([&](std::uint32_t i) { return std::min(as_signed(a.at[i]), as_signed(b.at[i])); });
}
inline ints greatest(ints a, ints b) noexcept {
  return each_int([&](std::uint32_t i) { return std::max(as_signed(a.at[i]), as_signed(b.at[i])); });
}
inline ints greatest_unsigned(ints a, ints b) noexcept {
  return each_int([&](std::uint32_t i) { return std::max(a.at[i], b.at[i]); });
}
inline ints equal(ints a, ints b) noexcept {
  return each_int([&](std::uint32_t i) { return a.at[i] == b.at[i] ? -1 : 0; });
}
inline ints not_above(ints a, ints b) noexcept {
  return each_int([&](std::uint32_t i) { return a.at[i] <= b.at[i] ? -1 : 0; });
}
inline bool any(ints mask) noexcept {
  return std::any_of(std::begin(mask.at), std::end(mask.at), [](std::uint16_t x) { return x != 0; });
}
inline int least_of(ints a) noexcept {
  int least = as_signed(a.at[0]);
  for (const std::uint16_t x : a.at)
    least = std::min(least, as_signed(x));
  return least;
}
inline int greatest_of(ints a) noexcept {
  int greatest = as_signed(a.at[0]);
  for (const std::uint16_t x : a.at)
    greatest = std::max(greatest, as_signed(x));
  return greatest;
}

inline ints signed_orders(ints p) noexcept {
  return each_int([&](std::uint32_t i) { return order_of(p.at[i]) - 0x8000u; });
}
inline ints filled(ints d) noexcept {
  return each_int([&](std::uint32_t i) { return (1u << bit_width(d.at[i])) - 1; });
}
inline two_floats to_floats(ints a) noexcept {
  return each_float([&](std::uint32_t i) { return static_cast<float>(a.at[i]); });
}
inline ints to_ints(two_floats x) noexcept {
  return each_int([&](std::uint32_t i) { return static_cast<std::uint32_t>(x.at(i)); });
}
inline two_floats doubled(ints code, float extra) noexcept {
  return each_float([&](std::uint32_t i) { return static_cast<float>(2 * code.at[i]) + extra; });
}
template <class Number>
inline two_floats widen(ints p) noexcept {
  return each_float([&](std::uint32_t i) { return Number::value(p.at[i]); });
}
template <class Number>
inline ints nearest(two_floats x) noexcept {
  return each_int([&](std::uint32_t i) { return Number::nearest(x.at(i)); });
}
template <class Number>
inline ints boundary(two_floats k, two_floats low, two_floats step) noexcept {
  return each_int([&](std::uint32_t i) {
    if (k.at(i) == 0 &&
        low.at(i) == 0) // cell 1 begins at the row's own zero; where else a boundary is zero, it is −0
      return std::signbit(low.at(i)) ? 0u : ~0u;
    const float begin = k.at(i) * step.at(i) + low.at(i); // the product is exact
    return ~(Number::ceil_order(begin) - 0x8000u);
  });
}
inline two_floats cells_below(two_floats x, two_floats low, two_floats step, two_floats) noexcept {
  return each_float([&](std::uint32_t i) {
    const auto begins = [&](int k) { return static_cast<float>(k) * step.at(i) + low.at(i); };
    int k = 0;
    for (int bit = 128; bit > 0; bit /= 2) // boundaries do not fall
      if (k + bit <= 254 && begins(k + bit) <= x.at(i))
        k += bit;
    return static_cast<float>(k);
  });
}
inline ints fitted_steps(two_floats lowest, two_floats highest, float steps, float per_step,
                         std::uint32_t least_step) noexcept {
  return each_int([&](std::uint32_t i) {
    const float distance = highest.at(i) - lowest.at(i);
    const float exact = distance * per_step;
    std::uint32_t bits = bit_cast<std::uint32_t>(exact);
    bits = bits / 0x10000u + (bits % 0x10000u != 0 ? 1u : 0u);
    bits = std::max(bits, least_step);
    const float end = lowest.at(i) + steps * bf16::value(static_cast<std::uint16_t>(bits));
    return end > highest.at(i) ? bits : bits + 1;
  });
}
inline two_floats inverses(two_floats x) noexcept {
  return each_float([&](std::uint32_t i) { return x.at(i) > 0 ? 1.0f / x.at(i) : 0.0f; });
}
inline two_floats fused(two_floats a, two_floats b, two_floats c) noexcept {
  return each_float([&](std::uint32_t i) { return std::fma(a.at(i), b.at(i), c.at(i)); });
}
inline two_floats plus(two_floats a, float b) noexcept {
  return each_float([&](std::uint32_t i) { return a.at(i) + b; });
}
inline two_floats times(two_floats a, float b) noexcept {
  return each_float([&](std::uint32_t i) { return a.at(i) * b; });
}
inline bool reach(two_floats low, two_floats step, float bound) noexcept {
  bool reached = false;
  for (std::uint32_t i = 0; i < lanes; ++i)
    reached = reached || std::fma(512.0f, step.at(i), std::fabs(low.at(i))) >= bound;
  return reached;
}

/// The first sixteen.
struct table {
  std::uint16_t value[16];
};
inline table table_of(ints values) noexcept {
  table t;
  std::copy_n(values.at, 16, t.value);
  return t;
}
struct shown_32 {
  ints block[1];
};
inline shown_32 look_up(const table& t, const std::byte* from) noexcept {
  return {{each_int([&](std::uint32_t i) {
    return t.value[std::to_integer<unsigned>(from[i / 2]) >> 4 * (i % 2) & 15u];
  })}};
}

} // namespace planecast::inline v0::detail::by_hand

// The loops' own bit instructions still need a machine with AVX2.
#define PLANECAST_SET by_hand
#define PLANECAST_TARGET __attribute__((target("avx2,fma,f16c,bmi,bmi2,popcnt")))
// clang-format off: in this order
#include "planecast/cpu/detail/vector_loops.hpp"
#include "planecast/cpu/detail/vector_backend.hpp"
// clang-format on
#undef PLANECAST_TARGET
#undef PLANECAST_SET

namespace planecast_test {

using by_hand_cpu = planecast::detail::by_hand::vector_cpu;
static_assert(planecast::backend<by_hand_cpu>);

} // namespace planecast_test

#endif
