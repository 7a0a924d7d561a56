// How the cells of eight channels of a token are found.
#pragma once

#include "planecast/cuda/detail/group_rulers.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// What a block's memory keeps of a scale row: a cell_finder's numbers, those of a balanced row before its
/// channels' powers.
struct alignas(16) kept_finder {
  float low, step, inverse, unused;
};

/// The finders of a column of groups, asked for one token after the other.
template <class Number, class Q, class Planes>
class column_finders {
public:
  using layout_type = tile_layout<Q, Planes>;
  using finder = cell_finder<Number>;

  /// `prefix` is what the tile begins with; `finders` has one for each scale row, or is null.
  PLANECAST_HOST_DEVICE column_finders(layout_type layout, const std::byte* finders, const std::byte* prefix,
                                       std::uint32_t g) noexcept
      : layout_(layout), finders_(finders), prefix_(prefix), g_(g) {
    if constexpr (balancing_quantizer<Q>)
      exponents_ = group_exponents::load(layout, prefix, g);
    if constexpr (kind == row_kind::each)
      load_each(Q::scale_row(layout.shape, 0, channel(0)));
  }
  PLANECAST_HOST_DEVICE void move_to(std::uint32_t token) noexcept {
    token_ = token;
    const std::uint32_t row = Q::scale_row(layout_.shape, token, channel(0));
    if constexpr (kind == row_kind::one)
      rows_[0] = load(row);
    else if constexpr (kind == row_kind::each_of_some)
      if (row != row_)
        load_each(row_ = row);
  }
  PLANECAST_HOST_DEVICE std::uint32_t channel(std::uint32_t k) const noexcept { return g_ * group_size + k; }
  /// Of a row's scalars.
  PLANECAST_HOST_DEVICE static finder finder_of(std::uint16_t low, std::uint16_t step) noexcept {
    const thread_ruler<Number> r = row_ruler<Number, Q>(low, step);
    return finder::of(r.low, r.step);
  }
  /// Of channel k of the group, for the token moved to.
  PLANECAST_HOST_DEVICE finder of(std::uint32_t k) const noexcept {
    finder f;
    if constexpr (kind == row_kind::any)
      f = load(Q::scale_row(layout_.shape, token_, channel(k)));
    else
      f = rows_[k % rows_held];
    if constexpr (balancing_quantizer<Q>) {
      if (!exponents_.is(k) || !f.divides())
        return finder::of(-0.0f, 0);
      const float power = exponents_.power(k);
      return {balanced_low(f.low, power), product_of(f.step, power),
              product_of(f.inverse, exponents_.inverse(k))};
    }
    return f;
  }

private:
  static constexpr row_kind kind = rows_of_group<Q>;
  static constexpr std::uint32_t rows_held =
      kind == row_kind::each || kind == row_kind::each_of_some ? group_size : 1;

  PLANECAST_HOST_DEVICE finder load(std::uint32_t row) const noexcept {
    if (finders_ != nullptr) {
      const auto kept = load_aligned<kept_finder>(finders_ + sizeof(kept_finder) * row);
      return {kept.low, kept.step, kept.inverse};
    }
    return finder_of(load_aligned<std::uint16_t>(prefix_ + layout_.low_at(row)),
                     load_aligned<std::uint16_t>(prefix_ + layout_.step_at(row)));
  }
  PLANECAST_HOST_DEVICE void load_each(std::uint32_t row) noexcept {
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < rows_held; ++k)
      rows_[k] = load(row + k);
  }

  layout_type layout_;
  const std::byte *finders_, *prefix_;
  std::uint32_t g_, token_ = 0, row_ = 0xFFFF'FFFFu;
  finder rows_[rows_held];
  group_exponents exponents_;
};

/// What becomes of a group that is coded.
struct coded_group {
  packed_codes codes;
  std::uint32_t bits[2];  ///< of tails, of four channels each
  std::uint64_t tails[2]; ///< of each four, from the lowest bit on
};

/// Codes a group of finite values.
/// Preconditions: the finders are moved to its token.
template <class Number, class Q, class Planes>
PLANECAST_HOST_DEVICE coded_group code_group(const column_finders<Number, Q, Planes>& finders,
                                             const packed_patterns& x) noexcept {
  coded_group out{};
  std::uint32_t code[group_size], rest[group_size], count[group_size];
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t k = 0; k < group_size; ++k) {
    const float value = value_of<Number>(x.of(k));
    if constexpr (Planes::has_tail) {
      cell_extent cell;
      code[k] = finders.of(k).code(value, cell);
      rest[k] = (orders_of<Number>(x.two[k / 2]) >> 16 * (k % 2) & 0xFFFFu) - cell.begin;
      count[k] = cell.tail_bits();
    } else
      code[k] = finders.of(k).code(value);
  }
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t k = 0; k < group_size; k += 4)
    out.codes.four[k / 4] = picked_bytes(picked_bytes(code[k], code[k + 1], 0x0040),
                                         picked_bytes(code[k + 2], code[k + 3], 0x0040), 0x5410);
  if constexpr (Planes::has_tail)
    PLANECAST_DEVICE_UNROLL
  for (std::uint32_t k = 0; k < group_size; k += 4) {
    const std::uint32_t first = rest[k] | rest[k + 1] << count[k], firsts = count[k] + count[k + 1],
                        last = rest[k + 2] | rest[k + 3] << count[k + 2];
    out.tails[k / 4] = first | std::uint64_t{last} << firsts;
    out.bits[k / 4] = firsts + count[k + 2] + count[k + 3];
  }
  return out;
}

/// The same of any group, one value after the other: what is rare needs no registers of its own.
template <class Number, class Q, class Planes>
PLANECAST_HOST_DEVICE coded_group code_any_group(tile_layout<Q, Planes> layout, const std::byte* prefix,
                                                 std::uint32_t token, std::uint32_t g,
                                                 const packed_patterns& x) noexcept {
  coded_group out;
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t half = 0; half < 2; ++half) {
    std::uint64_t left = x.two[2 * half] | std::uint64_t{x.two[2 * half + 1]} << 32, tails = 0;
    std::uint32_t codes = 0, bits = 0;
    PLANECAST_DEVICE_NO_UNROLL
    for (std::uint32_t k = 0; k < 4; ++k, left >>= 16) {
      const auto r = ruler_of<Number>(layout, prefix, token, g * group_size + 4 * half + k);
      const std::uint32_t order = Number::order(static_cast<std::uint32_t>(left & 0xFFFFu)),
                          code = r.code(order);
      codes |= code << 8 * k;
      if constexpr (Planes::has_tail) {
        tails |= std::uint64_t{order - r.first(code)} << bits;
        bits += r.tail_bits(code);
      }
    }
    out.codes.four[half] = codes;
    out.tails[half] = tails;
    out.bits[half] = bits;
  }
  return out;
}

} // namespace planecast::inline v0::detail
