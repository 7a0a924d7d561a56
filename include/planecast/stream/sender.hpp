// The prefill node's end: codes layers as they come, plans, and sends what matters first.
#pragma once

#include "planecast/stream/connection.hpp"
#include "planecast/stream/event.hpp"
#include "planecast/stream/options.hpp"
#include "planecast/stream/outgoing_request.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// Sends requests over one connection. Nothing runs behind the caller's back: put(), plan(), wait() and
/// progress() drive the link, on the thread that calls them, one thread at a time; each sends as much as the
/// link takes. Where layers are computed for longer than the link needs for what it has taken, call
/// progress(deadline::passed()) now and then. Destroying it ends all requests that are not focused. Handles
/// may outlive it; they then say `closed`.
template <class Policy, transport Transport, class Backend>
class stream_sender {
  struct state;
  using request_state = detail::outgoing_request<Policy, Backend>;

public:
  class outgoing;

  /// Starts the handshake and returns at once; a disagreement shows as the status of whatever comes next.
  /// Throws `error` if the shape is not one that can be coded or a frame could not hold one token.
  stream_sender(Transport link, geometry shape, sender_options options = {})
      : state_(std::make_shared<state>(
            std::move(link), hello::of<Policy>(role::sender, options.chunk_bytes, 512 * 1024, shape),
            options)) {}
  stream_sender(stream_sender&&) noexcept = default;
  stream_sender& operator=(stream_sender&&) = delete;
  ~stream_sender() {
    if (state_) {
      state_->link.drain(*state_, state_->options.linger);
      state_->link.fail({errc::closed, "the sender was destroyed"});
    }
  }

  /// Announces a request. Throws std::invalid_argument for no tokens or an id that is in use.
  outgoing open(request r) { return outgoing(state_, state_->open(r)); }

  /// Runs the link until something happened or the deadline passed; the connection's status.
  status progress(deadline until) {
    state_->progress(until);
    return state_->link.status();
  }
  /// Waits for the handshake.
  status wait_connected(deadline until) {
    for (bool last = false; !state_->link.ready() && state_->link.status().ok(); state_->progress(until)) {
      if (last)
        return {errc::timeout, "the peer has not said hello"};
      last = until.has_passed();
    }
    return state_->link.status();
  }
  [[nodiscard]] const stream_metrics& metrics() const noexcept { return state_->link.metrics(); }

  /// The least chunk_bytes for a shape.
  [[nodiscard]] static std::uint64_t least_chunk_bytes(const geometry& shape) noexcept {
    return planecast::least_chunk_bytes<Policy>(shape);
  }

private:
  std::shared_ptr<state> state_;
};

/// Handle of a request at the sender. Dropping it lets the transfer run on while the sender lives and is
/// driven; cancel() ends it.
template <class Policy, transport Transport, class Backend>
class stream_sender<Policy, Transport, Backend>::outgoing {
public:
  /// Codes one layer and lets its base leave. The pages are read before this returns.
  /// Preconditions: the view has the request's tokens, the layer is one of the geometry's and was not put
  /// (throws std::invalid_argument). Afterwards: the request's status.
  planecast::status put(std::uint32_t layer, const kv_view& view) {
    return state_->put(*request_, layer, view);
  }

  /// Orders all that follows and cuts it at a budget. Call it once, after the last layer was put (throws
  /// std::logic_error); scores hold one number per token, or nothing if all count the same (throws
  /// std::invalid_argument, as a NaN among them does; nothing happened then). `infeasible` if the budget is
  /// below the base: nothing happened, the status says the least, and it may be called again.
  planecast::status plan(budget b, std::span<const float> scores = {}, plan_options options = {}) {
    return state_->plan(*request_, b, scores, options);
  }

  /// Drives the link until the event came true (ok), the request failed, or the deadline passed (timeout).
  planecast::status wait(event e, deadline until) {
    for (bool last = false;; state_->progress(until)) {
      if (reached(e))
        return {};
      if (const planecast::status s = status(); !s)
        return s;
      if (last)
        return {errc::timeout, "waiting at the sender"};
      last = until.has_passed(); // one look, however late it is
    }
  }
  [[nodiscard]] bool reached(event e) const noexcept { return request_->metrics.at(e).has_value(); }
  [[nodiscard]] planecast::status status() const noexcept { return state_->status_of(*request_); }
  /// Gives the request up at both ends. Afterwards nothing of the caller's is touched.
  void cancel() { state_->cancel(*request_); }

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

template <class Policy, transport Transport, class Backend>
struct stream_sender<Policy, Transport, Backend>::state {
  using request_pointer = std::shared_ptr<request_state>;

  state(Transport l, const hello& mine, sender_options o)
      : options(o), shape(mine.shape), link(std::move(l), mine) {
    if (o.window_bytes == 0)
      throw std::invalid_argument("planecast: a window of no bytes");
    options.chunk_bytes = mine.chunk_bytes;
  }

  request_pointer open(request r) {
    if (!tile_map<Policy>{shape, r.tokens}.countable() || requests.contains(r.id))
      throw std::invalid_argument("planecast: open: no tokens or far too many, or an id that is in use");
    auto made = std::make_shared<request_state>(r, ++openings, shape, options.chunk_bytes);
    requests.emplace(r.id, made);
    if (link.ready())
      announce(*made);
    return made;
  }

  status put(request_state& r, std::uint32_t layer, const kv_view& view) {
    if (!r.takes(layer, view))
      throw std::invalid_argument("planecast: put: no such layer, put before, or not the request's tokens");
    if (status_of(r).ok()) {
      r.put(layer, view);
      r.enqueue(to_send);
      progress(deadline::passed());
    }
    return status_of(r);
  }

  status plan(request_state& r, budget b, std::span<const float> scores, const plan_options& how) {
    if (const status s = status_of(r); !s)
      return s;
    if (const status s = r.make_plan(b, scores, how); !s)
      return s;
    r.enqueue(to_send);
    progress(deadline::passed());
    return status_of(r);
  }

  void cancel(request_state& r) {
    if (const auto found = requests.find(r.id.id); found == requests.end() || found->second.get() != &r)
      return; // over; the id may be in use again
    link.send_control({.kind = frame_kind::cancel, .request = r.id.id, .opening = r.opening});
    close(r, {errc::cancelled, "by the sender"});
  }

  void progress(deadline until) {
    pump();
    link.progress(*this, until);
    pump();
  }

  [[nodiscard]] status status_of(const request_state& r) const noexcept {
    return r.result.ok() && !r.metrics.at(focused) ? link.status() : r.result;
  }

  // The connection's handler.
  void on_ready() {
    for (const auto& [id, r] : requests)
      announce(*r);
  }
  void on_sent() { pump(); }
  void on_nothing() {}
  void on_data(const frame_header&, detail::buffer memory) {
    link.give_back(std::move(memory));
    link.fail({errc::corrupt, "a receiver sends no data"});
  }
  void on_control(const frame_header& h, std::span<const std::byte> payload) {
    if (h.kind == frame_kind::lost)
      return send_again(payload);
    const auto found = requests.find(h.request);
    if (found == requests.end() || found->second->opening != h.opening)
      return; // of a request that is over
    const request_pointer keep = found->second;
    request_state& r = *keep;
    switch (h.kind) {
    case frame_kind::accept:
      r.accepted = true;
      return r.enqueue(to_send);
    case frame_kind::refuse:
      return close(r, h.first == static_cast<std::uint32_t>(errc::mismatch)
                          ? status{errc::mismatch, "tokens of the request", r.id.tokens, h.count}
                          : status{errc::limit, "requests that the receiver did not expect", h.count, 0});
    case frame_kind::cancel:
      return close(r, {errc::cancelled, "by the receiver"});
    case frame_kind::delivered:
      if (!r.planned())
        return; // a lie
      if (h.first == static_cast<std::uint32_t>(first_light))
        return r.metrics.note(first_light);
      if (h.first == static_cast<std::uint32_t>(focused)) {
        r.metrics.note(focused);
        return close(r, {});
      }
      [[fallthrough]];
    default:
      link.fail({errc::corrupt, "control: a frame that no receiver sends"});
    }
  }

  void announce(const request_state& r) {
    link.send_control(
        {.kind = frame_kind::open, .request = r.id.id, .count = r.id.tokens, .opening = r.opening});
  }
  void close(request_state& r, status why) {
    r.result = why;
    r.metrics.note(quiesced);
    r.release();
    to_send.drop(r.id.id);
    sent.drop(r.id.id);
    requests.erase(r.id.id);
  }

  // Builds and sends frames while the link takes them.
  void pump() {
    while (link.ready() && !to_send.empty() && link.in_flight() < options.window_bytes) {
      pending_frame f = to_send.front();
      request_state& r = *requests.find(f.header.request)->second; // close() drops a request's frames
      detail::buffer memory = link.take_data_buffer();
      frame_writer w(memory.room());
      f.header.sequence = f.again.value_or(sent.next());
      r.fill(f.header, w);
      const std::size_t length = w.finish(f.header).size();
      if (!link.send_data(memory, length).ok())
        return link.give_back(std::move(memory));
      r.metrics.note_bytes(length);
      to_send.pop();
      if (f.again)
        link.metrics().sent_again += 1;
      else
        sent.add(f);
    }
  }

  void send_again(std::span<const std::byte> payload) {
    if (payload.size() != 8)
      return link.fail({errc::corrupt, "control: lost without a number"});
    const auto number = detail::load<std::uint64_t>(payload.data());
    const pending_frame* const found = sent.find(number);
    if (found == nullptr) // of a request that is over, or the receiver guessed
      return;
    pending_frame f = *found;
    f.again = number;
    to_send.add(f);
  }

  sender_options options;
  geometry shape;
  std::map<std::uint64_t, request_pointer> requests;
  schedule to_send;
  sent_frames sent;
  std::uint32_t openings = 0;
  detail::connection<Transport> link;
};

} // namespace planecast::inline v0
