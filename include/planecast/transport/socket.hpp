// A link over TCP. Needs the target planecast::socket (standalone Asio).
#pragma once

#include "planecast/transport/detail/asio.hpp"
#include "planecast/transport/detail/tcp_door.hpp"
#include "planecast/transport/detail/tcp_greeting.hpp"
#include "planecast/transport/detail/tcp_link.hpp"
#include "planecast/transport/transport.hpp"

#include <algorithm>
#include <charconv>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace planecast::inline v0 {

/// What may be chosen for a socket.
struct socket_options {
  std::string key{};                 ///< for encryption, which is not there yet: must be empty
  std::string address = "127.0.0.1"; ///< where listening binds; loopback only, unless unencrypted
  /// Peers may be on other machines all the same. Whoever is on the way can read the cache and change it, and
  /// anybody who reaches the port can be the peer: for networks in which that is nobody.
  bool unencrypted = false;
  std::size_t message_bytes = 1 << 28; ///< longest message, sent or taken; below 2^32
  std::size_t operations = 4096;       ///< most operations under way, each kind on each lane
  int send_buffer = 0;                 ///< of the kernel, in bytes, for each lane; 0 = the system's
  int receive_buffer = 0;              ///< likewise
  std::string congestion_control{};    ///< "bbr", "cubic", …; "" = the system's
};

/// One end of a link over TCP: a connection for each lane. (Name it planecast::socket: POSIX has a socket
/// too.) A message is a little-endian u32 length and its bytes, which are read straight into the posted
/// slot, and not taken from the kernel before there is one.
/// Preconditions: made by connect, listen or listener::accept. A default-constructed or moved-from end is
/// closed. Nothing is encrypted, and so both ends are on one machine, unless the options say otherwise.
/// Effects: as the concept says. A send completes when the kernel has its bytes: that the peer has them
/// is for a higher layer to acknowledge. When the peer closes, what it had sent still fills the slots
/// posted later, and then receives are `closed`; an end destroyed with messages unread may lose what it
/// sent last.
/// Errors: as the concept says; a length over `message_bytes` completes its receive with `corrupt` and
/// ends the link. A peer whose machine vanishes without a word is noticed by deadlines alone.
/// Example: `socket link = connect("127.0.0.1:7440");`
class socket {
public:
  socket() = default;
  /// For connect and its like.
  explicit socket(std::unique_ptr<detail::tcp_link> link) noexcept : link_(std::move(link)) {}

  /// As `transport` says. @{
  [[nodiscard]] status send(lane l, gather g, op_id id) noexcept {
    if (!link_)
      return {errc::closed, "socket"};
    return link_->over ? link_->lanes[static_cast<std::size_t>(l)].send(g, id) : link_->over;
  }
  [[nodiscard]] status receive(lane l, slot s, op_id id) noexcept {
    return link_ ? link_->lanes[static_cast<std::size_t>(l)].receive(s, id) : status{errc::closed, "socket"};
  }
  [[nodiscard]] std::size_t poll(std::span<completion> out, deadline d) noexcept {
    return link_ && !out.empty() ? link_->poll(out, d) : 0;
  }
  void abort() noexcept {
    if (link_)
      link_->finish({errc::cancelled, "socket"});
  }
  [[nodiscard]] transport_limits limits() const noexcept {
    return link_ ? link_->limits : transport_limits{};
  }
  /// @}

private:
  std::unique_ptr<detail::tcp_link> link_;
};

static_assert(transport<socket>);

namespace detail {

inline transport_limits limits_of(const socket_options& o) {
  if (!o.key.empty())
    throw error({errc::unsupported,
                 "socket: a key was given, but encryption is not there yet; without it the "
                 "socket stays on loopback"});
  return {std::min<std::size_t>(o.message_bytes, 0xFFFFFFFF), 256, o.operations};
}

// For a connection, or for an acceptor whose connections inherit it.
template <class S>
void apply(const socket_options& o, S& s) {
  asio::error_code e;
  s.set_option(tcp::no_delay(true), e);
  if (o.send_buffer > 0 && !e)
    s.set_option(asio::socket_base::send_buffer_size(o.send_buffer), e);
  if (o.receive_buffer > 0 && !e)
    s.set_option(asio::socket_base::receive_buffer_size(o.receive_buffer), e);
  if (!o.congestion_control.empty() && !e)
    s.set_option(congestion_control{o.congestion_control}, e);
  if (e)
    fail(errc::unsupported, "socket: buffer sizes or congestion control", e.message());
}

} // namespace detail

/// Connects to a listening peer, which may start later: tries until the deadline.
/// Preconditions: host_port is "127.0.0.1:7440", "localhost:7440", "[::1]:7440" or alike (throws
/// std::invalid_argument).
/// Errors: throws `error` with `timeout`; with `unsupported` for a key, for an address that is not this
/// machine's loopback where `unencrypted` is not set, for a congestion control that the system lacks;
/// with `mismatch` or `corrupt` for what is no peer; with `closed` where the system refuses.
/// Example: `socket link = connect("127.0.0.1:7440");`
[[nodiscard]] inline socket connect(std::string_view host_port, const socket_options& options = {},
                                    deadline d = std::chrono::seconds(5)) {
  const std::size_t colon = host_port.rfind(':');
  std::string_view host = host_port.substr(0, colon), number;
  if (colon != host_port.npos)
    number = host_port.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const auto [end, bad] = std::from_chars(number.data(), number.data() + number.size(), port);
  if (bad != std::errc{} || end != number.data() + number.size() || port == 0)
    throw std::invalid_argument("planecast: connect takes \"host:port\", not \"" + std::string(host_port) +
                                '"');
  const transport_limits limits = detail::limits_of(options);
  const auto apply = [&options](detail::tcp::socket& s) { detail::apply(options, s); };
  const detail::tcp::endpoint to(detail::address_of(host, options.unencrypted), port);
  for (;;) {
    asio::error_code e;
    try {
      if (auto link = detail::dial(to, limits, apply, d, e))
        return socket(std::move(link));
    } catch (const std::system_error& out_of) {
      detail::fail(errc::closed, "socket: connecting", out_of.what());
    }
    if (d.has_passed())
      detail::fail(errc::timeout, "socket: no peer at", std::string(host_port) + ": " + e.message());
    const auto pause = deadline(std::chrono::milliseconds(10));
    std::this_thread::sleep_until(d.sooner(pause).at());
  }
}

/// A port where peers are waited for. Callers that say nothing, or nonsense, are dropped.
/// Errors: the constructor and accept throw `error` with `unsupported` for a key, or an address that is
/// not this machine's loopback where `unencrypted` is not set; with `closed` where the system refuses;
/// with `timeout` when no peer has come by the deadline, after which accept may be called again.
/// Example: `listener door(0); … tell the peer door.port(); socket link = door.accept(5s);`
class listener {
public:
  /// Binds at once; port 0 takes any that is free.
  explicit listener(std::uint16_t port, const socket_options& options = {}) {
    try {
      const detail::tcp::endpoint at(detail::address_of(options.address, options.unencrypted), port);
      door_ = std::make_unique<detail::tcp_door>(
          detail::limits_of(options), [options](detail::tcp::socket& s) { detail::apply(options, s); });
      auto& acceptor = door_->acceptor;
      acceptor.open(at.protocol());
      acceptor.set_option(detail::tcp::acceptor::reuse_address(true));
      detail::apply(options, acceptor);
      acceptor.bind(at);
      acceptor.listen();
    } catch (const std::system_error& e) {
      detail::fail(errc::closed, "socket: listening on port", std::to_string(port) + ": " + e.what());
    }
  }

  /// The one that it has; for port 0, the one that it got.
  [[nodiscard]] std::uint16_t port() const { return door_->acceptor.local_endpoint().port(); }

  /// The next peer. While nobody calls it, peers wait.
  [[nodiscard]] socket accept(deadline d = std::chrono::seconds(30)) {
    try {
      if (auto link = door_->accept(d))
        return socket(std::move(link));
    } catch (const std::system_error& e) {
      detail::fail(errc::closed, "socket: accepting", e.what());
    }
    throw error({errc::timeout, "socket: no peer has come"});
  }

private:
  std::unique_ptr<detail::tcp_door> door_;
};

/// Waits on a port for one peer: listener(port, options).accept(d).
/// Errors: those of the two.
/// Example: `socket link = listen(7440);`
[[nodiscard]] inline socket listen(std::uint16_t port, const socket_options& options = {},
                                   deadline d = std::chrono::seconds(30)) {
  return listener(port, options).accept(d);
}

} // namespace planecast::inline v0
