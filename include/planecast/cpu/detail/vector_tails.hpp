// Tails between 16-bit lanes and bytes. Included by vector_loops.hpp, which says how.
#if defined(PLANECAST_SET)

namespace planecast::inline v0::detail::PLANECAST_SET {

// Writes a token's tails, which lie in 16-bit lanes beside masks of their widths, and pads them to a byte.
// Returns their end. Eight bytes are written at a time: up to seven beyond it are scratch.
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
      put(_pext_u64(first, first_mask) | _pext_u64(second, second_mask) << first_bits,
          first_bits + second_bits);
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
// Takes a token's tails from byte `used` on into 16-bit lanes and moves it behind them. False where a cell is
// too wide for it, tails run past the end, or their padding is not zero.
PLANECAST_TARGET inline bool take_tails(std::span<const std::byte> from, std::size_t& used,
                                        const std::uint16_t* masks, std::uint32_t dim,
                                        std::uint16_t* tails) noexcept {
  std::uint64_t bit = 8 * std::uint64_t{used};
  for (std::uint32_t c = 0; c < dim; c += 4) {
    std::uint64_t mask, four = 0;
    std::memcpy(&mask, masks + c, 8);
    const auto more = static_cast<std::uint32_t>(_mm_popcnt_u64(mask));
    if (more > 56)
      return false;
    const std::size_t at = bit / 8;
    if (at + 8 <= from.size())
      std::memcpy(&four, from.data() + at, 8);
    else if (at < from.size())
      std::memcpy(&four, from.data() + at, from.size() - at);
    four = _pdep_u64(four >> bit % 8, mask);
    std::memcpy(tails + c, &four, 8);
    bit += more;
  }
  const auto end = static_cast<std::size_t>((bit + 7) / 8);
  if (end > from.size() || (bit % 8 != 0 && std::to_integer<unsigned>(from[end - 1]) >> bit % 8 != 0))
    return false;
  used = end;
  return true;
}

} // namespace planecast::inline v0::detail::PLANECAST_SET

#endif
