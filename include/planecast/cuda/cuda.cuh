// Codes and decodes tiles in device memory: the same bytes as the CPU's.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/cuda/detail/decode_program.hpp"
#include "planecast/cuda/detail/encode_program.hpp"
#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/device_rows.hpp"
#include "planecast/cuda/device_tiles.hpp"
#include "planecast/policy/planes.hpp"
#include "planecast/policy/quantizer.hpp"
#include "planecast/status.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>

namespace planecast::inline v0 {

/// Coding on a GPU, for every quantizer whose functions are marked PLANECAST_HOST_DEVICE, and every layout
/// of planes. It holds nothing; all of it is static.
/// Preconditions: the stream belongs to the current device, as does all memory that is named; the tiles and
/// the rows say the same heads, channels and width of a value, and keep what their own comments ask for.
/// Errors: `device` where CUDA's runtime refuses, `limit` where a block has not enough shared memory for a
/// tile so large; then nothing was enqueued. Nothing throws.
/// Stream behaviour: calls only enqueue, one kernel each. They do not wait, allocate or use another stream,
/// and can be captured in a graph.
/// Example: test/cuda/code_test.cu.
struct cuda {
  /// Codes all tiles: planes, tails, their ends, and what became of each tile. Reads the rows once.
  template <quantizer Q, class Planes>
  static status encode(number dtype, const device_tiles<Q, Planes>& to,
                       const device_rows<const std::byte>& from, cudaStream_t stream) noexcept {
    return with_format(dtype, [&]<class Number>(Number) {
      using program = detail::encode_program<Number, Q, Planes>;
      cuda_tuning how;
      if (const status s = detail::current_tuning(how); !s)
        return s;
      const tile_shape largest = largest_tile(to);
      const auto room = [&](bool keep) {
        return typename program::room({largest, to.value_bytes}, keep).all;
      };
      const bool keep = room(true) <= how.bytes_to_share;
      return detail::launch(program{to, from, whole_groups(from, to.value_bytes), keep}, to.tiles(),
                            room(keep), how, stream);
    });
  }

  /// Writes the values that the first planes tell, those of stored tiles exactly.
  /// Preconditions: the tiles' scalars are valid, the planes in place; 1 ≤ planes ≤ the fixed planes.
  template <quantizer Q, class Planes>
  static status decode(number dtype, const device_tiles<Q, Planes>& from, std::uint32_t planes,
                       const device_rows<std::byte>& to, cudaStream_t stream) noexcept {
    return with_format(dtype, [&]<class Number>(Number) {
      cuda_tuning how;
      if (const status s = detail::current_tuning(how); !s)
        return s;
      return detail::launch(
          detail::decode_program<Number, Q, Planes>{from, to, planes, whole_groups(to, from.value_bytes)},
          from.tiles(), 0, how, stream);
    });
  }

  /// Writes the original values. Where tails do not fit their cells, *corrupt becomes 1, in device memory; it
  /// is not cleared. The values then mean nothing.
  /// Preconditions: as decode(); the tails are in place.
  template <quantizer Q, class Planes>
  requires(Planes::has_tail) static status
      decode_exact(number dtype, const device_tiles<Q, Planes>& from, const device_rows<std::byte>& to,
                   std::uint32_t* corrupt, cudaStream_t stream) noexcept {
    return with_format(dtype, [&]<class Number>(Number) {
      using program = detail::decode_exact_program<Number, Q, Planes>;
      cuda_tuning how;
      if (const status s = detail::current_tuning(how); !s)
        return s;
      return detail::launch(program{from, to, corrupt, whole_groups(to, from.value_bytes)}, from.tiles(),
                            program::memory_bytes(largest_tile(from)), how, stream);
    });
  }

private:
  template <quantizer Q, class Planes>
  static tile_shape largest_tile(const device_tiles<Q, Planes>& of) noexcept {
    return {std::min(of.page_tokens, of.tokens - of.first), of.dim};
  }
  // Whether groups of channels lie at multiples of their bytes.
  template <class Byte>
  static bool whole_groups(const device_rows<Byte>& of, std::uint32_t value_bytes) noexcept {
    constexpr std::ptrdiff_t channels = detail::group;
    return reinterpret_cast<std::uintptr_t>(of.first) % (detail::group * value_bytes) == 0 &&
           of.token % channels == 0 && of.head % channels == 0 && of.block % channels == 0;
  }
};

} // namespace planecast::inline v0
