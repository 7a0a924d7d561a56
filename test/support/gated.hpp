// A transport that lets a test decide how many data messages may leave, and keeps a copy of each.
#pragma once

#include "planecast/transport/transport.hpp"

#include <cstddef>
#include <deque>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace test {

/// Shared between a test and the transport it watches.
struct gate {
  std::size_t allowed = std::numeric_limits<std::size_t>::max(); ///< data messages that may leave in all
  std::vector<std::vector<std::byte>> control, data;             ///< those that were sent, held ones included
};

/// Data messages beyond gate::allowed wait here; poll() lets them go when the number has grown.
template <planecast::transport T>
class gated {
public:
  gated(T inner, std::shared_ptr<gate> g) : inner_(std::move(inner)), gate_(std::move(g)) {}

  planecast::status send(planecast::lane l, planecast::gather g, planecast::op_id id) noexcept {
    std::vector<std::byte> whole;
    for (const auto piece : g)
      whole.insert(whole.end(), piece.begin(), piece.end());
    if (l == planecast::lane::control) {
      gate_->control.push_back(whole);
      return inner_.send(l, g, id);
    }
    if (held_.empty() && left_ < gate_->allowed) {
      const planecast::status s = inner_.send(l, g, id);
      if (s.ok()) {
        gate_->data.push_back(std::move(whole));
        ++left_;
      }
      return s;
    }
    gate_->data.push_back(std::move(whole));
    held_.emplace_back(std::vector<std::span<const std::byte>>(g.begin(), g.end()), id);
    return {};
  }
  planecast::status receive(planecast::lane l, planecast::slot s, planecast::op_id id) noexcept {
    return inner_.receive(l, s, id);
  }
  std::size_t poll(std::span<planecast::completion> out, planecast::deadline d) noexcept {
    for (; !held_.empty() && left_ < gate_->allowed; ++left_) {
      if (!inner_.send(planecast::lane::data, held_.front().first, held_.front().second).ok())
        break;
      held_.pop_front();
    }
    return inner_.poll(out, d);
  }
  void abort() noexcept { inner_.abort(); }
  planecast::transport_limits limits() noexcept { return inner_.limits(); }

private:
  T inner_;
  std::shared_ptr<gate> gate_;
  std::size_t left_ = 0;
  std::deque<std::pair<std::vector<std::span<const std::byte>>, planecast::op_id>> held_;
};

} // namespace test
