// How the queries and keys of a layer are shared out among blocks, and where memory holds what.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/config.hpp"
#include "planecast/cuda/attention_tuning.hpp"
#include "planecast/cuda/detail/warp_product.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A query head's queries are strips of 16, the last one filled up with none. The strips of a KV head's group
/// make panels; a warp has two strips of a panel. The tokens make splits of whole tiles. A block has a panel
/// and a split, and goes through the split tile by tile.
struct attention_shape {
  static constexpr std::uint32_t tile = warp_product::columns; ///< tokens
  static constexpr std::uint32_t sums_step = tile + 8; ///< floats; so that a warp's rows meet all banks

  std::uint32_t tokens = 0, kv_heads = 0, group = 0, window = 0, dim = 0;
  bool apart = false;         ///< sums are kept for each query head
  bool given = false;         ///< softmax_lse is: one pass
  std::uint32_t parts = 1;    ///< rows of 16-bit numbers that a query is the sum of
  std::uint32_t head_strips;  ///< strips of a query head
  std::uint32_t strips;       ///< of a panel: even, at most 8
  std::uint32_t panels;       ///< of a KV head
  std::uint32_t slots;        ///< sums that a panel has for each token
  std::uint32_t stages;       ///< tiles of keys that a block holds; 0: a block has no room
  std::uint32_t split_tokens; ///< a multiple of a tile
  std::uint32_t splits;
  std::uint32_t lag; ///< KV heads in whose first pass blocks are before those of the first head's second pass

  /// Preconditions: nothing is 0; window ≤ tokens; dim is a multiple of 8.
  constexpr attention_shape(std::uint32_t of_tokens, std::uint32_t of_kv_heads, std::uint32_t of_group,
                            std::uint32_t of_window, std::uint32_t of_dim, bool keeps_apart, bool is_given,
                            const attention_tuning& how, std::uint32_t of_parts = 1) noexcept
      : tokens(of_tokens), kv_heads(of_kv_heads), group(of_group), window(of_window), dim(of_dim),
        apart(keeps_apart), given(is_given), parts(of_parts), head_strips((window + 15) / 16), strips(0),
        panels(1), slots(1), stages(0), split_tokens(tile), splits(1), lag(1) {
    constexpr std::uint32_t tries[][2] = {{8, 2}, {4, 2}, {8, 1}, {4, 1}, {2, 2}, {2, 1}};
    const std::uint32_t all = group * head_strips;
    for (const auto& [most_strips, of_stages] : tries) {
      panels = (all + most_strips - 1) / most_strips;
      strips = ((all + panels - 1) / panels + 1) / 2 * 2;
      panels = (all + strips - 1) / strips;
      slots = apart ? min(group, (strips + head_strips - 2) / head_strips + 1) : 1;
      stages = of_stages;
      if (memory_bytes() <= how.block_bytes)
        break;
      stages = 0;
    }
    // Blocks that run at once, by their memory, of which CUDA takes 1 KiB, and by the registers of 384
    // threads.
    const std::uint32_t of_processor = min(how.processor_bytes / (memory_bytes() + 1024), 384 / threads());
    const std::uint32_t blocks = how.processors * max(1u, of_processor);
    // With one pass all blocks run at once. With two a head's blocks are half as many, so that its keys are
    // still in L2 when its second pass comes; but not so small that queries outweigh keys.
    constexpr std::uint32_t few_tokens = 256;
    const std::uint32_t shares = max(1u, given ? blocks / (kv_heads * panels) : blocks / (2 * panels));
    split_tokens = align_up(max(given ? tile : few_tokens, (tokens + shares - 1) / shares), tile);
    splits = (tokens + split_tokens - 1) / split_tokens;
    lag = min(kv_heads, (blocks + splits * panels - 1) / (splits * panels));
  }

  /// Queries of a panel.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t rows() const noexcept { return 16 * strips; }
  /// Threads of a block.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t threads() const noexcept { return 16 * strips; }
  /// Blocks of the grid.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t blocks() const noexcept {
    return (given ? 1 : 2) * kv_heads * splits * panels;
  }
  /// Channels of a row in a block's memory; those beyond dim are 0.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t padded_dim() const noexcept { return align_up(dim, 16u); }
  /// Bytes from a key to the next there, and from a query, whose parts lie side by side: odd multiples of 16.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t step() const noexcept { return 2 * padded_dim() + 16; }
  PLANECAST_HOST_DEVICE constexpr std::uint32_t query_step() const noexcept {
    return 2 * parts * padded_dim() + 16;
  }

  // A block's memory, in bytes from its beginning.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t references_at() const noexcept { return 16; } // f32 by row
  PLANECAST_HOST_DEVICE constexpr std::uint32_t seen_at() const noexcept { // u32 by row: its last token
    return references_at() + 4 * rows();
  }
  PLANECAST_HOST_DEVICE constexpr std::uint32_t addresses_at() const noexcept { // of two tiles' rows
    return seen_at() + 4 * rows();
  }
  PLANECAST_HOST_DEVICE constexpr std::uint32_t sums_at() const noexcept { // f32, 8 rows of a strip or warp
    return addresses_at() + 2 * 8 * tile;
  }
  PLANECAST_HOST_DEVICE constexpr std::uint32_t queries_at() const noexcept {
    return sums_at() + 4 * sums_step * 8 * (apart ? strips : strips / 2);
  }
  PLANECAST_HOST_DEVICE constexpr std::uint32_t keys_at(std::uint32_t stage) const noexcept {
    return queries_at() + rows() * query_step() + stage * tile * step();
  }
  /// All of it.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t memory_bytes() const noexcept { return keys_at(stages); }

  // The workspace, likewise. With one pass it holds sums alone.
  PLANECAST_HOST_DEVICE constexpr std::size_t panels_in_all() const noexcept {
    return std::size_t{kv_heads} * panels;
  }
  /// u32: a number to draw, then for each panel how many blocks have its first pass behind them, and whether
  /// all have. They are to be 0 at first.
  PLANECAST_HOST_DEVICE constexpr std::size_t counters() const noexcept {
    return given ? 0 : 1 + 2 * panels_in_all();
  }
  PLANECAST_HOST_DEVICE constexpr std::size_t maxima_at() const noexcept { // f32 by panel, split, row
    return align_up(4 * counters(), std::size_t{16});
  }
  PLANECAST_HOST_DEVICE constexpr std::size_t denominators_at() const noexcept { // likewise
    return maxima_at() + (given ? 0 : 4 * panels_in_all() * splits * rows());
  }
  PLANECAST_HOST_DEVICE constexpr std::size_t lse_at() const noexcept { // f32 by panel, row; to the base 2
    return denominators_at() + (given ? 0 : 4 * panels_in_all() * splits * rows());
  }
  PLANECAST_HOST_DEVICE constexpr std::size_t mass_at() const noexcept { // f32 by panel, slot, token
    return lse_at() + (given ? 0 : 4 * panels_in_all() * rows());
  }
  PLANECAST_HOST_DEVICE constexpr std::size_t check_at() const noexcept { // u32, then f32 by block of scores
    return mass_at() + 4 * panels_in_all() * slots * tokens;
  }
  PLANECAST_HOST_DEVICE constexpr std::size_t workspace_bytes(std::uint32_t score_threads) const noexcept {
    return check_at() + 4 + std::size_t{4} * ((tokens + score_threads - 1) / score_threads);
  }

  /// What a block does.
  struct work {
    bool second;                      ///< pass: that of the sums
    std::uint32_t head, panel, split; ///< KV head
    std::uint32_t first, end;         ///< tokens
    /// It does nothing.
    [[nodiscard]] PLANECAST_HOST_DEVICE constexpr bool none() const noexcept { return first == end; }
  };
  /// A block's, by the number that it draws. First passes of a head have lower numbers than its second ones.
  /// A number that is too high, where another call draws from the same workspace, is none's.
  PLANECAST_HOST_DEVICE constexpr work work_of(std::uint32_t number) const noexcept {
    if (number >= blocks())
      return {true, 0, 0, 0, 0, 0};
    const std::uint32_t of_head = splits * panels, rest = number % of_head;
    std::uint32_t turn = number / of_head;
    bool second = given;
    if (!given && turn >= lag) {
      turn -= lag;
      const std::uint32_t mixed = 2 * (kv_heads - lag);
      second = turn >= mixed || turn % 2 != 0;
      turn = turn >= mixed ? turn - (kv_heads - lag) : turn % 2 != 0 ? turn / 2 : lag + turn / 2;
    }
    const std::uint32_t split = rest / panels;
    return {
        second, turn, rest % panels, split, split * split_tokens, min(tokens, (split + 1) * split_tokens)};
  }
  /// The number of a panel among all.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t panel_of(work w) const noexcept {
    return w.head * panels + w.panel;
  }
  /// The slot that the sums of a panel's strip go to.
  PLANECAST_HOST_DEVICE constexpr std::uint32_t slot_of(std::uint32_t panel,
                                                        std::uint32_t strip) const noexcept {
    return apart ? (panel * strips + strip) / head_strips - panel * strips / head_strips : 0;
  }
};

} // namespace planecast::inline v0::detail
