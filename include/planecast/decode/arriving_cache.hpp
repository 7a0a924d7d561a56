// What decoding asks of a cache that is still arriving.
#pragma once

#include "planecast/policy/tier.hpp"
#include "planecast/status.hpp"
#include "planecast/stream/event.hpp"

#include <concepts>
#include <cstdint>
#include <optional>

namespace planecast::inline v0 {

/// A cache on its way into an engine's pages.
///
///     policy::tiers  The tiers that it may pass through.
///     poll()         Drives progress without waiting and puts what has arrived into the engine's pages. An
///                    error once nothing more will come of the request.
///     tier()         The lowest tier that any token holds there; −1 until the base is there. Never falls.
///     whole()        Whether all tokens of the sequence come. If not, nothing decoded on it is verified.
///     reached(e)     Whether event e has come, to the pages too.
///     wait(e, d)     Polls until e is reached (ok), or d has passed (timeout), or the request is lost.
///
/// speculate() calls it on its own thread, between two calls of the engine; nobody else changes the pages.
/// Errors: as statuses; after one that is no timeout nothing more comes.
/// Example: what stream_receiver::expect() returns, and gathered.
template <class K>
concept arriving_cache = requires(K kv, const K c, event e, deadline d) {
  { K::policy::tiers::count } -> std::convertible_to<std::uint32_t>;
  { K::policy::tiers::bits(0u) } -> std::same_as<std::uint32_t>;
  { kv.poll() } -> std::same_as<status>;
  { c.tier() } -> std::same_as<int>;
  { c.whole() } -> std::same_as<bool>;
  { c.reached(e) } -> std::same_as<bool>;
  { kv.wait(e, d) } -> std::same_as<status>;
};

/// An arriving cache that can tell how long the rest will take.
///
///     expected(e)  The time until event e, at the rate at which bytes have come so far; nothing once it has
///                  come; empty while that is not known.
///
/// It is an estimate: speculate() asks it whether a draft is still worth its step.
template <class K>
concept foreseeing_cache = arriving_cache<K> && requires(const K c, event e) {
  { c.expected(e) } -> std::same_as<std::optional<deadline::clock::duration>>;
};

} // namespace planecast::inline v0
