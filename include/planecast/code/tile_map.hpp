// Which tiles a request has, and in what order.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/code/tile.hpp"
#include "planecast/policy/precision_policy.hpp"

#include <cstdint>

namespace planecast::inline v0 {

/// One tile of a layer.
struct tile_id {
  std::uint32_t head = 0; ///< counted from the first that the stream carries
  bool is_value = false;  ///< of V; else of K
  std::uint32_t page = 0; ///< counted from the one that holds the request's first token
};

/// A token's place in the tiles of its page.
struct tile_row {
  std::uint32_t page = 0; ///< counted from the one that holds the request's first token
  std::uint32_t row = 0;  ///< counted from the first token of the page that the request carries
};

/// The tiles of a request, which carries the tokens at positions first … tokens − 1 of its sequence. Those of
/// a layer are numbered in the order (head, K then V, page). Pages are aligned to position 0 of the sequence,
/// so the first and the last may be shorter than others.
/// Preconditions: countable(), and the shape's check() is ok; layers, tiles and pages that are named are
/// there.
template <class Policy>
struct tile_map {
  using planes = typename Policy::planes;                                     ///< the policy's
  using key_layout = tile_layout<typename Policy::key_quantizer, planes>;     ///< of tiles of K, edges apart
  using value_layout = tile_layout<typename Policy::value_quantizer, planes>; ///< of tiles of V, likewise
  static constexpr std::uint32_t page_tokens = Policy::page_tokens;           ///< of a page that is whole
  geometry shape;                                                             ///< of what the stream carries
  std::uint32_t tokens = 0;       ///< of the sequence: one more than the last position
  std::uint32_t first = 0;        ///< the first position that the request carries
  std::uint32_t layer_first = 0;  ///< number in the model of the shape's first layer
  std::uint32_t model_layers = 0; ///< layers of the model; 0: the shape's are all

  /// Whether there are tokens, and few enough for tiles and values to be numbered by 32 bits.
  [[nodiscard]] constexpr bool countable() const noexcept {
    if (first >= tokens || tokens > 0x0FFF'FFFFu)
      return false;
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      if (std::uint64_t{pages()} * 2 * shape.heads(layer) > 0xFFFF'FFFFu)
        return false;
    return true;
  }
  /// Tokens that it carries.
  [[nodiscard]] constexpr std::uint32_t count() const noexcept { return tokens - first; }
  /// Pages that hold a token that it carries.
  [[nodiscard]] constexpr std::uint32_t pages() const noexcept {
    return (tokens + page_tokens - 1) / page_tokens - first / page_tokens;
  }
  /// Tiles of a layer.
  [[nodiscard]] constexpr std::uint32_t tiles(std::uint32_t layer) const noexcept {
    return shape.heads(layer) * 2 * pages();
  }
  /// Tiles of all layers.
  [[nodiscard]] constexpr std::uint64_t all_tiles() const noexcept { return shape.all_heads() * 2 * pages(); }
  /// A tile's number in its layer, which does not depend on the layer.
  [[nodiscard]] constexpr std::uint32_t index(tile_id t) const noexcept {
    return (t.head * 2 + (t.is_value ? 1 : 0)) * pages() + t.page;
  }
  /// The tile of a number: the way back.
  [[nodiscard]] constexpr tile_id tile(std::uint32_t index) const noexcept {
    const std::uint32_t row = index / pages();
    return {row / 2, row % 2 == 1, index % pages()};
  }
  /// The position of a page's first token that it carries.
  [[nodiscard]] constexpr std::uint32_t first_of(std::uint32_t page) const noexcept {
    return detail::max(first, (first / page_tokens + page) * page_tokens);
  }
  /// Tokens of a page that it carries.
  [[nodiscard]] constexpr std::uint32_t tokens_of(std::uint32_t page) const noexcept {
    return detail::min((first / page_tokens + page + 1) * page_tokens, tokens) - first_of(page);
  }
  /// Where a token lies.
  /// Preconditions: first ≤ token < tokens.
  [[nodiscard]] constexpr tile_row place(std::uint32_t token) const noexcept {
    const std::uint32_t page = token / page_tokens - first / page_tokens;
    return {page, token - first_of(page)};
  }
  /// Where a tile's tokens stand among all that a layer's tiles have: by head, K then V, token.
  [[nodiscard]] constexpr std::size_t ends_at(tile_id t) const noexcept {
    return (std::size_t{t.head} * 2 + (t.is_value ? 1 : 0)) * count() + first_of(t.page) - first;
  }
  /// Bytes of a layer's tiles at rest if all are stored: no coded layer is longer.
  [[nodiscard]] constexpr std::uint64_t stored_bytes(std::uint32_t layer) const noexcept {
    std::uint64_t bytes = 0;
    for (std::uint32_t page = 0; page < pages(); ++page)
      for (const bool is_value : {false, true})
        with_layout(layer, {0, is_value, page},
                    [&](auto layout) { bytes += detail::align_up(layout.stored_bytes(), tile_alignment); });
    return bytes * shape.heads(layer);
  }
  /// Planes that a layer's base holds.
  [[nodiscard]] constexpr std::uint32_t base_planes(std::uint32_t layer) const noexcept {
    return with_policy(layer, []<class Layer>(Layer) { return Layer::base_planes; });
  }
  /// Calls f with the layout of a tile of a layer. Keys and values, and layers of different policies, have
  /// layouts of different types. Returns what f does.
  template <class F>
  constexpr decltype(auto) with_layout(std::uint32_t layer, tile_id t, F&& f) const {
    return with_policy(layer, [&]<class Layer>(Layer) -> decltype(auto) {
      const std::uint32_t n = tokens_of(t.page), bytes = value_bytes(shape.dtype);
      return t.is_value ? f(value_layout_of<Layer>{{n, shape.value_dim}, bytes})
                        : f(key_layout_of<Layer>{{n, shape.key_dim}, bytes});
    });
  }
  /// Calls f with the layout of a whole page of a layer's keys, then of its values.
  template <class F>
  constexpr void with_whole_layouts(std::uint32_t layer, F&& f) const {
    with_policy(layer, [&](auto which) { whole_layouts(which, f); });
  }
  /// Likewise, of each policy that layers have.
  template <class F>
  constexpr void with_whole_layouts(F&& f) const {
    Policy::with_each([&](auto which) { whole_layouts(which, f); });
  }

  /// Calls f with the policy of a layer. Returns what f does.
  template <class F>
  constexpr decltype(auto) with_policy(std::uint32_t layer, F&& f) const {
    return Policy::with_layer(layer_first + layer, model_layers != 0 ? model_layers : shape.layers, f);
  }

private:
  template <class Layer>
  using key_layout_of = tile_layout<typename Layer::key_quantizer, planes>;
  template <class Layer>
  using value_layout_of = tile_layout<typename Layer::value_quantizer, planes>;

  template <class Layer, class F>
  constexpr void whole_layouts(Layer, F&& f) const {
    const std::uint32_t bytes = value_bytes(shape.dtype);
    f(key_layout_of<Layer>{{page_tokens, shape.key_dim}, bytes});
    f(value_layout_of<Layer>{{page_tokens, shape.value_dim}, bytes});
  }
};

} // namespace planecast::inline v0
