// The arrays in which engines keep K and V, by the names that engines use.
#pragma once

#include "planecast/cache/kv_strides.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace planecast::inline v0 {

/// An axis of an array that holds keys, values or both.
enum class axis : std::uint8_t {
  layer,   ///< NL
  two,     ///< keys, then values
  block,   ///< NB
  token,   ///< BS: a token's place in its block
  head,    ///< NH
  channel, ///< HS; with `packed`, HS divided by the group's length
  packed,  ///< channels of a group, side by side
};

/// How long the axes are. An array without blocks is one block of all slots.
struct kv_extents {
  std::uint32_t layers = 1;     ///< in the same array
  std::uint32_t blocks = 1;     ///< in the array
  std::uint32_t block_size = 0; ///< slots of a block, or of the array if it has no blocks
  std::uint32_t heads = 0;      ///< KV heads that the array holds
  std::uint32_t dim = 0;        ///< channels of a head; of K and of V, if the array holds both
  std::uint32_t pack = 1;       ///< channels of a group, where the layout has an axis `packed`
};

/// The order of an array's axes, the slowest first, without gaps: what a shape like [2, NB, BS, NH, HS] says.
/// An array without blocks is written without `block`.
/// Preconditions: token, head and channel are there, no axis more than once, and `packed`, if it is there, is
/// the last (throws std::invalid_argument, and does not compile where it is constexpr).
/// Example:
///
///     constexpr kv_layout mine{axis::block, axis::head, axis::token, axis::channel};
///     kv_view(keys, mine.strides(extents), values, mine.strides(extents), slots);
///     kv_view(layouts::nl_x_two_nb_bs_nh_hs, tensor, extents, slots);
class kv_layout {
public:
  /// From the slowest axis to the fastest.
  template <std::same_as<axis>... Axes>
  requires(sizeof...(Axes) < 7) //
      constexpr kv_layout(axis first, Axes... rest)
      : axes_{first, rest...}, count_(1 + sizeof...(rest)) {
    std::array<unsigned, 7> seen{};
    for (std::size_t i = 0; i < count_; ++i)
      ++seen[static_cast<std::size_t>(axes_[i])];
    for (const axis needed : {axis::token, axis::head, axis::channel})
      if (seen[static_cast<std::size_t>(needed)] != 1)
        throw std::invalid_argument("planecast: a layout lacks token, head or channel, or has one twice");
    for (const unsigned times : seen)
      if (times > 1)
        throw std::invalid_argument("planecast: a layout has an axis twice");
    if (seen[static_cast<std::size_t>(axis::packed)] != 0 && axes_[count_ - 1] != axis::packed)
      throw std::invalid_argument("planecast: a layout's packed channels do not lie side by side");
  }

  /// Steps between neighbours of an array with these extents.
  /// Errors: throws std::invalid_argument for extents without slots, heads or channels, and for a pack that
  /// does not divide the channels.
  [[nodiscard]] constexpr kv_strides strides(const kv_extents& e) const {
    if (e.block_size == 0 || e.heads == 0 || e.dim == 0)
      throw std::invalid_argument("planecast: an array's extents lack block_size, heads or dim");
    if (has(axis::packed) && (e.pack == 0 || e.dim % e.pack != 0))
      throw std::invalid_argument("planecast: an array's pack does not divide its dim");
    return {.token = step(axis::token, e),
            .head = step(axis::head, e),
            .block = step(axis::block, e),
            .block_size = has(axis::block) ? e.block_size : 0,
            .pack = has(axis::packed) ? e.pack : 1,
            .channel = step(axis::channel, e)};
  }
  /// Where a layer's keys begin, in values from the array's beginning. The layer counts from the array's
  /// first; without an axis `layer` it says nothing.
  [[nodiscard]] constexpr std::ptrdiff_t keys_at(const kv_extents& e,
                                                 std::uint32_t layer = 0) const noexcept {
    return static_cast<std::ptrdiff_t>(layer) * step(axis::layer, e);
  }
  /// Where its values begin; in an array that does not hold both, the same.
  [[nodiscard]] constexpr std::ptrdiff_t values_at(const kv_extents& e,
                                                   std::uint32_t layer = 0) const noexcept {
    return keys_at(e, layer) + step(axis::two, e);
  }
  /// How many slots the array has.
  [[nodiscard]] constexpr std::int64_t slots(const kv_extents& e) const noexcept {
    return has(axis::block) ? std::int64_t{e.blocks} * e.block_size : std::int64_t{e.block_size};
  }
  /// Whether the array has this axis.
  [[nodiscard]] constexpr bool has(axis a) const noexcept {
    for (std::size_t i = 0; i < count_; ++i)
      if (axes_[i] == a)
        return true;
    return false;
  }

private:
  static constexpr std::uint32_t length(axis a, const kv_extents& e) noexcept {
    switch (a) {
    case axis::layer:
      return e.layers;
    case axis::two:
      return 2;
    case axis::block:
      return e.blocks;
    case axis::token:
      return e.block_size;
    case axis::head:
      return e.heads;
    case axis::channel:
      return e.dim;
    case axis::packed:
      break;
    }
    return e.pack;
  }
  // The product of the faster axes' lengths; 0 for an axis that is not there.
  [[nodiscard]] constexpr std::ptrdiff_t step(axis a, const kv_extents& e) const noexcept {
    std::ptrdiff_t product = 1;
    for (std::size_t i = count_; i-- > 0;) {
      if (axes_[i] == a)
        return product;
      product *= axes_[i] == axis::channel && has(axis::packed)
                     ? static_cast<std::ptrdiff_t>(e.dim / e.pack)
                     : static_cast<std::ptrdiff_t>(length(axes_[i], e));
    }
    return 0;
  }

  std::array<axis, 7> axes_;
  std::size_t count_;
};

/// LMCache's vocabulary: NL layers, NB blocks, BS slots of a block, NH heads, HS channels; what stands before
/// an x is a list of arrays. Then what it has no name for.
namespace layouts {

/// vLLM, FlashAttention: per layer [2, NB, BS, NH, HS] (NHD).
inline constexpr kv_layout nl_x_two_nb_bs_nh_hs{axis::two, axis::block, axis::token, axis::head,
                                                axis::channel};
/// Likewise with heads before slots: [2, NB, NH, BS, HS] (HND).
inline constexpr kv_layout nl_x_two_nb_nh_bs_hs{axis::two, axis::block, axis::head, axis::token,
                                                axis::channel};
/// vLLM, FlashInfer: per layer [NB, 2, BS, NH, HS].
inline constexpr kv_layout nl_x_nb_two_bs_nh_hs{axis::block, axis::two, axis::token, axis::head,
                                                axis::channel};
/// Likewise with heads before slots: [NB, 2, NH, BS, HS].
inline constexpr kv_layout nl_x_nb_two_nh_bs_hs{axis::block, axis::two, axis::head, axis::token,
                                                axis::channel};
/// vLLM, K and V of a head side by side: per layer [NB, BS, NH, 2, HS], which is also written [NB, BS, NH,
/// CS] with CS = 2 HS.
inline constexpr kv_layout nl_x_nb_bs_nh_two_hs{axis::block, axis::token, axis::head, axis::two,
                                                axis::channel};
/// Likewise with heads before slots: [NB, NH, BS, 2, HS].
inline constexpr kv_layout nl_x_nb_nh_bs_two_hs{axis::block, axis::head, axis::token, axis::two,
                                                axis::channel};
/// vLLM, all layers in one array: [NB, NL, 2, BS, NH, HS].
inline constexpr kv_layout nb_nl_two_bs_nh_hs{axis::block, axis::layer, axis::two,
                                              axis::token, axis::head,  axis::channel};
/// TensorRT-LLM, all layers in one array: [NB, NL, 2, NH, BS, HS].
inline constexpr kv_layout nb_nl_two_nh_bs_hs{axis::block, axis::layer, axis::two,
                                              axis::head,  axis::token, axis::channel};
/// Arrays of K and of V, per layer [NB, BS, NH, HS]: vLLM's pairs (NL_X_TWO_X_NB_BS_NH_HS), SGLang's lists
/// with pages (TWO_X_NL_X_NB_BS_NH_HS), FlashInfer's k_data, v_data.
inline constexpr kv_layout nb_bs_nh_hs{axis::block, axis::token, axis::head, axis::channel};
/// Likewise with heads before slots: [NB, NH, BS, HS].
inline constexpr kv_layout nb_nh_bs_hs{axis::block, axis::head, axis::token, axis::channel};
/// MLA, one row of latent and RoPE for each token: vLLM's and FlashMLA's [NB, BS, HS], with one head
/// (NL_X_NB_BS_HS; kv_view::mla).
inline constexpr kv_layout nb_bs_hs = nb_bs_nh_hs;
/// Likewise without pages: SGLang's [NBBS, 1, HS] (NL_X_NBBS_ONE_HS).
inline constexpr kv_layout nbbs_one_hs{axis::token, axis::head, axis::channel};
/// Arrays of K and of V without pages: SGLang's lists [NBBS, NH, HS] (TWO_X_NL_X_NBBS_NH_HS), llama.cpp's K.
inline constexpr kv_layout nbbs_nh_hs{axis::token, axis::head, axis::channel};
/// Likewise with heads first: [NH, NBBS, HS], a contiguous cache of one sequence.
inline constexpr kv_layout nh_nbbs_hs{axis::head, axis::token, axis::channel};
/// llama.cpp's V without flash attention: [NH, HS, NBBS], transposed.
inline constexpr kv_layout nh_hs_nbbs{axis::head, axis::channel, axis::token};
/// vLLM's paged attention, K: [NB, NH, HS/x, BS, x], where x is kv_extents::pack.
inline constexpr kv_layout nb_nh_hsx_bs_x{axis::block, axis::head, axis::channel, axis::token, axis::packed};
/// vLLM's paged attention, V: [NB, NH, HS, BS].
inline constexpr kv_layout nb_nh_hs_bs{axis::block, axis::head, axis::channel, axis::token};

} // namespace layouts
} // namespace planecast::inline v0
