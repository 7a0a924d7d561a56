// A transport of one's own: a UNIX stream socket for each lane, and poll(2) to wait on both. A message is its
// length, four bytes, and then its bytes. transport.hpp says what each of the five functions has to do, and
// test/transport/conformance.hpp tries it.
#pragma once

#include "planecast/transport/transport.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace pc = planecast;

class unix_link {
public:
  static std::pair<unix_link, unix_link> pair() {
    unix_link a, b;
    for (std::size_t l = 0; l < 2; ++l) {
      int ends[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw std::system_error(errno, std::generic_category(), "socketpair");
      a.state_->lanes[l].fd = ends[0];
      b.state_->lanes[l].fd = ends[1];
    }
    return {std::move(a), std::move(b)};
  }

  // Takes a message, or says why not. (A copy keeps this short. sendmsg(2) would take the pieces from where
  // they are: they are borrowed until the send completes.)
  pc::status send(pc::lane l, pc::gather pieces, pc::op_id id) noexcept {
    connection& c = state_->lanes[static_cast<std::size_t>(l)];
    std::size_t bytes = 0;
    for (const auto& piece : pieces)
      bytes += piece.size();
    if (!c.over)
      return c.over;
    if (bytes > most.message_bytes)
      return {pc::errc::limit, "unix_link: bytes of a message", most.message_bytes, bytes};
    if (pieces.size() > most.pieces)
      return {pc::errc::limit, "unix_link: pieces of a message", most.pieces, pieces.size()};
    if (c.sends == most.operations)
      return {pc::errc::limit, "unix_link: sends", most.operations, c.sends + 1};
    ++c.sends;
    const auto length = static_cast<std::uint32_t>(bytes);
    outgoing& o = c.out.emplace_back(outgoing{id, std::vector<std::byte>(sizeof length), 0});
    std::memcpy(o.bytes.data(), &length, sizeof length);
    for (const auto& piece : pieces)
      o.bytes.insert(o.bytes.end(), piece.begin(), piece.end());
    write(c); // what the kernel takes at once need not wait for a poll
    return {};
  }

  // Takes a slot. A message without one waits in the kernel and, where that is full, at the sender.
  pc::status receive(pc::lane l, pc::slot where, pc::op_id id) noexcept {
    connection& c = state_->lanes[static_cast<std::size_t>(l)];
    if (c.fd < 0)
      return c.over;
    if (c.receives == most.operations)
      return {pc::errc::limit, "unix_link: receives", most.operations, c.receives + 1};
    ++c.receives;
    c.in.push_back({id, where});
    return {};
  }

  // Moves what can be moved, and sleeps while nothing can, until an operation is over or the deadline passed.
  std::size_t poll(std::span<pc::completion> out, pc::deadline until) noexcept {
    auto& done = state_->done;
    while (done.empty() && !out.empty()) {
      bool moved = false;
      for (connection& c : state_->lanes) { // neither lane waits for the other
        moved = write(c) || moved;
        moved = read(c) || moved;
      }
      if (done.empty() && until.has_passed())
        return 0;
      if (!moved)
        sleep(until);
    }
    std::size_t n = 0;
    for (; n < out.size() && !done.empty(); done.pop_front()) {
      out[n++] = done.front().what;
      --*done.front().under_way; // no sooner: now the caller knows
    }
    return n;
  }

  void abort() noexcept {
    for (connection& c : state_->lanes)
      end(c, {pc::errc::cancelled, "unix_link"});
  }

  pc::transport_limits limits() noexcept { return most; }

private:
  static constexpr pc::transport_limits most{.message_bytes = 1 << 30, .pieces = 256, .operations = 1024};

  struct outgoing {
    pc::op_id id;
    std::vector<std::byte> bytes;
    std::size_t sent;
  };
  struct incoming {
    pc::op_id id;
    pc::slot where;
  };
  struct connection { // of a lane
    int fd = -1;
    std::deque<outgoing> out;
    std::deque<incoming> in;
    std::uint32_t length = 0;            // of the message that comes
    std::size_t have = 0;                // of those four bytes and the message
    std::size_t skip = 0;                // still to come of one that was too long for its slot
    std::size_t sends = 0, receives = 0; // under way
    pc::status over;                     // why nothing can be sent any more
  };
  struct finished {
    pc::completion what;
    std::size_t* under_way;
  };
  struct state { // stays where it is when the link is moved
    std::array<connection, 2> lanes;
    std::deque<finished> done;
    ~state() { // nobody touches borrowed memory but the functions here: it is free
      for (const connection& c : lanes)
        if (c.fd >= 0)
          ::close(c.fd);
    }
  };

  // Gives the kernel as much of the first message as it takes. Whether anything moved.
  bool write(connection& c) noexcept {
    if (c.out.empty())
      return false;
    outgoing& o = c.out.front();
    const ssize_t n =
        ::send(c.fd, o.bytes.data() + o.sent, o.bytes.size() - o.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      return false;
    if (n < 0) // the peer is gone; what it sent before can still be read
      return end_sends(c, {pc::errc::closed, "unix_link"}), true;
    o.sent += static_cast<std::size_t>(n);
    if (o.sent == o.bytes.size()) {
      state_->done.push_back({{o.id, {}, o.bytes.size() - sizeof c.length}, &c.sends});
      c.out.pop_front();
    }
    return true;
  }

  // Reads the next message's length, then the message straight into the first slot.
  bool read(connection& c) noexcept {
    if (c.fd < 0 || (c.in.empty() && c.skip == 0))
      return false;
    std::array<std::byte, 4096> forgotten;
    std::span<std::byte> to(forgotten.data(), std::min(c.skip, forgotten.size()));
    if (c.skip == 0 && c.have < 4)
      to = std::as_writable_bytes(std::span(&c.length, 1)).subspan(c.have);
    else if (c.skip == 0)
      to = c.in.front().where.subspan(c.have - 4, c.length + 4 - c.have);
    const ssize_t n = ::recv(c.fd, to.data(), to.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      return false;
    if (n <= 0) // the peer is gone, and all that it sent is read
      return end(c, {pc::errc::closed, "unix_link"}), true;
    if (c.skip > 0)
      return c.skip -= static_cast<std::size_t>(n), true;
    c.have += static_cast<std::size_t>(n);
    const std::size_t room = c.in.front().where.size();
    if (c.have == 4 && c.length > room) {
      c.skip = c.length;
      arrived(c, {pc::errc::limit, "unix_link: bytes of a slot", room, c.length});
    } else if (c.have == 4 + std::size_t{c.length}) {
      arrived(c, {});
    }
    return true;
  }
  void arrived(connection& c, pc::status how) noexcept {
    state_->done.push_back({{c.in.front().id, how, c.length}, &c.receives});
    c.in.pop_front();
    c.have = 0;
  }

  // Until the kernel can go on with something. A socket of which nothing is wanted is left out: its peer's
  // end, or data without a slot, would wake this over and over.
  void sleep(pc::deadline until) noexcept {
    std::array<pollfd, 2> sockets;
    for (std::size_t l = 0; l < 2; ++l) {
      const connection& c = state_->lanes[l];
      const int wanted = (c.out.empty() ? 0 : POLLOUT) | (c.in.empty() && c.skip == 0 ? 0 : POLLIN);
      sockets[l] = {wanted == 0 ? -1 : c.fd, static_cast<short>(wanted), 0};
    }
    using namespace std::chrono;
    const auto left = std::clamp<nanoseconds>(until.at() - steady_clock::now(), 0ns, 1h);
    ::poll(sockets.data(), sockets.size(), static_cast<int>(ceil<milliseconds>(left).count()));
  }

  void end_sends(connection& c, pc::status why) noexcept {
    if (c.over)
      c.over = why;
    for (const outgoing& o : c.out)
      state_->done.push_back({{o.id, c.over, 0}, &c.sends});
    c.out.clear();
  }
  void end(connection& c, pc::status why) noexcept {
    end_sends(c, why);
    for (const incoming& i : c.in)
      state_->done.push_back({{i.id, c.over, 0}, &c.receives});
    c.in.clear();
    c.skip = 0;
    if (c.fd >= 0)
      ::close(std::exchange(c.fd, -1));
  }

  unix_link() : state_(std::make_unique<state>()) {}
  std::unique_ptr<state> state_;
};
static_assert(pc::transport<unix_link>);
