// One cache that comes in shards, from several senders: one thing to wait for and to decode on.
#pragma once

#include "planecast/stream/event.hpp"
#include "planecast/stream/incoming_request.hpp"
#include "planecast/stream/wait_all.hpp"

#include <algorithm>
#include <concepts>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// Handles of requests that fill one engine's pages together, each over a stream of its own that carries a
/// shard, all by transports of one type. What is true of a gathered cache is true of all its shards. What
/// fails in one fails in the whole, but the others go on; cancel() ends them. It can stand wherever one
/// incoming request can: in speculate(), for example.
/// Preconditions: at least one shard (throws std::invalid_argument). It and the shards' receivers are used
/// from one thread at a time.
/// Effects: owns the handles; destroying it cancels what is not over.
/// Example:
///
///     gathered kv(std::move(from_rank_0), std::move(from_rank_1));
///     check(kv.wait(first_light, 2s));
template <class Incoming>
class gathered {
public:
  using policy = typename Incoming::policy; ///< the same for all

  /// As many as come at run time.
  explicit gathered(std::vector<Incoming> shards) : shards_(std::move(shards)) {
    if (shards_.empty())
      throw std::invalid_argument("planecast: gathered: no shards");
  }
  /// As many as are named.
  template <class... More>
  requires(std::same_as<Incoming, More>&&...) //
      explicit gathered(Incoming first, More... more) {
    shards_.reserve(1 + sizeof...(more));
    shards_.push_back(std::move(first));
    (shards_.push_back(std::move(more)), ...);
  }

  /// Drives all links without waiting and writes what has come into the pages. The status of the first shard
  /// that failed, if one did.
  planecast::status poll() {
    for (Incoming& s : shards_)
      (void)s.poll();
    return status();
  }

  /// Drives all links until the event came true for all shards (ok), one failed, or the deadline passed.
  planecast::status wait(event e, deadline until) {
    return detail::wait_each(e, until, [&](auto&& look) {
      for (Incoming& s : shards_)
        look(s);
    });
  }

  /// Whether the event has come true for all shards, when their links were last driven.
  [[nodiscard]] bool reached(event e) const noexcept {
    return std::ranges::all_of(shards_, [&](const Incoming& s) { return s.reached(e); });
  }
  /// ok, or what went wrong in one shard.
  [[nodiscard]] planecast::status status() const noexcept {
    for (const Incoming& s : shards_)
      if (const planecast::status of_one = s.status(); !of_one)
        return of_one;
    return {};
  }

  /// Whether all tokens of the sequence come, in all shards.
  [[nodiscard]] bool whole() const noexcept {
    return std::ranges::all_of(shards_, [](const Incoming& s) { return s.whole(); });
  }
  /// Index of the highest tier that every token has in all shards; −1 before all bases are complete.
  [[nodiscard]] int tier() const noexcept {
    int least = shards_.front().tier();
    for (const Incoming& s : shards_)
      least = std::min(least, s.tier());
    return least;
  }
  /// How long until the event has come for all shards; empty while that is not known of one.
  [[nodiscard]] std::optional<deadline::clock::duration> expected(event e) const noexcept {
    deadline::clock::duration longest{};
    for (const Incoming& s : shards_) {
      const auto of_one = s.expected(e);
      if (!of_one)
        return std::nullopt;
      longest = std::max(longest, *of_one);
    }
    return longest;
  }
  /// Pages, by layer, of which a token lacks a plane in one of the shards; sorted, each once.
  [[nodiscard]] std::vector<layer_page> unsharp() const {
    std::vector<layer_page> all;
    for (const Incoming& s : shards_) {
      const std::vector<layer_page> more = s.unsharp();
      all.insert(all.end(), more.begin(), more.end());
    }
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  /// Gives the request up at all ends. Afterwards the pages are not touched any more.
  void cancel() {
    for (Incoming& s : shards_)
      s.cancel();
  }

  /// The shards' handles, in the order that they were given: for their metrics.
  [[nodiscard]] const std::vector<Incoming>& shards() const noexcept { return shards_; }

private:
  std::vector<Incoming> shards_;
};

} // namespace planecast::inline v0
