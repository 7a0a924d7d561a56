// One layer's K and V where an engine keeps them.
#pragma once

#include "planecast/config.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace planecast::inline v0 {

/// Steps between neighbours, in values (not bytes). A head's channels lie side by side.
/// A slot is a token's place: slot = block · block_size + offset. With block_size 0 all is one block.
struct kv_strides {
  std::ptrdiff_t token = 0; ///< from a slot to the next within a block
  std::ptrdiff_t head = 0;
  std::ptrdiff_t block = 0;
  std::uint32_t block_size = 0;

  /// Tokens × heads × dim, one after the other; also blocks of it, when blocks follow each other.
  static constexpr kv_strides nhd(std::uint32_t heads, std::uint32_t dim) noexcept {
    return {static_cast<std::ptrdiff_t>(heads) * dim, dim, 0, 0};
  }
};

/// View of one layer's keys and values: two pointers, strides of their own, and for a paged cache a slot
/// mapping (one entry per token, −1 for padding; entries of −1 are no tokens and are passed over, so token t
/// is the t-th entry that is not negative). Borrows the memory; copies the mapping.
///
/// Preconditions: the pointers are 2-byte aligned and stay valid while the call that takes the view runs (at
/// the receiver: until the request is over); a slot below −1 throws std::invalid_argument.
template <class Byte>
requires std::same_as<std::remove_const_t<Byte>, std::byte>
class basic_kv_view {
public:
  using pointer = std::conditional_t<std::is_const_v<Byte>, const void*, void*>;
  static constexpr std::int64_t padding = -1;

  basic_kv_view() = default;

  /// Tokens 0 … tokens − 1 lie in slots of the same number.
  basic_kv_view(pointer keys, kv_strides key_strides, pointer values, kv_strides value_strides,
                std::uint32_t tokens)
      : keys_{static_cast<Byte*>(keys), key_strides}, values_{static_cast<Byte*>(values), value_strides},
        tokens_(tokens) {}

  /// Tokens lie where the slot mapping says.
  basic_kv_view(pointer keys, kv_strides key_strides, pointer values, kv_strides value_strides,
                std::span<const std::int64_t> slot_mapping)
      : basic_kv_view(keys, key_strides, values, value_strides, 0) {
    slots_.reserve(slot_mapping.size());
    for (const std::int64_t entry : slot_mapping) {
      if (entry < padding)
        throw std::invalid_argument("planecast: a slot mapping holds a slot below -1");
      if (entry != padding)
        slots_.push_back(entry);
    }
    tokens_ = static_cast<std::uint32_t>(slots_.size());
  }

  [[nodiscard]] std::uint32_t tokens() const noexcept { return tokens_; }

  /// The first channel of a token's head. Precondition: token < tokens().
  [[nodiscard]] Byte* key(std::uint32_t token, std::uint32_t head) const noexcept {
    return at(keys_, token, head);
  }
  [[nodiscard]] Byte* value(std::uint32_t token, std::uint32_t head) const noexcept {
    return at(values_, token, head);
  }

private:
  struct array {
    Byte* first = nullptr;
    kv_strides strides;
  };

  [[nodiscard]] Byte* at(const array& a, std::uint32_t token, std::uint32_t head) const noexcept {
    auto in_block = static_cast<std::ptrdiff_t>(slots_.empty() ? token : slots_[token]);
    std::ptrdiff_t place = static_cast<std::ptrdiff_t>(head) * a.strides.head;
    if (a.strides.block_size != 0) {
      place += in_block / a.strides.block_size * a.strides.block;
      in_block %= a.strides.block_size;
    }
    place += in_block * a.strides.token;
    return a.first + 2 * place;
  }

  array keys_, values_;
  std::vector<std::int64_t> slots_;
  std::uint32_t tokens_ = 0;
};

/// What is sent: read only.
using kv_view = basic_kv_view<const std::byte>;
/// Where it arrives: written by the receiver.
using kv_pages = basic_kv_view<std::byte>;

} // namespace planecast::inline v0
