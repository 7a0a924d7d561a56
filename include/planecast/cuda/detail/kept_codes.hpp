// The codes of a request where a receiver keeps them in device memory, until nothing is to come any more.
#pragma once

#include "planecast/code/tile.hpp"
#include "planecast/cuda/detail/convert_group.hpp"
#include "planecast/cuda/device_rows.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// What kernels know of a layer.
struct kept_layer {
  device_rows<std::byte> keys, values; ///< the engine's pages
  std::byte* codes;                    ///< of its tiles: see kept_tiles
  std::uint8_t* stored;                ///< of each tile, by its number: 1 if it is stored
  std::uint32_t policy;                ///< which of the policies that layers have is its own
  bool whole_keys, whole_values;       ///< groups of channels lie at multiples of their bytes
  page_numbers key_numbers, value_numbers;

  PLANECAST_HOST_DEVICE const device_rows<std::byte>& rows(bool is_value) const noexcept {
    return is_value ? values : keys;
  }
  PLANECAST_HOST_DEVICE bool whole(bool is_value) const noexcept {
    return is_value ? whole_values : whole_keys;
  }
  /// Whether any of the pages hold something else than is sent.
  [[nodiscard]] bool converts() const noexcept { return key_numbers.converts || value_numbers.converts; }
  /// Writes a group of the row that so many values lie before into the pages. A kernel that never has to
  /// convert takes fewer registers.
  template <class Number, bool MayConvert = true>
  PLANECAST_HOST_DEVICE void write_values(bool is_value, std::int64_t before, std::uint32_t g,
                                          const packed_patterns& x) const noexcept {
    const page_numbers& to = is_value ? value_numbers : key_numbers;
    const auto row = [&](std::uint32_t value_bytes) { return rows(is_value).first + before * value_bytes; };
    if (MayConvert && to.converts)
      store_converted<Number>(to, row, g, x, whole(is_value));
    else
      store_packed<Number>(row(Number::bits / 8) + g * Number::bits, x, whole(is_value));
  }
};

/// How the tiles of a request's layers lie that have one policy: as tile_map and arrived_planes say it of the
/// host's.
template <class Layer, std::uint32_t PageTokens>
struct kept_tiles {
  using planes = typename Layer::planes;
  using key_layout = tile_layout<typename Layer::key_quantizer, planes>;
  using value_layout = tile_layout<typename Layer::value_quantizer, planes>;
  static constexpr std::uint32_t base_planes = Layer::base_planes; ///< that a layer's base holds
  static constexpr std::uint32_t page_tokens = PageTokens;         ///< of a page that is whole

  std::uint32_t tokens, first; ///< of the sequence, and the first that is carried
  std::uint32_t key_dim, value_dim, value_bytes;

  PLANECAST_HOST_DEVICE std::uint32_t pages() const noexcept {
    return (tokens + page_tokens - 1) / page_tokens - first / page_tokens;
  }
  PLANECAST_HOST_DEVICE std::uint32_t first_of(std::uint32_t page) const noexcept {
    return max(first, (first / page_tokens + page) * page_tokens);
  }
  PLANECAST_HOST_DEVICE std::uint32_t page_of(std::uint32_t token) const noexcept {
    return token / page_tokens - first / page_tokens;
  }
  PLANECAST_HOST_DEVICE std::uint32_t dim(bool is_value) const noexcept {
    return is_value ? value_dim : key_dim;
  }
  /// Tokens of a page that are carried.
  PLANECAST_HOST_DEVICE std::uint32_t tokens_of(std::uint32_t page) const noexcept {
    return min(tokens, (first / page_tokens + page + 1) * page_tokens) - first_of(page);
  }
  /// Calls f with a layout, of the type that keys' or values' tiles have.
  template <class F>
  PLANECAST_HOST_DEVICE void with_layout_type(bool is_value, F&& f) const noexcept {
    if (is_value)
      f(value_layout{});
    else
      f(key_layout{});
  }
  /// Calls f with the layout of a page's tile.
  template <class F>
  PLANECAST_HOST_DEVICE void with_layout(bool is_value, std::uint32_t page, F&& f) const noexcept {
    with_layout_type(is_value, [&]<class Layout>(Layout) {
      f(Layout{{tokens_of(page), dim(is_value)}, value_bytes});
    });
  }
  /// A tile's number in its layer.
  PLANECAST_HOST_DEVICE std::uint32_t number(std::uint32_t head, bool is_value,
                                             std::uint32_t page) const noexcept {
    return (2 * head + (is_value ? 1 : 0)) * pages() + page;
  }
  /// Where its codes begin.
  PLANECAST_HOST_DEVICE std::byte* codes(const kept_layer& layer, std::uint32_t head, bool is_value,
                                         std::uint32_t page) const noexcept {
    const std::size_t key = code_bytes(key_layout{{page_tokens, key_dim}, value_bytes}),
                      value = code_bytes(value_layout{{page_tokens, value_dim}, value_bytes});
    return layer.codes + head * pages() * (key + value) +
           (is_value ? pages() * key + page * value : page * key);
  }

private:
  template <class Layout>
  PLANECAST_HOST_DEVICE static std::size_t code_bytes(Layout whole) noexcept {
    return align_up(whole.always_stored() ? 0u : whole.tails_at(), tile_alignment);
  }
};

} // namespace planecast::inline v0::detail
