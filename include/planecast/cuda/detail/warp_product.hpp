// The product of 32 rows with 64 others, by a warp.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/cuda/detail/block_program.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace planecast::inline v0::detail {

/// One lane's part of the product: of[strip][eight][k] stands in row 16 · strip + row(lane, k) and in column
/// 8 · eight + column(lane, k), as mma.m16n8k16 has it.
struct warp_product {
  static constexpr std::uint32_t strips = 2, eights = 8;           ///< of 16 rows, and of 8 columns
  static constexpr std::uint32_t rows = 16 * strips, columns = 64; ///< of a warp

  float of[strips][eights][4];

  PLANECAST_HOST_DEVICE static constexpr std::uint32_t row(std::uint32_t lane, std::uint32_t k) noexcept {
    return lane / 4 + 8 * (k / 2);
  }
  PLANECAST_HOST_DEVICE static constexpr std::uint32_t column(std::uint32_t lane, std::uint32_t k) noexcept {
    return 2 * (lane % 4) + k % 2;
  }

  /// Rows in the block's memory: 16-bit numbers, `step` bytes apart and aligned to 16. An odd multiple of 16
  /// as step keeps clear of bank conflicts.
  struct rows_of {
    const std::byte* first;
    std::uint32_t step;
  };

  /// a[row] · b[column] over the channels, where a row of a is the sum of so many parts, which lie side by
  /// side. On a device all lanes of the warp come here together.
  /// Preconditions: channels is a multiple of 16.
  template <class Number>
  PLANECAST_HOST_DEVICE void multiply(rows_of a, rows_of b, std::uint32_t channels, std::uint32_t parts,
                                      std::uint32_t lane) noexcept {
#if PLANECAST_ON_DEVICE
    __syncwarp();
    for (auto& strip : of)
      for (auto& eight : strip)
        for (float& x : eight)
          x = 0;
    // Four matrices of 8 × 8 each: lane l names row l % 8 of matrix l / 8.
    unsigned from_a = shared_address(a.first + lane % 16 * a.step + lane / 16 * 16);
    const unsigned from_b = shared_address(b.first + (lane / 16 * 8 + lane % 8) * b.step + lane / 8 % 2 * 16);
    for (unsigned part = 0; part < parts; ++part, from_a += 2 * channels)
      for (unsigned at = 0; at < 2 * channels; at += 32) {
        unsigned rows_of_a[strips][4];
#pragma unroll
        for (unsigned s = 0; s < strips; ++s)
          load_matrices(rows_of_a[s], from_a + 16 * s * a.step + at);
#pragma unroll
        for (unsigned n = 0; n < eights; n += 2) {
          unsigned rows_of_b[4]; // channels 0 … 7 and 8 … 15 of eight n, then of eight n + 1
          load_matrices(rows_of_b, from_b + 8 * n * b.step + at);
#pragma unroll
          for (unsigned s = 0; s < strips; ++s) {
            multiply_add<Number>(of[s][n], rows_of_a[s], rows_of_b[0], rows_of_b[1]);
            multiply_add<Number>(of[s][n + 1], rows_of_a[s], rows_of_b[2], rows_of_b[3]);
          }
        }
      }
#else
    // Two rows by two columns at once, and no calls: tests run this by the billion.
    const auto widen = [](const std::byte* from) {
      std::uint16_t pattern;
      std::memcpy(&pattern, from, 2);
      return Number::value(pattern);
    };
    for (std::uint32_t s = 0; s < strips; ++s)
      for (std::uint32_t n = 0; n < eights; ++n) {
        const std::byte* const x = a.first + (16 * s + row(lane, 0)) * a.step;
        const std::byte* const y = b.first + (8 * n + column(lane, 0)) * b.step;
        float sums[4] = {};
        for (std::uint32_t part = 0; part < parts; ++part)
          for (std::uint32_t c = 0; c < channels; ++c) {
            const std::uint32_t of_x = 2 * (part * channels + c);
            const float x0 = widen(x + of_x), x1 = widen(x + 8 * a.step + of_x), y0 = widen(y + 2 * c),
                        y1 = widen(y + b.step + 2 * c);
            sums[0] += x0 * y0;
            sums[1] += x0 * y1;
            sums[2] += x1 * y0;
            sums[3] += x1 * y1;
          }
        std::copy_n(sums, 4, of[s][n]);
      }
#endif
  }

private:
#if PLANECAST_ON_DEVICE
  __device__ static unsigned shared_address(const std::byte* at) {
    return static_cast<unsigned>(__cvta_generic_to_shared(at));
  }
  __device__ static void load_matrices(unsigned (&to)[4], unsigned from) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(from)
                 : "memory");
  }
  template <class Number>
  __device__ static void multiply_add(float (&to)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    if constexpr (Number::id == number::bf16)
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                   "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                   : "+f"(to[0]), "+f"(to[1]), "+f"(to[2]), "+f"(to[3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    else
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                   "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                   : "+f"(to[0]), "+f"(to[1]), "+f"(to[2]), "+f"(to[3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
#endif
};

} // namespace planecast::inline v0::detail
