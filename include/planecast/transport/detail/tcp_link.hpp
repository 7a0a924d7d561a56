// What a socket does once it is connected: two TCP connections, moved without waiting.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/transport/detail/asio.hpp"
#include "planecast/transport/detail/limits.hpp"
#include "planecast/transport/transport.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

using tcp = asio::ip::tcp;
struct tcp_link;

// One lane's connection: what is to be written, the slots to be filled, and how far both are.
class tcp_lane {
public:
  tcp_lane(tcp_link& link, asio::io_context& io) : connection(io), link_(link) {}

  status send(gather g, op_id id) noexcept;
  status receive(slot s, op_id id) noexcept;
  bool advance() noexcept { // without waiting; whether anything moved
    const bool wrote = write(), have_read = read();
    return wrote || have_read;
  }
  bool waits() const noexcept { return write_waits_ || read_waits_; }
  bool ended() const noexcept { return ended_; }
  void finish_sends(const status& why) noexcept;
  void finish(const status& why) noexcept;

  tcp::socket connection;

private:
  struct outgoing {
    op_id id;
    std::size_t bytes;
    std::array<std::byte, 4> length;
    std::vector<asio::const_buffer> buffers;
  };
  struct incoming {
    op_id id;
    slot where;
  };

  bool write() noexcept;
  bool read() noexcept;
  void begin(std::size_t length) noexcept;
  void arrived(const status& s) noexcept;

  tcp_link& link_;
  std::deque<outgoing> out_;
  std::deque<incoming> in_;
  std::size_t out_buffer_ = 0; // the first of the front's buffers that is not all written
  std::array<std::byte, 4> head_{};
  std::size_t head_have_ = 0, body_ = 0, body_have_ = 0, skip_ = 0;
  std::size_t sends_ = 0, receives_ = 0; // under way: not yet told of by poll
  bool write_waits_ = false, read_waits_ = false, ended_ = false;
};

struct finished {
  completion what;
  std::size_t* count;
};

struct tcp_link {
  explicit tcp_link(const transport_limits& l) : limits(l) {}

  std::size_t poll(std::span<completion> out, deadline d) noexcept;
  // No more sends; each lane is still read up to its end.
  void peer_gone() noexcept {
    if (over)
      over = {errc::closed, "socket: the peer is gone"};
    for (tcp_lane& l : lanes)
      l.finish_sends(over);
  }
  void finish(const status& why) noexcept {
    if (over)
      over = why;
    for (tcp_lane& l : lanes)
      l.finish(why);
  }

  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  transport_limits limits;
  std::deque<finished> done;
  status over;
  std::array<std::byte, 1 << 14> dropped; // where the bytes of a message too long for its slot go
  std::array<tcp_lane, 2> lanes{tcp_lane{*this, io}, tcp_lane{*this, io}};
};

inline status tcp_lane::send(gather g, op_id id) noexcept {
  static constexpr limit_names names{"socket: bytes of a message", "socket: pieces of a message",
                                     "socket: sends"};
  const std::size_t bytes = bytes_of(g);
  if (const status s = admit_send(link_.limits, names, g, bytes, sends_); !s)
    return s;
  outgoing& o = out_.emplace_back(outgoing{id, bytes, {}, {}});
  store(o.length.data(), static_cast<std::uint32_t>(bytes));
  o.buffers.reserve(g.size() + 1);
  o.buffers.push_back(asio::buffer(o.length));
  for (const auto& piece : g)
    if (!piece.empty())
      o.buffers.emplace_back(piece.data(), piece.size());
  ++sends_;
  write(); // what the kernel takes at once need not wait for a poll
  return {};
}

inline status tcp_lane::receive(slot s, op_id id) noexcept {
  if (ended_)
    return link_.over;
  if (const status admitted = admit_operation(link_.limits, "socket: receives", receives_); !admitted)
    return admitted;
  in_.push_back({id, s});
  ++receives_;
  return {};
}

inline bool tcp_lane::write() noexcept {
  if (out_.empty() || write_waits_)
    return false;
  outgoing& o = out_.front();
  asio::error_code e;
  std::size_t n = connection.write_some(std::span(o.buffers).subspan(out_buffer_), e);
  if (e == asio::error::would_block) {
    write_waits_ = true;
    connection.async_wait(tcp::socket::wait_write, [this](asio::error_code) { write_waits_ = false; });
    return false;
  }
  if (e == asio::error::interrupted)
    return true;
  if (e) {
    link_.peer_gone();
    return true;
  }
  for (; out_buffer_ < o.buffers.size() && n >= o.buffers[out_buffer_].size(); ++out_buffer_)
    n -= o.buffers[out_buffer_].size();
  if (out_buffer_ < o.buffers.size()) {
    o.buffers[out_buffer_] += n;
  } else {
    link_.done.push_back({{o.id, {}, o.bytes}, &sends_});
    out_.pop_front();
    out_buffer_ = 0;
  }
  return true;
}

inline bool tcp_lane::read() noexcept {
  if (ended_ || read_waits_ || (in_.empty() && skip_ == 0))
    return false;
  const bool in_head = skip_ == 0 && head_have_ < head_.size();
  asio::mutable_buffer to = asio::buffer(link_.dropped, skip_);
  if (in_head)
    to = asio::buffer(head_) + head_have_;
  else if (skip_ == 0)
    to = asio::buffer(in_.front().where.data() + body_have_, body_ - body_have_);
  asio::error_code e;
  const std::size_t n = connection.read_some(to, e);
  if (e == asio::error::would_block) {
    read_waits_ = true;
    connection.async_wait(tcp::socket::wait_read, [this](asio::error_code) { read_waits_ = false; });
    return false;
  }
  if (e == asio::error::interrupted)
    return true;
  if (e) {
    link_.peer_gone();
    finish(link_.over);
  } else if (skip_ != 0) {
    skip_ -= n;
  } else if (in_head) {
    head_have_ += n;
    if (head_have_ == head_.size())
      begin(load<std::uint32_t>(head_.data()));
  } else if ((body_have_ += n) == body_) {
    arrived({});
  }
  return true;
}

// A message's length is known.
inline void tcp_lane::begin(std::size_t length) noexcept {
  const std::size_t room = in_.front().where.size();
  body_ = length;
  body_have_ = 0;
  if (length > link_.limits.message_bytes) {
    link_.done.push_back({{in_.front().id, {errc::corrupt, "socket: a message's length"}, 0}, &receives_});
    in_.pop_front();
    link_.finish({errc::closed, "socket: the peer sent what makes no sense"});
  } else if (length > room) {
    skip_ = length;
    arrived({errc::limit, "socket: bytes of a slot", room, length});
  } else if (length == 0) {
    arrived({});
  }
}

inline void tcp_lane::arrived(const status& s) noexcept {
  link_.done.push_back({{in_.front().id, s, body_}, &receives_});
  in_.pop_front();
  head_have_ = 0;
}

inline void tcp_lane::finish_sends(const status& why) noexcept {
  for (const outgoing& o : out_)
    link_.done.push_back({{o.id, why, 0}, &sends_});
  out_.clear();
}

inline void tcp_lane::finish(const status& why) noexcept {
  finish_sends(why);
  for (const incoming& i : in_)
    link_.done.push_back({{i.id, why, 0}, &receives_});
  in_.clear();
  ended_ = true;
  skip_ = 0;
  asio::error_code ignored;
  connection.close(ignored);
}

inline std::size_t tcp_link::poll(std::span<completion> out, deadline d) noexcept {
  int late = 8; // rounds after the deadline, so that a poll that only looks still moves small messages whole
  while (done.empty()) {
    if (lanes[0].waits() || lanes[1].waits())
      io.poll();
    const bool control = lanes[0].advance(), data = lanes[1].advance();
    const bool moved = control || data;
    if (!done.empty())
      break;
    if (d.has_passed() && (!moved || --late == 0))
      return 0;
    if (!moved)
      io.run_one_until(d.at());
  }
  const std::size_t n = std::min(out.size(), done.size());
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = done.front().what;
    --*done.front().count;
    done.pop_front();
  }
  return n;
}

} // namespace planecast::inline v0::detail
