// A weight matrix as it lies in a file, and its product with vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tiny {

/// What weights are stored as.
enum class weight_type : std::uint8_t { f32, f16, bf16 };

/// Bytes of a weight.
constexpr std::size_t weight_bytes(weight_type t) {
  return t == weight_type::f32 ? 4 : 2;
}

/// A view of a matrix, row after row, perhaps unaligned. y = Wx: a row for each output.
struct matrix {
  const std::byte* weights = nullptr;
  weight_type type = weight_type::f32;
  std::uint32_t rows = 0, columns = 0;

  [[nodiscard]] const std::byte* row(std::size_t r) const {
    return weights + r * columns * weight_bytes(type);
  }
};

/// Vectors side by side: of `count` tokens, each begins `stride` behind the one before.
template <class T>
struct batch {
  T* first = nullptr;
  std::size_t stride = 0, count = 0;

  [[nodiscard]] T* operator[](std::size_t i) const { return first + i * stride; }
  [[nodiscard]] batch from(std::size_t at) const { return {first + at, stride, count}; }
};

} // namespace tiny
