// Every lane operation of one instruction set over plain arrays, by channel. Included once for each set, as
// the vector loops are; only for values that an operation is meant for, so that all sets must give the same.
#if defined(PLANECAST_SET)

namespace planecast::inline v0::detail::PLANECAST_SET {

PLANECAST_TARGET inline two_floats floats_of(const float* channels) noexcept {
  float ordered[lanes];
  for (std::uint32_t i = 0; i < lanes; ++i)
    ordered[i % 2 * (lanes / 2) + i / 2] = channels[i];
  return load_floats(ordered);
}
PLANECAST_TARGET inline void put_floats(planecast_test::lane_results& to, const char* name, std::uint32_t at,
                                        two_floats x) {
  float ordered[lanes];
  store_floats(ordered, x);
  for (std::uint32_t i = 0; i < lanes; ++i)
    to.put(name, at + i, bit_cast<std::uint32_t>(ordered[i % 2 * (lanes / 2) + i / 2]));
}
PLANECAST_TARGET inline void put_ints(planecast_test::lane_results& to, const char* name, std::uint32_t at,
                                      ints x) {
  std::uint16_t channels[lanes];
  store(channels, x);
  for (std::uint32_t i = 0; i < lanes; ++i)
    to.put(name, at + i, channels[i]);
}

template <class Number>
PLANECAST_TARGET void run_conversions(const planecast_test::lane_inputs& in,
                                      planecast_test::lane_results& to) {
  using cells = planecast::cells<Number, 8>;
  for (std::uint32_t c = 0; c < 32; c += lanes) {
    const two_floats low = floats_of(in.low + c), step = floats_of(in.step + c), x = floats_of(in.inside + c);
    put_floats(to, "widen", c, widen<Number>(load(in.pattern + c)));
    put_ints(to, "nearest", c, nearest<Number>(floats_of(in.small + c)));
    put_ints(to, "boundary", c, boundary<Number>(to_floats(load(in.code + c)), low, step));
    put_ints(to, "boundary below", c, boundary<Number>(plus(to_floats(load(in.code + c)), -1), low, step));
    put_ints(to, "fitted_steps", c,
             fitted_steps(low, x, static_cast<float>(cells::steps), cells::per_step, cells::least_step));
  }
}

PLANECAST_TARGET inline void run_lanes(const planecast_test::lane_inputs& in,
                                       planecast_test::lane_results& to) {
  int least_all = 0x7FFF, greatest_all = -0x8000;
  bool reached = false, any_equal = false;
  const table shown = table_of(load(in.pattern));
  shown_32 found = look_up(shown, in.nibbles);
  for (std::uint32_t c = 0; c < 32; c += lanes) {
    const ints p = load(in.pattern + c), other = load(in.other + c), q = load(in.code + c);
    const two_floats low = floats_of(in.low + c), step = floats_of(in.step + c), x = floats_of(in.inside + c);
    const two_floats inverse = inverses(floats_of(in.step_or_zero + c));
    put_ints(to, "add", c, add(p, other));
    put_ints(to, "sub", c, sub(p, other));
    put_ints(to, "bit_or", c, bit_or(p, other));
    put_ints(to, "bit_and", c, bit_and(p, other));
    put_ints(to, "bit_not", c, bit_not(p));
    put_ints(to, "without", c, without(p, other));
    put_ints(to, "least", c, least(p, other));
    put_ints(to, "greatest", c, greatest(p, other));
    put_ints(to, "greatest_unsigned", c, greatest_unsigned(p, other));
    put_ints(to, "equal", c, equal(p, other));
    put_ints(to, "not_above", c, not_above(p, other));
    put_ints(to, "signed_orders", c, signed_orders(p));
    put_ints(to, "filled", c, filled(p));
    put_ints(to, "splat_int", c, splat_int(-2));
    put_floats(to, "splat", c, splat(in.low[0]));
    put_floats(to, "to_floats", c, to_floats(p));
    put_ints(to, "to_ints", c, to_ints(to_floats(p)));
    put_floats(to, "doubled", c, doubled(q, -1));
    put_floats(to, "inverses", c, inverse);
    put_floats(to, "fused", c, fused(to_floats(q), step, low));
    put_floats(to, "plus", c, plus(low, 0.75f));
    put_floats(to, "times", c, times(low, 0.5f));
    put_floats(to, "cells_below", c, cells_below(x, low, step, inverses(step)));
    put_ints(to, "look_up", c, found.block[c / lanes]);
    std::uint8_t codes[lanes];
    store_codes(codes, q);
    for (std::uint32_t i = 0; i < lanes; ++i)
      to.put("store_codes", c + i, codes[i]);
    put_ints(to, "load_codes", c, load_codes(codes));
    alignas(64) std::uint16_t streamed[lanes];
    stream(streamed, p);
    _mm_sfence();
    put_ints(to, "stream", c, load(streamed));
    least_all = std::min(least_all, least_of(p));
    greatest_all = std::max(greatest_all, greatest_of(p));
    reached = reached || reach(low, step, 65504.0f);
    any_equal = any_equal || any(equal(p, other));
  }
  to.put("least_of", 0, static_cast<std::uint32_t>(least_all));
  to.put("greatest_of", 0, static_cast<std::uint32_t>(greatest_all));
  to.put("reach", 0, reached ? 1 : 0);
  to.put("any", 0, any_equal ? 1 : 0);
}

// All of it.
template <class Number>
struct lane_runner {
  void operator()(const planecast_test::lane_inputs& in, planecast_test::lane_results& to) const {
    run_lanes(in, to);
    run_conversions<Number>(in, to);
  }
};

} // namespace planecast::inline v0::detail::PLANECAST_SET

#endif
