// Messages made by hand, and an end of a link that says what a test tells it to.
#pragma once

#include "planecast/stream/frame.hpp"
#include "planecast/stream/messages.hpp"
#include "planecast/transport/loopback.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace test {

using message = std::vector<std::byte>;

template <std::unsigned_integral T>
void append(message& m, T value) {
  m.resize(m.size() + sizeof value);
  planecast::detail::store(m.data() + m.size() - sizeof value, value);
}
template <std::unsigned_integral... T>
message numbers(T... values) {
  message m;
  (append(m, values), ...);
  return m;
}

/// A message whose checksums are right, whatever it says.
inline message frame(const planecast::frame_header& h, std::span<const std::byte> payload = {}) {
  message m(planecast::frame_header_bytes + payload.size() + 1); // g++ 12 is wrong about room of 64 bytes
  planecast::frame_writer w(m);
  w.add(payload);
  m.resize(w.finish(h).size());
  return m;
}
inline message frame_of(const planecast::hello& said, std::uint64_t sequence = 0) {
  message payload;
  for (const std::uint64_t field : said.fields())
    append(payload, field);
  return frame({.kind = planecast::frame_kind::hello, .sequence = sequence}, payload);
}
inline planecast::frame_header header_of(std::span<const std::byte> m) {
  planecast::frame_header h;
  const planecast::status s = planecast::read_header(m, h);
  return s.ok() ? h : planecast::frame_header{};
}

/// One end of a loopback, driven by hand. Control slots are always posted; data slots when it is told to.
class scripted {
public:
  explicit scripted(planecast::loopback end) : end_(std::move(end)) {
    for (int i = 0; i < 64; ++i)
      post(planecast::lane::control, 512);
  }

  /// Whether the link took it.
  bool send(planecast::lane l, message m) {
    const planecast::op_id id = next_++;
    const message& kept = kept_[id] = std::move(m);
    const std::span<const std::byte> pieces[] = {kept};
    const bool taken = end_.send(l, pieces, id).ok();
    if (!taken)
      kept_.erase(id);
    return taken;
  }
  /// The next control frame of this side, numbered as it should be.
  void say(planecast::frame_header h, std::span<const std::byte> payload = {}) {
    h.sequence = said_;
    said_ += send(planecast::lane::control, frame(h, payload)) ? 1 : 0;
  }
  void say(const planecast::hello& h) { said_ += send(planecast::lane::control, frame_of(h, said_)) ? 1 : 0; }

  void post(planecast::lane l, std::size_t bytes) {
    const planecast::op_id id = next_++;
    slot& s = slots_[id] = {l, message(bytes)};
    if (!end_.receive(l, s.room, id).ok())
      slots_.erase(id);
  }
  /// Looks what came.
  void take() {
    planecast::completion done[32];
    while (const std::size_t n = end_.poll(done, planecast::deadline::passed()))
      for (std::size_t i = 0; i < n; ++i) {
        over = over || !done[i].result.ok();
        kept_.erase(done[i].id);
        const auto found = slots_.find(done[i].id);
        if (found == slots_.end())
          continue;
        auto [l, room] = std::move(found->second);
        slots_.erase(found);
        if (!done[i].result.ok())
          continue;
        if (l == planecast::lane::control)
          post(l, room.size());
        room.resize(done[i].bytes);
        (l == planecast::lane::control ? control : data).push_back(std::move(room));
      }
  }
  /// Messages that the other end has not taken.
  [[nodiscard]] std::size_t waiting() const { return kept_.size(); }

  std::vector<message> control, data; ///< what came
  bool over = false;                  ///< an operation failed: the link is gone

private:
  struct slot {
    planecast::lane on = planecast::lane::control;
    message room;
  };

  std::map<planecast::op_id, message> kept_;
  std::map<planecast::op_id, slot> slots_;
  planecast::op_id next_ = 0;
  std::uint64_t said_ = 0;
  planecast::loopback end_; // borrows from the others: destroyed first
};

} // namespace test
