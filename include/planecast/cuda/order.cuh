// Ranks tokens in device memory, and cuts the order of their upgrades.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/cuda/detail/base_bytes_program.hpp"
#include "planecast/cuda/detail/cut_programs.hpp"
#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/detail/launch_rounds.cuh"
#include "planecast/cuda/detail/order_programs.hpp"
#include "planecast/cuda/device_ranking.hpp"
#include "planecast/cuda/device_tiles.hpp"
#include "planecast/cuda/device_upgrades.hpp"
#include "planecast/plan/importance.hpp"
#include "planecast/status.hpp"

#include <cstddef>
#include <cstdint>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>
#include <cuda_runtime.h>

namespace planecast::inline v0 {

/// The order of tokens on a GPU and its cut: the same as the CPU's, token for token and byte for byte. It
/// holds nothing; all of it is static.
/// Preconditions: the stream belongs to the current device, as does all memory that is named; a workspace is
/// aligned to 256, and no other call uses it meanwhile.
/// Errors: `limit` where the workspace is too small: then nothing was enqueued. `device` where CUDA's runtime
/// refuses: then the first of several kernels may have been. Nothing throws.
/// Stream behaviour: calls only enqueue. They do not wait, allocate or use another stream, and can be
/// captured in a graph.
/// Example: examples/device_calls.cu, from scores to a cut. In short, of a request's tokens:
///
///     check(device_order::rank({scores, tokens, {}, 0, ranked, flag}, room, room_bytes, stream));
///     for (unsigned l = 0; l < layers; ++l) {
///       check(device_order::upgrade_bytes(keys[l], base_planes, bytes, l > 0, stream));
///       check(device_order::upgrade_bytes(values[l], base_planes, bytes, true, stream));
///       check(device_order::base_bytes(keys[l], values[l], base_planes, upgrades, base, l > 0, stream));
///     }
///     check(device_order::cut(upgrades, cut, other_room, other_bytes, stream));
struct device_order {
  // What launches kernels is a template: a unit compiles those that it calls, and no others.

  /// So many of the ranked tokens, the first, are pinned: ranking::pinned.
  [[nodiscard]] static constexpr std::uint32_t pinned(std::uint32_t count, pinned_tokens pins,
                                                      std::uint32_t first = 0) noexcept {
    const pinned_tokens are = detail::pinned_among(count, pins, first);
    return are.sinks + are.recent;
  }

  /// Bytes of workspace that rank() takes.
  template <int = 0>
  static status rank_bytes(std::uint32_t count, pinned_tokens pins, std::uint32_t first,
                           std::size_t& bytes) noexcept {
    const std::uint32_t others = count - pinned(count, pins, first);
    std::size_t sort = 0;
    if (others != 0)
      PLANECAST_CUDA(sort_pairs(nullptr, sort, others, {}, nullptr, nullptr));
    bytes = sort_at(others) + sort;
    return {};
  }

  /// Ranks tokens as rank_tokens() does.
  template <int = 0>
  static status rank(const device_ranking& of, void* workspace, std::size_t bytes,
                     cudaStream_t stream) noexcept {
    const auto& [scores, count, pins, first, ranked, not_a_number] = of;
    if (count == 0)
      return {};
    std::size_t needed = 0;
    if (const status s = rank_bytes(count, pins, first, needed); !s)
      return s;
    if (bytes < needed)
      return {errc::limit, "the workspace of a ranking", bytes, needed};
    cuda_tuning how;
    if (const status s = detail::current_tuning(how); !s)
      return s;
    const pinned_tokens are = detail::pinned_among(count, pins, first);
    const std::uint32_t others = count - are.sinks - are.recent;
    auto* const room = static_cast<std::byte*>(workspace);
    const pairs both{reinterpret_cast<std::uint32_t*>(room),
                     reinterpret_cast<std::uint32_t*>(room + aligned(others)),
                     reinterpret_cast<std::uint32_t*>(room + 2 * aligned(others))};
    if (const status s = detail::launch(
            detail::order_program{scores, count, first, are, ranked, both.keys, both.positions, not_a_number},
            blocks_of(count, how.threads), 0, how, stream);
        !s || others == 0)
      return s;
    std::size_t sort = bytes - sort_at(others);
    PLANECAST_CUDA(
        sort_pairs(room + sort_at(others), sort, others, both, ranked + are.sinks + are.recent, stream));
    return {};
  }

  /// What a layer's keys, or its values, add to the bytes of each token's upgrades: bytes[plane][token], of
  /// the planes from base_planes on, as coded_cache::upgrade_bytes() counts them. Written over, or added to
  /// what is there. One kernel, no workspace. A layer whose policy has a longer base than the first layers'
  /// adds to what stands behind the planes that it has not: bytes + (planes more) × tokens.
  /// Preconditions: the tiles' tail_ends and `coded` are in place; base_planes ≤ the planes.
  template <class Q, class Planes>
  static status upgrade_bytes(const device_tiles<Q, Planes>& tiles, std::uint32_t base_planes,
                              std::uint32_t* bytes, bool add, cudaStream_t stream) noexcept {
    cuda_tuning how;
    if (const status s = detail::current_tuning(how); !s)
      return s;
    return detail::launch(detail::upgrade_bytes_program<Q, Planes>{tiles, base_planes, bytes, add},
                          blocks_of(tiles.tokens - tiles.first, how.threads), 0, how, stream);
  }

  /// What a layer's base takes on a stream, of its keys and its values: the parts of their tiles, as
  /// coded_tiles::base_bytes() counts them, in frames of `of`'s chunk_bytes, and their headers. Nothing else
  /// of `of` counts. *bytes, in device memory, is written over, or added to: over all layers it is what
  /// device_upgrades::base asks for. One kernel of one block, no workspace.
  /// Preconditions: keys and values have the same tokens, heads and page_tokens, and `coded` in place;
  /// base_planes ≤ the fixed planes; a tile that is stored fits chunk_bytes, as a sender sees to.
  /// Errors: `limit` for so many tiles that a block's shared memory has not a byte for each four of them,
  /// too.
  template <class KeyQuantizer, class ValueQuantizer, class Planes>
  static status base_bytes(const device_tiles<KeyQuantizer, Planes>& keys,
                           const device_tiles<ValueQuantizer, Planes>& values, std::uint32_t base_planes,
                           const device_upgrades& of, std::uint64_t* bytes, bool add,
                           cudaStream_t stream) noexcept {
    cuda_tuning how;
    if (const status s = detail::current_tuning(how); !s)
      return s;
    const detail::base_bytes_program<KeyQuantizer, ValueQuantizer, Planes> program{
        keys, values, base_planes, of.chunk_bytes, of.header_bytes, bytes, add};
    const std::uint64_t memory = program.memory_bytes();
    if (memory > how.block_bytes)
      return {errc::limit, "a block's shared memory, for so many tiles", how.block_bytes, memory};
    return detail::launch(program, 1, static_cast<std::uint32_t>(memory), how, stream);
  }

  /// Bytes of workspace that cut() takes.
  template <int = 0>
  static status cut_bytes(const device_upgrades& of, std::size_t& bytes) noexcept {
    std::size_t scan = 0;
    if (numbers(of) != 0)
      PLANECAST_CUDA(sum_up(nullptr, scan, nullptr, numbers(of), nullptr));
    bytes = scan_at(of) + scan;
    return {};
  }

  /// Cuts the order at the first upgrade that no longer fits: *cut, in device memory, becomes what plan()
  /// would make of the same bytes, if `of` has them and the frames as a stream does (device_upgrades).
  template <int = 0>
  static status cut(const device_upgrades& of, device_cut* cut, void* workspace, std::size_t bytes,
                    cudaStream_t stream) noexcept {
    std::size_t needed = 0;
    if (const status s = cut_bytes(of, needed); !s)
      return s;
    if (bytes < needed)
      return {errc::limit, "the workspace of a cut", bytes, needed};
    cuda_tuning how;
    if (const status s = detail::current_tuning(how); !s)
      return s;
    auto* const room = static_cast<std::byte*>(workspace);
    auto* const exits = reinterpret_cast<detail::chain_exit*>(room);
    auto* const sums = reinterpret_cast<std::uint64_t*>(room + sums_at(of));
    auto* const next = reinterpret_cast<std::uint32_t*>(room + next_at(of));
    if (numbers(of) != 0) {
      if (const status s = detail::launch(detail::list_bytes_program{of, sums},
                                          blocks_of(numbers(of), how.threads), 0, how, stream);
          !s)
        return s;
      std::size_t scan = bytes - scan_at(of);
      PLANECAST_CUDA(sum_up(room + scan_at(of), scan, sums, numbers(of), stream));
      using links = detail::link_program;
      if (const status s =
              detail::launch_rounds(links{of, sums, next, exits}, blocks_of(numbers(of), detail::cut_segment),
                                    links::most_threads, links::memory_bytes, stream);
          !s)
        return s;
    }
    return detail::launch(detail::cut_program{of, sums, next, exits, cut}, 1,
                          detail::cut_program::memory_bytes, how, stream);
  }

private:
  static constexpr std::uint32_t blocks_of(std::uint32_t count, std::uint32_t each) noexcept {
    return (count + each - 1) / each;
  }
  static constexpr std::uint32_t numbers(const device_upgrades& of) noexcept { return of.count * of.planes; }
  // The workspace of a cut: exits, sums, links, then what the scan takes.
  static constexpr std::size_t sums_at(const device_upgrades& of) noexcept {
    return detail::align_up(sizeof(detail::chain_exit) * numbers(of), std::size_t{256});
  }
  static constexpr std::size_t next_at(const device_upgrades& of) noexcept {
    return sums_at(of) + 2 * aligned(numbers(of));
  }
  static constexpr std::size_t scan_at(const device_upgrades& of) noexcept {
    return next_at(of) + aligned(numbers(of));
  }
  template <int = 0>
  static cudaError_t sum_up(void* room, std::size_t& bytes, std::uint64_t* sums, std::uint32_t count,
                            cudaStream_t stream) noexcept {
    return cub::DeviceScan::InclusiveSum(room, bytes, sums, sums, static_cast<int>(count), stream);
  }

  struct pairs {
    std::uint32_t *keys = nullptr, *positions = nullptr, *sorted_keys = nullptr;
  };
  static constexpr std::size_t aligned(std::uint32_t count) noexcept {
    return detail::align_up(std::size_t{4} * count, std::size_t{256});
  }
  static constexpr std::size_t sort_at(std::uint32_t count) noexcept { return 3 * aligned(count); }

  // Stable, so that equal scores stay in the order of position.
  template <int = 0>
  static cudaError_t sort_pairs(void* room, std::size_t& bytes, std::uint32_t count, const pairs& of,
                                std::uint32_t* sorted, cudaStream_t stream) noexcept {
    return cub::DeviceRadixSort::SortPairs(room, bytes, of.keys, of.sorted_keys, of.positions, sorted,
                                           static_cast<int>(count), 0, 32, stream);
  }
};

} // namespace planecast::inline v0
