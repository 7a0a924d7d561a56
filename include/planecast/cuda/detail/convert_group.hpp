// Eight channels of a token into pages of another type of numbers.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/cache/number.hpp"
#include "planecast/cuda/detail/packed.hpp"
#include "planecast/cuda/detail/rounded.hpp"
#include "planecast/cuda/device_pages.hpp"
#include "planecast/cuda/device_rows.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// What pages of keys, or of values, hold: held_numbers as kernels take it.
struct page_numbers {
  bool converts; ///< else they hold what is sent
  number held;
  float times, over; ///< scales of what is sent, and of the pages
};

/// Of a view that was told what is sent.
/// Preconditions: it does not hold fp32.
inline page_numbers numbers_of(const kv_pages& view, bool is_value) noexcept {
  if (!view.converts(is_value))
    return {false, number::bf16, 1, 1};
  const held_numbers& n = *view.held();
  return {true, n.held, n.times(is_value), n.over(is_value)};
}

/// What detail::converted() says of each, on either side.
template <class From, class To>
PLANECAST_HOST_DEVICE packed_patterns converted_group(const packed_patterns& x, float times,
                                                      float over) noexcept {
  packed_patterns y{};
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t k = 0; k < group_size; ++k) {
    const float value = From::value(static_cast<std::uint16_t>(x.of(k)));
    float scaled = value; // a division takes a device long
    if (times != 1 || over != 1)
      scaled = quotient_of(product_of(value, times), over);
    const bool nan = (bit_cast<std::uint32_t>(value) & 0x7FFFFFFFu) > 0x7F800000u;
    y.two[k / 2] |= std::uint32_t{To::from_fp32(nan ? value : scaled)} << 16 * (k % 2);
  }
  return y;
}

/// Converts group g of a token's head and stores it. row(bytes) says where its first channel is, where a
/// value has so many bytes.
template <class From, class Row>
PLANECAST_HOST_DEVICE void store_converted(const page_numbers& to, const Row& row, std::uint32_t g,
                                           const packed_patterns& x, bool whole) noexcept {
  const auto store_as = [&]<class To>(To) {
    if constexpr (From::bits == 8 || From::id != To::id) // those of 16 bits have no scales
      store_packed<To>(row(To::bits / 8) + g * To::bits, converted_group<From, To>(x, to.times, to.over),
                       whole);
  };
  switch (to.held) {
  case number::fp16:
    return store_as(fp16{});
  case number::bf16:
    return store_as(bf16{});
  case number::fp8_e4m3:
    return store_as(e4m3{});
  case number::fp8_e5m2:
    return store_as(e5m2{});
  }
}

/// Where the rows lie that a call writes to. @{
PLANECAST_HOST_DEVICE inline const device_rows<std::byte>&
rows_of(const device_rows<std::byte>& to) noexcept {
  return to;
}
PLANECAST_HOST_DEVICE inline const device_rows<std::byte>& rows_of(const device_pages& to) noexcept {
  return to.rows;
} // @}
/// Writes group g of the row that so many values lie before, as it is, or converted. `whole` says that groups
/// of channels lie at multiples of their bytes. @{
template <class Number>
PLANECAST_HOST_DEVICE void store_group(const device_rows<std::byte>& to, std::int64_t before, std::uint32_t g,
                                       const packed_patterns& x, bool whole) noexcept {
  store_packed<Number>(to.first + before * (Number::bits / 8) + g * Number::bits, x, whole);
}
template <class Number>
PLANECAST_HOST_DEVICE void store_group(const device_pages& to, std::int64_t before, std::uint32_t g,
                                       const packed_patterns& x, bool whole) noexcept {
  store_converted<Number>(
      {true, to.held, to.sent_scale, to.scale},
      [&](std::uint32_t bytes) { return to.rows.first + before * bytes; }, g, x, whole);
} // @}
/// As of device_rows.
inline bool whole_groups(const device_pages& of, std::uint32_t) noexcept {
  return whole_groups(of.rows, value_bytes(of.held));
}

} // namespace planecast::inline v0::detail
