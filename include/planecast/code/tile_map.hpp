// Which tiles a request has, and in what order.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/code/tile.hpp"
#include "planecast/policy/precision_policy.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// One tile of a layer.
struct tile_id {
  std::uint32_t head = 0;
  bool is_value = false;
  std::uint32_t page = 0;
};

/// The tiles of one layer of a request, numbered in the order (head, K then V, page).
template <class Policy>
struct tile_map {
  using planes = typename Policy::planes;
  using key_layout = tile_layout<typename Policy::key_quantizer, planes>;
  using value_layout = tile_layout<typename Policy::value_quantizer, planes>;
  static constexpr std::uint32_t page_tokens = Policy::page_tokens;

  geometry shape;
  std::uint32_t tokens = 0;

  /// Whether there are tokens, and few enough for tiles and values to be numbered by 32 bits.
  [[nodiscard]] constexpr bool countable() const noexcept {
    return tokens > 0 && tokens <= 0x0FFF'FFFFu &&
           std::uint64_t{pages()} * 2 * shape.kv_heads <= 0xFFFF'FFFFu;
  }
  [[nodiscard]] constexpr std::uint32_t pages() const noexcept {
    return (tokens + page_tokens - 1) / page_tokens;
  }
  [[nodiscard]] constexpr std::uint32_t tiles_per_layer() const noexcept {
    return shape.kv_heads * 2 * pages();
  }
  [[nodiscard]] constexpr std::uint32_t index(tile_id t) const noexcept {
    return (t.head * 2 + (t.is_value ? 1 : 0)) * pages() + t.page;
  }
  [[nodiscard]] constexpr tile_id tile(std::uint32_t index) const noexcept {
    const std::uint32_t row = index / pages();
    return {row / 2, row % 2 == 1, index % pages()};
  }
  /// Tokens of a page: the last one may be shorter.
  [[nodiscard]] constexpr std::uint32_t tokens_of(std::uint32_t page) const noexcept {
    return detail::min(page_tokens, tokens - page * page_tokens);
  }
  /// Calls f with the layout of a tile: keys and values are of different types.
  template <class F>
  constexpr decltype(auto) with_layout(tile_id t, F&& f) const {
    const std::uint32_t n = tokens_of(t.page);
    return t.is_value ? f(value_layout{{n, shape.value_dim}}) : f(key_layout{{n, shape.key_dim}});
  }
  /// Calls f with the layout of a whole page of keys, then of values.
  template <class F>
  constexpr void with_whole_layouts(F&& f) const {
    f(key_layout{{page_tokens, shape.key_dim}});
    f(value_layout{{page_tokens, shape.value_dim}});
  }
};

} // namespace planecast::inline v0
