// The text of a speculation: tokens come, become surer and are taken back, and each of it is told.
#pragma once

#include "planecast/decode/engine.hpp"
#include "planecast/decode/speculated.hpp"
#include "planecast/policy/tier.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

/// What a decision is worth if every token of the original's cache holds a tier; −1: none.
template <class Tiers>
constexpr token_tag tag_at(int tier) {
  if (tier <= 0)
    return token_tag::drafted;
  const std::uint32_t bits = Tiers::bits(static_cast<std::uint32_t>(tier));
  return bits == static_cast<std::uint32_t>(lossless) ? token_tag::verified
         : bits >= 8                                  ? token_tag::verified_int8
                                                      : token_tag::drafted;
}

/// Errors: throws std::invalid_argument for options that make no sense.
template <class Tiers>
void check_options(const speculate_options& options) {
  if (options.max_tokens == 0 || options.max_run == 0 || options.verify_every == 0)
    throw std::invalid_argument("planecast: speculate needs max_tokens, max_run, verify_every of at least 1");
  if (options.draft_from >= Tiers::count)
    throw std::invalid_argument("planecast: speculate: draft_from is beyond the last tier");
}

/// Keeps the result of a speculation while it grows.
class told_text {
public:
  using clock = deadline::clock;

  /// How a token came into the text.
  struct origin {
    bool step = false, drafted = false;
  };

  told_text(speculate_options how, clock::time_point begun) : options(std::move(how)), begun_(begun) {}

  speculate_options options;
  speculated out;

  void append(token_id id, token_tag tag, origin from) {
    out.tokens.push_back(id);
    out.tags.push_back(tag);
    origins_.push_back(from);
    out.drafted += from.drafted ? 1 : 0;
    tell(out.tokens.size() - 1, id, tag);
  }

  /// From `at` on the text is `fresh`: takes back what differs and all behind it, the newest first, then
  /// tells what has `tag` now. What is behind tokens that are all the same stays.
  void replace(std::size_t at, std::span<const token_id> fresh, token_tag tag) {
    const auto same = std::ranges::mismatch(std::span(out.tokens).subspan(at), fresh).in2 - fresh.begin();
    const std::size_t kept = at + static_cast<std::size_t>(same);
    while (kept < at + fresh.size() && out.tokens.size() > kept) {
      const token_id id = out.tokens.back();
      out.wasted += origins_.back().step ? 1 : 0;
      out.tokens.pop_back();
      out.tags.pop_back();
      origins_.pop_back();
      tell(out.tokens.size(), id, token_tag::retracted);
    }
    for (std::size_t i = at; i < kept; ++i)
      if (out.tags[i] != tag) {
        out.tags[i] = tag;
        tell(i, out.tokens[i], tag);
      }
    for (const token_id id : fresh.subspan(kept - at))
      append(id, tag, {.drafted = tag == token_tag::drafted});
  }

  /// Whether there is nothing to come behind its last token.
  [[nodiscard]] bool finished() const { return out.tokens.size() >= options.max_tokens || stopped(); }

  /// At the end.
  [[nodiscard]] speculated result() {
    if (out.finish == finish_reason::length && stopped())
      out.finish = finish_reason::stop;
    out.accepted = static_cast<std::size_t>(std::ranges::count_if(origins_, &origin::drafted));
    return std::move(out);
  }

private:
  [[nodiscard]] bool stopped() const {
    return std::ranges::find(options.stop_tokens, out.tokens.back()) != options.stop_tokens.end();
  }
  void tell(std::size_t index, token_id id, token_tag tag) {
    auto* const first = tag == token_tag::drafted         ? &out.first_drafted
                        : tag == token_tag::verified_int8 ? &out.first_verified_int8
                        : tag == token_tag::verified      ? &out.first_verified
                                                          : nullptr;
    if (index > 0 && first != nullptr && !*first)
      *first = clock::now() - begun_;
    if (options.on_token)
      options.on_token({index, id, tag});
  }

  clock::time_point begun_;
  std::vector<origin> origins_; // one for each token
};

} // namespace planecast::inline v0::detail
