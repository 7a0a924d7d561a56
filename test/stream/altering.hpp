// A transport that changes what is sent through it.
#pragma once

#include "planecast/transport/transport.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace test {

/// Called with every message before it leaves, numbered on its lane; may do anything to it.
using alteration = std::function<void(planecast::lane, std::size_t, std::vector<std::byte>&)>;

template <planecast::transport T>
class altering {
public:
  altering(T inner, alteration change) : change_(std::move(change)), inner_(std::move(inner)) {}

  planecast::status send(planecast::lane l, planecast::gather g, planecast::op_id id) noexcept {
    std::vector<std::byte>& copy = sent_.emplace_back();
    for (const auto piece : g)
      copy.insert(copy.end(), piece.begin(), piece.end());
    change_(l, count_[static_cast<std::size_t>(l)]++, copy);
    const std::span<const std::byte> pieces[] = {copy};
    return inner_.send(l, pieces, id);
  }
  planecast::status receive(planecast::lane l, planecast::slot s, planecast::op_id id) noexcept {
    return inner_.receive(l, s, id);
  }
  std::size_t poll(std::span<planecast::completion> out, planecast::deadline d) noexcept {
    return inner_.poll(out, d);
  }
  void abort() noexcept { inner_.abort(); }
  planecast::transport_limits limits() noexcept { return inner_.limits(); }

private:
  alteration change_;
  std::size_t count_[2] = {0, 0};
  std::deque<std::vector<std::byte>> sent_; // borrowed by the transport below: kept to the end
  T inner_;
};

} // namespace test
