// What a device does to the bits of words in one instruction.
#pragma once

#include "planecast/config.hpp"

#include <cstdint>

namespace planecast::inline v0::detail {

/// Four bytes of eight: nibble i of `which` names byte i of what is returned, 0 to 3 in a and 4 to 7 in b.
PLANECAST_HOST_DEVICE inline std::uint32_t picked_bytes(std::uint32_t a, std::uint32_t b,
                                                        std::uint32_t which) noexcept {
#if PLANECAST_ON_DEVICE
  return __byte_perm(a, b, which);
#else
  const std::uint64_t all = std::uint64_t{b} << 32 | a;
  std::uint32_t picked = 0;
  for (std::uint32_t i = 0; i < 4; ++i)
    picked |= static_cast<std::uint32_t>(all >> 8 * (which >> 4 * i & 7u) & 0xFFu) << 8 * i;
  return picked;
#endif
}

/// a · b + c, as one instruction: where others than those for products have most to do.
PLANECAST_HOST_DEVICE inline std::uint32_t product_and_sum(std::uint32_t a, std::uint32_t b,
                                                           std::uint32_t c) noexcept {
#if PLANECAST_ON_DEVICE
  std::uint32_t y;
  asm("mad.lo.u32 %0, %1, %2, %3;" : "=r"(y) : "r"(a), "r"(b), "r"(c));
  return y;
#else
  return a * b + c;
#endif
}

/// The lowest `count` bits, up to 32.
PLANECAST_HOST_DEVICE inline std::uint32_t lowest_bits(std::uint32_t x, std::uint32_t count) noexcept {
#if PLANECAST_ON_DEVICE
  std::uint32_t y;
  asm("szext.clamp.u32 %0, %1, %2;" : "=r"(y) : "r"(x), "r"(count));
  return y;
#else
  return static_cast<std::uint32_t>(x & ((std::uint64_t{1} << count) - 1));
#endif
}
/// ~(a ^ (b & c)), which compilers make two instructions of; and ~(a ^ (~b & c)).
PLANECAST_HOST_DEVICE inline std::uint32_t flipped_but_where(std::uint32_t a, std::uint32_t b,
                                                             std::uint32_t c) noexcept {
#if PLANECAST_ON_DEVICE
  std::uint32_t y;
  asm("lop3.b32 %0, %1, %2, %3, 0x87;" : "=r"(y) : "r"(a), "r"(b), "r"(c));
  return y;
#else
  return ~(a ^ (b & c));
#endif
}
PLANECAST_HOST_DEVICE inline std::uint32_t flipped_where(std::uint32_t a, std::uint32_t b,
                                                         std::uint32_t c) noexcept {
#if PLANECAST_ON_DEVICE
  std::uint32_t y;
  asm("lop3.b32 %0, %1, %2, %3, 0x2D;" : "=r"(y) : "r"(a), "r"(b), "r"(c));
  return y;
#else
  return ~(a ^ (~b & c));
#endif
}
/// The number of the highest bit that is set; of zero one below zero, in 32 bits.
PLANECAST_HOST_DEVICE inline std::uint32_t highest_bit(std::uint32_t x) noexcept {
#if PLANECAST_ON_DEVICE
  std::uint32_t y;
  asm("bfind.u32 %0, %1;" : "=r"(y) : "r"(x));
  return y;
#else
  return bit_width(x) - 1u;
#endif
}
/// Halves of a word, each filled with its highest bit.
PLANECAST_HOST_DEVICE inline std::uint32_t filled_with_signs(std::uint32_t two) noexcept {
#if PLANECAST_ON_DEVICE
  std::uint32_t y;
  asm("prmt.b32 %0, %1, %1, 0xBB99;" : "=r"(y) : "r"(two));
  return y;
#else
  return (two >> 15 & 0x10001u) * 0xFFFFu;
#endif
}

/// A number that stays in a register: an instruction has room for one that does not, and where two would be
/// such, compilers fetch the other again and again.
PLANECAST_HOST_DEVICE inline std::uint32_t in_register(std::uint32_t x) noexcept {
#if PLANECAST_ON_DEVICE
  std::uint32_t y; // a warp has 32 threads, which compilers do not know
  asm("{ .reg .u32 none;\n"
      "  mov.u32 none, %%laneid;\n"
      "  shr.u32 none, none, 5;\n"
      "  add.u32 %0, none, %1; }"
      : "=r"(y)
      : "r"(x));
  return y;
#else
  return x;
#endif
}

} // namespace planecast::inline v0::detail
