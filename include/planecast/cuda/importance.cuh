// Scores tokens in device memory: attention mass, and the length of keys.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/cpu/key_norm.hpp"
#include "planecast/cuda/attention_tuning.hpp"
#include "planecast/cuda/detail/attention_program.hpp"
#include "planecast/cuda/detail/key_norm_program.hpp"
#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/detail/launch_rounds.cuh"
#include "planecast/cuda/detail/score_program.hpp"
#include "planecast/cuda/device_attention.hpp"
#include "planecast/status.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>

namespace planecast::inline v0 {

/// Importance on a GPU: what attention_mass and key_norm are on the CPU, layer by layer into one array of
/// scores. It holds nothing; all of it is static.
/// Preconditions: the stream belongs to the current device, as does all memory that is named; the structures
/// keep what their own comments ask for; a workspace is aligned to 16, and no other call uses it meanwhile.
/// Errors: `limit` where a block has not enough shared memory or the workspace is too small, `unsupported`
/// for keys of another 16-bit type than 16-bit queries: then nothing was enqueued. `device` where CUDA's
/// runtime refuses: then the first of several kernels may have been. Nothing throws. Keys, queries and
/// logarithms that are not finite, which the CPU refuses, are said (device_scores::not_finite); so is a
/// softmax_lse that is not that of the queries and keys (device_attention::not_one).
/// Stream behaviour: calls only enqueue. They do not wait, allocate or use another stream, and can be
/// captured in a graph.
/// Example: examples/device_calls.cu. In short:
///
///     check(device_importance::attention_mass_bytes(layer[0], bytes)); // of `room`
///     for (unsigned l = 0; l < layers; ++l)
///       check(device_importance::attention_mass(layer[l], {scores, 1.0f / layers, l > 0}, room, bytes,
///       stream));
struct device_importance {
  // What launches kernels is a template: a unit compiles those that it calls, and no others.

  /// Bytes of workspace that attention_mass() takes on the current device, for the same shape and options,
  /// and a softmax_lse that is null if it is there. Memory is not looked at.
  static status attention_mass_bytes(const device_attention& of, std::size_t& bytes) noexcept {
    bytes = 0;
    if (of.tokens == 0)
      return {};
    attention_tuning how;
    if (const status s = current_tuning(how); !s)
      return s;
    bytes = shape_of(of, how).workspace_bytes(score_threads);
    return {};
  }

  /// One layer's attention mass: two kernels. With softmax_lse keys are read once for each 128 queries of a
  /// KV head, each query head's counted up to a multiple of 16; without it twice, KV head by KV head, so that
  /// the second time they come from L2 where it holds a few heads.
  template <int = 0>
  static status attention_mass(const device_attention& of, const device_scores& to, void* workspace,
                               std::size_t bytes, cudaStream_t stream) noexcept {
    if (of.tokens == 0)
      return {};
    attention_tuning how;
    if (const status s = current_tuning(how); !s)
      return s;
    const detail::attention_shape shape = shape_of(of, how);
    if (shape.stages == 0)
      return {errc::limit, "a block's shared memory, for so many channels", how.block_bytes,
              shape.keys_at(1)};
    if (bytes < shape.workspace_bytes(score_threads))
      return {errc::limit, "the workspace of attention mass", bytes, shape.workspace_bytes(score_threads)};
    auto* const room = static_cast<std::byte*>(workspace);
    const detail::score_program scores{
        shape,
        reinterpret_cast<const float*>(room + shape.mass_at()),
        of.how.kernel_size,
        of.how.pooling,
        {to.scores, detail::score_factor(of, to.weight), to.add, to.not_finite},
        {reinterpret_cast<float*>(room + shape.check_at() + 4),
         reinterpret_cast<std::uint32_t*>(room + shape.check_at()), of.not_one}};
    if (scores.memory_bytes(score_threads) > how.block_bytes)
      return {errc::limit, "a block's shared memory, for so wide a pooling", how.block_bytes,
              scores.memory_bytes(score_threads)};
    const status summed = with_formats(of, [&]<class Key, class Query>(Key, Query) {
      return shape.given ? sum_attention<Key, Query, true>(of, shape, room, to.not_finite, stream)
                         : sum_attention<Key, Query, false>(of, shape, room, to.not_finite, stream);
    });
    if (!summed)
      return summed;
    if (of.not_one != nullptr)
      PLANECAST_CUDA(cudaMemsetAsync(room + shape.check_at(), 0, 4, stream));
    return detail::launch_rounds(scores, (of.tokens + score_threads - 1) / score_threads, score_threads,
                                 scores.memory_bytes(score_threads), stream);
  }

  /// One layer's key norms, the mean over its KV heads: one kernel, no workspace. Short keys first is the
  /// same with a minus.
  /// Preconditions: dim is a multiple of 8; heads is not 0.
  template <int = 0>
  static status key_norm(number dtype, const device_rows<const std::byte>& keys, std::uint32_t tokens,
                         std::uint32_t heads, std::uint32_t dim, key_norm_order order,
                         const device_scores& to, cudaStream_t stream) noexcept {
    return with_format(dtype, [&]<class Number>(Number) -> status {
      using program = detail::key_norm_program<Number>;
      if (tokens == 0)
        return {};
      cuda_tuning how;
      if (const status s = detail::current_tuning(how); !s)
        return s;
      constexpr std::uint32_t few_bytes = 16 * 1024; // so that many blocks share a multiprocessor
      const std::uint32_t of_token = program::token_bytes(heads, dim),
                          of_block = std::max(1u, few_bytes / of_token);
      const float factor =
          (order == key_norm_order::short_first ? -to.weight : to.weight) / static_cast<float>(heads);
      return detail::launch(program{keys,
                                    tokens,
                                    heads,
                                    dim,
                                    of_block,
                                    detail::whole_groups(keys, value_bytes(dtype)),
                                    {to.scores, factor, to.add, to.not_finite}},
                            (tokens + of_block - 1) / of_block, of_block * of_token, how, stream);
    });
  }

private:
  static constexpr std::uint32_t score_threads = detail::score_program::most_threads;

  static status current_tuning(attention_tuning& of) noexcept {
    int device = 0, major = 0, minor = 0;
    PLANECAST_CUDA(cudaGetDevice(&device));
    PLANECAST_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    PLANECAST_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
    of = attention_tuning_of(10 * major + minor);
    return {};
  }
  static detail::attention_shape shape_of(const device_attention& of, const attention_tuning& how) noexcept {
    return {of.tokens,
            of.kv_heads,
            of.queries.heads / of.kv_heads,
            detail::window_of(of),
            of.queries.dim,
            detail::heads_apart(of.how),
            of.queries.softmax_lse != nullptr,
            how,
            detail::parts_of(of)};
  }

  template <class F>
  static status with_formats(const device_attention& of, const F& f) noexcept {
    const auto with_keys = [&]<class Query>(Query) -> status {
      switch (of.dtype) {
      case number::fp8_e4m3:
        return f(e4m3{}, Query{});
      case number::fp8_e5m2:
        return f(e5m2{}, Query{});
      default:
        return of.dtype == Query::id
                   ? f(Query{}, Query{})
                   : status{errc::unsupported, "queries and keys of different 16-bit types"};
      }
    };
    // Queries of 32 bits are multiplied as numbers of the keys' format, or where that has 8 bits, of bf16.
    const number is = of.queries.fp32 != nullptr ? of.dtype : of.queries.dtype;
    return is == number::fp16 ? with_keys(fp16{}) : with_keys(bf16{});
  }
  template <class Key, class Query, bool Given>
  static status sum_attention(const device_attention& of, const detail::attention_shape& shape,
                              std::byte* workspace, std::uint32_t* not_finite, cudaStream_t stream) noexcept {
    if constexpr (!Given)
      PLANECAST_CUDA(cudaMemsetAsync(workspace, 0, 4 * shape.counters(), stream));
    return detail::launch_rounds(
        detail::attention_program<Key, Query, Given>{shape,
                                                     {shape, of.keys, of.queries,
                                                      detail::whole_groups(of.keys, value_bytes(of.dtype)),
                                                      detail::whole_groups(of.queries)},
                                                     detail::exponent_factor(of),
                                                     workspace,
                                                     not_finite},
        shape.blocks(), shape.threads(), shape.memory_bytes(), stream);
  }
};

} // namespace planecast::inline v0
