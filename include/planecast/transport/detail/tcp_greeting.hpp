// How two TCP connections become a link: what both ends say first.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/transport/detail/asio.hpp"
#include "planecast/transport/detail/tcp_link.hpp"

#include <array>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace planecast::inline v0::detail {

// The first bytes in both directions of a connection, little-endian. The cookie is the connecting end's: its
// two connections share it, and the accepting end answers with it.
struct greeting {
  static constexpr std::uint32_t planecast_socket = 0x4B534350; // "PCSK"
  static constexpr std::uint16_t version_here = 1;
  using bytes = std::array<std::byte, 24>;

  std::uint32_t magic = planecast_socket;
  std::uint16_t version = version_here;
  std::uint8_t lane = 0;
  std::uint8_t answer = 0; // 1 from the accepting end, so that no echo passes for a peer
  std::array<std::uint64_t, 2> cookie{};

  greeting(std::size_t l, std::uint8_t a, std::array<std::uint64_t, 2> c)
      : lane(static_cast<std::uint8_t>(l)), answer(a), cookie(c) {}
  explicit greeting(const bytes& b)
      : magic(load<std::uint32_t>(&b[0])), version(load<std::uint16_t>(&b[4])),
        lane(load<std::uint8_t>(&b[6])),
        answer(load<std::uint8_t>(&b[7])), cookie{load<std::uint64_t>(&b[8]), load<std::uint64_t>(&b[16])} {}
  bytes encode() const {
    bytes b;
    store(&b[0], magic), store(&b[4], version), store(&b[6], lane), store(&b[7], answer);
    store(&b[8], cookie[0]), store(&b[16], cookie[1]);
    return b;
  }
  status check(std::uint8_t expected_answer) const {
    if (magic == planecast_socket && version != version_here)
      return {errc::mismatch, "socket: version of the framing", version_here, version};
    if (magic != planecast_socket || answer != expected_answer || lane > 1)
      return {errc::corrupt, "socket: the peer does not speak planecast"};
    return {};
  }
};

struct congestion_control { // an option in Asio's sense
  std::string wanted;
  template <class P>
  int level(const P&) const {
    return IPPROTO_TCP;
  }
  template <class P>
  int name(const P&) const {
    return TCP_CONGESTION;
  }
  template <class P>
  const void* data(const P&) const {
    return wanted.data();
  }
  template <class P>
  std::size_t size(const P&) const {
    return wanted.size();
  }
};

[[noreturn]] inline void fail(errc code, const char* about, const std::string& more) {
  throw error(status{code, about}, more);
}

// Of this machine, or, in the clear, of any. Names are not looked up: that takes as long as the system likes.
inline asio::ip::address address_of(std::string_view text, bool unencrypted) {
  asio::error_code e;
  const auto address = asio::ip::make_address(text == "localhost" ? "127.0.0.1" : std::string(text), e);
  if (!unencrypted && (e || !address.is_loopback()))
    fail(errc::unsupported,
         "socket: encryption is not there yet, and without it a socket stays on loopback, unless it is told "
         "unencrypted",
         std::string(text));
  if (e)
    fail(errc::unsupported, "socket: names are not looked up; give an address in numbers, not",
         std::string(text));
  return address;
}

// Runs one operation on a connection to its end, or to the deadline, and says how it ended.
template <class Start>
asio::error_code within(tcp_link& link, tcp::socket& s, deadline d, Start start) {
  std::optional<asio::error_code> result;
  start([&result](asio::error_code e, auto&&...) { result = e; });
  while (!result && !d.has_passed())
    link.io.run_one_until(d.at());
  if (result)
    return *result;
  asio::error_code ignored;
  s.close(ignored);
  while (!result)
    link.io.run_one();
  return asio::error::timed_out;
}

// One attempt to connect; null with e set where another may succeed.
template <class SetUp>
std::unique_ptr<tcp_link> dial(const tcp::endpoint& to, const transport_limits& limits, SetUp set_up,
                               deadline d, asio::error_code& e) {
  auto link = std::make_unique<tcp_link>(limits);
  std::random_device random;
  const auto word = [&random] { return std::uint64_t{random()} << 32 | random(); };
  const std::array<std::uint64_t, 2> cookie{word(), word()};
  greeting::bytes bytes;
  for (std::size_t l = 0; l < 2; ++l) {
    tcp::socket& s = link->lanes[l].connection;
    s.open(to.protocol(), e);
    if (e)
      return nullptr;
    set_up(s);
    if ((e = within(*link, s, d, [&](auto done) { s.async_connect(to, done); })))
      return nullptr;
    if (s.local_endpoint(e) == to) // a free port of the ephemeral range may connect to itself
      e = asio::error::connection_refused;
    if (!e)
      s.non_blocking(true, e);
    if (e)
      return nullptr;
    bytes = greeting(l, 0, cookie).encode();
    if ((e = within(*link, s, d, [&](auto done) { asio::async_write(s, asio::buffer(bytes), done); })))
      return nullptr;
  }
  for (std::size_t l = 0; l < 2; ++l) {
    tcp::socket& s = link->lanes[l].connection;
    if ((e = within(*link, s, d, [&](auto done) { asio::async_read(s, asio::buffer(bytes), done); })))
      return nullptr;
    const greeting answer(bytes);
    if (const status read = answer.check(1); !read)
      throw error(read);
    if (answer.lane != l || answer.cookie != cookie)
      throw error({errc::corrupt, "socket: the peer answers another greeting"});
  }
  return link;
}

} // namespace planecast::inline v0::detail
