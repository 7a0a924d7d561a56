// The decode node's end: takes frames into staging, and into the engine's pages when the engine says so.
#pragma once

#include "planecast/stream/announcements.hpp"
#include "planecast/stream/connection.hpp"
#include "planecast/stream/event.hpp"
#include "planecast/stream/incoming_request.hpp"
#include "planecast/stream/options.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// Receives requests over one connection. Nothing runs behind the caller's back: poll(), wait() and
/// progress() drive the link, on the thread that calls them, one at a time. Handles may outlive it and then
/// say `closed`.
template <class Policy, transport Transport, class Backend>
class stream_receiver {
  struct state;
  using request_state = detail::incoming_request<Policy, Backend>;

public:
  class incoming;

  /// Starts the handshake and returns at once; a disagreement is the status of whatever comes next. Throws
  /// `error` for a shape that cannot be coded.
  stream_receiver(Transport link, geometry shape, receiver_options options = {})
      : state_(std::make_shared<state>(
            std::move(link), hello::of<Policy>(role::receiver, options.chunk_bytes, 1024 * 1024, shape),
            options)) {}
  stream_receiver(stream_receiver&&) noexcept = default;
  stream_receiver& operator=(stream_receiver&&) = delete;
  ~stream_receiver() {
    if (state_) {
      state_->link.drain(*state_, state_->options.linger);
      state_->link.fail({errc::closed, "the receiver was destroyed"});
    }
  }

  /// Says where a request goes: one view per layer, each of the request's tokens. The sender may send from
  /// now on. The views' memory is borrowed until the handle says quiesced or is destroyed.
  /// Throws std::invalid_argument for views that do not fit or an id in use; `error` if code_bytes is passed.
  incoming expect(request r, std::vector<kv_pages> pages) {
    return incoming(state_, state_->expect(r, std::move(pages)));
  }

  /// Runs the link until something happened or the deadline passed; the connection's status.
  status progress(deadline until) {
    state_->progress(until);
    return state_->link.status();
  }
  [[nodiscard]] const stream_metrics& metrics() const noexcept { return state_->link.metrics(); }

private:
  std::shared_ptr<state> state_;
};

/// Handle of a request at the receiver. Destroying it before the request is over cancels it.
template <class Policy, transport Transport, class Backend>
class stream_receiver<Policy, Transport, Backend>::incoming {
public:
  using policy = Policy;

  incoming(incoming&&) noexcept = default;
  incoming& operator=(incoming&&) = delete;
  ~incoming() {
    if (request_)
      cancel();
  }

  /// Drives the link without waiting and writes what has come into the pages. Call it between two steps of
  /// the engine: it, and wait(), are the only calls that change the pages. The request's status.
  planecast::status poll() {
    state_->progress(deadline::passed());
    state_->apply(*request_, false);
    return status();
  }

  /// Drives the link and writes what comes into the pages until the event came true (ok), the request failed,
  /// or the deadline passed (timeout: what has come by then is in the pages, and waiting may go on).
  planecast::status wait(event e, deadline until) {
    for (bool last = false;; state_->progress(until)) {
      state_->apply(*request_, true);
      if (reached(e))
        return {};
      if (const planecast::status s = status(); !s)
        return s;
      if (last)
        return {errc::timeout, "waiting at the receiver"};
      last = until.has_passed(); // one look, however late it is
    }
  }
  [[nodiscard]] bool reached(event e) const noexcept { return request_->metrics.at(e).has_value(); }
  [[nodiscard]] planecast::status status() const noexcept { return state_->status_of(*request_); }

  /// Index of the highest tier that every token has in the pages; −1 before the base is complete.
  [[nodiscard]] int tier() const noexcept { return request_->tier(); }
  /// Pages, by layer, of which a token lacks a plane of the policy: what a degraded request is short of.
  [[nodiscard]] std::vector<layer_page> unsharp() const { return request_->unsharp(); }

  /// Gives the request up at both ends. Afterwards the pages are not touched any more.
  void cancel() { state_->cancel(*request_); }

  [[nodiscard]] const request_metrics& metrics() const noexcept { return request_->metrics; }

private:
  friend class stream_receiver;
  incoming(std::shared_ptr<state> s, std::shared_ptr<request_state> r)
      : state_(std::move(s)), request_(std::move(r)) {}

  std::shared_ptr<state> state_;
  std::shared_ptr<request_state> request_;
};

template <class Policy, transport Transport, class Backend>
struct stream_receiver<Policy, Transport, Backend>::state {
  using request_pointer = std::shared_ptr<request_state>;

  state(Transport l, const hello& mine, receiver_options o)
      : options(o), shape(mine.shape), link(std::move(l), mine) {
    if (o.slots == 0 || o.staged_frames < o.slots)
      throw std::invalid_argument("planecast: no slots, or fewer staged frames than slots");
    grant();
  }

  request_pointer expect(request r, std::vector<kv_pages> pages) {
    const bool fits = tile_map<Policy>{shape, r.tokens}.countable() && pages.size() == shape.layers &&
                      std::ranges::all_of(pages, [&](const kv_pages& p) { return p.tokens() == r.tokens; });
    if (!fits || requests.contains(r.id))
      throw std::invalid_argument("planecast: expect: views that do not fit, or an id that is in use");
    const std::uint64_t needed = request_state::bytes_needed(shape, r.tokens);
    if (needed > options.code_bytes - code_bytes)
      throw error(
          {errc::limit, "expect: bytes to keep for sharpening", options.code_bytes, code_bytes + needed});
    code_bytes += needed;
    auto made = std::make_shared<request_state>(r, shape, std::move(pages));
    requests.emplace(r.id, made);
    if (const auto known = announced.expect(r.id))
      answer(*made, *known);
    return made;
  }

  void progress(deadline until) { link.progress(*this, until); }

  void apply(request_state& r, bool waiting) {
    if (!live(r))
      return;
    for (const std::uint64_t sequence : r.take_owed())
      link.ask_again(sequence);
    if (r.staged() == 0)
      return make_room(r, waiting);
    if (const status s = r.apply([&](detail::buffer memory) { release(std::move(memory)); }); !s.ok()) {
      say(r.id.id, r.opening, frame_kind::cancel);
      return close(r, s);
    }
    grant();
    make_room(r, waiting);
    if (r.reached_first_light())
      tell(r, first_light);
    if (r.reached_focus()) {
      tell(r, focused);
      close(r, {});
    }
  }

  void cancel(request_state& r) {
    if (!live(r))
      return;
    if (r.opening != 0)
      say(r.id.id, r.opening, frame_kind::cancel);
    else
      announced.give_up(r.id.id);
    close(r, {errc::cancelled, "by the receiver"});
  }

  [[nodiscard]] status status_of(const request_state& r) const noexcept {
    return r.result.ok() && !r.metrics.at(focused) ? link.status() : r.result;
  }

  void on_ready() {} // the connection's handler, from here on
  void on_sent() {}
  void on_nothing() { grant(); }
  void on_control(const frame_header& h, std::span<const std::byte>) {
    const auto found = requests.find(h.request);
    if (h.kind == frame_kind::open) {
      if (found != requests.end())
        return answer(*found->second, {h.count, h.opening});
      if (announced.was_given_up(h.request))
        return say(h.request, h.opening, frame_kind::cancel);
      if (!announced.add(h.request, {h.count, h.opening}))
        say(h.request, h.opening, frame_kind::refuse, static_cast<std::uint32_t>(errc::limit),
            options.unexpected_requests);
    } else if (h.kind == frame_kind::cancel) {
      announced.withdraw(h.request);
      if (found != requests.end() && h.opening != 0 && found->second->opening == h.opening) {
        const request_pointer keep = found->second;
        close(*keep, {errc::cancelled, "by the sender"});
      }
    } else
      link.fail({errc::corrupt, "control: a frame that no sender sends"});
  }
  void on_data(const frame_header& h, detail::buffer memory) {
    ++staged;
    const auto found = requests.find(h.request);
    if (found != requests.end() && h.opening != 0 && found->second->opening == h.opening) {
      found->second->metrics.note_bytes(frame_header_bytes + h.payload_bytes);
      found->second->stage(h, std::move(memory));
    } else { // of a request that is over
      link.metrics().not_expected += 1;
      release(std::move(memory));
    }
    grant();
  }

  // Not over; the id alone does not say, for it may be in use again.
  [[nodiscard]] bool live(const request_state& r) const noexcept {
    const auto found = requests.find(r.id.id);
    return found != requests.end() && found->second.get() == &r;
  }

  // Keeps slots posted, as far as there is room for what fills them.
  void grant() {
    while (link.status().ok() && link.data_slots() < options.slots &&
           link.data_slots() + staged < options.staged_frames)
      link.post_data_slot();
  }

  void say(std::uint64_t id, std::uint32_t opening, frame_kind kind, std::uint32_t first = 0,
           std::uint32_t count = 0) {
    link.send_control({.kind = kind, .request = id, .first = first, .count = count, .opening = opening});
  }
  void answer(request_state& r, detail::announcement a) {
    if (r.opening != 0 || a.opening == 0)
      return link.fail({errc::corrupt, "control: a request is opened twice, or without a number"});
    r.opening = a.opening;
    if (a.tokens == r.id.tokens)
      return say(r.id.id, r.opening, frame_kind::accept);
    say(r.id.id, r.opening, frame_kind::refuse, static_cast<std::uint32_t>(errc::mismatch), r.id.tokens);
    const request_pointer keep = requests.at(r.id.id);
    close(r, {errc::mismatch, "tokens of the request", r.id.tokens, a.tokens});
  }

  void tell(request_state& r, event e) {
    if (r.metrics.at(e))
      return;
    r.metrics.note(e);
    say(r.id.id, r.opening, frame_kind::delivered, static_cast<std::uint32_t>(e));
  }

  void close(request_state& r, status why) {
    r.result = why;
    r.metrics.note(quiesced);
    drop(r, false);
    code_bytes -= request_state::bytes_needed(shape, r.id.tokens);
    r.cache.release_codes();
    requests.erase(r.id.id);
  }

  // All room is taken by frames that wait: some give theirs up, and are asked for when their request is
  // looked at. They are the request's own, or, where it is waited for and has none, those of the request with
  // the most.
  void make_room(request_state& r, bool waiting) {
    if (link.data_slots() > 0 || (r.staged() == 0 && !waiting))
      return;
    if (r.staged() > 0)
      return drop(r, true);
    const auto most =
        std::ranges::max_element(requests, {}, [](const auto& entry) { return entry.second->staged(); });
    drop(*most->second, true);
  }
  void release(detail::buffer memory) {
    link.give_back(std::move(memory));
    --staged;
  }
  void drop(request_state& r, bool owe) {
    r.drop([&](const frame_header& h, detail::buffer memory) {
      release(std::move(memory));
      if (owe && link.forget(h.sequence))
        r.owe(h.sequence);
    });
    grant();
  }

  receiver_options options;
  geometry shape;
  std::map<std::uint64_t, request_pointer> requests;
  detail::announcements announced{options.unexpected_requests};
  std::size_t staged = 0; // frames, over all requests
  std::uint64_t code_bytes = 0;
  detail::connection<Transport> link;
};

} // namespace planecast::inline v0
