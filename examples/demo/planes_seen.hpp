// A transport that looks at what it carries: which plane each frame of the data lane is of.
#pragma once

#include "planecast/stream/frame.hpp"
#include "planecast/transport/transport.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace demo {

/// Any transport, at the receiver. Each data frame that has come is told to `seen`: its header, and its
/// length.
template <planecast::transport Inner>
class planes_seen {
public:
  using listener = std::function<void(const planecast::frame_header&, std::size_t)>;

  planes_seen(Inner inner, listener seen) : inner_(std::move(inner)), seen_(std::move(seen)) {}

  [[nodiscard]] planecast::status send(planecast::lane l, planecast::gather g, planecast::op_id id) noexcept {
    return inner_.send(l, g, id);
  }
  [[nodiscard]] planecast::status receive(planecast::lane l, planecast::slot s,
                                          planecast::op_id id) noexcept {
    const planecast::status posted = inner_.receive(l, s, id);
    if (posted.ok() && l == planecast::lane::data)
      slots_.emplace_back(id, s);
    return posted;
  }
  [[nodiscard]] std::size_t poll(std::span<planecast::completion> out, planecast::deadline d) noexcept {
    const std::size_t n = inner_.poll(out, d);
    for (const planecast::completion& c : out.first(n)) {
      const auto at = std::ranges::find(slots_, c.id, [](const auto& posted) { return posted.first; });
      if (at == slots_.end())
        continue;
      planecast::frame_header h;
      if (c.result.ok() && planecast::read_header(at->second.first(c.bytes), h).ok())
        seen_(h, c.bytes);
      slots_.erase(at);
    }
    return n;
  }
  void abort() noexcept { inner_.abort(); }
  [[nodiscard]] planecast::transport_limits limits() const noexcept { return inner_.limits(); }

private:
  Inner inner_;
  listener seen_;
  std::vector<std::pair<planecast::op_id, planecast::slot>> slots_; // posted on the data lane
};

} // namespace demo
