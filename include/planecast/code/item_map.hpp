// What an order of upgrades counts: tokens, or tokens of one layer each.
#pragma once

#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// The items that an order of upgrades puts into a row. In an order across layers an item is a token, of all
/// layers together, and its number is the token's position. In an order per layer it is one token of one
/// layer, and its number is layer · tokens + position. Layers count from the first that the stream carries.
/// Preconditions: numberable(), for whatever else is asked of it.
struct item_map {
  std::uint32_t layers = 1; ///< that are told apart: 1 in an order across layers
  std::uint32_t tokens = 0; ///< of the sequence
  std::uint32_t first = 0;  ///< the first position that is carried; below tokens

  /// Whether 32 bits number the items, with one number left over for none.
  [[nodiscard]] constexpr bool numberable() const noexcept {
    return std::uint64_t{layers} * tokens <= 0xFFFF'FFFFu;
  }
  /// How many there are.
  [[nodiscard]] constexpr std::uint32_t count() const noexcept { return layers * (tokens - first); }
  /// Whether a number is one of theirs.
  [[nodiscard]] constexpr bool has(std::uint32_t item) const noexcept {
    return item / tokens < layers && item % tokens >= first;
  }
  /// The number of a token of a layer; across layers, of layer 0.
  [[nodiscard]] constexpr std::uint32_t item(std::uint32_t layer, std::uint32_t token) const noexcept {
    return layer * tokens + token;
  }
  /// An item's layer; 0 across layers.
  [[nodiscard]] constexpr std::uint32_t layer(std::uint32_t item) const noexcept { return item / tokens; }
  /// An item's token, by its position.
  [[nodiscard]] constexpr std::uint32_t token(std::uint32_t item) const noexcept { return item % tokens; }
  /// Where an item stands among all, from 0, by layer and then by position.
  [[nodiscard]] constexpr std::uint32_t index(std::uint32_t item) const noexcept {
    return layer(item) * (tokens - first) + (token(item) - first);
  }
};

namespace detail {

/// The items of one upgrade, by layer: what a frame's payload follows.
class listed_items {
public:
  /// Tokens of all of so many layers. Borrows them.
  listed_items(std::uint32_t layers, std::span<const std::uint32_t> tokens)
      : all_(tokens), ends_(layers, tokens.size()), apart_(false) {}
  /// The items of an order per layer, of which a layer keeps those that are its own, as they are listed.
  listed_items(const item_map& map, std::span<const std::uint32_t> items)
      : sorted_(items.size()), ends_(map.layers, 0) {
    for (const std::uint32_t item : items)
      ++ends_[map.layer(item)];
    std::size_t before = 0; // ends become beginnings, and ends again as the tokens come
    for (std::size_t& end : ends_)
      before += std::exchange(end, before);
    for (const std::uint32_t item : items)
      sorted_[ends_[map.layer(item)]++] = map.token(item);
    all_ = sorted_;
  }
  listed_items(const listed_items&) = delete;
  listed_items& operator=(const listed_items&) = delete;

  /// A layer's tokens, by position.
  [[nodiscard]] std::span<const std::uint32_t> of(std::uint32_t layer) const noexcept {
    const std::size_t begin = apart_ && layer > 0 ? ends_[layer - 1] : 0;
    return all_.subspan(begin, ends_[layer] - begin);
  }

private:
  std::vector<std::uint32_t> sorted_;
  std::span<const std::uint32_t> all_;
  std::vector<std::size_t> ends_; // of each layer's tokens
  bool apart_ = true;
};

} // namespace detail
} // namespace planecast::inline v0
