// The decode node's end: takes frames into staging, and into the engine's pages when the engine says so.
#pragma once

#include "planecast/stream/event.hpp"
#include "planecast/stream/options.hpp"
#include "planecast/stream/receiving.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// Receives requests over one connection. Nothing runs behind the caller's back: poll(), wait() and
/// progress() drive the link, on the thread that calls them, one at a time. Handles may outlive it and then
/// say `closed`.
/// Example: see plane_stream.
template <class Policy, transport Transport, class Backend>
class stream_receiver {
  using state = detail::receiving<Policy, Transport, Backend>;
  using request_state = typename state::request_state;

public:
  class incoming;

  /// Starts the handshake and returns at once; a disagreement is the status of whatever comes next. `shape`
  /// is the whole model's; options say which piece of it this stream carries.
  /// Errors: throws `error` if the shape is not one that can be coded, if a frame could not hold one token of
  /// a layer, or if the transport could not carry a frame; std::invalid_argument for no slots, or more than
  /// staged_frames.
  stream_receiver(Transport link, const geometry& shape, receiver_options options = {})
      : state_(std::make_shared<state>(
            std::move(link),
            hello::of<Policy>(role::receiver, options.chunk_bytes, 1024 * 1024, shape, options.carries),
            options)) {}
  /// Handles stay good. The moved-from receiver can only be destroyed.
  stream_receiver(stream_receiver&&) noexcept = default;
  stream_receiver& operator=(stream_receiver&&) = delete;
  ~stream_receiver() {
    if (state_) {
      state_->link.drain(*state_, state_->options.linger);
      state_->link.fail({errc::closed, "the receiver was destroyed"});
    }
  }

  /// Says where a request goes: one view per layer that the stream carries, each of the sequence's tokens and
  /// of the heads that it carries. Pages of another type of numbers say so (kv_pages::holding); the sender
  /// does not need to know. It may send from now on.
  /// Effects: the views' memory is borrowed until the handle says quiesced or is destroyed.
  /// Errors: throws std::invalid_argument for views that do not fit or an id in use; `error` if code_bytes
  /// would be passed.
  incoming expect(request r, std::vector<kv_pages> pages) //
      requires(!layer_backend<Backend, Policy>) {
    return incoming(state_, state_->expect(r, std::move(pages)));
  }
  /// The same of pages in a device's memory. What writes them waits for what the caller has enqueued by then
  /// in a queue of its own (with `cuda`, a CUDA stream), and poll() and wait() return when it is done: call
  /// them between two steps that are in that queue. They may take longer than their deadline, by what the
  /// device has to do.
  /// Errors: `error`, too, where the device has no memory for what is kept for sharpening.
  incoming expect(request r, std::vector<kv_pages> pages,
                  typename detail::caches<Policy, Backend>::order behind) //
      requires layer_backend<Backend, Policy> {
    return incoming(state_, state_->expect(r, std::move(pages), behind));
  }

  /// Runs the link until something happened or the deadline passed, without touching pages. Returns the
  /// connection's status.
  status progress(deadline until) {
    state_->progress(until);
    return state_->link.status();
  }
  /// Waits for the handshake, which no other call needs to wait for.
  /// Errors: `mismatch` if the peers disagree, `timeout`, or why the link was lost.
  status wait_connected(deadline until) { return state_->link.wait_ready(*state_, until); }
  /// Counts of this end, which go on changing. They live as long as the receiver.
  [[nodiscard]] const stream_metrics& metrics() const noexcept { return state_->link.metrics(); }

private:
  std::shared_ptr<state> state_;
};

/// Handle of a request at the receiver. Destroying it before the request is over cancels it.
template <class Policy, transport Transport, class Backend>
class stream_receiver<Policy, Transport, Backend>::incoming {
public:
  using policy = Policy; ///< the stream's

  /// The moved-from handle can only be destroyed, which then cancels nothing.
  incoming(incoming&&) noexcept = default;
  incoming& operator=(incoming&&) = delete;
  ~incoming() {
    if (request_)
      cancel();
  }

  /// Drives the link without waiting and writes what has come into the pages. Returns the request's status.
  /// Call it between two steps of the engine: it, and wait(), are the only calls that change the pages.
  planecast::status poll() {
    state_->progress(deadline::passed());
    state_->apply(*request_, false);
    return status();
  }

  /// Drives the link and writes what comes into the pages until the event came true (ok), the request failed,
  /// or the deadline passed (timeout: what has come by then is in the pages, and waiting may go on).
  planecast::status wait(event e, deadline until) {
    for (bool last = false;; state_->progress(until.sooner(starving()))) {
      state_->apply(*request_, true, e == first_light);
      if (reached(e)) {
        state_->progress(deadline::passed()); // what was told of it leaves
        return {};
      }
      if (const planecast::status s = status(); !s)
        return s;
      if (last)
        return state_->late(*request_);
      last = until.has_passed(); // one look, however late it is
    }
  }
  /// Whether the event has come true, in the pages too. source_free is the sender's alone.
  [[nodiscard]] bool reached(event e) const noexcept { return request_->metrics.at(e).has_value(); }
  /// ok while the request goes on, and for good when it is focused; else why it failed, for good.
  [[nodiscard]] planecast::status status() const noexcept { return state_->status_of(*request_); }

  /// Whether all tokens of the sequence come. If not, the request keeps some: then all that is said of tiers,
  /// pages and events is said of these, and nothing that is decoded on them is the original's.
  [[nodiscard]] bool whole() const noexcept { return request_->id.whole(); }
  /// Index of the highest tier that every token has in the pages; −1 before the base is complete.
  [[nodiscard]] int tier() const noexcept { return request_->tier(); }
  /// How long until the event comes, at the rate of what has come since the plan; nothing once it has come,
  /// empty while that is not known. Of first light nothing can be said beforehand.
  [[nodiscard]] std::optional<deadline::clock::duration> expected(event e) const noexcept {
    if (reached(e))
      return deadline::clock::duration{};
    return e == focused && status().ok() ? request_->left() : std::nullopt;
  }
  /// Pages, by layer, of which a token lacks a plane of the policy: what a degraded request is short of.
  [[nodiscard]] std::vector<layer_page> unsharp() const { return request_->unsharp(); }

  /// Gives the request up at both ends. Afterwards the pages are not touched any more. Of a request that is
  /// over it changes nothing.
  void cancel() { state_->cancel(*request_); }

  /// Counts and times of the request. They live as long as the handle.
  [[nodiscard]] const request_metrics& metrics() const noexcept { return request_->metrics; }

private:
  friend class stream_receiver;
  incoming(std::shared_ptr<state> s, std::shared_ptr<request_state> r)
      : state_(std::move(s)), request_(std::move(r)) {}

  // While others' frames take all the room nothing comes; that they are unattended is no event.
  [[nodiscard]] deadline starving() const noexcept {
    return state_->starved(*request_) ? deadline(std::chrono::milliseconds(1))
                                      : deadline(deadline::clock::time_point::max());
  }

  std::shared_ptr<state> state_;
  std::shared_ptr<request_state> request_;
};

} // namespace planecast::inline v0
