// One layer's K and V where an engine keeps them.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/cache/conversion.hpp"
#include "planecast/cache/kv_array.hpp"
#include "planecast/cache/kv_strides.hpp"
#include "planecast/cache/layouts.hpp"
#include "planecast/cache/number.hpp"
#include "planecast/cache/token_slots.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace planecast::inline v0 {

/// View of one layer's keys and values: two arrays with strides of their own, and the slots of the tokens.
/// Borrows the memory; shares the slots. Values have 16 bits and are of the type that is sent, unless
/// fp8(), fp32_as() or, at the receiver, holding() says otherwise.
/// Preconditions: the pointers are aligned for their values and stay valid while the call that takes the view
/// runs (at the receiver: until the request is over); the arrays have all slots that are named.
/// Example:
///
///     kv_view(keys, kv_strides::nhd(8, 128), values, kv_strides::nhd(8, 128), tokens)   // one after another
///     kv_view(layouts::nl_x_two_nb_bs_nh_hs, tensor, extents, token_slots(slot_mapping))  // paged, by name
///     kv_view::mla(layouts::nb_bs_hs, tensor, extents, token_slots(slot_mapping))         // latent and RoPE
///     kv_view(keys, strides, values, strides, tokens).fp32_as(number::bf16)               // wider than sent
///     kv_pages(keys, strides, values, strides, tokens).holding(number::fp16)              // not as sent
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
      : keys_{static_cast<Byte*>(keys), 0, key_strides}, values_{static_cast<Byte*>(values), 0,
                                                                 value_strides},
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
    check_array(layout, extents, layer);
    key_dim_ = value_dim_ = extents.dim;
    keys_.offset = layout.keys_at(extents, layer);
    values_.offset = layout.values_at(extents, layer);
  }
  /// A layer of an array whose rows join what MLA keeps of a token: `latent` channels, then its RoPE part.
  /// The latent is what the stream calls keys, the RoPE part values (geometry::mla). extents.dim is the whole
  /// row's length, extents.heads 1.
  /// Errors: throws std::invalid_argument for a layout of K and V apart or of channels that do not lie side
  /// by side, for more heads than one, for a latent that leaves nothing of the row, and for a slot or a layer
  /// that the array does not have.
  static basic_kv_view mla(const kv_layout& layout, pointer rows, const kv_extents& extents,
                           token_slots slots, std::uint32_t latent = 512, std::uint32_t layer = 0) {
    const kv_strides strides = layout.strides(extents);
    basic_kv_view view(rows, strides, rows, strides, std::move(slots));
    if (layout.has(axis::two) || !strides.contiguous() || extents.heads != 1)
      throw std::invalid_argument("planecast: MLA has one row for each token, latent and RoPE side by side");
    if (latent == 0 || latent >= extents.dim)
      throw std::invalid_argument("planecast: a latent of " + std::to_string(latent) +
                                  " channels in a row of " + std::to_string(extents.dim));
    view.check_array(layout, extents, layer);
    view.key_dim_ = latent;
    view.value_dim_ = extents.dim - latent;
    view.keys_.offset = layout.keys_at(extents, layer);
    view.values_.offset = view.keys_.offset + static_cast<std::ptrdiff_t>(latent);
    return view;
  }

  /// The same arrays, whose values have one byte each: e4m3 or e5m2, as the geometry says.
  [[nodiscard]] basic_kv_view fp8() const { return of_width(1, {}); }
  /// The same arrays, whose values are fp32 and travel as a 16-bit type. What is sent is rounded to it as a
  /// conversion does (bf16::from_fp32), what arrives widened: "to the last bit" means the rounded values.
  /// Errors: throws std::invalid_argument for a dtype of 8 bits.
  [[nodiscard]] basic_kv_view fp32_as(number dtype) const {
    if (planecast::value_bytes(dtype) != 2)
      throw std::invalid_argument("planecast: fp32 values travel as fp16 or bf16");
    return of_width(4, detail::held_numbers{.fp32 = true, .sent = dtype});
  }
  /// The same pages, which hold values of this dtype whatever is sent: what arrives is converted. To fp16 and
  /// bf16 it is rounded as fp32_as() does; to fp8 to the nearest, ties to even, beyond the greatest to it,
  /// and divided by the pages' scale before. fp8 that is sent is multiplied by its own scale first. All this
  /// is fixed bit for bit (detail::converted). At every moment the pages hold the conversion of what pages of
  /// the sent type would hold then: "to the last bit" means the original as converted, and it does not
  /// depend on what arrived when. Where type and scale are those that are sent, nothing is converted.
  /// Errors: throws std::invalid_argument for scales that are out of range, or of pages of 16 bits. expect()
  /// throws it for scales of what is sent if that has 16 bits.
  /// Example: `pages.holding(number::fp8_e4m3, {.keys = k_scale, .values = v_scale})`
  [[nodiscard]] basic_kv_view holding(number dtype, kv_scales scales = {}) const
      requires(!std::is_const_v<Byte>) {
    const detail::held_numbers numbers{.held = dtype, .sent = dtype, .scales = scales};
    if (!numbers.good())
      throw std::invalid_argument("planecast: scales are from 2^-100 to 2^100, those of 16-bit pages 1");
    return of_width(planecast::value_bytes(dtype), numbers);
  }
  /// The same, told what is sent: from then on write() takes values of this dtype.
  /// Preconditions: may_hold(dtype).
  [[nodiscard]] basic_kv_view receiving(number dtype) const {
    basic_kv_view same = *this;
    if (held_)
      same.held_->sent = dtype;
    return same;
  }
  /// What fp32_as() or holding() said: for a backend whose memory the processor does not reach.
  [[nodiscard]] const std::optional<detail::held_numbers>& held() const noexcept { return held_; }
  /// Whether values change on their way into the arrays.
  [[nodiscard]] bool converts(bool is_value) const noexcept { return held_ && held_->converts(is_value); }
  /// Bytes of a value in the arrays.
  [[nodiscard]] std::uint32_t value_bytes() const noexcept { return width_; }
  /// Whether its values are what a cache of this dtype holds, or what comes from one is made so.
  [[nodiscard]] bool may_hold(number dtype) const noexcept {
    return held_ ? held_->may_come(dtype) : width_ == planecast::value_bytes(dtype);
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

  /// Copies a token's head, `dim` channels, from wherever they lie to `out`: values of the dtype, of two
  /// bytes or one.
  void read(bool is_value, std::uint32_t token, std::uint32_t head, std::uint32_t dim,
            void* out) const noexcept {
    const array& a = is_value ? values_ : keys_;
    const Byte* const first = at(a, token, head);
    auto* const to = static_cast<std::byte*>(out);
    if (width_ == 4)
      for (std::uint32_t c = 0; c < dim; ++c) {
        const auto x = detail::bit_cast<float>(detail::load<std::uint32_t>(first + 4 * a.strides.offset(c)));
        detail::store(to + 2 * std::size_t{c},
                      held_->sent == number::fp16 ? fp16::from_fp32(x) : bf16::from_fp32(x));
      }
    else
      a.get(first, 0, dim, width_, to);
  }
  /// Likewise of several tokens, one after the other, each `dim` channels.
  void read(bool is_value, std::uint32_t token, std::uint32_t count, std::uint32_t head, std::uint32_t dim,
            void* out) const noexcept {
    const std::size_t row = std::size_t{dim} * (width_ == 1 ? 1 : 2);
    auto* to = static_cast<std::byte*>(out);
    while (count > 0) {
      const run r = rows(is_value, token, head, count);
      if (r.tokens == 0)
        read(is_value, token, head, dim, to);
      for (std::uint32_t t = 0; t < r.tokens; ++t)
        std::memcpy(to + t * row, r.first + static_cast<std::ptrdiff_t>(t) * r.step, row);
      const std::uint32_t done = r.tokens == 0 ? 1 : r.tokens;
      token += done;
      count -= done;
      to += done * row;
    }
  }
  /// The other way: copies `dim` channels from `in` to where they belong.
  void write(bool is_value, std::uint32_t token, std::uint32_t head, std::uint32_t dim,
             const void* in) const noexcept requires(!std::is_const_v<Byte>) {
    const array& a = is_value ? values_ : keys_;
    Byte* const first = at(a, token, head);
    const auto* const from = static_cast<const std::byte*>(in);
    if (!converts(is_value))
      a.put(first, 0, dim, width_, from);
    else {
      std::array<std::byte, 256> some;
      const auto most = static_cast<std::uint32_t>(some.size()) / width_;
      for (std::uint32_t c = 0; c < dim; c += most) {
        const std::uint32_t count = std::min(most, dim - c);
        held_->convert(is_value, from + c * std::size_t{planecast::value_bytes(held_->sent)}, count,
                       some.data());
        a.put(first, c, count, width_, some.data());
      }
    }
  }

  /// Tokens whose rows lie at equal steps, channels side by side, as values of the dtype.
  struct run {
    Byte* first = nullptr;    ///< the first token's first channel
    std::ptrdiff_t step = 0;  ///< bytes to the next token's
    std::uint32_t tokens = 0; ///< how many; 0 where they do not lie so
  };
  /// The longest run that begins with a token, of a head's K or V.
  /// Preconditions: token + most ≤ tokens(), most ≥ 1.
  [[nodiscard]] run rows(bool is_value, std::uint32_t token, std::uint32_t head,
                         std::uint32_t most) const noexcept {
    const array& a = is_value ? values_ : keys_;
    if (converts(is_value) || !a.strides.contiguous())
      return {};
    return {at(a, token, head), a.bytes(a.strides.token, width_),
            slots_.run(token, most, a.strides.block_size)};
  }

  /// Keys, or values, as an array and its strides: for a backend whose memory the processor does not reach.
  struct array_of {
    Byte* first = nullptr; ///< slot 0, head 0, channel 0
    kv_strides strides;    ///< in values
  };
  /// Of K, or of V.
  [[nodiscard]] array_of array_at(bool is_value) const noexcept {
    const array& a = is_value ? values_ : keys_;
    return {a.first + a.bytes(a.offset, width_), a.strides};
  }
  /// In which slots the tokens lie.
  [[nodiscard]] const token_slots& slots() const noexcept { return slots_; }

  /// The same without its first heads: what a stream that carries a shard takes from an engine that holds
  /// more.
  [[nodiscard]] basic_kv_view from_head(std::uint32_t head) const noexcept {
    basic_kv_view rest = *this;
    for (array* a : {&rest.keys_, &rest.values_})
      a->offset += static_cast<std::ptrdiff_t>(head) * a->strides.head;
    if (rest.key_dim_ != 0)
      rest.heads_ = heads_ > head ? heads_ - head : 0;
    return rest;
  }

  /// The same arrays, of these tokens alone, as token_slots::only() says.
  /// Preconditions: each is below tokens() (throws std::invalid_argument).
  [[nodiscard]] basic_kv_view only(std::span<const std::uint32_t> tokens) const {
    basic_kv_view some = *this;
    some.slots_ = slots_.only(tokens);
    return some;
  }

  /// Whether it may be a view of so many heads with so many channels. Only a view made by a layout's name
  /// knows what it shows: it has at least these heads, and these channels. Any other says yes.
  [[nodiscard]] bool may_show(std::uint32_t heads, std::uint32_t key_dim,
                              std::uint32_t value_dim) const noexcept {
    return key_dim_ == 0 || (heads_ >= heads && key_dim_ == key_dim && value_dim_ == value_dim);
  }

private:
  using array = detail::kv_array<Byte>;

  void check_array(const kv_layout& layout, const kv_extents& extents, std::uint32_t layer) {
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
  }
  [[nodiscard]] basic_kv_view of_width(std::uint32_t width,
                                       std::optional<detail::held_numbers> held) const noexcept {
    basic_kv_view same = *this;
    same.width_ = width;
    same.held_ = held;
    return same;
  }
  [[nodiscard]] Byte* at(const array& a, std::uint32_t token, std::uint32_t head) const noexcept {
    return a.at(slots_[token], head, width_);
  }

  array keys_, values_;
  token_slots slots_;
  std::uint32_t heads_ = 0, key_dim_ = 0, value_dim_ = 0; // of the extents that made it; else 0
  std::uint32_t width_ = 2;                               // of a value in the arrays
  std::optional<detail::held_numbers> held_;              // what fp32_as() or holding() said
};

/// What is sent: read only.
using kv_view = basic_kv_view<const std::byte>;
/// Where it arrives: written by the receiver.
using kv_pages = basic_kv_view<std::byte>;

} // namespace planecast::inline v0
