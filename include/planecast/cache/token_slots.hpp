// In which slots a sequence's tokens lie.
#pragma once

#include "planecast/config.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// The slot of each token of a sequence, position 0 first. A slot's number is block · block_size + offset.
/// Made once, it serves the views of all layers: copies share what they hold.
/// Errors: what makes one throws std::invalid_argument for a slot or a block below 0 (padding apart), and
/// where a table has fewer blocks than its tokens need.
/// Example:
///
///     token_slots::first(n)               // token t in slot t
///     token_slots(mapping)                // this sequence's part of vLLM's slot_mapping
///     token_slots(indices)                // this sequence's part of SGLang's kv_indices
///     token_slots::blocks(table, 16, n)   // vLLM's block table of one sequence
///     token_slots::paged(indices, indptr, last_page_len, i, 16)   // FlashInfer's page table, sequence i
class token_slots {
public:
  /// An entry of a slot mapping that is no token, and is passed over.
  static constexpr std::int64_t padding = -1;

  token_slots() = default;

  /// A slot for each token, whole numbers of any size; entries of −1 are no tokens, so token t is the t-th
  /// entry that is not negative.
  template <std::ranges::input_range Slots>
  requires std::signed_integral<std::ranges::range_value_t<Slots>>
  explicit token_slots(const Slots& slot_mapping) {
    std::vector<std::int64_t> slots;
    for (const std::int64_t entry : slot_mapping) {
      if (entry < padding || entry == std::numeric_limits<std::int64_t>::max())
        throw std::invalid_argument("planecast: a slot mapping holds a slot below -1, or beyond all memory");
      if (entry != padding)
        slots.push_back(entry);
    }
    hold(std::move(slots));
  }

  /// Tokens 0 … tokens − 1 in slots of the same number.
  static token_slots first(std::uint32_t tokens) noexcept {
    token_slots t;
    t.tokens_ = tokens;
    t.end_ = tokens;
    return t;
  }

  /// Tokens in blocks of block_size slots, in the order of a block table of whole numbers of any size. What
  /// the table holds beyond the tokens' blocks is not looked at. That no block stands there twice is for the
  /// engine to know.
  template <std::ranges::random_access_range Table>
  requires std::signed_integral<std::ranges::range_value_t<Table>>
  static token_slots blocks(const Table& table, std::uint32_t block_size, std::uint32_t tokens) {
    if (block_size == 0)
      throw std::invalid_argument("planecast: a block table of blocks without slots");
    const std::uint64_t needed = (std::uint64_t{tokens} + block_size - 1) / block_size;
    if (needed > std::ranges::size(table))
      throw std::invalid_argument("planecast: a block table has " + std::to_string(std::ranges::size(table)) +
                                  " blocks, its tokens need " + std::to_string(needed));
    std::vector<std::int64_t> slots(tokens);
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const std::int64_t block = std::ranges::begin(table)[t / block_size];
      if (block < 0)
        throw std::invalid_argument("planecast: a block table holds a block below 0");
      if (block > (std::numeric_limits<std::int64_t>::max() - block_size) / block_size)
        throw std::invalid_argument("planecast: a block table holds a block beyond all memory");
      slots[t] = block * block_size + t % block_size;
    }
    token_slots made;
    made.hold(std::move(slots));
    made.block_size_ = block_size;
    return made;
  }

  /// Sequence i of a batch: its pages are indices[indptr[i]] … indices[indptr[i + 1] − 1], of which the last
  /// holds last_page_len[i] tokens. A sequence without pages is empty, whatever last_page_len says.
  static token_slots paged(std::span<const std::int32_t> indices, std::span<const std::int32_t> indptr,
                           std::span<const std::int32_t> last_page_len, std::size_t i,
                           std::uint32_t page_size) {
    const std::invalid_argument bad("planecast: a page table whose parts do not fit each other");
    if (i >= last_page_len.size() || i + 1 >= indptr.size())
      throw bad;
    const std::int64_t begin = indptr[i], end = indptr[i + 1], last = last_page_len[i];
    if (begin < 0 || end < begin || end > static_cast<std::int64_t>(indices.size()) || page_size == 0)
      throw bad;
    if (begin != end && (last < 1 || last > page_size))
      throw bad;
    const std::int64_t tokens = begin == end ? 0 : (end - begin - 1) * page_size + last;
    if (tokens > 0xFFFF'FFFF)
      throw bad;
    return blocks(indices.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)),
                  page_size, static_cast<std::uint32_t>(tokens));
  }

  /// Tokens of the sequence, padding apart.
  [[nodiscard]] std::uint32_t tokens() const noexcept { return tokens_; }
  /// One more than the greatest slot; 0 without tokens.
  [[nodiscard]] std::int64_t end() const noexcept { return end_; }
  /// Slots of a block, where the slots come from a block table; else 0.
  [[nodiscard]] std::uint32_t block_size() const noexcept { return block_size_; }
  /// The slot of a token.
  /// Preconditions: token < tokens().
  [[nodiscard]] std::int64_t operator[](std::uint32_t token) const noexcept {
    return slots_ ? (*slots_)[token] : std::int64_t{token};
  }

  /// The slot of each token, one after the other; null where token t lies in slot t. Copies share it.
  [[nodiscard]] const std::int64_t* data() const noexcept { return slots_ ? slots_->data() : nullptr; }

  /// How many of the `most` tokens from `token` on lie in slots that follow each other within one block of
  /// `slots_of_block` slots (0: there are no blocks); at least 1.
  /// Preconditions: token + most ≤ tokens(), most ≥ 1.
  [[nodiscard]] std::uint32_t run(std::uint32_t token, std::uint32_t most,
                                  std::uint32_t slots_of_block) const noexcept {
    const std::int64_t first = (*this)[token];
    if (slots_of_block != 0)
      most =
          static_cast<std::uint32_t>(std::min<std::int64_t>(most, slots_of_block - first % slots_of_block));
    if (!slots_)
      return most;
    const std::int64_t* const entry = slots_->data() + token;
    std::uint32_t length = 1;
    while (length < most && entry[length] == first + length)
      ++length;
    return length;
  }

  /// The slots of these tokens alone, as a sequence of their own: token k of it is token tokens[k] of this
  /// one. Made once, it serves the views of all layers.
  /// Preconditions: each is below tokens() (throws std::invalid_argument).
  /// Example: `token_slots::blocks(table, 16, n).only(kept.positions())`
  [[nodiscard]] token_slots only(std::span<const std::uint32_t> tokens) const {
    std::vector<std::int64_t> slots;
    slots.reserve(tokens.size());
    for (const std::uint32_t token : tokens) {
      if (token >= tokens_)
        throw std::invalid_argument("planecast: slots of token " + std::to_string(token) + ", there are " +
                                    std::to_string(tokens_));
      slots.push_back((*this)[token]);
    }
    token_slots some;
    some.hold(std::move(slots));
    some.block_size_ = block_size_;
    return some;
  }

private:
  void hold(std::vector<std::int64_t> slots) {
    if (slots.size() > 0xFFFF'FFFFu)
      throw std::invalid_argument("planecast: more tokens than 32 bits count");
    tokens_ = static_cast<std::uint32_t>(slots.size());
    for (const std::int64_t entry : slots)
      end_ = std::max(end_, entry + 1);
    slots_ = std::make_shared<const std::vector<std::int64_t>>(std::move(slots));
  }

  std::shared_ptr<const std::vector<std::int64_t>> slots_; // none: token t lies in slot t
  std::uint32_t tokens_ = 0, block_size_ = 0;
  std::int64_t end_ = 0;
};

} // namespace planecast::inline v0
