// The extents of a tile's scale rows, as a block of threads finds them.
#pragma once

#include "planecast/cuda/detail/group_rulers.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

/// The extents where they are in a block's memory: orders, or scaled values of a balanced tile. Where a group
/// is in one row and there is room, each group keeps its own in one word, and the row's is what they are
/// together; else all that a row has meet in two numbers.
template <class Number, class Q, class Planes>
struct row_extents {
  tile_layout<Q, Planes> layout;
  bool alone;            ///< groups keep their own
  int *least, *greatest; ///< of rows, if not
  std::uint32_t* any;    ///< of rows of a balanced tile: whether there is a value other than zero

  static constexpr row_kind kind = rows_of_group<Q>;
  /// Scaled values begin at −2¹⁵.
  static constexpr int offset = balancing_quantizer<Q> ? 0x8000 : 0;

  /// An extent; it is empty while the least is above the greatest.
  struct one {
    int least = 0x7FFFFFFF, greatest = -0x7FFFFFFF;

    /// Takes in a group's word.
    PLANECAST_HOST_DEVICE void add(std::uint32_t word) noexcept {
      if (const auto from = static_cast<int>(word & 0xFFFFu), to = static_cast<int>(word >> 16); from <= to) {
        least = min(least, from - offset);
        greatest = max(greatest, to - offset);
      }
    }
    PLANECAST_HOST_DEVICE std::uint32_t word() const noexcept {
      return least <= greatest ? static_cast<std::uint32_t>(least + offset) |
                                     static_cast<std::uint32_t>(greatest + offset) << 16
                               : 0x0000FFFFu;
    }
  };

  PLANECAST_HOST_DEVICE void clear(std::uint32_t row) const noexcept {
    if (!alone) {
      least[row] = one{}.least;
      greatest[row] = one{}.greatest;
    }
    if constexpr (balancing_quantizer<Q>)
      any[row] = 0;
  }
  PLANECAST_HOST_DEVICE void meet(std::uint32_t row, int from, int to) const noexcept {
    meet_min(least[slot(row)], from);
    meet_max(greatest[slot(row)], to);
  }
  /// What a group has of its row.
  PLANECAST_HOST_DEVICE void tell(one of_group, std::uint32_t row, std::uint32_t* word) const noexcept {
    if (alone)
      *word = of_group.word();
    else if (of_group.least <= of_group.greatest)
      meet(row, of_group.least, of_group.greatest);
  }
  PLANECAST_HOST_DEVICE one of(std::uint32_t row) const noexcept {
    return {least[slot(row)], greatest[slot(row)]};
  }
  PLANECAST_HOST_DEVICE bool any_of(std::uint32_t row) const noexcept { return any[row] != 0; }

private:
  // Rows of which threads side by side take every eighth lie side by side: they are in different banks.
  PLANECAST_HOST_DEVICE std::uint32_t slot(std::uint32_t row) const noexcept {
    if constexpr (kind == row_kind::each || kind == row_kind::each_of_some)
      return row % group_size * (layout.rows() / group_size) + row / group_size;
    return row;
  }
};

/// What a thread finds of the rows of a column of groups, by the orders of their values.
template <class Number, class Q, class Planes>
class column_extents {
public:
  using rows_type = row_extents<Number, Q, Planes>;

  /// Takes in a group; `word` is its own, where groups have one.
  PLANECAST_HOST_DEVICE void add(const rows_type& rows, const packed_patterns& x, bool finite,
                                 std::uint32_t token, std::uint32_t g, std::uint32_t* word) noexcept {
    if constexpr (kind == row_kind::one)
      rows.tell(extent_of_group(x, finite), Q::scale_row(rows.layout.shape, token, g * group_size), word);
    else if (kind != row_kind::any && finite) {
      const std::uint32_t row = Q::scale_row(rows.layout.shape, token, g * group_size);
      if (kind == row_kind::each_of_some && row != row_) {
        finish(rows);
        *this = {};
      }
      row_ = row;
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t i = 0; i < group_size / 2; ++i) {
        least_.two[i] = lesser_two<Number>(least_.two[i], x.two[i]);
        greatest_.two[i] = greater_two<Number>(greatest_.two[i], x.two[i]);
      }
    } else {
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < group_size; ++k)
        if (const auto pattern = static_cast<std::uint16_t>(x.of(k)); Number::finite(pattern)) {
          const auto order = static_cast<int>(Number::order(pattern));
          rows.meet(Q::scale_row(rows.layout.shape, token, g * group_size + k), order, order);
        }
    }
  }
  /// Nothing more comes of the column.
  PLANECAST_HOST_DEVICE void finish(const rows_type& rows) const noexcept {
    if constexpr (kind == row_kind::each || kind == row_kind::each_of_some) {
      if (row_ == none)
        return;
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < group_size; k += 2) {
        const std::uint32_t least = orders_of<Number>(least_.two[k / 2]),
                            greatest = orders_of<Number>(greatest_.two[k / 2]);
        rows.meet(row_ + k, static_cast<int>(least & 0xFFFFu), static_cast<int>(greatest & 0xFFFFu));
        rows.meet(row_ + k + 1, static_cast<int>(least >> 16), static_cast<int>(greatest >> 16));
      }
    }
  }

private:
  static constexpr row_kind kind = rows_of_group<Q>;
  static constexpr std::uint32_t none = 0xFFFF'FFFFu;

  PLANECAST_HOST_DEVICE static typename rows_type::one extent_of_group(const packed_patterns& x,
                                                                       bool finite) noexcept {
    typename rows_type::one found;
    if (finite) {
      const std::uint32_t least = orders_of<Number>(
          lesser_two<Number>(lesser_two<Number>(x.two[0], x.two[1]), lesser_two<Number>(x.two[2], x.two[3])));
      const std::uint32_t greatest = orders_of<Number>(greater_two<Number>(
          greater_two<Number>(x.two[0], x.two[1]), greater_two<Number>(x.two[2], x.two[3])));
      found.least = static_cast<int>(min(least & 0xFFFFu, least >> 16));
      found.greatest = static_cast<int>(max(greatest & 0xFFFFu, greatest >> 16));
    } else {
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < group_size; ++k)
        if (const auto pattern = static_cast<std::uint16_t>(x.of(k)); Number::finite(pattern)) {
          found.least = min(found.least, static_cast<int>(Number::order(pattern)));
          found.greatest = max(found.greatest, static_cast<int>(Number::order(pattern)));
        }
    }
    return found;
  }

  // Nothing yet: any finite value is less, and greater.
  static constexpr std::uint32_t last = Number::greatest * 0x10001u, first = last | Number::sign * 0x10001u;

  std::uint32_t row_ = none;
  packed_patterns least_{{last, last, last, last}}, greatest_{{first, first, first, first}};
};

/// The greatest size of each channel of a column, as a pattern without its sign.
template <class Number>
struct channel_sizes {
  std::uint32_t two[group_size / 2] = {};

  PLANECAST_HOST_DEVICE void add(const packed_patterns& x) noexcept {
    constexpr std::uint32_t size = Number::sign - 1;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t i = 0; i < group_size / 2; ++i) {
      const std::uint32_t low = x.two[i] & size, high = x.two[i] >> 16 & size;
      two[i] = max(two[i] & 0xFFFFu, low <= Number::greatest ? low : 0) |
               max(two[i] >> 16, high <= Number::greatest ? high : 0) << 16;
    }
  }
  PLANECAST_HOST_DEVICE void finish(std::uint32_t* sizes, std::uint32_t g) const noexcept {
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < group_size; ++k)
      meet_max(sizes[g * group_size + k], two[k / 2] >> 16 * (k % 2) & 0xFFFFu);
  }
};

/// The extents of a balanced tile's rows.
template <class Number, class Q, class Planes>
struct balanced_extents {
  using rows_type = row_extents<Number, Q, Planes>;

  /// Takes in a group; `word` is its own, where groups have one.
  PLANECAST_HOST_DEVICE static void add(const rows_type& rows, const packed_patterns& x,
                                        const std::byte* prefix, std::uint32_t token, std::uint32_t g,
                                        std::uint32_t* word) noexcept {
    using balance = balanced_cells<Number, Planes::code_bits>;
    typename balance::extent all;
    PLANECAST_DEVICE_UNROLL
    for (std::uint32_t k = 0; k < group_size; ++k) {
      const std::uint32_t c = g * group_size + k;
      const auto exponent = static_cast<std::int8_t>(prefix[rows.layout.exponent_at(c)]);
      if constexpr (rows_type::kind == row_kind::one)
        all.add(static_cast<std::uint16_t>(x.of(k)), exponent);
      else {
        typename balance::extent e;
        e.add(static_cast<std::uint16_t>(x.of(k)), exponent);
        if (e.least > e.greatest)
          continue;
        const std::uint32_t row = Q::scale_row(rows.layout.shape, token, c);
        rows.meet(row, e.least, e.greatest);
        if (e.not_zero)
          meet_or(rows.any[row], 1);
      }
    }
    if constexpr (rows_type::kind == row_kind::one) {
      const std::uint32_t row = Q::scale_row(rows.layout.shape, token, g * group_size);
      rows.tell({all.least, all.greatest}, row, word);
      if (all.not_zero)
        meet_or(rows.any[row], 1);
    }
  }
};

} // namespace planecast::inline v0::detail
