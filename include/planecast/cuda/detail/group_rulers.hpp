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

// How many blocks of 128 threads a multiprocessor should hold that code such rows, or decode them. With more,
// ptxas of CUDA 13.0 spills registers.
template <class Q>
inline constexpr bool few_registers = (rows_of_group<Q> == row_kind::one ||
                                       rows_of_group<Q> == row_kind::each) &&
                                      !balancing_quantizer<Q>;
inline constexpr std::uint32_t encoders_held = 4;
template <class Q>
inline constexpr std::uint32_t decoders_held = few_registers<Q> ? 6 : 4;

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

/// What is known of the scale rows of a column of groups, asked for one token after the other. A source says
/// of a row what is wanted:
///
///     row_type
///     row(layout, number)             Of a row.
///     eight(layout, number, rows)     Of eight that follow each other, the first a multiple of eight.
///     prefix()                        What the tile begins with, scalars and exponents.
template <class Q, class Planes, class Source>
class column_rows {
public:
  using layout_type = tile_layout<Q, Planes>;
  using row_type = typename Source::row_type;

  PLANECAST_HOST_DEVICE column_rows(layout_type layout, const Source& from, std::uint32_t g) noexcept
      : layout_(layout), from_(from), g_(g) {
    if constexpr (balancing_quantizer<Q>)
      exponents_ = group_exponents::load(layout, from.prefix(), g);
    if constexpr (kind == row_kind::each)
      from_.eight(layout_, Q::scale_row(layout.shape, 0, channel(0)), held_);
  }
  PLANECAST_HOST_DEVICE void move_to(std::uint32_t token) noexcept {
    token_ = token;
    const std::uint32_t row = Q::scale_row(layout_.shape, token, channel(0));
    if constexpr (kind == row_kind::one)
      held_[0] = from_.row(layout_, row);
    else if constexpr (kind == row_kind::each_of_some)
      if (row != row_)
        from_.eight(layout_, row_ = row, held_);
  }
  PLANECAST_HOST_DEVICE const layout_type& layout() const noexcept { return layout_; }
  PLANECAST_HOST_DEVICE std::uint32_t token() const noexcept { return token_; }
  PLANECAST_HOST_DEVICE std::uint32_t channel(std::uint32_t k) const noexcept { return g_ * group_size + k; }

protected:
  /// Of channel k of the group, for the token moved to; in a balanced tile before the channel's power.
  PLANECAST_HOST_DEVICE row_type row_of(std::uint32_t k) const noexcept {
    if constexpr (kind == row_kind::any)
      return from_.row(layout_, Q::scale_row(layout_.shape, token_, channel(k)));
    else
      return held_[k % rows_held];
  }
  PLANECAST_HOST_DEVICE const group_exponents& exponents() const noexcept { return exponents_; }

private:
  static constexpr row_kind kind = rows_of_group<Q>;
  static constexpr std::uint32_t rows_held =
      kind == row_kind::each || kind == row_kind::each_of_some ? group_size : 1;

  layout_type layout_;
  Source from_;
  std::uint32_t g_, token_ = 0, row_ = 0xFFFF'FFFFu;
  row_type held_[rows_held];
  group_exponents exponents_;
};

/// A source of rulers: the scalars that a tile at rest begins with.
template <class Number, class Q, class Planes>
struct scalars_at_rest {
  using row_type = thread_ruler<Number>;

  const std::byte* tile;

  PLANECAST_HOST_DEVICE row_type row(const tile_layout<Q, Planes>& layout, std::uint32_t row) const noexcept {
    return row_ruler<Number, Q>(load_aligned<std::uint16_t>(tile + layout.low_at(row)),
                                load_aligned<std::uint16_t>(tile + layout.step_at(row)));
  }
  template <std::uint32_t Count>
  PLANECAST_HOST_DEVICE void eight(const tile_layout<Q, Planes>& layout, std::uint32_t row,
                                   row_type (&rows)[Count]) const noexcept {
    const auto low = load_aligned<four_words>(tile + layout.low_at(row)),
               step = load_aligned<four_words>(tile + layout.step_at(row));
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < Count; ++k)
      rows[k] = row_ruler<Number, Q>(low.of[k / 2] >> 16 * (k % 2) & 0xFFFFu,
                                     step.of[k / 2] >> 16 * (k % 2) & 0xFFFFu);
  }
  PLANECAST_HOST_DEVICE const std::byte* prefix() const noexcept { return tile; }
};

/// Rulers of a column of groups in a tile at rest.
/// Preconditions: the tile begins at a multiple of 16, and its scalars are valid.
template <class Number, class Q, class Planes>
class column_rulers : public column_rows<Q, Planes, scalars_at_rest<Number, Q, Planes>> {
public:
  PLANECAST_HOST_DEVICE column_rulers(tile_layout<Q, Planes> layout, const std::byte* tile,
                                      std::uint32_t g) noexcept
      : column_rows<Q, Planes, scalars_at_rest<Number, Q, Planes>>(layout, {tile}, g) {}

  /// Of channel k of the group, for the token moved to.
  PLANECAST_HOST_DEVICE thread_ruler<Number> of(std::uint32_t k) const noexcept {
    const thread_ruler<Number> r = this->row_of(k);
    if constexpr (balancing_quantizer<Q>) {
      if (!this->exponents().is(k) || !r.divides())
        return {0, 0};
      const float power = this->exponents().power(k);
      return {balanced_low(r.low, power), product_of(r.step, power)};
    }
    return r;
  }
  /// Whether all have several cells.
  PLANECAST_HOST_DEVICE bool divide() const noexcept {
    bool all = true;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < group_size; ++k)
      all = all && of(k).divides();
    return all;
  }
  /// The same where it is asked for cells, of which the only one of a row of zeros begins with −0.
  PLANECAST_HOST_DEVICE thread_ruler<Number> exact_of(std::uint32_t k) const noexcept {
    const thread_ruler<Number> r = of(k);
    return {!r.divides() && is_zero(r.low) ? -0.0f : r.low, r.step};
  }
};

} // namespace planecast::inline v0::detail
