// A transport that keeps what is sent, on either lane, for as long as a test wants it on its way.
#pragma once

#include "planecast/transport/transport.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace test {

/// Shared between a test and the transport that it holds up; of each lane, by its number.
struct hold {
  bool control = false, data = false;       ///< whether messages wait
  std::vector<std::vector<std::byte>> sent; ///< on either lane, those that wait included
  std::size_t waiting[2] = {0, 0};

  [[nodiscard]] bool holds(planecast::lane l) const noexcept {
    return l == planecast::lane::control ? control : data;
  }
};

/// What waits leaves in order, in the first poll after it is let go.
template <planecast::transport T>
class holding {
public:
  holding(T inner, std::shared_ptr<hold> h) : inner_(std::move(inner)), hold_(std::move(h)) {}

  planecast::status send(planecast::lane l, planecast::gather g, planecast::op_id id) noexcept {
    auto& queue = held_[static_cast<std::size_t>(l)];
    planecast::status s;
    if (hold_->holds(l) || !queue.empty())
      queue.push_back({{g.begin(), g.end()}, id});
    else
      s = inner_.send(l, g, id);
    if (s.ok()) {
      std::vector<std::byte>& copy = hold_->sent.emplace_back();
      for (const auto piece : g)
        copy.insert(copy.end(), piece.begin(), piece.end());
    }
    count();
    return s;
  }
  planecast::status receive(planecast::lane l, planecast::slot s, planecast::op_id id) noexcept {
    return inner_.receive(l, s, id);
  }
  std::size_t poll(std::span<planecast::completion> out, planecast::deadline d) noexcept {
    for (const planecast::lane l : {planecast::lane::control, planecast::lane::data}) {
      auto& queue = held_[static_cast<std::size_t>(l)];
      for (; !hold_->holds(l) && !queue.empty(); queue.pop_front())
        if (!inner_.send(l, queue.front().pieces, queue.front().id).ok())
          break;
    }
    count();
    return inner_.poll(out, d);
  }
  void abort() noexcept { inner_.abort(); }
  planecast::transport_limits limits() noexcept { return inner_.limits(); }

private:
  struct message {
    std::vector<std::span<const std::byte>> pieces;
    planecast::op_id id;
  };
  void count() noexcept {
    for (std::size_t l = 0; l < 2; ++l)
      hold_->waiting[l] = held_[l].size();
  }

  T inner_;
  std::shared_ptr<hold> hold_;
  std::deque<message> held_[2];
};

} // namespace test
