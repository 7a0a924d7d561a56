// The prefill node's end: codes layers as they come, plans, and sends what matters first.
#pragma once

#include "planecast/stream/event.hpp"
#include "planecast/stream/options.hpp"
#include "planecast/stream/sending.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>

namespace planecast::inline v0 {

/// Sends requests over one connection. Nothing runs behind the caller's back: put(), plan(), wait() and
/// progress() drive the link, on the thread that calls them, one thread at a time; each sends as much as the
/// link takes. Where layers are computed for longer than the link needs for what it has taken, call
/// progress(deadline::passed()) now and then. Destroying it ends all requests that are not focused. Handles
/// may outlive it; they then say `closed`.
/// Example: see plane_stream.
template <class Policy, transport Transport, class Backend>
class stream_sender {
  using state = detail::sending<Policy, Transport, Backend>;
  using request_state = typename state::request_state;

public:
  class outgoing;

  /// Starts the handshake and returns at once; a disagreement shows as the status of whatever comes next.
  /// `shape` is the whole model's; options say which piece of it this stream carries.
  /// Errors: throws `error` if the shape is not one that can be coded, if a frame could not hold one token of
  /// a layer, or if the transport could not carry a frame; std::invalid_argument for a window of no bytes.
  stream_sender(Transport link, const geometry& shape, sender_options options = {})
      : state_(std::make_shared<state>(
            std::move(link),
            hello::of<Policy>(role::sender, options.chunk_bytes, 512 * 1024, shape, options.carries),
            options)) {}
  /// Handles stay good. The moved-from sender can only be destroyed.
  stream_sender(stream_sender&&) noexcept = default;
  stream_sender& operator=(stream_sender&&) = delete;
  ~stream_sender() {
    if (state_) {
      state_->link.drain(*state_, state_->options.linger);
      state_->link.fail({errc::closed, "the sender was destroyed"});
      if constexpr (layer_backend<Backend, Policy>)
        state_->settle();
    }
  }

  /// Announces a request.
  /// Errors: throws std::invalid_argument for no tokens, for more than can be numbered, and for an id that is
  /// in use.
  outgoing open(request r) { return outgoing(state_, state_->open(r)); }

  /// As many tokens as a budget has room for, the most important first, where the others are to be dropped:
  /// for request::keeping(). A share is of the whole sequence's bytes; a budget of time counts from now on.
  /// Tokens are counted up to the tier of the options and in their order, headers and plan included; the
  /// order is the greedy one across layers unless they say so, and any other takes more. Up to lossless,
  /// and raw, no cache takes more than is counted. Up to a tier below, a cache does of which tiles have to
  /// be stored; plan() with the same budget then sends fewer upgrades, or is infeasible, for the budget is
  /// a ceiling all the same. The list is made once for all shards, by the one with the least room. It is
  /// empty where not one token fits.
  /// Preconditions: the ranking is of the whole sequence; the policy has a tier of those bits (throws
  /// std::invalid_argument).
  /// Errors: throws `error`, `unknown`, if the budget is one of time, and too little has crossed to tell
  /// the rate of the link: what plan() says then.
  /// Example: `auto kept = out.keep_within(rank_tokens(scores), budget::of_raw(0.2), {.until = 8});`
  [[nodiscard]] kept_tokens keep_within(const ranking& r, budget b, const keep_options& how = {}) const {
    return state_->keep_within(r, b, how);
  }

  /// Runs the link until something happened or the deadline passed. Returns the connection's status.
  status progress(deadline until) {
    state_->progress(until);
    return state_->link.status();
  }
  /// Waits for the handshake, which no other call needs to wait for.
  /// Errors: `mismatch` if the peers disagree, `timeout`, or why the link was lost.
  status wait_connected(deadline until) { return state_->link.wait_ready(*state_, until); }
  /// Counts of this end, which go on changing. They live as long as the sender.
  [[nodiscard]] const stream_metrics& metrics() const noexcept { return state_->link.metrics(); }

  /// Bytes a second that the data lane takes: those of the options, or else as measured while it had
  /// something to do throughout. Empty until enough has crossed, some 5 MiB. Where a transport completes what
  /// it has only put into a buffer, the first of them say more than the link does.
  [[nodiscard]] std::optional<double> bandwidth() const noexcept { return state_->link_rate(); }

  /// The least chunk_bytes for a stream that carries this shape and plans in orders of that scope.
  [[nodiscard]] static std::uint64_t
  least_chunk_bytes(const geometry& shape, order_scope scope = order_scope::across_layers) noexcept {
    return planecast::least_chunk_bytes<Policy>(shape, scope);
  }

private:
  std::shared_ptr<state> state_;
};

/// Handle of a request at the sender. Dropping it lets the transfer run on while the sender lives and is
/// driven; cancel() ends it.
template <class Policy, transport Transport, class Backend>
class stream_sender<Policy, Transport, Backend>::outgoing {
public:
  /// Codes one layer, by its number in the model, and lets its base leave. Returns the request's status.
  /// Preconditions: the view has the sequence's tokens and the heads that the stream carries, the layer is
  /// one that it carries and was not put (throws std::invalid_argument; it cannot see heads that are not
  /// there).
  /// Effects: reads the pages before it returns. Does nothing where the status was an error before.
  planecast::status put(std::uint32_t layer, const kv_view& view) //
      requires(!layer_backend<Backend, Policy>) {
    return state_->put(*request_, layer, view);
  }
  /// The same of a layer in a device's memory that is computed there by what the caller has enqueued so far
  /// in a queue of its own (with `cuda`, a CUDA stream).
  /// Effects: enqueues, and returns before the pages were read; they stay as they are until source_free, or
  /// until cancel() returned. Where three layers are under way, it waits for the first of them.
  planecast::status put(std::uint32_t layer, const kv_view& view,
                        typename detail::caches<Policy, Backend>::order behind) //
      requires layer_backend<Backend, Policy> {
    return state_->put(*request_, layer, view, behind);
  }

  /// Orders all that follows by an importance and cuts it at a budget: tokens of all layers together, or, by
  /// an importance that tells layers apart, tokens of one layer each. (What models both is taken by layer.)
  /// Returns the request's status.
  /// Preconditions: the last layer was put, and nothing planned yet (throws std::logic_error).
  /// Errors: throws std::invalid_argument for a NaN among the scores, for scores of fewer layers than the
  /// stream carries and for a tier that the policy does not have, and lets through what the importance
  /// throws; `infeasible`, with the least, if the budget is below the base; `unknown` if it is one of time,
  /// and too little has crossed to tell the link's rate; `limit` if chunk_bytes are enough for orders per
  /// layer alone. Nothing happened in any of these cases, and it may be called again.
  // Two functions: of one that took either, g++ would not say which member a user's importance lacks.
  template <importance I>
  requires(!layered_importance<I>) planecast::status plan(budget b, const I& by, plan_options options = {}) {
    return state_->plan(*request_, b, by, options);
  }
  /// The same by an importance that tells layers apart.
  template <layered_importance I>
  planecast::status plan(budget b, const I& by, plan_options options = {}) {
    return state_->plan(*request_, b, by, options);
  }
  /// The same by scores that the engine has: one for each token of the sequence, or none if all count the
  /// same.
  /// Errors: throws std::invalid_argument for another number of them, too.
  planecast::status plan(budget b, std::span<const float> scores = {}, plan_options options = {}) {
    if (scores.empty())
      return plan(b, equal_scores{}, options);
    if (scores.size() != request_->id.tokens)
      throw std::invalid_argument("planecast: plan: one score per token is needed");
    return plan(b, given_scores(scores), options);
  }

  /// Drives the link until the event came true (ok), the request failed, or the deadline passed (timeout: the
  /// transfer goes on, and so may waiting).
  planecast::status wait(event e, deadline until) {
    for (bool last = false;; state_->progress(until)) {
      if (reached(e))
        return {};
      if (const planecast::status s = status(); !s)
        return s;
      if (last)
        return state_->late(*request_);
      last = until.has_passed(); // one look, however late it is
    }
  }
  /// Whether the event has come true, when the link was last driven.
  [[nodiscard]] bool reached(event e) const noexcept { return request_->metrics.at(e).has_value(); }
  /// ok while the request goes on, and for good when it is focused; else why it failed, for good.
  [[nodiscard]] planecast::status status() const noexcept { return state_->status_of(*request_); }
  /// Gives the request up at both ends. Afterwards nothing of the caller's is touched. Of a request that is
  /// over it changes nothing.
  void cancel() { state_->cancel(*request_); }

  /// Counts and times of the request. They live as long as the handle.
  [[nodiscard]] const request_metrics& metrics() const noexcept { return request_->metrics; }
  /// Bytes that are coded and held until they are delivered.
  [[nodiscard]] std::uint64_t bytes_held() const noexcept { return request_->bytes_held(); }

private:
  friend class stream_sender;
  outgoing(std::shared_ptr<state> s, std::shared_ptr<request_state> r)
      : state_(std::move(s)), request_(std::move(r)) {}

  std::shared_ptr<state> state_;
  std::shared_ptr<request_state> request_;
};

} // namespace planecast::inline v0
