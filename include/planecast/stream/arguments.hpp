// What open(), put() and expect() refuse, and how they say it.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/code/tile_map.hpp"
#include "planecast/stream/request.hpp"

#include <cstdint>
#include <stdexcept>
#include <string>

namespace planecast::inline v0::detail {

[[noreturn]] inline void refuse(const char* call, const std::string& why) {
  throw std::invalid_argument(std::string("planecast: ") + call + ": " + why);
}

/// On what two ends disagree that keep different tokens.
inline constexpr const char* which_are_kept =
    "kept tokens of the request, as fingerprints, 0 where none is dropped";

/// Whether a request can be carried at all.
template <class Policy>
void check_request(const char* call, const request& r, const geometry& shape, bool in_use) {
  if (in_use)
    refuse(call, "the id " + std::to_string(r.id) + " is in use");
  if (r.first >= r.tokens)
    refuse(call, "no tokens: the first is " + std::to_string(r.first) + " of " + std::to_string(r.tokens));
  if ((r.kept == 0) != (r.dropped == 0) || r.dropped > 0xFFFF'FFFFu - r.tokens)
    refuse(call, "kept tokens of which not all is said; request::keeping() says it");
  if (!tile_map<Policy>{shape, r.tokens, r.first}.countable())
    refuse(call, std::to_string(r.tokens) + " tokens are more than 32 bits can number the tiles of");
}

/// Whether a view is one of the request's tokens and, as far as the view knows, of the stream's heads.
/// `layer` counts within what the stream carries, `number` in the model.
template <class View>
void check_view(const char* call, const View& view, const request& r, const geometry& shape,
                std::uint32_t layer, std::uint32_t number) {
  const std::string where = "layer " + std::to_string(number) + ": ";
  if (view.tokens() != r.tokens)
    refuse(call, where + "a view of " + std::to_string(view.tokens()) + " tokens, the sequence has " +
                     std::to_string(r.tokens));
  if (!view.may_hold(shape.dtype))
    refuse(call, where + "a view of values of " + std::to_string(view.value_bytes()) +
                     " bytes, which the stream's dtype does not fit, or that asks for its scales where it "
                     "has none (kv_view::fp8, kv_view::fp32_as, kv_pages::holding)");
  if (!view.may_show(shape.heads(layer), shape.key_dim, shape.value_dim))
    refuse(call, where + "the view's extents do not hold " + std::to_string(shape.heads(layer)) +
                     " heads of " + std::to_string(shape.key_dim) + " and " +
                     std::to_string(shape.value_dim) + " channels, which the stream carries");
}

} // namespace planecast::inline v0::detail
