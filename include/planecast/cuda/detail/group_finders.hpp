// How the cells of eight channels of a token are found.
#pragma once

#include "planecast/cuda/detail/group_rulers.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// What a block's memory keeps of a scale row: a cell_finder's numbers, those of a balanced row before its
/// channels' powers.
struct alignas(16) kept_finder {
  float low, step, inverse, start;
};

/// A source of finders: those that the block's memory keeps, or else the scalars in it.
template <class Number, class Q, class Planes>
struct finders_in_block {
  using row_type = cell_finder<Number>;

  const std::byte* finders; ///< one for each scale row, or null
  const std::byte* scalars; ///< what the tile begins with

  PLANECAST_HOST_DEVICE static row_type of(std::uint16_t low, std::uint16_t step) noexcept {
    const thread_ruler<Number> r = row_ruler<Number, Q>(low, step);
    return row_type::of(r.low, r.step);
  }
  PLANECAST_HOST_DEVICE row_type row(const tile_layout<Q, Planes>& layout, std::uint32_t row) const noexcept {
    if (finders == nullptr)
      return of(load_aligned<std::uint16_t>(scalars + layout.low_at(row)),
                load_aligned<std::uint16_t>(scalars + layout.step_at(row)));
    const auto kept = load_aligned<kept_finder>(finders + sizeof(kept_finder) * row);
    return {kept.low, kept.step, kept.inverse, kept.start};
  }
  template <std::uint32_t Count>
  PLANECAST_HOST_DEVICE void eight(const tile_layout<Q, Planes>& layout, std::uint32_t first,
                                   row_type (&rows)[Count]) const noexcept {
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < Count; ++k)
      rows[k] = row(layout, first + k);
  }
  PLANECAST_HOST_DEVICE const std::byte* prefix() const noexcept { return scalars; }
};

/// The finders of a column of groups.
template <class Number, class Q, class Planes>
class column_finders : public column_rows<Q, Planes, finders_in_block<Number, Q, Planes>> {
public:
  PLANECAST_HOST_DEVICE column_finders(tile_layout<Q, Planes> layout, const std::byte* finders,
                                       const std::byte* scalars, std::uint32_t g) noexcept
      : column_rows<Q, Planes, finders_in_block<Number, Q, Planes>>(layout, {finders, scalars}, g) {}

  /// Of channel k of the group, for the token moved to.
  PLANECAST_HOST_DEVICE cell_finder<Number> of(std::uint32_t k) const noexcept {
    const cell_finder<Number> f = this->row_of(k);
    if constexpr (balancing_quantizer<Q>) {
      if (!this->exponents().is(k) || !f.divides())
        return cell_finder<Number>::of(-0.0f, 0);
      const float power = this->exponents().power(k);
      return cell_finder<Number>::of(balanced_low(f.low, power), product_of(f.step, power),
                                     product_of(f.inverse, this->exponents().inverse(k)));
    }
    return f;
  }
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
  for (std::uint32_t k = 0; k < group_size; k += 2) {
    const float first = value_of<Number>(x.of(k)), second = value_of<Number>(x.of(k + 1));
    if constexpr (Planes::has_tail) {
      cell_ends of[2];
      code[k] = finders.of(k).code(first, of[0]);
      code[k + 1] = finders.of(k + 1).code(second, of[1]);
      // Both in the halves of a word: what is left of the values, and one value less than the cells have.
      const std::uint32_t begins = picked_bytes(of[0].begin, of[1].begin, 0x7632),
                          rests = orders_of<Number>(x.two[k / 2]) - begins,
                          others = picked_bytes(of[0].end, of[1].end, 0x7632) - begins - 0x10001u;
      rest[k] = rests & 0xFFFFu;
      rest[k + 1] = rests >> 16;
      count[k] = highest_bit(others & 0xFFFFu) + 1;
      count[k + 1] = highest_bit(others >> 16) + 1;
    } else {
      code[k] = finders.of(k).code(first);
      code[k + 1] = finders.of(k + 1).code(second);
    }
  }
  PLANECAST_DEVICE_UNROLL
  for (std::uint32_t k = 0; k < group_size; k += 4)
    out.codes.four[k / 4] = picked_bytes(picked_bytes(code[k], code[k + 1], 0x0040),
                                         picked_bytes(code[k + 2], code[k + 3], 0x0040), 0x5410);
  if constexpr (Planes::has_tail) {
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < group_size; k += 4) {
      const std::uint32_t first = rest[k] | rest[k + 1] << count[k], firsts = count[k] + count[k + 1],
                          last = rest[k + 2] | rest[k + 3] << count[k + 2];
      out.tails[k / 4] = first | std::uint64_t{last} << firsts;
      out.bits[k / 4] = firsts + count[k + 2] + count[k + 3];
    }
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
