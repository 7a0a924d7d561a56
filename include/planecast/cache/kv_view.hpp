// One layer's K and V where an engine keeps them.
#pragma once

#include "planecast/cache/kv_strides.hpp"
#include "planecast/cache/layouts.hpp"
#include "planecast/cache/token_slots.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace planecast::inline v0 {

/// View of one layer's keys and values: two arrays with strides of their own, and the slots of the tokens.
/// Borrows the memory; shares the slots.
/// Preconditions: the pointers are 2-byte aligned and stay valid while the call that takes the view runs (at
/// the receiver: until the request is over); the arrays have all slots that are named.
/// Example:
///
///     kv_view(keys, kv_strides::nhd(8, 128), values, kv_strides::nhd(8, 128), tokens)   // one after another
///     kv_view(layouts::nl_x_two_nb_bs_nh_hs, tensor, extents, token_slots(slot_mapping))  // paged, by name
template <class Byte>
requires std::same_as<std::remove_const_t<Byte>, std::byte>
class basic_kv_view {
public:
  /// A view that only reads takes pointers to const; the engine's type of value does not matter.
  using pointer = std::conditional_t<std::is_const_v<Byte>, const void*, void*>;

  basic_kv_view() = default;

  /// Tokens lie where the slots say.
  basic_kv_view(pointer keys, const kv_strides& key_strides, pointer values, const kv_strides& value_strides,
                token_slots slots)
      : keys_{static_cast<Byte*>(keys), key_strides}, values_{static_cast<Byte*>(values), value_strides},
        slots_(std::move(slots)) {}
  /// Tokens 0 … tokens − 1 lie in slots of the same number.
  basic_kv_view(pointer keys, const kv_strides& key_strides, pointer values, const kv_strides& value_strides,
                std::uint32_t tokens)
      : basic_kv_view(keys, key_strides, values, value_strides, token_slots::first(tokens)) {}
  /// A layer of an array that holds both, keys and values.
  /// Errors: throws std::invalid_argument for a layout that does not, for extents that say nothing, and for a
  /// slot or a layer that the array does not have (without an axis `layer` it has layer 0 alone).
  basic_kv_view(const kv_layout& layout, pointer both, const kv_extents& extents, token_slots slots,
                std::uint32_t layer = 0)
      : basic_kv_view(both, layout.strides(extents), both, layout.strides(extents), std::move(slots)) {
    if (!layout.has(axis::two))
      throw std::invalid_argument("planecast: a layout of K or V alone; give two arrays and their strides");
    if (layer >= (layout.has(axis::layer) ? extents.layers : 1))
      throw std::invalid_argument("planecast: a layer that the array does not have");
    if (slots_.end() > layout.slots(extents))
      throw std::invalid_argument("planecast: a token lies in slot " + std::to_string(slots_.end() - 1) +
                                  ", the array has " + std::to_string(layout.slots(extents)));
    if (layout.has(axis::block) && slots_.block_size() != 0 && slots_.block_size() != extents.block_size)
      throw std::invalid_argument("planecast: a block table of blocks of " +
                                  std::to_string(slots_.block_size()) + " slots, the array's have " +
                                  std::to_string(extents.block_size));
    heads_ = extents.heads;
    dim_ = extents.dim;
    keys_.first += 2 * layout.keys_at(extents, layer);
    values_.first += 2 * layout.values_at(extents, layer);
  }

  /// Tokens of the sequence.
  [[nodiscard]] std::uint32_t tokens() const noexcept { return slots_.tokens(); }

  /// The first channel of a token's head, of K.
  /// Preconditions: for all that name one, token < tokens(), and the array has the head.
  [[nodiscard]] Byte* key(std::uint32_t token, std::uint32_t head) const noexcept {
    return at(keys_, token, head);
  }
  /// Likewise, of V.
  [[nodiscard]] Byte* value(std::uint32_t token, std::uint32_t head) const noexcept {
    return at(values_, token, head);
  }

  /// Copies a token's head, `dim` channels, from wherever they lie to `out`.
  void read(bool is_value, std::uint32_t token, std::uint32_t head, std::uint32_t dim,
            std::uint16_t* out) const noexcept {
    const array& a = is_value ? values_ : keys_;
    const Byte* const first = at(a, token, head);
    if (a.strides.contiguous())
      std::memcpy(out, first, 2 * std::size_t{dim});
    else
      for (std::uint32_t c = 0; c < dim; ++c)
        std::memcpy(out + c, first + 2 * a.strides.offset(c), 2);
  }
  /// Likewise of several tokens, one after the other, each `dim` channels.
  void read(bool is_value, std::uint32_t token, std::uint32_t count, std::uint32_t head, std::uint32_t dim,
            std::uint16_t* out) const noexcept {
    while (count > 0) {
      const run r = rows(is_value, token, head, count);
      if (r.tokens == 0)
        read(is_value, token, head, dim, out);
      for (std::uint32_t t = 0; t < r.tokens; ++t)
        std::memcpy(out + std::size_t{t} * dim, r.first + static_cast<std::ptrdiff_t>(t) * r.step,
                    2 * std::size_t{dim});
      const std::uint32_t done = r.tokens == 0 ? 1 : r.tokens;
      token += done;
      count -= done;
      out += std::size_t{done} * dim;
    }
  }
  /// The other way: copies `dim` channels from `in` to where they belong.
  void write(bool is_value, std::uint32_t token, std::uint32_t head, std::uint32_t dim,
             const std::uint16_t* in) const noexcept requires(!std::is_const_v<Byte>) {
    const array& a = is_value ? values_ : keys_;
    Byte* const first = at(a, token, head);
    if (a.strides.contiguous())
      std::memcpy(first, in, 2 * std::size_t{dim});
    else
      for (std::uint32_t c = 0; c < dim; ++c)
        std::memcpy(first + 2 * a.strides.offset(c), in + c, 2);
  }

  /// Tokens whose rows lie at equal steps, channels side by side.
  struct run {
    Byte* first = nullptr;    ///< the first token's first channel
    std::ptrdiff_t step = 0;  ///< bytes to the next token's
    std::uint32_t tokens = 0; ///< how many; 0 where channels do not lie side by side
  };
  /// The longest run that begins with a token, of a head's K or V.
  /// Preconditions: token + most ≤ tokens(), most ≥ 1.
  [[nodiscard]] run rows(bool is_value, std::uint32_t token, std::uint32_t head,
                         std::uint32_t most) const noexcept {
    const array& a = is_value ? values_ : keys_;
    if (!a.strides.contiguous())
      return {};
    return {at(a, token, head), 2 * a.strides.token, slots_.run(token, most, a.strides.block_size)};
  }

  /// The same without its first heads: what a stream that carries a shard takes from an engine that holds
  /// more.
  [[nodiscard]] basic_kv_view from_head(std::uint32_t head) const noexcept {
    basic_kv_view rest = *this;
    for (array* a : {&rest.keys_, &rest.values_})
      a->first += 2 * static_cast<std::ptrdiff_t>(head) * a->strides.head;
    if (rest.dim_ != 0)
      rest.heads_ = heads_ > head ? heads_ - head : 0;
    return rest;
  }

  /// Whether it may be a view of so many heads with so many channels. Only a view made by a layout's name
  /// knows what it shows: it has at least these heads, and these channels. Any other says yes.
  [[nodiscard]] bool may_show(std::uint32_t heads, std::uint32_t key_dim,
                              std::uint32_t value_dim) const noexcept {
    return dim_ == 0 || (heads_ >= heads && dim_ == key_dim && dim_ == value_dim);
  }

private:
  struct array {
    Byte* first = nullptr;
    kv_strides strides;
  };

  [[nodiscard]] Byte* at(const array& a, std::uint32_t token, std::uint32_t head) const noexcept {
    return a.first + 2 * a.strides.place(slots_[token], head);
  }

  array keys_, values_;
  token_slots slots_;
  std::uint32_t heads_ = 0, dim_ = 0; // of the extents that made it; else 0
};

/// What is sent: read only.
using kv_view = basic_kv_view<const std::byte>;
/// Where it arrives: written by the receiver.
using kv_pages = basic_kv_view<std::byte>;

} // namespace planecast::inline v0
