// The code's definition as plain loops: what every machine can run, and what the others are compared with.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/code/backend.hpp"
#include "planecast/code/cell.hpp"
#include "planecast/code/scalars.hpp"
#include "planecast/code/tail.hpp"
#include "planecast/code/tile.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace planecast::inline v0 {

/// Codes on the calling thread, value by value; allocates nothing. Models `backend`, which says what the
/// three do.
struct plain_cpu {
  /// Reads the values twice: once for the scale rows, once for the codes.
  template <quantizer Q, class Planes>
  static encoded_tile encode(number dtype, tile_layout<Q, Planes> layout, source_rows values, std::byte* out,
                             std::uint32_t* tail_ends) noexcept {
    return with_format(
        dtype, [&]<class Number>(Number) { return encode_as<Number>(layout, values, out, tail_ends); });
  }

  /// Each value is the middle of the cells that its planes leave open.
  template <quantizer Q, class Planes>
  static void decode(number dtype, tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t token,
                     std::uint32_t count, std::uint32_t planes, target_rows out) noexcept {
    with_format(dtype, [&]<class Number>(Number) {
      const std::uint32_t bits = Planes::bits_before(planes);
      for (std::uint32_t t = 0; t < count; ++t)
        for (std::uint32_t c = 0; c < layout.shape.dim; ++c)
          detail::store_pattern<Number>(out[t], c,
                                        ruler_of<Number>(layout, tile, token + t, c)
                                            .middle(code_at(layout, tile, token + t, c, planes), bits));
    });
  }

  /// Stops at nothing: `corrupt` is said in the end, and all values are written.
  template <quantizer Q, class Planes>
  static status decode_exact(number dtype, tile_layout<Q, Planes> layout, const std::byte* tile,
                             std::uint32_t token, std::uint32_t count, std::span<const std::byte> tails,
                             target_rows out, std::size_t& used) noexcept {
    used = 0;
    bool good = true;
    for (std::uint32_t t = 0; t < count; ++t)
      with_format(dtype, [&]<class Number>(Number) {
        good = decode_row<Number>(layout, tile, token + t, tails, out[t], used) && good;
      });
    return good ? status{} : status{errc::corrupt, "tails do not fit their cells"};
  }

private:
  // One token's original values, from the tails at `used`, which moves on. False if they do not fit.
  template <class Number, quantizer Q, class Planes>
  static bool decode_row(tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t token,
                         std::span<const std::byte> tails, std::byte* out, std::size_t& used) noexcept {
    detail::bit_reader bits(tails.data() + used, tails.size() - used);
    bool inside = true;
    for (std::uint32_t c = 0; c < layout.shape.dim; ++c) {
      const auto cell = ruler_of<Number>(layout, tile, token, c);
      const std::uint32_t q = code_at(layout, tile, token, c, Planes::fixed);
      const std::uint32_t begin = cell.first(q), end = cell.first(q + 1);
      std::uint32_t order = begin + bits.get(cell.tail_bits(q));
      if (order >= end) { // only hostile bytes: stay inside the cell, and say so
        inside = false;
        order = end > 0 ? end - 1 : 0;
      }
      detail::store_pattern<Number>(out, c, Number::pattern(order));
    }
    used = static_cast<std::size_t>(bits.at() - tails.data());
    return inside && !bits.past_end() && bits.padding_is_zero();
  }

  // The first planes' bits of a value's code.
  template <quantizer Q, class Planes>
  static std::uint32_t code_at(tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t token,
                               std::uint32_t channel, std::uint32_t planes) noexcept {
    std::uint32_t code = 0;
    for (std::uint32_t p = 0; p < planes; ++p) {
      const std::uint32_t width = Planes::width(p), bit = width * channel;
      const auto byte = static_cast<std::uint32_t>(tile[layout.plane_row_at(p, token) + bit / 8]);
      code = code << width | (byte >> bit % 8 & ((1u << width) - 1));
    }
    return code;
  }

  template <class Number, quantizer Q, class Planes>
  static encoded_tile encode_as(tile_layout<Q, Planes> layout, source_rows values, std::byte* out,
                                std::uint32_t* tail_ends) noexcept {
    const tile_shape shape = layout.shape;
    std::memset(out, 0, layout.tails_at());
    if (layout.always_stored() || !fit_rows<Number>(layout, values, out))
      return store_tile(layout, values, out, tail_ends);
    std::byte* const tails = out + layout.tails_at();
    detail::bit_writer bits(tails);
    std::byte* end = tails;
    for (std::uint32_t t = 0; t < shape.tokens; ++t) {
      for (std::uint32_t c = 0; c < shape.dim; ++c) {
        const auto cell = ruler_of<Number>(layout, out, t, c);
        const std::uint32_t order = Number::order(detail::load_pattern<Number>(values[t], c));
        const std::uint32_t q = cell.code(order);
        for (std::uint32_t p = 0; p < Planes::fixed; ++p) {
          const std::uint32_t width = Planes::width(p), bit = width * c;
          const std::uint32_t below = Planes::code_bits - Planes::bits_before(p + 1);
          out[layout.plane_row_at(p, t) + bit / 8] |=
              static_cast<std::byte>((q >> below & ((1u << width) - 1)) << bit % 8);
        }
        if constexpr (Planes::has_tail)
          bits.put(order - cell.first(q), cell.tail_bits(q));
      }
      end = bits.finish();
      tail_ends[t] = static_cast<std::uint32_t>(end - tails);
    }
    const auto bytes = static_cast<std::uint32_t>(end - out);
    if (bytes > layout.stored_bytes())
      return store_tile(layout, values, out, tail_ends);
    detail::store(out, static_cast<std::uint32_t>(end - tails));
    return {bytes, false};
  }

  // Writes m and s of every scale row, straight into the tile. False if a step is out of range.
  template <class Number, quantizer Q, class Planes>
  static bool fit_rows(tile_layout<Q, Planes> layout, source_rows values, std::byte* out) noexcept {
    if constexpr (balancing_quantizer<Q>)
      return detail::fit_balanced<Number>(layout, values, out);
    constexpr std::uint32_t batch = 64; // rows at a time, so that the extents stay on the stack
    using row_cells = cells<Number, Planes::code_bits>;
    const tile_shape shape = layout.shape;
    for (std::uint32_t first = 0; first < layout.rows(); first += batch) {
      std::array<typename row_cells::extent, batch> extents;
      extents.fill({});
      for (std::uint32_t t = 0; t < shape.tokens; ++t)
        for (std::uint32_t c = 0; c < shape.dim; ++c)
          if (const std::uint32_t row = Q::scale_row(shape, t, c) - first; row < batch)
            extents[row].add(detail::load_pattern<Number>(values[t], c));
      for (std::uint32_t row = first; row < std::min(first + batch, layout.rows()); ++row) {
        row_cells cell;
        if (!cell.fit(extents[row - first]))
          return false;
        detail::store(out + layout.low_at(row), cell.low);
        detail::store(out + layout.step_at(row), cell.step);
      }
    }
    return true;
  }
};

static_assert(backend<plain_cpu>);

} // namespace planecast::inline v0
