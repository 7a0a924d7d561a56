// A request's frames, made without a transport.
#pragma once

#include "planecast/cpu/cpu.hpp"
#include "planecast/stream/outgoing_request.hpp"

#include "stream/scripted.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace test {

/// A frame as a schedule gave it out, and what it became.
struct recorded_frame {
  planecast::detail::pending_frame pending;
  message bytes;

  [[nodiscard]] std::span<const std::byte> payload() const {
    return std::span(bytes).subspan(planecast::frame_header_bytes);
  }
};

/// Empties a schedule, building each frame and numbering them on from `from`.
template <class Request>
std::vector<recorded_frame> emptied(planecast::detail::schedule& s, const Request& r,
                                    std::uint32_t chunk_bytes, std::uint64_t from = 0) {
  std::vector<recorded_frame> all;
  message room(planecast::frame_header_bytes + chunk_bytes);
  for (; !s.empty(); s.pop()) {
    planecast::detail::pending_frame f = s.front();
    planecast::frame_writer w(room);
    f.header.sequence = from++;
    r.fill(f.header, w);
    const auto built = w.finish(f.header);
    f.header = header_of(built); // with length and checksum
    all.push_back({f, message(built.begin(), built.end())});
  }
  return all;
}

/// A frame's memory, as the link hands it to a request.
inline planecast::detail::buffer buffer_of(const message& m) {
  planecast::detail::buffer b{std::make_unique<std::byte[]>(m.size()), m.size()};
  std::copy(m.begin(), m.end(), b.bytes.get());
  return b;
}

} // namespace test
