// Which frame goes next, over all requests of a sender, and which have gone.
#pragma once

#include "planecast/stream/frame.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace planecast::inline v0::detail {

/// A frame that has not been built yet. Its bytes are gathered when its turn comes.
struct pending_frame {
  frame_header header;
  bool before_cut = false;
  std::optional<std::uint64_t> again; ///< its number, if it is sent for the second time
  std::uint64_t bytes = 0;            ///< that it will have
};

/// Strict priority, decided here and not in the transport: frames that were asked for again, then whatever
/// belongs to a first light, then focus; within each, first in, first out. So the first light of a new
/// request overtakes the focus of an old one.
class schedule {
public:
  /// A repeat that waits already is not added: a peer may ask for it as often as it likes.
  void add(const pending_frame& f) {
    if (f.again && std::ranges::find(again_, f.again, &pending_frame::again) != again_.end())
      return;
    (f.again ? again_ : f.before_cut ? light_ : focus_).push_back(f);
  }

  [[nodiscard]] bool empty() const noexcept { return again_.empty() && light_.empty() && focus_.empty(); }
  /// Preconditions: not empty.
  [[nodiscard]] const pending_frame& front() const noexcept { return first().front(); }
  void pop() noexcept { first().pop_front(); }

  /// Bytes that go before whatever belongs to a first light and is added now; of `request` repeats alone.
  [[nodiscard]] std::uint64_t bytes_ahead_of(std::uint64_t request) const noexcept {
    std::uint64_t sum = 0;
    for (const pending_frame& f : again_)
      sum += f.bytes;
    for (const pending_frame& f : light_)
      sum += f.header.request == request ? 0 : f.bytes;
    return sum;
  }

  /// Likewise, of whatever request.
  [[nodiscard]] std::uint64_t bytes_ahead() const noexcept {
    std::uint64_t sum = 0;
    for (const auto* queue : {&again_, &light_})
      for (const pending_frame& f : *queue)
        sum += f.bytes;
    return sum;
  }

  void drop(std::uint64_t request) {
    for (auto* queue : {&again_, &light_, &focus_})
      std::erase_if(*queue, [&](const pending_frame& f) { return f.header.request == request; });
  }

private:
  [[nodiscard]] const std::deque<pending_frame>& first() const noexcept {
    return !again_.empty() ? again_ : !light_.empty() ? light_ : focus_;
  }
  [[nodiscard]] std::deque<pending_frame>& first() noexcept {
    return !again_.empty() ? again_ : !light_.empty() ? light_ : focus_;
  }

  std::deque<pending_frame> again_, light_, focus_;
};

/// Frames that were sent, by number: kept to be sent again for as long as their request lives.
class sent_frames {
public:
  /// The number of the frame that is added next.
  [[nodiscard]] std::uint64_t next() const noexcept { return before_ + frames_.size(); }
  void add(const pending_frame& f) { frames_.push_back(f); }

  /// Null for a number that was not sent, or of a request that is over.
  [[nodiscard]] const pending_frame* find(std::uint64_t number) const noexcept {
    if (number < before_ || number >= next() || !frames_[number - before_])
      return nullptr;
    return &*frames_[number - before_];
  }
  /// Forgets a request's frames: its id may be used again, for other bytes.
  void drop(std::uint64_t request) {
    for (std::optional<pending_frame>& f : frames_)
      if (f && f->header.request == request)
        f.reset();
    for (; !frames_.empty() && !frames_.front(); ++before_)
      frames_.pop_front();
  }

private:
  std::deque<std::optional<pending_frame>> frames_;
  std::uint64_t before_ = 0; // frames that were forgotten
};

} // namespace planecast::inline v0::detail
