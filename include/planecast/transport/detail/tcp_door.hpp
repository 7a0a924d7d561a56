// How peers come in: callers at a port, of whom any two connections with one cookie make a link.
#pragma once

#include "planecast/transport/detail/asio.hpp"
#include "planecast/transport/detail/tcp_greeting.hpp"
#include "planecast/transport/detail/tcp_link.hpp"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

// Its acceptor is opened and bound by its owner. set_up is called for each connection of a new link.
class tcp_door {
public:
  tcp_door(const transport_limits& limits, std::function<void(tcp::socket&)> set_up)
      : limits_(limits), set_up_(std::move(set_up)) {}

  // The next peer, or null at the deadline. Throws std::system_error, and error where accepting fails.
  std::unique_ptr<tcp_link> accept(deadline d) {
    for (;;) {
      if (!accepting_)
        accept_callers();
      io.poll();
      if (auto link = take_pair())
        return link;
      if (d.has_passed())
        return nullptr;
      io.run_one_until(d.at());
    }
  }

  asio::io_context io{1};
  tcp::acceptor acceptor{io};

private:
  static constexpr std::size_t most_callers = 16; // not yet a link; the oldest has to go

  struct caller {
    explicit caller(tcp::socket s) : connection(std::move(s)) {}
    tcp::socket connection;
    greeting::bytes bytes{};
    std::optional<greeting> said;
  };

  void accept_callers() {
    accepting_ = true;
    acceptor.async_accept([this](asio::error_code e, tcp::socket s) {
      accepting_ = false;
      if (e)
        fail(errc::closed, "socket: accepting", e.message());
      listen_to(std::make_shared<caller>(std::move(s)));
      accept_callers();
    });
  }

  void listen_to(const std::shared_ptr<caller>& c) {
    if (callers_.size() == most_callers)
      drop(callers_.front());
    callers_.push_back(c);
    asio::async_read(c->connection, asio::buffer(c->bytes), [this, c](asio::error_code e, std::size_t) {
      if (e)
        return drop(c);
      c->said.emplace(c->bytes);
      const status heard = c->said->check(0);
      if (heard == errc::mismatch) // so that the peer can say which versions disagree
        asio::write(c->connection, asio::buffer(greeting(0, 1, c->said->cookie).encode()), e);
      if (!heard)
        drop(c);
    });
  }

  void drop(std::shared_ptr<caller> c) { // by value: it may be an element of callers_
    asio::error_code ignored;
    c->connection.close(ignored);
    std::erase(callers_, c);
  }

  // Both connections of one peer, answered; null if there is none yet.
  std::unique_ptr<tcp_link> take_pair() {
    const auto all = callers_;
    for (const auto& a : all)
      for (const auto& b : all)
        if (a->said && b->said && a->said->lane == 0 && b->said->lane == 1 &&
            a->said->cookie == b->said->cookie) {
          auto link = answer({a.get(), b.get()});
          drop(a), drop(b);
          if (link)
            return link;
        }
    return nullptr;
  }

  std::unique_ptr<tcp_link> answer(const std::array<caller*, 2>& pair) {
    asio::error_code e;
    for (caller* c : pair) { // one that has gone away again ends here
      char byte;
      c->connection.non_blocking(true, e);
      c->connection.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, e);
      if (e != asio::error::would_block)
        return nullptr;
    }
    auto link = std::make_unique<tcp_link>(limits_);
    for (std::size_t l = 0; l < 2; ++l) {
      auto& s = link->lanes[l].connection;
      const auto protocol = acceptor.local_endpoint().protocol();
      s.assign(protocol, pair[l]->connection.release(), e);
      s.non_blocking(true, e);
      set_up_(s);
      const auto bytes = greeting(l, 1, pair[l]->said->cookie).encode();
      if (asio::write(s, asio::buffer(bytes), e); e)
        return nullptr;
    }
    return link;
  }

  transport_limits limits_;
  std::function<void(tcp::socket&)> set_up_;
  std::vector<std::shared_ptr<caller>> callers_;
  bool accepting_ = false;
};

} // namespace planecast::inline v0::detail
