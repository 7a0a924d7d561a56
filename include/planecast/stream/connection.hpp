// What both ends of a stream share: slots and buffers, the handshake, and which frames came.
#pragma once

#include "planecast/stream/arrivals.hpp"
#include "planecast/stream/bandwidth.hpp"
#include "planecast/stream/buffers.hpp"
#include "planecast/stream/lending.hpp"
#include "planecast/stream/messages.hpp"
#include "planecast/stream/metrics.hpp"
#include "planecast/transport/transport.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>

namespace planecast::inline v0::detail {

/// A transport with frames on it. Owner calls progress() with a handler:
///
///     on_ready()                       the peer's hello was compared and agrees
///     on_control(header, payload)      a frame on the control lane
///     on_data(header, buffer)          a frame on the data lane, whole and new; the buffer is the handler's
///     on_sent()                        the link has taken a data frame
///     on_nothing()                     a data slot was used up by a frame that is of no use
///
/// After a failure status() says why for good, and progress() does nothing.
template <transport T>
class connection {
public:
  connection(T link, const hello& mine) : mine_(mine), lent_(std::move(link)) {
    const std::size_t message = lent_.link().limits().message_bytes;
    if (message < frame_header_bytes + mine.chunk_bytes)
      throw error({errc::limit, "chunk_bytes: the transport's messages are shorter", message,
                   frame_header_bytes + mine.chunk_bytes});
    if (const std::size_t most = lent_.link().limits().operations; most < least_operations)
      throw error({errc::limit, "the transport takes too few operations", most, least_operations});
    for (int i = 0; i < control_slots; ++i)
      post(operation::control_slot, frame_header_bytes + most_control_payload);
    send_control({frame_kind::hello}, [&](frame_writer& w) { mine_.write(w); });
  }

  [[nodiscard]] planecast::status status() const noexcept { return status_; }
  [[nodiscard]] bool ready() const noexcept { return ready_ && status_.ok() && !lost_; }
  [[nodiscard]] const stream_metrics& metrics() const noexcept { return metrics_; }
  [[nodiscard]] stream_metrics& metrics() noexcept { return metrics_; }

  void fail(planecast::status why) noexcept {
    if (status_.ok() && !why.ok()) {
      status_ = why;
      lent_.link().abort();
    }
  }

  void send_control(frame_header h) {
    send_control(h, [](frame_writer&) {});
  }
  template <class Payload>
  void send_control(frame_header h, Payload&& payload) {
    if (!status_.ok() || lost_)
      return;
    buffer b = pool_.take(frame_header_bytes + most_control_payload);
    frame_writer w(b.room());
    payload(w);
    h.sequence = control_sent_++;
    const std::size_t length = w.finish(h).size();
    waiting_control_.emplace_back(std::move(b), length);
    if (waiting_control_.size() > most_waiting)
      return fail(
          {errc::limit, "control frames that the peer does not take", most_waiting, waiting_control_.size()});
    flush_control();
  }

  /// A buffer for a data frame.
  [[nodiscard]] buffer take_data_buffer() { return pool_.take(frame_header_bytes + mine_.chunk_bytes); }
  void give_back(buffer b) { pool_.give_back(std::move(b)); }

  /// Sends the first `length` bytes of b, a finished data frame. With `limit` the link takes no more now and
  /// b is still the caller's.
  planecast::status send_data(buffer& b, std::size_t length) {
    const planecast::status s = lent_.start(operation::data_send, b, length);
    if (s.ok()) {
      meter_.sent(length, std::chrono::steady_clock::now());
      in_flight_ += length;
      metrics_.data_frames += 1;
      metrics_.data_bytes += length;
    } else if (!(s == errc::limit))
      fail(s);
    return s;
  }
  /// Bytes given to the link that it still borrows.
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  /// Bytes a second of the data lane; empty until enough has crossed.
  [[nodiscard]] std::optional<double> bandwidth() const noexcept { return meter_.rate(); }

  /// Grants the peer one more data frame. The buffer that carries it comes back through on_data.
  void post_data_slot() { post(operation::data_slot, frame_header_bytes + mine_.chunk_bytes); }
  [[nodiscard]] std::size_t data_slots() const noexcept { return data_slots_; }
  /// A data frame that came is given up for want of room, and is to be asked for again. False if that cannot
  /// be.
  bool forget(std::uint64_t sequence) {
    if (arrivals_.forget(sequence))
      return true;
    fail({errc::corrupt, "data frames: too many are missing"});
    return false;
  }
  void ask_again(std::uint64_t sequence) {
    send_control({frame_kind::lost}, [&](frame_writer& w) { w.add_number(sequence); });
  }

  /// Runs the link until all control frames are with it, or the deadline passed.
  template <class Handler>
  void drain(Handler& handler, deadline until) {
    while (status_.ok() && !lost_ && (control_in_flight_ > 0 || !waiting_control_.empty()) &&
           !until.has_passed())
      progress(handler, until);
  }

  /// Waits for the handshake.
  template <class Handler>
  planecast::status wait_ready(Handler& handler, deadline until) {
    for (bool last = false; !ready() && status_.ok(); progress(handler, until)) {
      if (last)
        return {errc::timeout, "the peer has not said hello"};
      last = until.has_passed();
    }
    return status_;
  }

  /// The driver: runs the link until something happened or the deadline passed, then takes all that is there.
  template <class Handler>
  void progress(Handler& handler, deadline until) {
    if (!status_.ok())
      return;
    flush_control();
    std::array<completion, 16> done;
    std::size_t count = lent_.link().poll(done, until);
    // All that is there is taken, for who looks once a step must not get one frame a step. Within limits: a
    // peer that never stops must not keep us here.
    for (int round = 0; count > 0 && round < most_rounds; ++round) {
      for (std::size_t i = 0; i < count; ++i)
        finish(handler, done[i]);
      meter_.looked(std::chrono::steady_clock::now());
      count = status_.ok() ? lent_.link().poll(done, deadline::passed()) : 0;
    }
  }

private:
  static constexpr int control_slots = 8, most_rounds = 256;
  static constexpr std::size_t least_operations = 16;
  static constexpr std::size_t most_waiting = 4096;

  void post(operation what, std::size_t size) {
    if (!status_.ok())
      return;
    buffer b = pool_.take(size);
    const planecast::status s = lent_.start(what, b, size);
    if (s.ok())
      data_slots_ += what == operation::data_slot ? 1 : 0;
    else
      fail(s);
  }

  void flush_control() {
    while (status_.ok() && !waiting_control_.empty()) {
      auto& [memory, length] = waiting_control_.front();
      const planecast::status s = lent_.start(operation::control_send, memory, length);
      if (s == errc::limit)
        return;
      if (!s.ok())
        return fail(s);
      ++control_in_flight_;
      waiting_control_.pop_front();
    }
  }

  template <class Handler>
  void finish(Handler& handler, const completion& c) {
    auto op = lent_.end(c.id);
    switch (op.what) {
    case operation::data_send:
    case operation::control_send:
      if (op.what == operation::data_send) {
        in_flight_ -= op.length;
        if (c.result.ok())
          meter_.done(op.length);
      } else
        --control_in_flight_;
      give_back(std::move(op.memory));
      if (!c.result.ok())
        return lose(c.result);
      return op.what == operation::data_send ? handler.on_sent() : void();
    case operation::control_slot:
      if (!c.result.ok())
        return lose(c.result);
      if (c.bytes > op.length)
        return fail({errc::corrupt, "transport: more bytes than the slot has"});
      take_control(handler, op.memory.room().first(c.bytes));
      give_back(std::move(op.memory));
      return post(operation::control_slot, frame_header_bytes + most_control_payload);
    case operation::data_slot:
      --data_slots_;
      if (!c.result.ok() && !(c.result == errc::limit))
        return fail(c.result);
      return take_data(handler, std::move(op.memory), c.result.ok() && c.bytes <= op.length ? c.bytes : 0);
    case operation::none:
      return fail({errc::corrupt, "transport: an operation that was not under way has ended"});
    }
  }

  // The peer is gone, or the link. What it sent before is still taken, as long as slots are being filled.
  void lose(const planecast::status& why) {
    if (!(why == errc::closed) || data_slots_ == 0)
      return fail(why);
    lost_ = true;
    waiting_control_.clear();
  }

  // The control lane is short and carries nothing twice: damage there ends the connection.
  template <class Handler>
  void take_control(Handler& handler, std::span<const std::byte> message) {
    frame_header h;
    planecast::status s = read_header(message, h);
    if (s.ok())
      s = check_payload(message, h);
    if (s.ok() && h.sequence != control_received_++)
      s = {errc::corrupt, "control frames out of order"};
    if (s.ok() && ready_ == (h.kind == frame_kind::hello))
      s = {errc::corrupt, "hello is the first frame, and comes once"};
    if (!s.ok())
      return fail(s);
    const auto payload = message.subspan(frame_header_bytes);
    if (ready_)
      return handler.on_control(h, payload);
    if (s = mine_.compare(payload); !s.ok())
      return fail(s);
    ready_ = true;
    handler.on_ready();
  }

  // A damaged frame is asked for again by its number; where that cannot be read, all that are missing are
  // asked for. A number that came before is passed over.
  template <class Handler>
  void take_data(Handler& handler, buffer memory, std::size_t length) {
    const std::span<const std::byte> message = memory.room().first(length);
    frame_header h;
    const planecast::status header = read_header(message, h);
    if (header == errc::mismatch)
      return fail(header);
    if (header.ok() ? !arrivals_.see(h.sequence) : !arrivals_.see_unreadable())
      return fail({errc::corrupt, "data frames: too many are missing"});
    const bool whole = header.ok() && check_payload(message, h).ok();
    if (whole && arrivals_.take(h.sequence)) {
      metrics_.data_frames += 1;
      metrics_.data_bytes += length;
      return handler.on_data(h, std::move(memory));
    }
    give_back(std::move(memory));
    (whole ? metrics_.not_expected : metrics_.damaged) += 1;
    if (!header.ok())
      for (const std::uint64_t sequence : arrivals_.missing())
        ask_again(sequence);
    else if (!whole)
      ask_again(h.sequence);
    handler.on_nothing();
  }

  buffer_pool pool_;
  std::deque<std::pair<buffer, std::size_t>> waiting_control_;
  std::size_t in_flight_ = 0;         // bytes of data frames
  std::size_t control_in_flight_ = 0; // frames
  std::size_t data_slots_ = 0;
  std::uint64_t control_sent_ = 0, control_received_ = 0;
  arrivals arrivals_;
  bandwidth_meter meter_;
  bool ready_ = false, lost_ = false;
  planecast::status status_;
  stream_metrics metrics_;
  hello mine_;
  lending<T> lent_;
};

} // namespace planecast::inline v0::detail
