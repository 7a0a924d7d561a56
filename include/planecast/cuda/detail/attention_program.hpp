// How a block of threads sums the attention that a panel of queries gives to a split of the tokens.
#pragma once

#include "planecast/cuda/detail/attention_reads.hpp"
#include "planecast/cuda/detail/attention_shape.hpp"
#include "planecast/cuda/detail/rounded.hpp"
#include "planecast/cuda/detail/rounds.hpp"
#include "planecast/cuda/detail/warp_product.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>

namespace planecast::inline v0::detail {

/// With softmax_lse (`Given`) a block sums exponentials token by token: the panel's sums in the workspace.
/// Without it there are two passes over the keys, in one grid: the first finds each query's greatest product
/// and denominator in a split, and the last block of a panel to do so merges these; blocks of the second wait
/// for that, then do as above. Exponents are to the base 2. Products stay in registers: no more than sums of
/// exponentials ever reach memory.
template <class Key, class Query, bool Given>
struct attention_program {
  static constexpr std::uint32_t begin_phases = 3, round_phases = 2, end_phases = Given ? 0 : 5;

  static constexpr std::uint32_t most_threads = 128,
                                 blocks_together = 3; ///< of a multiprocessor, if memory lets them

  attention_shape shape;
  attention_reads<Key, Query> in;
  float factor;              ///< of products: the scale and log₂ e
  std::byte* workspace;      ///< as the shape says
  std::uint32_t* not_finite; ///< becomes 1 if a product or a logarithm is not; or null

  /// What a thread keeps: what the block does, and in the first pass what it saw of its four rows.
  struct kept {
    attention_shape::work is;
    float most[2][2], sum[2][2];
  };

  PLANECAST_HOST_DEVICE std::uint32_t rounds(const kept& mine) const noexcept {
    return (mine.is.end - mine.is.first + tile - 1) / tile;
  }

  /// Phase 0 draws the block's number, so that what it waits for has begun whatever the order of blocks; 1
  /// reads the queries; 2 what exponentials are taken from, and the first tile's keys.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void begin(block_place at, std::byte* memory, kept& mine) const noexcept {
    if constexpr (Phase == 0) {
      if (!Given && at.thread == 0)
        *part<std::uint32_t>(memory, 0) = meet_add(counters()[0], 1);
    } else if constexpr (Phase == 1) {
      mine.is = shape.work_of(Given ? at.block : *part<std::uint32_t>(memory, 0));
      for (auto& strip : mine.most)
        strip[0] = strip[1] = -infinity;
      for (auto& strip : mine.sum)
        strip[0] = strip[1] = 0;
      if (mine.is.none())
        return;
      if (!Given && mine.is.second && at.thread == 0)
        wait_until_set(merged(mine.is));
      in.read_queries(at, memory, mine.is);
      in.find_keys(at, memory, mine.is, 0);
    } else if (!mine.is.none()) {
      if (mine.is.second)
        read_references(at, memory, mine.is);
      in.find_keys(at, memory, mine.is, 1);
      in.read_keys(at, memory, mine.is, 0);
      in.finish_keys(at, memory, mine.is, 0);
    }
  }

  /// Phase 0 multiplies a tile's keys by the queries, 1 adds up over the panel. Meanwhile the next tile's
  /// keys come, or where there is room for one tile they do afterwards.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void round(block_place at, std::byte* memory, kept& mine,
                                   std::uint32_t number) const noexcept {
    if constexpr (Phase == 0) {
      if (shape.stages > 1)
        in.read_keys(at, memory, mine.is, number + 1);
      in.find_keys(at, memory, mine.is, number + 2);
      warp_product products;
      products.multiply<Query>(
          {memory + shape.queries_at() + at.thread / 32 * warp_product::rows * shape.query_step(),
           shape.query_step()},
          {memory + shape.keys_at(number % shape.stages), shape.step()}, shape.padded_dim(), shape.parts,
          at.thread % 32);
      const std::uint32_t from = mine.is.first + number * tile;
      // Only the last tiles have tokens that not all rows see; keys behind the last token are anything.
      if (const bool all_see = from + tile <= shape.tokens - shape.window + 1; Given || mine.is.second)
        all_see ? sum_columns<true>(at, memory, from, products)
                : sum_columns<false>(at, memory, from, products);
      else
        all_see ? sum_rows<true>(at, memory, from, products, mine)
                : sum_rows<false>(at, memory, from, products, mine);
    } else {
      if (shape.stages == 1)
        in.read_keys(at, memory, mine.is, number + 1);
      if (Given || mine.is.second)
        add_up(at, memory, mine.is, mine.is.first + number * tile);
      in.finish_keys(at, memory, mine.is, number + 1);
    }
  }

  /// Of the first pass: 0 and 1 merge what the lanes of a row saw; 2 says so, and hears whether this block is
  /// the panel's last; if so 3 merges the splits, and 4 says that to all.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void end(block_place at, std::byte* memory, kept& mine) const noexcept {
    if (mine.is.second) // or none
      return;
    const std::uint32_t panel = shape.panel_of(mine.is), row = at.thread % shape.rows();
    std::uint32_t& last = *part<std::uint32_t>(memory, 4);
    float* const seen = part<float>(memory, shape.sums_at()); // four maxima, four sums of each row
    if constexpr (Phase == 0)
      for (std::uint32_t i = 0; i < 4; ++i) {
        const std::uint32_t of_row = row_of(at, i / 2, 2 * (i % 2));
        seen[8 * of_row + at.thread % 4] = mine.most[i / 2][i % 2];
        seen[8 * of_row + 4 + at.thread % 4] = mine.sum[i / 2][i % 2];
      }
    else if constexpr (Phase == 1) {
      float most = -infinity, sum = 0;
      for (std::uint32_t i = 0; i < 4; ++i)
        merge(most, sum, seen[8 * row + i], seen[8 * row + 4 + i]);
      const std::size_t to = (std::size_t{panel} * shape.splits + mine.is.split) * shape.rows() + row;
      at_workspace<float>(shape.maxima_at())[to] = most;
      at_workspace<float>(shape.denominators_at())[to] = sum;
      fence_blocks();
    } else if constexpr (Phase == 2) {
      if (at.thread == 0) {
        last = meet_add(counters()[1 + panel], 1) + 1 == shape.splits ? 1 : 0;
        fence_blocks();
      }
    } else if constexpr (Phase == 3) {
      if (last == 0)
        return;
      float most = -infinity, sum = 0;
      for (std::uint32_t split = 0; split < shape.splits; ++split) {
        const std::size_t from = (std::size_t{panel} * shape.splits + split) * shape.rows() + row;
        merge(most, sum, what_others_wrote(at_workspace<float>(shape.maxima_at()) + from),
              what_others_wrote(at_workspace<float>(shape.denominators_at()) + from));
      }
      at_workspace<float>(shape.lse_at())[std::size_t{panel} * shape.rows() + row] =
          sum_of(most, log2_of(sum));
      fence_blocks();
    } else if (last != 0 && at.thread == 0)
      set(merged(mine.is));
  }

private:
  static constexpr std::uint32_t tile = attention_shape::tile;
  static constexpr float infinity = std::numeric_limits<float>::infinity();

  template <class T>
  PLANECAST_HOST_DEVICE static T* part(std::byte* memory, std::uint32_t where) noexcept {
    return reinterpret_cast<T*>(memory + where);
  }
  template <class T>
  PLANECAST_HOST_DEVICE T* at_workspace(std::size_t where) const noexcept {
    return reinterpret_cast<T*>(workspace + where);
  }
  PLANECAST_HOST_DEVICE std::uint32_t* counters() const noexcept { return at_workspace<std::uint32_t>(0); }
  PLANECAST_HOST_DEVICE std::uint32_t& merged(attention_shape::work w) const noexcept {
    return counters()[1 + shape.panels_in_all() + shape.panel_of(w)];
  }
  // A panel's row: one of the thread's in its warp's product.
  PLANECAST_HOST_DEVICE static std::uint32_t row_of(block_place at, std::uint32_t strip,
                                                    std::uint32_t k) noexcept {
    return at.thread / 32 * warp_product::rows + 16 * strip + warp_product::row(at.thread % 32, k);
  }

  PLANECAST_HOST_DEVICE void say_not_finite() const noexcept {
    if (not_finite != nullptr)
      meet_or(*not_finite, 1);
  }

  // What is added to exponents: minus a logarithm; rows without a query weigh nothing.
  PLANECAST_HOST_DEVICE void read_references(block_place at, std::byte* memory,
                                             attention_shape::work w) const noexcept {
    for (std::uint32_t row = at.thread; row < shape.rows(); row += at.threads) {
      const auto q = in.query_of(w, row);
      float reference = infinity;
      if (q.is && Given)
        reference = product_of(in.queries.lse(q.row, q.head), 1.44269504f);
      else if (q.is)
        reference = what_others_wrote(at_workspace<float>(shape.lse_at()) +
                                      std::size_t{shape.panel_of(w)} * shape.rows() + row);
      part<float>(memory, shape.references_at())[row] = difference_of(0.0f, reference);
      if (q.is && (bit_cast<std::uint32_t>(reference) & 0x7F800000u) == 0x7F800000u)
        say_not_finite();
    }
  }

  // Second pass: what the thread's rows give to each of its tokens. The exponential of −∞ is 0, as if nothing
  // were wrong, so products are looked at themselves: 0 · ∞ and 0 · NaN are NaN, and stay in a sum. Each
  // token is seen by its head's last queries: no key or query that is not finite escapes.
  template <bool AllSee>
  PLANECAST_HOST_DEVICE void sum_columns(block_place at, std::byte* memory, std::uint32_t from,
                                         const warp_product& products) const noexcept {
    const std::uint32_t lane = at.thread % 32, warp = at.thread / 32;
    float reference[2][2];
    std::uint32_t last[2][2];
    for (std::uint32_t i = 0; i < 4; ++i) {
      const std::uint32_t row = row_of(at, i / 2, 2 * (i % 2));
      reference[i / 2][i % 2] = part<float>(memory, shape.references_at())[row];
      last[i / 2][i % 2] = part<std::uint32_t>(memory, shape.seen_at())[row];
    }
    float* const sums = part<float>(memory, shape.sums_at());
    float zero[2] = {}; // as long as products are finite
    for (std::uint32_t n = 0; n < warp_product::eights; ++n) {
      float of_strip[2][2] = {};
      for (std::uint32_t i = 0; i < 8; ++i) {
        const std::uint32_t s = i / 4, k = i % 4;
        const std::uint32_t token = from + 8 * n + warp_product::column(lane, k);
        const bool sees = AllSee || token <= last[s][k / 2];
        const float product = sees ? products.of[s][n][k] : 0.0f;
        zero[s] = fused(product, 0.0f, zero[s]);
        const float x = exp2_of(fused(product, factor, reference[s][k / 2]));
        of_strip[s][k % 2] = sum_of(of_strip[s][k % 2], sees ? x : 0.0f);
      }
      const std::uint32_t column = 8 * n + warp_product::column(lane, 0);
      const auto store = [&](std::uint32_t row, float low, float high) {
        struct alignas(8) two {
          float of[2];
        };
        store_aligned(reinterpret_cast<std::byte*>(sums + row * attention_shape::sums_step + column),
                      two{{low, high}});
      };
      if (shape.apart) {
        store(8 * (2 * warp) + lane / 4, of_strip[0][0], of_strip[0][1]);
        store(8 * (2 * warp + 1) + lane / 4, of_strip[1][0], of_strip[1][1]);
      } else
        store(8 * warp + lane / 4, sum_of(of_strip[0][0], of_strip[1][0]),
              sum_of(of_strip[0][1], of_strip[1][1]));
    }
    if (((bit_cast<std::uint32_t>(zero[0]) | bit_cast<std::uint32_t>(zero[1])) & 0x7FFFFFFFu) != 0)
      say_not_finite();
  }
  // What all rows give, or those of each query head.
  PLANECAST_HOST_DEVICE void add_up(block_place at, std::byte* memory, attention_shape::work w,
                                    std::uint32_t from) const noexcept {
    const std::uint32_t count = min(tile, w.end - from);
    const float* const sums = part<float>(memory, shape.sums_at());
    float* const to = at_workspace<float>(shape.mass_at()) +
                      std::size_t{shape.panel_of(w)} * shape.slots * shape.tokens + from;
    for (std::uint32_t i = at.thread; i < tile * shape.slots; i += at.threads) {
      const std::uint32_t slot = i / tile, t = i % tile;
      float sum = 0;
      for (std::uint32_t s = 0; s < (shape.apart ? shape.strips : shape.strips / 2); ++s)
        if (shape.slot_of(w.panel, s) == slot)
          for (std::uint32_t k = 0; k < 8; ++k)
            sum = sum_of(sum, sums[(8 * s + k) * attention_shape::sums_step + t]);
      if (t < count)
        to[std::size_t{slot} * shape.tokens + t] = sum;
    }
  }

  // First pass: the greatest of a row's exponents, and its exponentials from there.
  template <bool AllSee>
  PLANECAST_HOST_DEVICE void sum_rows(block_place at, std::byte* memory, std::uint32_t from,
                                      const warp_product& products, kept& mine) const noexcept {
    const std::uint32_t lane = at.thread % 32;
    for (std::uint32_t i = 0; i < 4; ++i) {
      const std::uint32_t s = i / 2, half = i % 2;
      const std::uint32_t last = part<std::uint32_t>(memory, shape.seen_at())[row_of(at, s, 2 * half)];
      float x[2 * warp_product::eights], most = -infinity, sum = 0;
      for (std::uint32_t n = 0; n < 2 * warp_product::eights; ++n) {
        const std::uint32_t k = 2 * half + n % 2;
        const std::uint32_t token = from + 8 * (n / 2) + warp_product::column(lane, k);
        x[n] = AllSee || token <= last ? product_of(products.of[s][n / 2][k], factor) : -infinity;
        most = greater_of(most, x[n]);
      }
      if (most == -infinity)
        continue;
      for (std::uint32_t n = 0; n < 2 * warp_product::eights; ++n)
        sum = sum_of(sum, exp2_of(difference_of(x[n], most)));
      merge(mine.most[s][half], mine.sum[s][half], most, sum);
    }
  }
  // A row's sum from its greatest exponent, with another's.
  PLANECAST_HOST_DEVICE static void merge(float& most, float& sum, float other_most,
                                          float other_sum) noexcept {
    const float from = greater_of(most, other_most);
    if (from == -infinity) // neither saw a token
      return;
    sum = fused(sum, exp2_of(difference_of(most, from)),
                product_of(other_sum, exp2_of(difference_of(other_most, from))));
    most = from;
  }
};

} // namespace planecast::inline v0::detail
