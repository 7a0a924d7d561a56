// One token's row at a time, over vectors: what no policy changes. Included by vector_loops.hpp, which says
// how. Functions of their own, and few templates: they are what takes a compiler's time.
#if defined(PLANECAST_SET)

namespace planecast::inline v0::detail::PLANECAST_SET {

inline constexpr std::uint32_t padded_dim = (max_head_dim + lanes - 1) / lanes * lanes;

// Scalars of a token's channels, in lane order; or, where a token has one pair, that.
struct scale_floats {
  alignas(64) float low[padded_dim];
  alignas(64) float step[padded_dim];
  alignas(64) float inverse[padded_dim];
};
struct row_scales {
  const scale_floats* all = nullptr;
  float low = 0, step = 0, inverse = 0;
};
// In registers, or to be loaded block by block.
template <bool OnePair>
struct scale_lanes {
  const scale_floats* all;
  two_floats low, step, inverse;

  PLANECAST_TARGET __attribute__((always_inline)) explicit scale_lanes(const row_scales& s) noexcept
      : all(s.all) {
    if constexpr (OnePair) {
      low = splat(s.low);
      step = splat(s.step);
      inverse = splat(s.inverse);
    }
  }
  PLANECAST_TARGET __attribute__((always_inline)) void at(std::uint32_t c) noexcept {
    if constexpr (!OnePair) {
      low = load_floats(all->low + c);
      step = load_floats(all->step + c);
    }
  }
  PLANECAST_TARGET __attribute__((always_inline)) void inverse_at(std::uint32_t c) noexcept {
    if constexpr (!OnePair)
      inverse = load_floats(all->inverse + c);
  }
};

// One block of a row: whole, or the last of a row that ends within it. What lies beyond repeats the row's
// last.
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
PLANECAST_TARGET __attribute__((always_inline)) inline ints load_block(const std::byte* row, std::uint32_t c,
                                                                       std::uint32_t dim) noexcept {
  return c + lanes <= dim ? load(row + 2 * c) : load_end(row + 2 * c, dim - c);
}
PLANECAST_TARGET __attribute__((always_inline)) inline void
store_block(std::byte* row, std::uint32_t c, std::uint32_t dim, ints x, bool past_cache) noexcept {
  if (c + lanes > dim)
    store_end(row + 2 * c, x, dim - c);
  else if (past_cache)
    stream(row + 2 * c, x);
  else
    store(row + 2 * c, x);
}

// Rows that are read soon; beyond the tile it is a guess at the next, and harmless.
inline constexpr std::uint32_t rows_ahead = 8;
inline void prefetch(const std::byte* row, std::uint32_t bytes) noexcept {
  for (std::uint32_t at = 0; at < bytes; at += 64)
    __builtin_prefetch(row + at);
}

// The least and the greatest signed order of each channel, and of each token. False if one is beyond `most`,
// the greatest finite order.
PLANECAST_TARGET inline bool extents_of_channels(source_rows values, tile_shape shape, int most,
                                                 std::byte* least_to, std::byte* greatest_to) noexcept {
  constexpr std::uint32_t blocks = 4;
  ints all_least = splat_int(most), all_greatest = splat_int(~most);
  for (std::uint32_t c = 0; c < shape.dim; c += blocks * lanes) {
    ints low[blocks], high[blocks];
    for (std::uint32_t b = 0; b < blocks; ++b) {
      low[b] = splat_int(0x7FFF);
      high[b] = splat_int(-0x8000);
    }
    if (c + blocks * lanes <= shape.dim)
      for (std::uint32_t t = 0; t < shape.tokens; ++t) {
        if (c == 0)
          prefetch(values[t + rows_ahead], 2 * shape.dim);
        for (std::uint32_t b = 0; b < blocks; ++b) {
          const ints order = signed_orders(load(values[t] + 2 * (c + b * lanes)));
          low[b] = least(low[b], order);
          high[b] = greatest(high[b], order);
        }
      }
    else
      for (std::uint32_t t = 0; t < shape.tokens; ++t)
        for (std::uint32_t b = 0; b < blocks && c + b * lanes < shape.dim; ++b) {
          const ints order = signed_orders(load_block(values[t], c + b * lanes, shape.dim));
          low[b] = least(low[b], order);
          high[b] = greatest(high[b], order);
        }
    for (std::uint32_t b = 0; b < blocks && c + b * lanes < shape.dim; ++b) {
      store_block(least_to, c + b * lanes, shape.dim, low[b], false);
      store_block(greatest_to, c + b * lanes, shape.dim, high[b], false);
      all_least = least(all_least, low[b]);
      all_greatest = greatest(all_greatest, high[b]);
    }
  }
  return least_of(all_least) >= ~most && greatest_of(all_greatest) <= most;
}
PLANECAST_TARGET inline bool extents_of_tokens(source_rows values, tile_shape shape, int most,
                                               std::byte* least_to, std::byte* greatest_to) noexcept {
  ints all_least = splat_int(most), all_greatest = splat_int(~most);
  for (std::uint32_t t = 0; t < shape.tokens; ++t) {
    prefetch(values[t + rows_ahead], 2 * shape.dim);
    ints low = splat_int(0x7FFF), high = splat_int(-0x8000);
    for (std::uint32_t c = 0; c < shape.dim; c += lanes) {
      const ints order = signed_orders(load_block(values[t], c, shape.dim));
      low = least(low, order);
      high = greatest(high, order);
    }
    detail::store(least_to + 2 * t, static_cast<std::uint16_t>(least_of(low)));
    detail::store(greatest_to + 2 * t, static_cast<std::uint16_t>(greatest_of(high)));
    all_least = least(all_least, low);
    all_greatest = greatest(all_greatest, high);
  }
  return least_of(all_least) >= ~most && greatest_of(all_greatest) <= most;
}
PLANECAST_TARGET inline void orders_of_row(const std::byte* row, std::uint32_t dim,
                                           std::int16_t* to) noexcept {
  for (std::uint32_t c = 0; c < dim; c += lanes)
    store(to + c, signed_orders(load_block(row, c, dim)));
}

// Turns extents into scalars, in place. False if a step is out of range.
template <class Number>
PLANECAST_TARGET bool fit_extents(std::byte* lows, std::byte* steps, std::uint32_t rows, float cell_count,
                                  float per_step, std::uint32_t least_step,
                                  std::uint32_t greatest_step) noexcept {
  ints all_steps = splat_int(0);
  for (std::uint32_t r = 0; r < rows; r += lanes) {
    const ints low = load_block(lows, r, rows), high = load_block(steps, r, rows);
    const ints low_pattern = signed_orders(low);
    const ints step = fitted_steps(widen<Number>(low_pattern), widen<Number>(signed_orders(high)), cell_count,
                                   per_step, least_step);
    // One value in all, or both zeros, or (in rows without values) the least above the greatest.
    const ints zeros = bit_and(equal(low, splat_int(-1)), equal(high, splat_int(0)));
    const ints none = bit_and(equal(low, splat_int(0x7FFF)), equal(high, splat_int(-0x8000)));
    const ints fitted = without(step, bit_or(bit_or(equal(low, high), zeros), none));
    all_steps = greatest(all_steps, fitted); // patterns of positive numbers
    store_block(lows, r, rows, without(low_pattern, none), false);
    store_block(steps, r, rows, fitted, false);
  }
  return static_cast<std::uint32_t>(greatest_of(all_steps)) <= greatest_step;
}

enum class use : std::uint8_t { encode, decode }; // to decode, steps are halved

// To code, a step of zero becomes one that is too small to leave the value's own pattern, so that all of it
// lies in cell 1 and ends at the next; a low of zero becomes −0.
inline void code_constant(float& low, float& step) noexcept {
  const float size = low < 0 ? -low : low;
  step = max(size * 0x1p-20f, 0x1p-149f);
  low = size == 0 ? -0.0f : low;
}
// The scalars of `dim` channels, one pair each. Returns whether a step is zero.
template <class Number>
PLANECAST_TARGET bool expand(const std::byte* lows, const std::byte* steps, std::uint32_t dim, use what,
                             scale_floats& to) noexcept {
  ints constant = splat_int(0);
  for (std::uint32_t c = 0; c < dim; c += lanes) {
    const ints low = load_block(lows, c, dim), step = load_block(steps, c, dim);
    const ints zero = equal(step, splat_int(0));
    const two_floats width = widen<bf16>(step);
    constant = bit_or(constant, zero);
    store_floats(to.low + c, widen<Number>(low));
    store_floats(to.step + c, what == use::decode ? times(width, 0.5f) : width);
    if (what == use::encode) {
      store_floats(to.inverse + c, inverses(width));
      if (any(zero))
        for (std::uint32_t i = c; i < c + lanes; ++i)
          if (to.step[i] == 0)
            code_constant(to.low[i], to.step[i]);
    }
  }
  return any(constant);
}

// A token's codes and, if asked for, its tails in 16-bit lanes with masks of their widths.
template <class Number, bool OnePair, bool WithTails>
PLANECAST_TARGET __attribute__((noinline)) void
code_row(const row_scales& scales, const std::byte* row, std::uint32_t dim, std::uint8_t* codes,
         std::uint16_t* tails, std::uint16_t* masks) noexcept {
  scale_lanes<OnePair> s(scales);
  for (std::uint32_t c = 0; c < dim; c += lanes) {
    s.at(c);
    s.inverse_at(c);
    const ints p = load_block(row, c, dim);
    const two_floats k = cells_below(widen<Number>(p), s.low, s.step, s.inverse);
    store_codes(codes + c, add(to_ints(k), splat_int(1)));
    if constexpr (WithTails) {
      const ints begin = boundary<Number>(k, s.low, s.step),
                 end = boundary<Number>(plus(k, 1), s.low, s.step);
      store(tails + c, add(add(signed_orders(p), begin), splat_int(1)));
      store(masks + c, filled(sub(sub(begin, end), splat_int(1))));
    }
  }
}

// A token's values in the middle of what its codes leave open.
template <class Number, bool OnePair>
PLANECAST_TARGET __attribute__((noinline)) void show_row(const row_scales& scales, const std::uint8_t* codes,
                                                         std::uint32_t dim, float extra, std::byte* row,
                                                         bool past_cache) noexcept {
  scale_lanes<OnePair> s(scales);
  for (std::uint32_t c = 0; c < dim; c += lanes) {
    s.at(c);
    store_block(row, c, dim, nearest<Number>(fused(doubled(load_codes(codes + c), extra), s.step, s.low)),
                past_cache);
  }
}
// The same for one pair of scalars and a plane of four bits, which shows at most sixteen values: by a table.
// Codes in the table stand `shift` bits up.
template <class Number>
PLANECAST_TARGET __attribute__((noinline)) void
show_by_table(const row_scales& scales, std::uint32_t shift, float extra, const std::byte* plane,
              std::uint32_t dim, std::byte* row, bool past_cache) noexcept {
  alignas(64) std::uint8_t codes[lanes] = {};
  for (std::uint32_t i = 0; i < 16; ++i)
    codes[i] = static_cast<std::uint8_t>(i << shift);
  const scale_lanes<true> s(scales);
  const table values = table_of(nearest<Number>(fused(doubled(load_codes(codes), extra), s.step, s.low)));
  for (std::uint32_t c = 0; c < dim; c += 32) {
    const shown_32 shown = look_up(values, plane + c / 2);
    for (std::uint32_t b = 0; b < 32 / lanes; ++b)
      store_block(row, c + b * lanes, dim, shown.block[b], past_cache);
  }
}
// Whether a value that is shown could round beyond the format's greatest.
template <class Number, bool OnePair>
PLANECAST_TARGET bool may_overflow(const row_scales& scales, std::uint32_t dim) noexcept {
  constexpr float bound = Number::id == number::bf16 ? 0x1p127f : 65504.0f;
  scale_lanes<OnePair> s(scales);
  for (std::uint32_t c = 0; c < (OnePair ? lanes : dim); c += lanes) {
    s.at(c);
    if (reach(s.low, s.step, bound))
      return true;
  }
  return false;
}

// Where a token's cells begin (complemented orders), how many patterns they hold beside the first, and masks
// of their tails' widths. False where a guard cell or an empty one is among them. Codes are padded to whole
// blocks.
template <class Number, bool OnePair>
PLANECAST_TARGET __attribute__((noinline)) bool
open_cells(const row_scales& scales, const std::uint8_t* codes, std::uint32_t dim, int last,
           std::uint16_t* begins, std::uint16_t* sizes, std::uint16_t* masks) noexcept {
  scale_lanes<OnePair> s(scales);
  ints most_below = splat_int(0), most_size = splat_int(0);
  for (std::uint32_t c = 0; c < dim; c += lanes) {
    s.at(c);
    const ints q = load_codes(codes + c);
    const two_floats k = to_floats(q);
    const ints begin = boundary<Number>(plus(k, -1), s.low, s.step), end = boundary<Number>(k, s.low, s.step);
    const ints size = sub(sub(begin, end), splat_int(1));
    most_below = greatest_unsigned(most_below, sub(q, splat_int(1)));
    most_size = greatest_unsigned(most_size, size);
    store(begins + c, begin);
    store(sizes + c, size);
    store(masks + c, filled(size));
  }
  return !any(bit_or(bit_not(not_above(most_below, splat_int(last - 2))), equal(most_size, splat_int(-1))));
}
// The values themselves. False where a tail is outside of its cell. Tails are padded to whole blocks.
PLANECAST_TARGET inline bool place_tails(const std::uint16_t* begins, const std::uint16_t* sizes,
                                         const std::uint16_t* tails, std::uint32_t dim, std::byte* row,
                                         bool past_cache) noexcept {
  ints inside = splat_int(-1);
  for (std::uint32_t c = 0; c < dim; c += lanes) {
    const ints tail = load(tails + c);
    inside = bit_and(inside, not_above(tail, load(sizes + c)));
    store_block(row, c, dim, signed_orders(sub(sub(tail, load(begins + c)), splat_int(1))), past_cache);
  }
  return !any(bit_not(inside));
}

} // namespace planecast::inline v0::detail::PLANECAST_SET

#endif
