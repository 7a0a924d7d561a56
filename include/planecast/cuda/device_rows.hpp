// One layer's keys, or its values, where an engine keeps them in device memory.
#pragma once

#include "planecast/config.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// Where the heads of a sequence's tokens lie: one array with strides, and the slot of each token. As kv_view
/// says it of the host's memory, in a form that kernels take. Borrows the array and the table. Channels lie
/// side by side.
///
/// A slot's number is block · block_size + offset. Token t lies in slot t, or where one of the two tables
/// says: `slots` (vLLM's slot_mapping of a sequence) or `blocks` (its block table, SGLang's and FlashInfer's
/// page indices), both in device memory.
/// Where `first` lies at a multiple of eight values' bytes, and the steps of tokens, heads and blocks are
/// multiples of eight values, channels are read and written eight at a time; else one at a time.
/// Preconditions: values lie at multiples of their bytes; at most one of the tables is set, and `blocks` only
/// with a block_size; the table has an entry for every token that a call reads, none of them negative (as
/// vLLM's slot mapping has for tokens that are to be skipped: leave them out); the array has their slots.
/// Example:
///
///     device_rows<const std::byte>{.first = keys, .token = 8 * 128, .head = 128, .block = 16 * 8 * 128,
///                                  .block_size = 16, .blocks = block_table}
template <class Byte>
struct device_rows {
  Byte* first = nullptr;                ///< slot 0, head 0, channel 0
  std::ptrdiff_t token = 0;             ///< values from a slot to the next within a block
  std::ptrdiff_t head = 0;              ///< values from a head to the next
  std::ptrdiff_t block = 0;             ///< values from a block to the next
  std::uint32_t block_size = 0;         ///< slots of a block; 0: there are no blocks
  const std::int64_t* slots = nullptr;  ///< of each token
  const std::int32_t* blocks = nullptr; ///< of each block_size tokens

  /// The first channel of a token's head, where a value has so many bytes.
  PLANECAST_HOST_DEVICE Byte* row(std::uint32_t of_token, std::uint32_t of_head,
                                  std::uint32_t value_bytes) const noexcept {
    return first + values_before(of_token, of_head) * static_cast<std::int64_t>(value_bytes);
  }
  /// How many values it is behind slot 0, head 0, channel 0.
  PLANECAST_HOST_DEVICE std::int64_t values_before(std::uint32_t of_token,
                                                   std::uint32_t of_head) const noexcept {
    std::int64_t in_block = of_token, at = std::int64_t{of_head} * head; // of the slot, and what lies before
    if (slots != nullptr) {
      in_block = slots[of_token];
      if (block_size != 0 && in_block >> 32 == 0) { // as ever; 64 bits take a device long to divide
        const auto of_slots = static_cast<std::uint32_t>(in_block);
        at += std::int64_t{of_slots / block_size} * block;
        in_block = of_slots % block_size;
      } else if (block_size != 0) {
        at += in_block / block_size * block;
        in_block %= block_size;
      }
    } else if (block_size != 0) {
      const std::uint32_t of_table = of_token / block_size;
      at += std::int64_t{blocks != nullptr ? blocks[of_table] : static_cast<std::int32_t>(of_table)} * block;
      in_block = of_token % block_size;
    }
    return at + in_block * token;
  }
};

namespace detail {
// Whether groups of eight channels lie at multiples of their bytes.
template <class Byte>
bool whole_groups(const device_rows<Byte>& of, std::uint32_t value_bytes) noexcept {
  constexpr std::ptrdiff_t channels = 8;
  return reinterpret_cast<std::uintptr_t>(of.first) % (8 * value_bytes) == 0 && of.token % channels == 0 &&
         of.head % channels == 0 && of.block % channels == 0;
}
} // namespace detail

} // namespace planecast::inline v0
