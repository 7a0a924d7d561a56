// The CPU backend: the widest instructions that the machine has, chosen when the program runs.
#pragma once

#include "planecast/cpu/avx2.hpp"
#include "planecast/cpu/avx512.hpp"
#include "planecast/cpu/instruction_set.hpp"
#include "planecast/cpu/plain.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace planecast::inline v0 {

/// Codes on the calling thread, or on those of the executor that calls it; allocates nothing. All instruction
/// sets write the same bytes. Models `backend`, which says what the three do.
struct cpu {
  /// With the widest set.
  template <quantizer Q, class Planes>
  static encoded_tile encode(number dtype, tile_layout<Q, Planes> layout, source_rows values, std::byte* out,
                             std::uint32_t* tail_ends) noexcept {
    return with_widest([&](auto set) { return set.encode(dtype, layout, values, out, tail_ends); });
  }
  /// With the widest set.
  template <quantizer Q, class Planes>
  static void decode(number dtype, tile_layout<Q, Planes> layout, const std::byte* tile, std::uint32_t token,
                     std::uint32_t count, std::uint32_t planes, target_rows out) noexcept {
    with_widest([&](auto set) { set.decode(dtype, layout, tile, token, count, planes, out); });
  }
  /// With the widest set.
  template <quantizer Q, class Planes>
  static status decode_exact(number dtype, tile_layout<Q, Planes> layout, const std::byte* tile,
                             std::uint32_t token, std::uint32_t count, std::span<const std::byte> tails,
                             target_rows out, std::size_t& used) noexcept {
    return with_widest(
        [&](auto set) { return set.decode_exact(dtype, layout, tile, token, count, tails, out, used); });
  }

private:
  template <class F>
  static decltype(auto) with_widest(F&& f) noexcept {
#if PLANECAST_X86
    switch (widest()) {
    case instruction_set::avx512:
      return f(avx512_cpu{});
    case instruction_set::avx2:
      return f(avx2_cpu{});
    case instruction_set::plain:
      break;
    }
#endif
    return f(plain_cpu{});
  }
};

static_assert(backend<cpu>);

} // namespace planecast::inline v0
