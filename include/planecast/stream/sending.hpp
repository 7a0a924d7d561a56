// What the sender's end does: the requests under way, and the frames they make for the connection.
#pragma once

#include "planecast/stream/arguments.hpp"
#include "planecast/stream/connection.hpp"
#include "planecast/stream/event.hpp"
#include "planecast/stream/kept_bytes.hpp"
#include "planecast/stream/options.hpp"
#include "planecast/stream/outgoing_request.hpp"
#include "planecast/stream/refused.hpp"
#include "planecast/stream/what_pays.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

namespace planecast::inline v0::detail {

/// Shared by a sender and its handles.
template <class Policy, transport Transport, class Backend>
struct sending {
  using request_state = outgoing_request<Policy, Backend>;
  static constexpr bool codes_layers = layer_backend<Backend, Policy>; ///< on a device, later
  using request_pointer = std::shared_ptr<request_state>;
  using caches_type = caches<Policy, Backend>;

  sending(Transport l, const hello& mine, const sender_options& o)
      : options(o), shape(mine.model.of(mine.carried)), model_layers(mine.model.layers),
        link(std::move(l), mine) {
    for (const double rate : {o.link_rate, o.encode_rate, o.decode_rate, o.coded_share})
      if (!(rate >= 0) || rate > std::numeric_limits<double>::max())
        throw std::invalid_argument("planecast: a rate that is negative, infinite or NaN");
    if (o.window_bytes == 0)
      throw std::invalid_argument("planecast: a window of no bytes");
    options.chunk_bytes = mine.chunk_bytes;
  }

  kept_tokens keep_within(const ranking& r, budget b, const keep_options& how) const {
    if (!Policy::tiers::has(how.until))
      throw std::invalid_argument("planecast: keep_within: no tier ends there");
    const std::uint32_t end = Policy::planes::holding(static_cast<std::uint32_t>(how.until));
    const link_load load{link_rate().value_or(0), to_send.bytes_ahead() + link.in_flight(), 0};
    if (b.needs_rate() && !(load.bytes_per_second > 0))
      throw error(no_rate_yet);
    return planecast::keep_within(
        r, b.ceiling(shape.raw_bytes(r.tokens.size()), 0, load), [&](std::uint32_t n) {
          return kept_bytes<Policy>({shape, n, 0, options.carries.layer_first, model_layers}, end, how,
                                    options.chunk_bytes);
        });
  }

  request_pointer open(request r) {
    check_request<Policy>("open", r, shape, requests.contains(r.id));
    auto made = std::make_shared<request_state>(r, ++openings, shape, options.carries.layer_first,
                                                options.chunk_bytes, model_layers, place);
    requests.emplace(r.id, made);
    if (link.ready())
      announce(*made);
    return made;
  }

  status put(request_state& r, std::uint32_t layer, const kv_view& view,
             typename request_state::order behind = {}) {
    const std::uint32_t first = options.carries.layer_first, number = layer - first;
    if (layer < first || number >= shape.layers)
      refuse("put", "layer " + std::to_string(layer) + ": the stream carries " + std::to_string(first) +
                        " to " + std::to_string(first + shape.layers - 1));
    if (r.has(layer))
      refuse("put", "layer " + std::to_string(layer) + " was put before");
    check_view("put", view, r.id, shape, number, layer);
    if (status_of(r).ok()) {
      if (!r.begun())
        r.decide(what_pays(options, shape.dtype, link_rate(), encode_rate()));
      const auto begun = std::chrono::steady_clock::now();
      if (const status s =
              caches_type::guarded([&] { return r.put(layer, view, options.threads, behind), status{}; });
          !s.ok())
        return give_up(r, s);
      if (!codes_layers && r.metrics.coded_as == coding::planes) {
        encoded.bytes += static_cast<double>(shape.heads(number)) * (shape.key_dim + shape.value_dim) *
                         static_cast<double>(value_bytes(shape.dtype)) * (r.id.tokens - r.id.first);
        encoded.time += std::chrono::steady_clock::now() - begun;
      }
      r.enqueue(to_send);
      progress(deadline::passed());
    }
    return status_of(r);
  }

  template <class I>
  status plan(request_state& r, budget b, const I& by, const plan_options& how) {
    if (const status s = status_of(r); !s)
      return s;
    if (const status s = caches_type::guarded([&] { return r.collect(true), status{}; }); !s.ok())
      return give_up(r, s);
    if (const status s = r.make_plan(b, by, how, load_of(r)); !s)
      return s;
    r.enqueue(to_send);
    progress(deadline::passed());
    return status_of(r);
  }

  /// Bytes a second of the data lane, as the caller says or as measured.
  [[nodiscard]] std::optional<double> link_rate() const noexcept {
    return options.link_rate > 0 ? std::optional(options.link_rate) : link.bandwidth();
  }
  /// Raw bytes a second that are coded, likewise.
  [[nodiscard]] std::optional<double> encode_rate() const noexcept {
    if (options.encode_rate > 0)
      return options.encode_rate;
    return encoded.time.count() > 0 ? std::optional(encoded.bytes / encoded.time.count()) : std::nullopt;
  }
  /// What a budget of time has to know.
  [[nodiscard]] link_load load_of(const request_state& r) const noexcept {
    return {link_rate().value_or(0), to_send.bytes_ahead_of(r.id.id) + link.in_flight(), r.sent_bytes};
  }

  void cancel(request_state& r) {
    if (const auto found = requests.find(r.id.id); found == requests.end() || found->second.get() != &r)
      return; // over; the id may be in use again
    (void)give_up(r, {errc::cancelled, "by the sender"});
  }

  void progress(deadline until) {
    if constexpr (codes_layers)
      until = collect(until);
    pump();
    link.progress(*this, until);
    pump();
    if (codes_layers && !link.status().ok())
      settle();
  }
  /// Nothing of the caller's is touched any more, whatever was under way.
  void settle() noexcept {
    for (const auto& [id, r] : requests)
      r->release();
  }

  [[nodiscard]] status status_of(const request_state& r) const noexcept {
    return r.result.ok() && !r.metrics.at(focused) ? link.status() : r.result;
  }

  /// Why a wait came to its end.
  [[nodiscard]] status late(const request_state& r) const noexcept {
    return {errc::timeout, !link.ready() ? "the peer has not said hello"
                           : r.busy()    ? "the device is still coding"
                           : !r.accepted
                               ? "the receiver does not expect the request yet; has it this id there?"
                           : !r.planned() ? "the request has no plan yet"
                                          : "the receiver has not confirmed it yet"};
  }

  // The connection's handler.
  void on_ready() {
    for (const auto& [id, r] : requests)
      announce(*r);
  }
  void on_sent() { pump(); }
  void on_nothing() {}
  void on_data(const frame_header&, buffer memory) {
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
      if (by_kept_tokens(h) && payload.size() != 8)
        return link.fail({errc::corrupt, "control: a refusal without a fingerprint"});
      return close(r, refused(r.id, h, payload));
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
    link.send_control({.kind = frame_kind::open,
                       .request = r.id.id,
                       .first = r.id.first,
                       .count = r.id.tokens,
                       .opening = r.opening},
                      [&](frame_writer& w) {
                        if (!r.id.whole())
                          w.add_number(r.id.kept);
                      });
  }
  // Ends a request at both ends, and says why.
  status give_up(request_state& r, const status& why) {
    link.send_control({.kind = frame_kind::cancel, .request = r.id.id, .opening = r.opening});
    close(r, why);
    return why;
  }
  // Takes what a device has coded meanwhile. While it is at it, waits end soon, so that it is looked at.
  deadline collect(deadline until) {
    for (auto it = requests.begin(); it != requests.end();) {
      const request_pointer r = it->second;
      ++it; // giving up takes it out
      const status s = caches_type::guarded([&] {
        if (r->collect())
          r->enqueue(to_send);
        return status{};
      });
      if (!s.ok())
        (void)give_up(*r, s);
      else if (r->busy())
        until = until.sooner(std::chrono::microseconds(50));
    }
    return until;
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
      buffer memory = link.take_data_buffer();
      frame_writer w(memory.room());
      f.header.sequence = f.again.value_or(sent.next());
      r.fill(f.header, w);
      const std::size_t length = w.finish(f.header).size();
      if (!link.send_data(memory, length).ok())
        return link.give_back(std::move(memory));
      r.metrics.note_bytes(f.header.plane, length);
      to_send.pop();
      if (f.again)
        link.metrics().sent_again += 1;
      else {
        r.sent_bytes += length;
        sent.add(f);
      }
    }
  }

  void send_again(std::span<const std::byte> payload) {
    if (payload.size() != 8)
      return link.fail({errc::corrupt, "control: lost without a number"});
    const auto number = load<std::uint64_t>(payload.data());
    const pending_frame* const found = sent.find(number);
    if (found == nullptr) // of a request that is over, or the receiver guessed
      return;
    pending_frame f = *found;
    f.again = number;
    to_send.add(f);
  }

  sender_options options;
  std::shared_ptr<typename caches_type::place> place = caches_type::make_place(options.spare);
  geometry shape;
  std::uint32_t model_layers;
  struct {
    double bytes = 0; // raw
    std::chrono::duration<double> time{0};
  } encoded; // into planes, so far
  std::map<std::uint64_t, request_pointer> requests;
  schedule to_send;
  sent_frames sent;
  std::uint32_t openings = 0;
  connection<Transport> link;
};

} // namespace planecast::inline v0::detail
