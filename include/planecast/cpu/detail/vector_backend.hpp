// A backend of one instruction set, over vector_loops.hpp. Included in the same way.
#if defined(PLANECAST_SET)

namespace planecast::inline v0::detail::PLANECAST_SET {

// What the vectors know: formats of 16 bits whose scale rows are as they are. The rest is the plain loops'.
template <quantizer Q, class Planes>
bool known(number dtype, tile_layout<Q, Planes> layout) noexcept {
  return value_bytes(dtype) == 2 && !layout.always_stored();
}
template <class F>
decltype(auto) with_known_format(number dtype, F&& f) {
  return dtype == number::fp16 ? f(fp16{}) : f(bf16{});
}

struct vector_cpu {
  template <quantizer Q, class Planes>
  static encoded_tile encode(number dtype, tile_layout<Q, Planes> layout, source_rows values, std::byte* out,
                             std::uint32_t* tail_ends) noexcept {
    const float_mode usual;
    if constexpr (!balancing_quantizer<Q>)
      if (known(dtype, layout)) {
        return with_known_format(
            dtype, [&]<class Number>(Number) { return encode_tile<Number>(layout, values, out, tail_ends); });
      }
    return plain_cpu::encode(dtype, layout, values, out, tail_ends);
  }

  template <quantizer Q, class Planes>
  static void decode(number dtype, tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t token,
                     std::uint32_t count, std::uint32_t planes, target_rows out) noexcept {
    const float_mode usual;
    if constexpr (!balancing_quantizer<Q>)
      if (known(dtype, layout)) {
        return with_known_format(dtype, [&]<class Number>(Number) {
          decode_rows<Number>(layout, tile, token, count, planes, out);
        });
      }
    return plain_cpu::decode(dtype, layout, tile, token, count, planes, out);
  }

  template <quantizer Q, class Planes>
  static status decode_exact(number dtype, tile_layout<Q, Planes> layout, const std::byte* tile,
                             std::uint32_t token, std::uint32_t count, std::span<const std::byte> tails,
                             target_rows out, std::size_t& used) noexcept {
    const float_mode usual;
    if constexpr (!balancing_quantizer<Q>)
      if (known(dtype, layout)) {
        return with_known_format(dtype, [&]<class Number>(Number) {
          return decode_exact_rows<Number>(layout, tile, token, count, tails, out, used);
        });
      }
    return plain_cpu::decode_exact(dtype, layout, tile, token, count, tails, out, used);
  }
};

} // namespace planecast::inline v0::detail::PLANECAST_SET

#endif
