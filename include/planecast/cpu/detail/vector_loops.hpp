// The code's definition over vectors. Included once for each instruction set, into its namespace, with
// PLANECAST_SET and PLANECAST_TARGET telling which; the lanes are there already. Whatever is rare or hostile goes
// to the plain loops, whose bytes these must be.
#if defined(PLANECAST_SET)

namespace planecast::inline v0::detail::PLANECAST_SET {

inline constexpr std::uint32_t padded_dim = (max_head_dim + lanes - 1) / lanes * lanes;
inline constexpr std::uint32_t tokens_at_once = 4; // their codes and tails stay in the first cache

// Scalars of a token's channels, in lane order.
struct scale_floats {
  alignas(64) float low[padded_dim];
  alignas(64) float step[padded_dim];
  alignas(64) float inverse[padded_dim];
};

// How a quantizer's scale rows lie: one for each channel, one for each token, or as it says.
enum class rows_are : std::uint8_t { channels, tokens, any };
template <class Q>
inline constexpr rows_are kind_of_rows = rows_are::any;
template <std::uint32_t Page>
inline constexpr rows_are kind_of_rows<per_channel<Page>> = rows_are::channels;
template <>
inline constexpr rows_are kind_of_rows<per_token> = rows_are::tokens;

// One block of a row: whole, or the last of a row that ends within it. What lies beyond repeats the row's last.
PLANECAST_TARGET inline ints load_end(const std::byte* from, std::uint32_t count) noexcept {
  alignas(64) std::uint16_t block[lanes];
  std::memcpy(block, from, 2 * std::size_t{count});
  for (std::uint32_t i = count; i < lanes; ++i)
    block[i] = block[count - 1];
  return load(block);
}
PLANECAST_TARGET inline void store_end(std::byte* to, ints x, std::uint32_t count) noexcept {
  alignas(64) std::uint16_t block[lanes];
  store(block, x);
  std::memcpy(to, block, 2 * std::size_t{count});
}

// Rows that are read soon; beyond the tile it is a guess at the next, and harmless.
inline constexpr std::uint32_t rows_ahead = 8;
PLANECAST_TARGET inline void prefetch(const std::byte* row, std::uint32_t bytes) noexcept {
  for (std::uint32_t at = 0; at < bytes; at += 64)
    __builtin_prefetch(row + at);
}

// The least and the greatest signed order of each scale row, into where its low and its step will be. False if a
// value is not finite.
template <class Number, class Q, class Planes>
PLANECAST_TARGET bool find_extents(tile_layout<Q, Planes> layout, source_rows values, std::byte* out) noexcept {
  const tile_shape shape = layout.shape;
  constexpr int most = Number::id == number::bf16 ? 0x7F7F : 0x7BFF; // the greatest finite order
  ints all_least = splat_int(most), all_greatest = splat_int(~most);
  const std::uint32_t whole = shape.dim / lanes * lanes, rest = shape.dim - whole;
  if constexpr (kind_of_rows<Q> == rows_are::channels) {
    for (std::uint32_t c = 0; c < shape.dim; c += 4 * lanes) {
      ints low[4], high[4];
      const std::uint32_t blocks = (min(shape.dim - c, 4 * lanes) + lanes - 1) / lanes;
      for (std::uint32_t b = 0; b < 4; ++b) {
        low[b] = splat_int(0x7FFF);
        high[b] = splat_int(-0x8000);
      }
      if (c + 4 * lanes <= shape.dim)
        for (std::uint32_t t = 0; t < shape.tokens; ++t) {
          if (c == 0)
            prefetch(values[t + rows_ahead], 2 * shape.dim);
          for (std::uint32_t b = 0; b < 4; ++b) {
            const ints order = signed_orders(load(values[t] + 2 * (c + b * lanes)));
            low[b] = least(low[b], order);
            high[b] = greatest(high[b], order);
          }
        }
      else
        for (std::uint32_t t = 0; t < shape.tokens; ++t)
          for (std::uint32_t b = 0; b < blocks; ++b) {
            const std::uint32_t at = c + b * lanes;
            const ints p = at < whole ? load(values[t] + 2 * at) : load_end(values[t] + 2 * at, rest);
            const ints order = signed_orders(p);
            low[b] = least(low[b], order);
            high[b] = greatest(high[b], order);
          }
      for (std::uint32_t b = 0; b < blocks; ++b) {
        const std::uint32_t at = c + b * lanes, count = min(lanes, shape.dim - at);
        store_end(out + layout.low_at(at), low[b], count);
        store_end(out + layout.step_at(at), high[b], count);
        all_least = least(all_least, low[b]);
        all_greatest = greatest(all_greatest, high[b]);
      }
    }
  } else if constexpr (kind_of_rows<Q> == rows_are::tokens) {
    for (std::uint32_t t = 0; t < shape.tokens; ++t) {
      prefetch(values[t + rows_ahead], 2 * shape.dim);
      ints low = splat_int(0x7FFF), high = splat_int(-0x8000);
      for (std::uint32_t c = 0; c < whole; c += lanes) {
        const ints order = signed_orders(load(values[t] + 2 * c));
        low = least(low, order);
        high = greatest(high, order);
      }
      if (rest != 0) {
        const ints order = signed_orders(load_end(values[t] + 2 * whole, rest));
        low = least(low, order);
        high = greatest(high, order);
      }
      detail::store(out + layout.low_at(t), static_cast<std::uint16_t>(least_of(low)));
      detail::store(out + layout.step_at(t), static_cast<std::uint16_t>(greatest_of(high)));
      all_least = least(all_least, low);
      all_greatest = greatest(all_greatest, high);
    }
  } else {
    const std::uint32_t rows = layout.rows();
    for (std::uint32_t r = 0; r < rows; ++r) {
      detail::store(out + layout.low_at(r), std::uint16_t{0x7FFF});
      detail::store(out + layout.step_at(r), std::uint16_t{0x8000});
    }
    alignas(64) std::int16_t orders[lanes];
    for (std::uint32_t t = 0; t < shape.tokens; ++t)
      for (std::uint32_t c = 0; c < shape.dim; c += lanes) {
        const std::uint32_t count = min(lanes, shape.dim - c);
        const ints order =
            signed_orders(count == lanes ? load(values[t] + 2 * c) : load_end(values[t] + 2 * c, count));
        all_least = least(all_least, order);
        all_greatest = greatest(all_greatest, order);
        store(orders, order);
        for (std::uint32_t i = 0; i < count; ++i) {
          const std::uint32_t r = Q::scale_row(shape, t, c + i);
          std::byte* const low = out + layout.low_at(r);
          std::byte* const high = out + layout.step_at(r);
          if (orders[i] < static_cast<std::int16_t>(detail::load<std::uint16_t>(low)))
            detail::store(low, static_cast<std::uint16_t>(orders[i]));
          if (orders[i] > static_cast<std::int16_t>(detail::load<std::uint16_t>(high)))
            detail::store(high, static_cast<std::uint16_t>(orders[i]));
        }
      }
  }
  return least_of(all_least) >= ~most && greatest_of(all_greatest) <= most;
}

// Turns extents into scalars, in place. False if a step is out of range.
template <class Number, class Q, class Planes>
PLANECAST_TARGET bool fit_rows(tile_layout<Q, Planes> layout, std::byte* out) noexcept {
  using row_cells = cells<Number, Planes::code_bits>;
  const std::uint32_t rows = layout.rows();
  ints all_steps = splat_int(0);
  for (std::uint32_t r = 0; r < rows; r += lanes) {
    const std::uint32_t count = min(lanes, rows - r);
    const bool end = count < lanes;
    const ints low = end ? load_end(out + layout.low_at(r), count) : load(out + layout.low_at(r));
    const ints high = end ? load_end(out + layout.step_at(r), count) : load(out + layout.step_at(r));
    const ints low_pattern = signed_orders(low);
    const ints step = fitted_steps(widen<Number>(low_pattern), widen<Number>(signed_orders(high)),
                                   static_cast<float>(row_cells::steps), row_cells::per_step,
                                   row_cells::least_step);
    // One value in all, or both zeros, or (in rows without values) the least above the greatest.
    const ints zeros = bit_and(equal(low, splat_int(-1)), equal(high, splat_int(0)));
    const ints none = bit_and(equal(low, splat_int(0x7FFF)), equal(high, splat_int(-0x8000)));
    const ints constant = bit_or(bit_or(equal(low, high), zeros), none);
    const ints fitted = without(step, constant);
    all_steps = greatest(all_steps, fitted); // patterns of positive numbers
    if (end) {
      store_end(out + layout.low_at(r), without(low_pattern, none), count);
      store_end(out + layout.step_at(r), fitted, count);
    } else {
      store(out + layout.low_at(r), without(low_pattern, none));
      store(out + layout.step_at(r), fitted);
    }
  }
  return static_cast<std::uint32_t>(greatest_of(all_steps)) <= row_cells::greatest_step;
}

enum class use : std::uint8_t { encode, decode }; // to decode, steps are halved

// The floats of one pair of scalars. To code, a step of zero becomes one that is too small to leave the value's
// own pattern, so that all of it lies in cell 1 and ends at the next.
template <class Number>
PLANECAST_TARGET inline void scale_of(std::uint16_t low, std::uint16_t step, use what, float& low_float,
                                      float& step_float) noexcept {
  low_float = Number::value(low);
  step_float = bf16::value(step);
  if (what == use::decode)
    step_float *= 0.5f;
  if (step == 0 && what == use::encode) {
    const float size = low_float < 0 ? -low_float : low_float;
    step_float = max(size * 0x1p-20f, 0x1p-149f);
    low_float = size == 0 ? -0.0f : low_float;
  }
}

// The scalars of a token's channels, for quantizers whose rows are not tokens. With rows that are channels they are
// the same for all tokens. Returns whether a step is zero.
template <class Number, class Q, class Planes>
PLANECAST_TARGET bool expand(tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t token, use what,
                             scale_floats& to) noexcept {
  const std::uint32_t dim = layout.shape.dim;
  ints constant = splat_int(0);
  for (std::uint32_t c = 0; c < dim; c += lanes) {
    const std::uint32_t count = min(lanes, dim - c);
    ints low, step;
    if constexpr (kind_of_rows<Q> == rows_are::channels) {
      low = count < lanes ? load_end(tile + layout.low_at(c), count) : load(tile + layout.low_at(c));
      step = count < lanes ? load_end(tile + layout.step_at(c), count) : load(tile + layout.step_at(c));
    } else {
      alignas(64) std::uint16_t lows[lanes], steps[lanes];
      for (std::uint32_t i = 0; i < lanes; ++i) {
        const std::uint32_t r = Q::scale_row(layout.shape, token, c + min(i, count - 1));
        lows[i] = detail::load<std::uint16_t>(tile + layout.low_at(r));
        steps[i] = detail::load<std::uint16_t>(tile + layout.step_at(r));
      }
      low = load(lows);
      step = load(steps);
    }
    const ints zero = equal(step, splat_int(0));
    constant = bit_or(constant, zero);
    store_floats(to.low + c, widen<Number>(low));
    store_floats(to.step + c, what == use::decode ? times(widen<bf16>(step), 0.5f) : widen<bf16>(step));
    if (what == use::encode) {
      store_floats(to.inverse + c, inverses(widen<bf16>(step)));
      if (any(zero))
        for (std::uint32_t i = 0; i < lanes; ++i)
          if (to.step[c + i] == 0) {
            const float size = to.low[c + i] < 0 ? -to.low[c + i] : to.low[c + i];
            to.step[c + i] = max(size * 0x1p-20f, 0x1p-149f);
            to.low[c + i] = size == 0 ? -0.0f : to.low[c + i];
          }
    }
  }
  return any(constant);
}

// What of a token's row is needed at block c, from an array or from the token's own pair.
template <rows_are Kind>
struct scales {
  const scale_floats* all = nullptr;
  two_floats low, step, inverse;
  PLANECAST_TARGET __attribute__((always_inline)) two_floats lows(std::uint32_t c) const noexcept {
    if constexpr (Kind == rows_are::tokens)
      return low;
    else
      return load_floats(all->low + c);
  }
  PLANECAST_TARGET __attribute__((always_inline)) two_floats steps(std::uint32_t c) const noexcept {
    if constexpr (Kind == rows_are::tokens)
      return step;
    else
      return load_floats(all->step + c);
  }
  PLANECAST_TARGET __attribute__((always_inline)) two_floats inverses_of(std::uint32_t c) const noexcept {
    if constexpr (Kind == rows_are::tokens)
      return inverse;
    else
      return load_floats(all->inverse + c);
  }
};

// The scales of one token; those of channels were expanded before.
template <class Number, class Q, class Planes>
PLANECAST_TARGET inline scales<kind_of_rows<Q>> scales_of(tile_layout<Q, Planes> layout, const std::byte* tile,
                                                          std::uint32_t token, use what, scale_floats& room,
                                                          bool& constant) noexcept {
  scales<kind_of_rows<Q>> s;
  s.all = &room;
  if constexpr (kind_of_rows<Q> == rows_are::tokens) {
    const auto step = detail::load<std::uint16_t>(tile + layout.step_at(token));
    float low_float, step_float;
    scale_of<Number>(detail::load<std::uint16_t>(tile + layout.low_at(token)), step, what, low_float, step_float);
    s.low = splat(low_float);
    s.step = splat(step_float);
    s.inverse = splat(step == 0 ? 0.0f : 1.0f / step_float);
    constant = step == 0;
  } else if constexpr (kind_of_rows<Q> == rows_are::any)
    constant = expand<Number>(layout, tile, token, what, room);
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
PLANECAST_TARGET inline void cut_planes(std::integer_sequence<std::uint32_t, P...>, tile_layout<Q, Planes> layout,
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
PLANECAST_TARGET inline void join_these(std::integer_sequence<std::uint32_t, P...>, tile_layout<Q, Planes> layout,
                                        const std::byte* tile, std::uint32_t token, std::uint8_t* codes) noexcept {
  const std::byte* const rows[] = {tile + layout.plane_row_at(P, token)...};
  for (std::uint32_t i = 0; i < layout.shape.dim / 8; ++i) {
    const std::uint64_t eight = (0 | ... | spread<Planes, P>(rows[P], i));
    std::memcpy(codes + 8 * i, &eight, 8);
  }
}
// The other way: the first planes' bits of the codes, where they stand in it; the others are zero.
template <class Q, class Planes, std::uint32_t Count = Planes::fixed>
PLANECAST_TARGET inline void join_planes(tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t token,
                                         std::uint32_t planes, std::uint8_t* codes) noexcept {
  if constexpr (Count > 1)
    if (planes < Count)
      return join_planes<Q, Planes, Count - 1>(layout, tile, token, planes, codes);
  join_these(std::make_integer_sequence<std::uint32_t, Count>{}, layout, tile, token, codes);
}

// Writes a token's tails, which lie in 16-bit lanes beside masks of their widths, and pads them to a byte. Returns
// their end. Eight bytes are written at a time: up to seven beyond it are scratch.
PLANECAST_TARGET inline std::byte* put_tails(const std::uint16_t* tails, const std::uint16_t* masks,
                                             std::uint32_t dim, std::byte* to) noexcept {
  std::uint64_t held = 0;
  std::uint32_t count = 0; // below 8 between two writes
  const auto put = [&](std::uint64_t bits, std::uint32_t more) __attribute__((always_inline)) { // more ≤ 56
    held |= bits << count;
    count += more;
    std::memcpy(to, &held, 8);
    to += count / 8;
    held >>= count & 0x38u;
    count %= 8;
  };
  for (std::uint32_t c = 0; c < dim; c += 8) {
    std::uint64_t first, second, first_mask, second_mask;
    std::memcpy(&first, tails + c, 8);
    std::memcpy(&second, tails + c + 4, 8);
    std::memcpy(&first_mask, masks + c, 8);
    std::memcpy(&second_mask, masks + c + 4, 8);
    const auto first_bits = static_cast<std::uint32_t>(_mm_popcnt_u64(first_mask));
    const auto second_bits = static_cast<std::uint32_t>(_mm_popcnt_u64(second_mask));
    if (first_bits + second_bits <= 56)
      put(_pext_u64(first, first_mask) | _pext_u64(second, second_mask) << first_bits, first_bits + second_bits);
    else
      for (std::uint32_t i = c; i < c + 8; i += 2) {
        const auto bits = static_cast<std::uint32_t>(_mm_popcnt_u32(masks[i]));
        put(tails[i] | std::uint64_t{tails[i + 1]} << bits,
            bits + static_cast<std::uint32_t>(_mm_popcnt_u32(masks[i + 1])));
      }
  }
  if (count > 0)
    *to++ = static_cast<std::byte>(held);
  return to;
}
// The same where there is no room for scratch.
inline std::byte* put_last_tails(const std::uint16_t* tails, const std::uint16_t* masks, std::uint32_t dim,
                                 std::byte* to) noexcept {
  bit_writer bits(to);
  for (std::uint32_t c = 0; c < dim; ++c)
    bits.put(tails[c], bit_width(masks[c]));
  return bits.finish();
}

template <class Number, class Q, class Planes>
PLANECAST_TARGET __attribute__((noinline)) encoded_tile encode_tile(tile_layout<Q, Planes> layout, source_rows values,
                                                                    std::byte* out,
                                                                    std::uint32_t* tail_ends) noexcept {
  const tile_shape shape = layout.shape;
  std::memset(out, 0, tile_header_bytes);
  if (!find_extents<Number>(layout, values, out))
    return plain_cpu::encode(Number::id, layout, values, out, tail_ends);
  if (!fit_rows<Number>(layout, out))
    return store_tile(layout, values, out, tail_ends);

  scale_floats room;
  bool constant = false;
  if constexpr (kind_of_rows<Q> == rows_are::channels)
    constant = expand<Number>(layout, out, 0, use::encode, room);
  std::byte* const tails = out + layout.tails_at();
  std::byte* const limit = out + layout.bound();
  std::byte* end = tails;
  alignas(64) std::uint8_t codes[padded_dim];
  alignas(64) std::uint16_t tail_bits[padded_dim], masks[padded_dim];
  for (std::uint32_t t = 0; t < shape.tokens; ++t) {
    const auto s = scales_of<Number>(layout, out, t, use::encode, room, constant);
    for (std::uint32_t c = 0; c < shape.dim; c += lanes) {
      const std::uint32_t count = min(lanes, shape.dim - c);
      const ints p = count == lanes ? load(values[t] + 2 * c) : load_end(values[t] + 2 * c, count);
      const two_floats k = cells_below(widen<Number>(p), s.lows(c), s.steps(c), s.inverses_of(c));
      store_codes(codes + c, add(to_ints(k), splat_int(1)));
      if constexpr (Planes::has_tail) {
        const ints begins = boundary<Number>(k, s.lows(c), s.steps(c));
        const ints ends = boundary<Number>(plus(k, 1), s.lows(c), s.steps(c));
        store(tail_bits + c, add(add(signed_orders(p), begins), splat_int(1)));
        store(masks + c, filled(sub(sub(begins, ends), splat_int(1))));
      }
    }
    cut_planes(std::make_integer_sequence<std::uint32_t, Planes::fixed>{}, layout, codes, t, out);
    if constexpr (Planes::has_tail)
      end = limit - end >= 2 * static_cast<std::ptrdiff_t>(shape.dim) + 8
                ? put_tails(tail_bits, masks, shape.dim, end)
                : put_last_tails(tail_bits, masks, shape.dim, end);
    tail_ends[t] = static_cast<std::uint32_t>(end - tails);
  }
  const auto bytes = static_cast<std::uint32_t>(end - out);
  if (align_up(bytes, tile_alignment) > layout.stored_bytes())
    return store_tile(layout, values, out, tail_ends);
  detail::store(out, static_cast<std::uint32_t>(end - tails));
  return {bytes, false};
}

template <bool PastCache>
PLANECAST_TARGET __attribute__((always_inline)) inline void put_block(std::byte* to, ints x) noexcept {
  if constexpr (PastCache)
    stream(to, x);
  else
    store(to, x);
}

inline bool can_stream(target_rows out, std::uint32_t dim) noexcept {
  return out.how == stores::past_cache && dim % lanes == 0 && out.step % (2 * lanes) == 0 &&
         reinterpret_cast<std::uintptr_t>(out.first) % (2 * lanes) == 0;
}

template <class Number>
inline constexpr float safe_size = Number::id == number::bf16 ? 0x1p127f : 65504.0f; // nothing rounds beyond it

template <class Number, bool PastCache, class Q, class Planes>
PLANECAST_TARGET __attribute__((noinline)) void decode_rows(tile_layout<Q, Planes> layout, const std::byte* tile,
                                                            std::uint32_t token, std::uint32_t count,
                                                            std::uint32_t planes, target_rows out) noexcept {
  const std::uint32_t dim = layout.shape.dim;
  const float extra = static_cast<float>(1u << (Planes::code_bits - Planes::bits_before(planes))) - 2.0f;
  scale_floats room;
  bool constant = false;
  if constexpr (kind_of_rows<Q> == rows_are::channels) {
    expand<Number>(layout, tile, 0, use::decode, room);
    for (std::uint32_t c = 0; c < dim; c += lanes)
      if (reach(load_floats(room.low + c), load_floats(room.step + c), safe_size<Number>))
        return plain_cpu::decode(Number::id, layout, tile, token, count, planes, out);
  }
  // Rows of one pair of scalars show at most sixteen values on a plane of four bits.
  const bool by_table = kind_of_rows<Q> == rows_are::tokens && Planes::width(0) == 4 && planes == 1 && dim % 32 == 0;
  alignas(64) std::uint8_t nibbles[lanes] = {};
  if constexpr (Planes::width(0) == 4)
    for (std::uint32_t i = 0; i < 16; ++i)
      nibbles[i] = static_cast<std::uint8_t>(i << (Planes::code_bits - 4));
  alignas(64) std::uint8_t codes[tokens_at_once][padded_dim];
  for (std::uint32_t first = 0; first < count; first += tokens_at_once) {
    const std::uint32_t tokens = min(tokens_at_once, count - first);
    if (!by_table)
      for (std::uint32_t t = 0; t < tokens; ++t)
        join_planes(layout, tile, token + first + t, planes, codes[t]);
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const auto s = scales_of<Number>(layout, tile, token + first + t, use::decode, room, constant);
      if constexpr (kind_of_rows<Q> != rows_are::channels) {
        bool large = false;
        for (std::uint32_t c = 0; c < (kind_of_rows<Q> == rows_are::tokens ? lanes : dim); c += lanes)
          large = reach(s.lows(c), s.steps(c), safe_size<Number>) || large;
        if (large) {
          plain_cpu::decode(Number::id, layout, tile, token + first + t, 1, planes, out.from(first + t));
          continue;
        }
      }
      std::byte* const to = out[first + t];
      if (by_table) {
        const ints values = nearest<Number>(fused(doubled(load_codes(nibbles), extra), s.steps(0), s.lows(0)));
        const table of_row = table_of(values);
        const std::byte* const from = tile + layout.plane_row_at(0, token + first + t);
        for (std::uint32_t c = 0; c < dim; c += 32) {
          const shown_32 shown = look_up(of_row, from + c / 2);
          for (std::uint32_t b = 0; b < 32 / lanes; ++b)
            put_block<PastCache>(to + 2 * (c + b * lanes), shown.block[b]);
        }
        continue;
      }
      for (std::uint32_t c = 0; c < dim; c += lanes) {
        const two_floats twice = doubled(load_codes(codes[t] + c), extra);
        const ints shown = nearest<Number>(fused(twice, s.steps(c), s.lows(c)));
        if (c + lanes <= dim)
          put_block<PastCache>(to + 2 * c, shown);
        else
          store_end(to + 2 * c, shown, dim - c);
      }
    }
  }
}

template <class Number, bool PastCache, class Q, class Planes>
PLANECAST_TARGET __attribute__((noinline)) status decode_exact_rows(tile_layout<Q, Planes> layout,
                                                                    const std::byte* tile, std::uint32_t token,
                                                                    std::uint32_t count,
                                                                    std::span<const std::byte> tails,
                                                                    target_rows out, std::size_t& used) noexcept {
  const std::uint32_t dim = layout.shape.dim;
  constexpr int last = cells<Number, Planes::code_bits>::last;
  scale_floats room;
  bool constant = false;
  if constexpr (kind_of_rows<Q> == rows_are::channels)
    constant = expand<Number>(layout, tile, 0, use::encode, room);
  alignas(64) std::uint8_t codes[padded_dim];
  alignas(64) std::uint16_t begins[padded_dim], sizes[padded_dim], masks[padded_dim], tail_bits[padded_dim];
  status result;
  used = 0;
  for (std::uint32_t t = 0; t < count; ++t) {
    join_planes(layout, tile, token + t, Planes::fixed, codes);
    for (std::uint32_t c = dim; c % lanes != 0; ++c) // a block's end is like its last
      codes[c] = codes[dim - 1];
    const auto s = scales_of<Number>(layout, tile, token + t, use::encode, room, constant);
    ints most_below = splat_int(0), most_size = splat_int(0);
    for (std::uint32_t c = 0; c < dim; c += lanes) {
      const ints q = load_codes(codes + c);
      most_below = greatest_unsigned(most_below, sub(q, splat_int(1)));
      const two_floats k = to_floats(q);
      const ints begin = boundary<Number>(plus(k, -1), s.lows(c), s.steps(c));
      const ints end = boundary<Number>(k, s.lows(c), s.steps(c));
      const ints size = sub(sub(begin, end), splat_int(1));
      most_size = greatest_unsigned(most_size, size);
      store(begins + c, begin);
      store(sizes + c, size);
      store(masks + c, filled(size));
    }
    // Guard cells, and empty ones, which have no tail.
    bool plain = any(bit_or(bit_not(not_above(most_below, splat_int(last - 2))), equal(most_size, splat_int(-1))));
    if (constant && !plain) // a row of one value has but one cell that is not a guard
      for (std::uint32_t c = 0; c < dim; ++c) {
        const std::uint32_t r = Q::scale_row(layout.shape, token + t, c);
        plain = plain || (codes[c] != 1 && detail::load<std::uint16_t>(tile + layout.step_at(r)) == 0);
      }
    std::uint64_t bit = 8 * std::uint64_t{used};
    if (!plain) {
      for (std::uint32_t c = 0; c < dim; c += 4) {
        std::uint64_t mask, four = 0;
        std::memcpy(&mask, masks + c, 8);
        const auto more = static_cast<std::uint32_t>(_mm_popcnt_u64(mask));
        const std::size_t at = bit / 8;
        if (more <= 56) {
          if (at + 8 <= tails.size())
            std::memcpy(&four, tails.data() + at, 8);
          else if (at < tails.size())
            std::memcpy(&four, tails.data() + at, tails.size() - at);
          four = _pdep_u64(four >> bit % 8, mask);
        } else {
          plain = true;
          break;
        }
        std::memcpy(tail_bits + c, &four, 8);
        bit += more;
      }
      const std::size_t end = static_cast<std::size_t>((bit + 7) / 8);
      plain = plain || end > tails.size() ||
              (bit % 8 != 0 && std::to_integer<unsigned>(tails[end - 1]) >> bit % 8 != 0);
    }
    if (!plain) {
      for (std::uint32_t c = dim; c % lanes != 0; ++c)
        tail_bits[c] = 0;
      ints inside = splat_int(-1);
      std::byte* const to = out[t];
      for (std::uint32_t c = 0; c < dim; c += lanes) {
        const ints more = load(tail_bits + c);
        inside = bit_and(inside, not_above(more, load(sizes + c)));
        const ints p = signed_orders(sub(sub(more, load(begins + c)), splat_int(1)));
        if (c + lanes <= dim)
          put_block<PastCache>(to + 2 * c, p);
        else
          store_end(to + 2 * c, p, dim - c);
      }
      plain = any(bit_not(inside));
    }
    if (!plain)
      used = static_cast<std::size_t>((bit + 7) / 8);
    else { // guards, the wide cells of rough rows, and all that is wrong
      std::size_t of_row = 0;
      const status s_row = plain_cpu::decode_exact(Number::id, layout, tile, token + t, 1, tails.subspan(used),
                                                   out.from(t), of_row);
      used += of_row;
      if (!s_row)
        result = s_row;
    }
  }
  return result;
}

} // namespace planecast::inline v0::detail::PLANECAST_SET

#endif
