// What the receiver's end does: the requests under way, and the frames that come for them.
#pragma once

#include "planecast/stream/announcements.hpp"
#include "planecast/stream/arguments.hpp"
#include "planecast/stream/connection.hpp"
#include "planecast/stream/event.hpp"
#include "planecast/stream/incoming_request.hpp"
#include "planecast/stream/options.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

/// Shared by a receiver and its handles.
template <class Policy, transport Transport, class Backend>
struct receiving {
  using request_state = incoming_request<Policy, Backend>;
  static constexpr bool codes_layers = layer_backend<Backend, Policy>; ///< on a device, later
  using request_pointer = std::shared_ptr<request_state>;

  receiving(Transport l, const hello& mine, const receiver_options& o)
      : options(o), shape(mine.model.of(mine.carried)), model_layers(mine.model.layers),
        link(std::move(l), mine) {
    if (o.slots == 0 || o.staged_frames < o.slots)
      throw std::invalid_argument("planecast: no slots, or fewer staged frames than slots");
    grant();
  }

  request_pointer expect(request r, std::vector<kv_pages> pages,
                         typename caches<Policy, Backend>::order behind = {}) {
    check_request<Policy>("expect", r, shape, requests.contains(r.id));
    if (pages.size() != shape.layers)
      refuse("expect", "views of " + std::to_string(pages.size()) + " layers, the stream carries " +
                           std::to_string(shape.layers));
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      check_view("expect", pages[layer], r, shape, layer, options.carries.layer_first + layer);
    const std::uint64_t needed = bytes_needed(r);
    if (needed > options.code_bytes - code_bytes)
      throw error(
          {errc::limit, "expect: bytes to keep for sharpening", options.code_bytes, code_bytes + needed});
    auto made = std::make_shared<request_state>(r, shape, options.carries.layer_first, std::move(pages),
                                                model_layers, options.threads, place, behind);
    requests.emplace(r.id, made);
    code_bytes += needed;
    if (const auto known = announced.expect(r.id))
      answer(*made, *known);
    return made;
  }

  [[nodiscard]] std::uint64_t bytes_needed(const request& r) const {
    return request_state::bytes_needed(shape, r, options.carries.layer_first, model_layers);
  }

  void progress(deadline until) { link.progress(*this, until); }

  /// Writes what has come into the pages; with `to_light`, no more than first light needs.
  void apply(request_state& r, bool waiting, bool to_light = false) {
    if (!live(r))
      return;
    r.looked = deadline::clock::now();
    for (const std::uint64_t sequence : r.take_owed())
      link.ask_again(sequence);
    if (r.staged() == 0)
      return make_room(r, waiting);
    if (const status s = take_staged(r, to_light); !s.ok()) {
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

  // What is taken is in the pages when it returns; on a device that is waited for.
  status take_staged(request_state& r, bool to_light) {
    return caches<Policy, Backend>::guarded([&] {
      const status taken = r.apply(to_light, [&](buffer memory) { release(std::move(memory)); });
      if constexpr (codes_layers)
        if (const status there = r.cache.finish(); taken.ok())
          return there;
      return taken;
    });
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

  /// Why a wait came to its end.
  [[nodiscard]] status late(const request_state& r) const noexcept {
    return {errc::timeout, !link.ready() ? "the peer has not said hello"
                           : r.opening == 0
                               ? "the sender has not opened the request yet; has it this id there?"
                               : "not all has come yet"};
  }

  void on_ready() {} // the connection's handler, from here on
  void on_sent() {}
  void on_nothing() { grant(); }
  void on_control(const frame_header& h, std::span<const std::byte> payload) {
    const auto found = requests.find(h.request);
    if (h.kind == frame_kind::open) {
      announcement a{h.count, h.first, h.opening};
      if (payload.size() == 8)
        a.kept = load<std::uint64_t>(payload.data());
      if (payload.empty() == (a.kept != 0))
        return link.fail({errc::corrupt, "control: an open with a payload that says nothing"});
      if (found != requests.end())
        return answer(*found->second, a);
      if (announced.was_given_up(h.request))
        return say(h.request, h.opening, frame_kind::cancel);
      if (!announced.add(h.request, a))
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
  void on_data(const frame_header& h, buffer memory) {
    ++staged;
    const auto found = requests.find(h.request);
    if (found != requests.end() && h.opening != 0 && found->second->opening == h.opening) {
      found->second->metrics.note_bytes(h.plane, frame_header_bytes + h.payload_bytes);
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
           std::uint32_t count = 0, refusal about = refusal::tokens, std::uint64_t kept = 0) {
    link.send_control({.kind = kind,
                       .plane = static_cast<std::uint8_t>(about),
                       .request = id,
                       .first = first,
                       .count = count,
                       .opening = opening},
                      [&](frame_writer& w) {
                        if (about == refusal::kept)
                          w.add_number(kept);
                      });
  }
  void answer(request_state& r, announcement a) {
    if (r.opening != 0 || a.opening == 0)
      return link.fail({errc::corrupt, "control: a request is opened twice, or without a number"});
    r.opening = a.opening;
    if (a.tokens != r.id.tokens)
      return decline(r, refusal::tokens, {errc::mismatch, "tokens of the request", r.id.tokens, a.tokens});
    if (a.first != r.id.first)
      return decline(r, refusal::first, {errc::mismatch, "first token of the request", r.id.first, a.first});
    if (a.kept != r.id.kept)
      return decline(r, refusal::kept, {errc::mismatch, which_are_kept, r.id.kept, a.kept});
    say(r.id.id, r.opening, frame_kind::accept);
  }
  void decline(request_state& r, refusal about, const status& why) {
    const bool by_list = about == refusal::kept; // 64 bits, which the header has no room for
    say(r.id.id, r.opening, frame_kind::refuse, static_cast<std::uint32_t>(errc::mismatch),
        by_list ? 0 : static_cast<std::uint32_t>(why.here), about, by_list ? why.here : 0);
    const request_pointer keep = requests.at(r.id.id);
    close(r, why);
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
    code_bytes -= bytes_needed(r.id);
    r.cache.release_codes();
    requests.erase(r.id.id);
  }

  // There is no room for what may still come of it, and it has nothing that could be taken.
  [[nodiscard]] bool starved(const request_state& r) const noexcept {
    return link.data_slots() == 0 && r.staged() == 0 && r.opening != 0;
  }
  // All room is taken by frames that wait: some give theirs up, and are asked for when their request is
  // looked at. They are the request's own, or, where it is waited for and has none, those of the request with
  // the most among the unattended: what others are about to take is not to be sent twice.
  void make_room(request_state& r, bool waiting) {
    if (r.staged() > 0 && link.data_slots() == 0)
      return drop(r, true);
    if (!waiting || !starved(r))
      return;
    const auto idle = deadline::clock::now() - options.unattended;
    request_state* most = nullptr;
    for (const auto& [id, other] : requests)
      if (other->looked <= idle && (most == nullptr || other->staged() > most->staged()))
        most = other.get();
    if (most != nullptr)
      drop(*most, true);
  }
  void release(buffer memory) {
    link.give_back(std::move(memory));
    --staged;
  }
  void drop(request_state& r, bool owe) {
    r.drop([&](const frame_header& h, buffer memory) {
      release(std::move(memory));
      if (owe && link.forget(h.sequence))
        r.owe(h.sequence);
    });
    grant();
  }

  receiver_options options;
  std::shared_ptr<typename caches<Policy, Backend>::place> place =
      caches<Policy, Backend>::make_place(options.spare);
  geometry shape;
  std::uint32_t model_layers;
  std::map<std::uint64_t, request_pointer> requests;
  announcements announced{options.unexpected_requests};
  std::size_t staged = 0; // frames, over all requests
  std::uint64_t code_bytes = 0;
  connection<Transport> link;
};

} // namespace planecast::inline v0::detail
