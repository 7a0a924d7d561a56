// The rulers of eight channels of a token.
#pragma once

#include "planecast/code/scalars.hpp"
#include "planecast/cuda/detail/thread_ruler.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

// Scale rows of eight channels that lie side by side.
enum class row_kind : std::uint8_t {
  one,          // all in one row, which is of one token
  each,         // in eight that follow each other, from a multiple of eight on, whatever the token
  each_of_some, // likewise, but others for other tokens
  any,          // nothing is known of them
};
template <class Q>
inline constexpr row_kind rows_of_group = row_kind::any;
template <>
inline constexpr row_kind rows_of_group<per_token> = row_kind::one;
template <>
inline constexpr row_kind rows_of_group<balanced> = row_kind::one;
template <std::uint32_t G>
inline constexpr row_kind rows_of_group<per_token_groups<G>> =
    G % group_size == 0 ? row_kind::one : row_kind::any;
template <std::uint32_t PageTokens>
inline constexpr row_kind rows_of_group<per_channel<PageTokens>> = row_kind::each;
template <std::uint32_t PageTokens, std::uint32_t G>
inline constexpr row_kind rows_of_group<per_channel_groups<PageTokens, G>> = row_kind::each_of_some;

// The exponents of a group's channels, in a tile that is balanced.
struct group_exponents {
  packed_codes of_channel;

  static constexpr std::uint32_t none = 0x80; // no_exponent

  template <class Layout>
  PLANECAST_HOST_DEVICE static group_exponents load(Layout layout, const std::byte* tile,
                                                    std::uint32_t g) noexcept {
    const std::byte* const from = tile + layout.exponent_at(g * group_size); // at a multiple of four
    return {{{load_aligned<std::uint32_t>(from), load_aligned<std::uint32_t>(from + 4)}}};
  }
  PLANECAST_HOST_DEVICE bool is(std::uint32_t k) const noexcept { return of_channel.of(k) != none; }
  // 2ᵉ, and 2⁻ᵉ. Preconditions: it is.
  PLANECAST_HOST_DEVICE float power(std::uint32_t k) const noexcept {
    return bit_cast<float>(((of_channel.of(k) + 127) << 23) & 0x7F800000u); // e + 127 modulo 256
  }
  PLANECAST_HOST_DEVICE float inverse(std::uint32_t k) const noexcept {
    return bit_cast<float>(((127 - of_channel.of(k)) << 23) & 0x7F800000u);
  }
};

// m of a balanced row as a number, times 2ᵉ. A zero stands for −0, which its cell 0 begins with.
PLANECAST_HOST_DEVICE inline float balanced_low(float low, float power) noexcept {
  const float scaled = product_of(low, power);
  return is_zero(scaled) ? -0.0f : scaled;
}

/// The ruler of a row's scalars; of a balanced row's, before its channels' powers.
template <class Number, class Q>
PLANECAST_HOST_DEVICE thread_ruler<Number> row_ruler(std::uint32_t low, std::uint32_t step) noexcept {
  const auto width = bit_cast<float>(step << 16); // a bf16
  if constexpr (balancing_quantizer<Q>)
    return {static_cast<float>(static_cast<std::int16_t>(low)) * 0x1p-14f, width};
  else
    return {value_of<Number>(low), width};
}

/// Rulers of a column of groups, from the scalars that a tile at rest begins with. They are asked for one
/// token after the other.
/// Preconditions: the tile begins at a multiple of 16, and its scalars are valid.
template <class Number, class Q, class Planes>
class column_rulers {
public:
  using layout_type = tile_layout<Q, Planes>;

  PLANECAST_HOST_DEVICE column_rulers(layout_type layout, const std::byte* tile, std::uint32_t g) noexcept
      : layout_(layout), tile_(tile), g_(g) {
    if constexpr (balancing_quantizer<Q>)
      exponents_ = group_exponents::load(layout, tile, g);
    if constexpr (kind == row_kind::each)
      load_each(Q::scale_row(layout.shape, 0, channel(0)));
  }
  PLANECAST_HOST_DEVICE void move_to(std::uint32_t token) noexcept {
    token_ = token;
    const std::uint32_t row = Q::scale_row(layout_.shape, token, channel(0));
    if constexpr (kind == row_kind::one)
      rows_[0] = row_ruler<Number, Q>(load_aligned<std::uint16_t>(tile_ + layout_.low_at(row)),
                                      load_aligned<std::uint16_t>(tile_ + layout_.step_at(row)));
    else if constexpr (kind == row_kind::each_of_some)
      if (row != row_)
        load_each(row_ = row);
  }
  PLANECAST_HOST_DEVICE const layout_type& layout() const noexcept { return layout_; }
  PLANECAST_HOST_DEVICE std::uint32_t token() const noexcept { return token_; }
  PLANECAST_HOST_DEVICE std::uint32_t channel(std::uint32_t k) const noexcept { return g_ * group_size + k; }
  /// Of channel k of the group, for the token moved to.
  PLANECAST_HOST_DEVICE thread_ruler<Number> of(std::uint32_t k) const noexcept {
    thread_ruler<Number> r;
    if constexpr (kind == row_kind::any) {
      const std::uint32_t row = Q::scale_row(layout_.shape, token_, channel(k));
      r = row_ruler<Number, Q>(load_aligned<std::uint16_t>(tile_ + layout_.low_at(row)),
                               load_aligned<std::uint16_t>(tile_ + layout_.step_at(row)));
    } else
      r = rows_[k % rows_held];
    if constexpr (balancing_quantizer<Q>) {
      if (!exponents_.is(k) || !r.divides())
        return {0, 0};
      const float power = exponents_.power(k);
      return {balanced_low(r.low, power), product_of(r.step, power)};
    }
    return r;
  }
  /// The same where it is asked for cells, of which the only one of a row of zeros begins with −0.
  PLANECAST_HOST_DEVICE thread_ruler<Number> exact_of(std::uint32_t k) const noexcept {
    const thread_ruler<Number> r = of(k);
    return {!r.divides() && is_zero(r.low) ? -0.0f : r.low, r.step};
  }

private:
  static constexpr row_kind kind = rows_of_group<Q>;
  static constexpr std::uint32_t rows_held =
      kind == row_kind::each || kind == row_kind::each_of_some ? group_size : 1;

  PLANECAST_HOST_DEVICE void load_each(std::uint32_t row) noexcept {
    const auto low = load_aligned<four_words>(tile_ + layout_.low_at(row)),
               step = load_aligned<four_words>(tile_ + layout_.step_at(row));
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < rows_held; ++k)
      rows_[k] = row_ruler<Number, Q>(low.of[k / 2] >> 16 * (k % 2) & 0xFFFFu,
                                      step.of[k / 2] >> 16 * (k % 2) & 0xFFFFu);
  }

  layout_type layout_;
  const std::byte* tile_;
  std::uint32_t g_, token_ = 0, row_ = 0xFFFF'FFFFu;
  thread_ruler<Number> rows_[rows_held];
  group_exponents exponents_;
};

} // namespace planecast::inline v0::detail
