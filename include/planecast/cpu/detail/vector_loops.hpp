// The code's definition over vectors, tile by tile. Included once for each instruction set, into its
// namespace, with PLANECAST_SET and PLANECAST_TARGET telling which; the lanes are there already. Whatever is
// rare or hostile goes to the plain loops, whose bytes these must be.
#if defined(PLANECAST_SET)

#include "planecast/cpu/detail/vector_rows.hpp"
#include "planecast/cpu/detail/vector_tails.hpp"

namespace planecast::inline v0::detail::PLANECAST_SET {

inline constexpr std::uint32_t tokens_at_once = 4; // their codes stay in the first cache

// How a quantizer's scale rows lie: one for each channel, one for each token, or as it says.
enum class rows_are : std::uint8_t { channels, tokens, any };
template <class Q>
inline constexpr rows_are kind_of_rows = rows_are::any;
template <std::uint32_t Page>
inline constexpr rows_are kind_of_rows<per_channel<Page>> = rows_are::channels;
template <>
inline constexpr rows_are kind_of_rows<per_token> = rows_are::tokens;
template <class Q>
inline constexpr bool one_pair = kind_of_rows<Q> == rows_are::tokens;

// The least and the greatest signed order of each scale row, into where its low and its step will be. False
// if a value is not finite.
template <quantizer Q, class Planes>
bool find_extents(tile_layout<Q, Planes> layout, source_rows values, int most, std::byte* out) noexcept {
  const tile_shape shape = layout.shape;
  std::byte* const lows = out + layout.low_at(0);
  std::byte* const steps = out + layout.step_at(0);
  if constexpr (kind_of_rows<Q> == rows_are::channels)
    return extents_of_channels(values, shape, most, lows, steps);
  else if constexpr (kind_of_rows<Q> == rows_are::tokens)
    return extents_of_tokens(values, shape, most, lows, steps);
  else {
    for (std::uint32_t r = 0; r < layout.rows(); ++r) {
      detail::store(lows + 2 * r, std::uint16_t{0x7FFF});
      detail::store(steps + 2 * r, std::uint16_t{0x8000});
    }
    alignas(64) std::int16_t orders[padded_dim];
    bool finite = true;
    for (std::uint32_t t = 0; t < shape.tokens; ++t) {
      orders_of_row(values[t], shape.dim, orders);
      for (std::uint32_t c = 0; c < shape.dim; ++c) {
        const std::uint32_t r = Q::scale_row(shape, t, c);
        const auto low = static_cast<std::int16_t>(detail::load<std::uint16_t>(lows + 2 * r));
        const auto high = static_cast<std::int16_t>(detail::load<std::uint16_t>(steps + 2 * r));
        detail::store(lows + 2 * r, static_cast<std::uint16_t>(min(low, orders[c])));
        detail::store(steps + 2 * r, static_cast<std::uint16_t>(max(high, orders[c])));
        finite = finite && orders[c] >= ~most && orders[c] <= most;
      }
    }
    return finite;
  }
}

// The scales of one token: those of channels are the same for all and expanded once, before (token 0).
template <class Number, quantizer Q, class Planes>
row_scales scales_of(tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t token, use what,
                     scale_floats& room, bool& constant) noexcept {
  row_scales s;
  s.all = &room;
  if constexpr (one_pair<Q>) {
    const auto step = detail::load<std::uint16_t>(tile + layout.step_at(token));
    s.low = Number::value(detail::load<std::uint16_t>(tile + layout.low_at(token)));
    s.step = what == use::decode ? bf16::value(step) * 0.5f : bf16::value(step);
    constant = step == 0;
    if (what == use::encode) {
      s.inverse = constant ? 0.0f : 1.0f / s.step;
      if (constant)
        code_constant(s.low, s.step);
    }
  } else if constexpr (kind_of_rows<Q> == rows_are::channels) {
    if (token == 0)
      constant =
          expand<Number>(tile + layout.low_at(0), tile + layout.step_at(0), layout.shape.dim, what, room);
  } else {
    alignas(64) std::uint16_t lows[padded_dim], steps[padded_dim];
    for (std::uint32_t c = 0; c < layout.shape.dim; ++c) {
      const std::uint32_t r = Q::scale_row(layout.shape, token, c);
      lows[c] = detail::load<std::uint16_t>(tile + layout.low_at(r));
      steps[c] = detail::load<std::uint16_t>(tile + layout.step_at(r));
    }
    constant = expand<Number>(reinterpret_cast<const std::byte*>(lows),
                              reinterpret_cast<const std::byte*>(steps), layout.shape.dim, what, room);
  }
  return s;
}

// Cuts a row's codes into planes, eight at a time.
template <class Planes, std::uint32_t P>
PLANECAST_TARGET __attribute__((always_inline)) inline void cut(std::uint64_t eight, std::byte* row,
                                                                std::uint32_t eighth) noexcept {
  constexpr std::uint32_t width = Planes::width(P), below = Planes::code_bits - Planes::bits_before(P + 1);
  if constexpr (width != 8)
    eight = _pext_u64(eight, 0x0101'0101'0101'0101u * (((1u << width) - 1) << below));
  std::memcpy(row + width * eighth, &eight, width);
}
template <class Planes, class Q, std::uint32_t... P>
PLANECAST_TARGET void cut_planes(std::integer_sequence<std::uint32_t, P...>, tile_layout<Q, Planes> layout,
                                 const std::uint8_t* codes, std::uint32_t token, std::byte* tile) noexcept {
  std::byte* const rows[] = {tile + layout.plane_row_at(P, token)...};
  for (std::uint32_t i = 0; i < layout.shape.dim / 8; ++i) {
    std::uint64_t eight;
    std::memcpy(&eight, codes + 8 * i, 8);
    (cut<Planes, P>(eight, rows[P], i), ...);
  }
}

// One plane's bits of eight codes, where they stand in a code.
template <class Planes, std::uint32_t P>
PLANECAST_TARGET __attribute__((always_inline)) inline std::uint64_t spread(const std::byte* row,
                                                                            std::uint32_t eighth) noexcept {
  constexpr std::uint32_t width = Planes::width(P), below = Planes::code_bits - Planes::bits_before(P + 1);
  std::uint64_t bits = 0;
  std::memcpy(&bits, row + width * eighth, width);
  if constexpr (width == 8)
    return bits;
  return _pdep_u64(bits, 0x0101'0101'0101'0101u * (((1u << width) - 1) << below));
}
template <class Planes, class Q, std::uint32_t... P>
PLANECAST_TARGET void join_these(std::integer_sequence<std::uint32_t, P...>, tile_layout<Q, Planes> layout,
                                 const std::byte* tile, std::uint32_t token, std::uint8_t* codes) noexcept {
  const std::byte* const rows[] = {tile + layout.plane_row_at(P, token)...};
  for (std::uint32_t i = 0; i < layout.shape.dim / 8; ++i) {
    const std::uint64_t eight = (0 | ... | spread<Planes, P>(rows[P], i));
    std::memcpy(codes + 8 * i, &eight, 8);
  }
}
// The other way: the first planes' bits of the codes, where they stand in it; the others are zero.
template <class Q, class Planes, std::uint32_t Count = Planes::fixed>
PLANECAST_TARGET void join_planes(tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t token,
                                  std::uint32_t planes, std::uint8_t* codes) noexcept {
  if constexpr (Count > 1)
    if (planes < Count)
      return join_planes<Q, Planes, Count - 1>(layout, tile, token, planes, codes);
  join_these(std::make_integer_sequence<std::uint32_t, Count>{}, layout, tile, token, codes);
}

template <class Number, quantizer Q, class Planes>
encoded_tile encode_tile(tile_layout<Q, Planes> layout, source_rows values, std::byte* out,
                         std::uint32_t* tail_ends) noexcept {
  using row_cells = cells<Number, Planes::code_bits>;
  const tile_shape shape = layout.shape;
  std::memset(out, 0, tile_header_bytes);
  if (!find_extents(layout, values, Number::id == number::bf16 ? 0x7F7F : 0x7BFF, out))
    return plain_cpu::encode(Number::id, layout, values, out, tail_ends);
  if (!fit_extents<Number>(out + layout.low_at(0), out + layout.step_at(0), layout.rows(),
                           static_cast<float>(row_cells::steps), row_cells::per_step, row_cells::least_step,
                           row_cells::greatest_step))
    return store_tile(layout, values, out, tail_ends);

  scale_floats room;
  bool constant = false;
  std::byte* const tails = out + layout.tails_at();
  std::byte* const limit = out + layout.bound();
  std::byte* end = tails;
  alignas(64) std::uint8_t codes[padded_dim];
  alignas(64) std::uint16_t tail_lanes[padded_dim], masks[padded_dim];
  for (std::uint32_t t = 0; t < shape.tokens; ++t) {
    const row_scales s = scales_of<Number>(layout, out, t, use::encode, room, constant);
    code_row<Number, one_pair<Q>, Planes::has_tail>(s, values[t], shape.dim, codes, tail_lanes, masks);
    cut_planes(std::make_integer_sequence<std::uint32_t, Planes::fixed>{}, layout, codes, t, out);
    if constexpr (Planes::has_tail)
      end = limit - end >= 2 * static_cast<std::ptrdiff_t>(shape.dim) + 8
                ? put_tails(tail_lanes, masks, shape.dim, end)
                : put_last_tails(tail_lanes, masks, shape.dim, end);
    tail_ends[t] = static_cast<std::uint32_t>(end - tails);
  }
  const auto bytes = static_cast<std::uint32_t>(end - out);
  if (bytes > layout.stored_bytes())
    return store_tile(layout, values, out, tail_ends);
  detail::store(out, static_cast<std::uint32_t>(end - tails));
  return {bytes, false};
}

// Whole lines only: parts of them past the cache cost more than through it.
inline bool can_stream(target_rows out, std::uint32_t dim) noexcept {
  return out.how == stores::past_cache && dim % 32 == 0 && out.step % 64 == 0 &&
         reinterpret_cast<std::uintptr_t>(out.first) % 64 == 0;
}

template <class Number, quantizer Q, class Planes>
void decode_rows(tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t token,
                 std::uint32_t count, std::uint32_t planes, target_rows out) noexcept {
  const std::uint32_t dim = layout.shape.dim;
  const float extra = static_cast<float>(1u << (Planes::code_bits - Planes::bits_before(planes))) - 2.0f;
  const bool past_cache = can_stream(out, dim);
  scale_floats room;
  bool constant = false;
  if constexpr (kind_of_rows<Q> == rows_are::channels)
    if (may_overflow<Number, false>(scales_of<Number>(layout, tile, 0, use::decode, room, constant), dim))
      return plain_cpu::decode(Number::id, layout, tile, token, count, planes, out);
  const bool by_table = one_pair<Q> && Planes::width(0) == 4 && planes == 1 && dim % 32 == 0;
  alignas(64) std::uint8_t codes[tokens_at_once][padded_dim];
  for (std::uint32_t first = 0; first < count; first += tokens_at_once) {
    const std::uint32_t tokens = min(tokens_at_once, count - first);
    if (!by_table)
      for (std::uint32_t t = 0; t < tokens; ++t)
        join_planes(layout, tile, token + first + t, planes, codes[t]);
    for (std::uint32_t t = 0; t < tokens; ++t) {
      std::byte* const to = out[first + t];
      row_scales s;
      s.all = &room;
      if constexpr (kind_of_rows<Q> != rows_are::channels) {
        s = scales_of<Number>(layout, tile, token + first + t, use::decode, room, constant);
        if (may_overflow<Number, one_pair<Q>>(s, dim)) {
          plain_cpu::decode(Number::id, layout, tile, token + first + t, 1, planes, out.from(first + t));
          continue;
        }
      }
      if constexpr (one_pair<Q> && Planes::width(0) == 4)
        if (by_table) {
          show_by_table<Number>(s, Planes::code_bits - 4, extra,
                                tile + layout.plane_row_at(0, token + first + t), dim, to, past_cache);
          continue;
        }
      show_row<Number, one_pair<Q>>(s, codes[t], dim, extra, to, past_cache);
    }
  }
  if (past_cache)
    _mm_sfence();
}

template <class Number, quantizer Q, class Planes>
status decode_exact_rows(tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t token,
                         std::uint32_t count, std::span<const std::byte> tails, target_rows out,
                         std::size_t& used) noexcept {
  const std::uint32_t dim = layout.shape.dim;
  constexpr int last = cells<Number, Planes::code_bits>::last;
  const bool past_cache = can_stream(out, dim);
  scale_floats room;
  bool constant = false;
  row_scales s;
  if constexpr (kind_of_rows<Q> == rows_are::channels)
    s = scales_of<Number>(layout, tile, 0, use::encode, room, constant);
  alignas(64) std::uint8_t codes[padded_dim];
  alignas(64) std::uint16_t begins[padded_dim], sizes[padded_dim], masks[padded_dim], tail_lanes[padded_dim];
  status result;
  used = 0;
  for (std::uint32_t t = 0; t < count; ++t) {
    join_planes(layout, tile, token + t, Planes::fixed, codes);
    for (std::uint32_t c = dim; c % lanes != 0; ++c) { // a block's end is like the row's last
      codes[c] = codes[dim - 1];
      tail_lanes[c] = 0;
    }
    if constexpr (kind_of_rows<Q> != rows_are::channels)
      s = scales_of<Number>(layout, tile, token + t, use::encode, room, constant);
    bool good = open_cells<Number, one_pair<Q>>(s, codes, dim, last, begins, sizes, masks);
    if (constant && good) // a row of one value has but one cell that is not a guard
      for (std::uint32_t c = 0; c < dim; ++c) {
        const std::uint32_t r = Q::scale_row(layout.shape, token + t, c);
        good = good && (codes[c] == 1 || detail::load<std::uint16_t>(tile + layout.step_at(r)) != 0);
      }
    std::size_t end = used;
    good = good && take_tails(tails, end, masks, dim, tail_lanes) &&
           place_tails(begins, sizes, tail_lanes, dim, out[t], past_cache);
    if (good)
      used = end;
    else { // guards, the wide cells of rough rows, and all that is wrong
      std::size_t of_row = 0;
      const status s_row = plain_cpu::decode_exact(Number::id, layout, tile, token + t, 1,
                                                   tails.subspan(used), out.from(t), of_row);
      used += of_row;
      if (!s_row)
        result = s_row;
    }
  }
  if (past_cache)
    _mm_sfence();
  return result;
}

} // namespace planecast::inline v0::detail::PLANECAST_SET

#endif
