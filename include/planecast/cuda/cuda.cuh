// CUDA as a backend: codes and decodes tiles in device memory, the same bytes as the CPU's, and streams them.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/code/caches.hpp"
#include "planecast/cuda/detail/cuda_device.cuh"
#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/detail/launch_coding.hpp"
#include "planecast/cuda/device_assembly.hpp"
#include "planecast/cuda/device_coded_cache.hpp"
#include "planecast/cuda/device_pages.hpp"
#include "planecast/cuda/device_rows.hpp"
#include "planecast/cuda/device_tiles.hpp"
#include "planecast/policy/planes.hpp"
#include "planecast/policy/quantizer.hpp"
#include "planecast/status.hpp"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>

namespace planecast::inline v0 {

/// Coding on a GPU, for every quantizer whose functions are marked PLANECAST_HOST_DEVICE, and every layout
/// of planes. It holds nothing; all of it is static.
/// Preconditions: the stream belongs to the current device, as does all memory that is named; the tiles and
/// the rows say the same heads and channels, and keep what their own comments ask for.
/// Errors: `device` where CUDA's runtime refuses, `limit` where a block has not enough shared memory for a
/// tile so large; then nothing was enqueued. Nothing throws.
/// Stream behaviour: calls only enqueue, one kernel each. They do not wait, allocate or use another stream,
/// and can be captured in a graph.
///
/// To refine, copy what has arrived of a plane to its place and decode with one plane more: planes of a tile
/// are apart from each other (tile_layout::plane_at), and values come from the codes alone. From plane to
/// plane, between tiles of one layout, it is a copy likewise.
///
/// As the backend of a stream it keeps caches in the device that is current when a stream's end is made:
/// views then point to device memory, their slots to the host's. Coding and copies run in CUDA streams of
/// that end, behind what the caller's stream holds when put() is called, or poll() and wait(). None of these
/// can be captured in a graph; what else is captured meanwhile is not disturbed.
/// Example: examples/device_calls.cu; of a stream, examples/device_memory.cu. A layer's keys, in short:
///
///     device_tiles<per_channel<64>, planes<4, 4, tail>> tiles{.tokens = n, .heads = 8, .dim = 128};
///     tiles.bytes = bytes;         // of device memory: memory_bytes()
///     tiles.tail_ends = tail_ends; // ends() numbers
///     tiles.coded = coded;         // tiles() of them
///     const device_rows<const std::byte> from{.first = keys, .token = 8 * 128, .head = 128};
///     const device_rows<std::byte> to{.first = pages, .token = 8 * 128, .head = 128};
///     check(planecast::cuda::encode(number::bf16, tiles, from, stream));
///     check(planecast::cuda::decode(number::bf16, tiles, 1, to, stream)); // of the first plane
struct cuda {
  using place = detail::cuda_device; ///< what a stream's end keeps: as layer_backend says
  using order = cudaStream_t;        ///< of the caller's
  template <class Policy>
  using coded_cache = device_coded_cache<Policy, place>; ///< at the sender
  template <class Policy>
  using assembly = device_assembly<Policy, place>; ///< at the receiver

  /// Codes all tiles: planes, tails, their ends, and what became of each tile. Reads the rows once where a
  /// block's memory has room for a tile's values (cuda_tuning::bytes_to_share), and else three times.
  template <quantizer Q, class Planes>
  static status encode(number dtype, const device_tiles<Q, Planes>& to,
                       const device_rows<const std::byte>& from, cudaStream_t stream) noexcept {
    return with_format(dtype, [&]<class Number>(Number) {
      cuda_tuning how;
      if (const status s = detail::current_tuning(how); !s)
        return s;
      return detail::launch_encode<Number>(
          to, from, how, [&](const auto& program, std::uint32_t blocks, std::uint32_t bytes) {
            return detail::launch(program, blocks, bytes, how, stream);
          });
    });
  }

  /// Writes the values that the first planes tell, those of stored tiles exactly.
  /// Preconditions: encode() wrote the tiles, or what came of them from elsewhere, of which valid_scalars()
  /// holds on the host; `coded` is as it was left there; the planes are in place; 1 ≤ planes ≤ the fixed
  /// ones.
  template <quantizer Q, class Planes>
  static status decode(number dtype, const device_tiles<Q, Planes>& from, std::uint32_t planes,
                       const device_rows<std::byte>& to, cudaStream_t stream) noexcept {
    return decode_into(dtype, from, planes, to, stream);
  }
  /// The same into rows that hold another type of numbers. Of those that hold what the tiles do it is the
  /// above.
  /// Errors: `unsupported` for scales that are out of range, or of 16-bit numbers; then nothing was enqueued.
  template <quantizer Q, class Planes>
  static status decode(number dtype, const device_tiles<Q, Planes>& from, std::uint32_t planes,
                       const device_pages& to, cudaStream_t stream) noexcept {
    if (!to.may_take(dtype))
      return not_taken();
    return to.converts(dtype) ? decode_into(dtype, from, planes, to, stream)
                              : decode_into(dtype, from, planes, to.rows, stream);
  }

  /// Writes the original values. Where tails do not fit their cells, *corrupt becomes 1, in device memory; it
  /// is not cleared. The values then mean nothing.
  /// Preconditions: as decode(); tails and tail_ends are in place; `corrupt` is not null.
  template <quantizer Q, class Planes>
  requires(Planes::has_tail) static status
      decode_exact(number dtype, const device_tiles<Q, Planes>& from, const device_rows<std::byte>& to,
                   std::uint32_t* corrupt, cudaStream_t stream) noexcept {
    return decode_exact_into(dtype, from, to, corrupt, stream);
  }
  /// The same into rows that hold another type of numbers: as decode().
  template <quantizer Q, class Planes>
  requires(Planes::has_tail) static status
      decode_exact(number dtype, const device_tiles<Q, Planes>& from, const device_pages& to,
                   std::uint32_t* corrupt, cudaStream_t stream) noexcept {
    if (!to.may_take(dtype))
      return not_taken();
    return to.converts(dtype) ? decode_exact_into(dtype, from, to, corrupt, stream)
                              : decode_exact_into(dtype, from, to.rows, corrupt, stream);
  }

private:
  static status not_taken() noexcept { return {errc::unsupported, "scales that pages cannot have"}; }
  template <class Q, class Planes, class Rows>
  static status decode_into(number dtype, const device_tiles<Q, Planes>& from, std::uint32_t planes,
                            const Rows& to, cudaStream_t stream) noexcept {
    return with_format(dtype, [&]<class Number>(Number) {
      cuda_tuning how;
      if (const status s = detail::current_tuning(how); !s)
        return s;
      using program = detail::decode_program<Number, Q, Planes, Rows>;
      return detail::launch(program{from, to, planes, detail::whole_groups(to, from.value_bytes)},
                            from.tiles(), program::memory_bytes(detail::largest_tile(from)), how, stream);
    });
  }
  template <class Q, class Planes, class Rows>
  static status decode_exact_into(number dtype, const device_tiles<Q, Planes>& from, const Rows& to,
                                  std::uint32_t* corrupt, cudaStream_t stream) noexcept {
    return with_format(dtype, [&]<class Number>(Number) {
      cuda_tuning how;
      if (const status s = detail::current_tuning(how); !s)
        return s;
      using program = detail::decode_exact_program<Number, Q, Planes, Rows>;
      return detail::launch(program{from, to, corrupt, detail::whole_groups(to, from.value_bytes)},
                            from.tiles(), program::memory_bytes(detail::largest_tile(from)), how, stream);
    });
  }
};

static_assert(
    layer_backend<cuda, precision_policy<tiers<4, 8, lossless>, keys<per_token>, values<per_token>>>);

} // namespace planecast::inline v0
