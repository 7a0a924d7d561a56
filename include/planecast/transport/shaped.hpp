// A slower link than the one there is: a rate and a latency laid over any transport.
#pragma once

#include "planecast/transport/detail/limits.hpp"
#include "planecast/transport/loopback.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <limits>
#include <stdexcept>
#include <unordered_set>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// What a shaped link is like, in the direction in which its end sends.
struct link_shape {
  double bytes_per_second = std::numeric_limits<double>::infinity(); ///< of the data lane
  std::chrono::nanoseconds latency{0};                               ///< of either lane
};

/// Any transport, with its sends slowed down: for trying out links that are not at hand.
///
/// A message of n bytes on the data lane occupies the link for n / bytes_per_second, one message after the
/// other and without bursts; it is handed to the inner transport when its last byte would have arrived, which
/// is `latency` after it left. The control lane has latency alone: it takes nothing of the rate, and its
/// messages are never behind data. Each end shapes what it sends. Time is read from Clock, which need not
/// run.
/// Preconditions: bytes_per_second > 0, latency >= 0 (else the constructor throws std::invalid_argument).
/// Effects: as the concept says. Messages are held here until it is their time, and move on within poll.
/// Errors: those of the inner transport. That the link is lost shows when the inner transport says so of an
/// operation, or when a held message's time has come.
/// Example: `shaped slow(std::move(end), link_shape{.bytes_per_second = 1e9 / 8, .latency = 1ms});`
template <transport Inner, class Clock = std::chrono::steady_clock>
class shaped {
public:
  /// Takes a transport over. What is under way on it already is not slowed down.
  shaped(Inner inner, link_shape shape) : inner_(std::move(inner)), limits_(inner_.limits()), shape_(shape) {
    if (!(shape.bytes_per_second > 0) || shape.latency.count() < 0)
      throw std::invalid_argument("planecast: a link's rate is above zero, its latency not below it");
  }

  /// As `transport` says. @{
  [[nodiscard]] status send(lane l, gather g, op_id id) noexcept {
    if (!over_)
      return over_;
    const std::size_t bytes = detail::bytes_of(g);
    auto& under_way = sends_[index(l)];
    if (const status s = detail::admit_send(limits_, names, g, bytes, under_way.size()); !s)
      return s;
    under_way.insert(id);
    held_[index(l)].push_back({id, bytes, {g.begin(), g.end()}, arrival(l, bytes)});
    return {};
  }

  [[nodiscard]] status receive(lane l, slot s, op_id id) noexcept { return inner_.receive(l, s, id); }

  [[nodiscard]] std::size_t poll(std::span<completion> out, deadline d) noexcept {
    if (out.empty())
      return 0;
    for (;;) {
      forward();
      std::size_t n = std::min(out.size(), ended_.size());
      for (std::size_t i = 0; i < n; ++i) {
        out[i] = ended_.front();
        ended_.pop_front();
      }
      const auto rest = out.subspan(n);
      if (!rest.empty())
        n += inner_.poll(rest, n != 0 ? deadline::passed() : d.sooner(next_arrival()));
      for (const completion& c : out.first(n)) {
        (void)(sends_[0].erase(c.id) != 0 || sends_[1].erase(c.id) != 0);
        if (c.result == errc::closed)
          lose(c.result);
      }
      if (n != 0 || d.has_passed())
        return n;
    }
  }

  void abort() noexcept {
    inner_.abort();
    lose({errc::cancelled, "shaped"});
  }

  [[nodiscard]] transport_limits limits() const noexcept { return limits_; }
  /// @}

  /// Bytes on the data lane that were handed to the inner transport.
  [[nodiscard]] std::uint64_t bytes_forwarded() const noexcept { return bytes_forwarded_; }
  /// What it was made with.
  [[nodiscard]] const link_shape& shape() const noexcept { return shape_; }
  /// The transport below, for what the concept does not say. @{
  [[nodiscard]] Inner& inner() noexcept { return inner_; }
  [[nodiscard]] const Inner& inner() const noexcept { return inner_; }
  /// @}

private:
  static constexpr detail::limit_names names{"shaped: bytes of a message", "shaped: pieces of a message",
                                             "shaped: operations"};
  using moment = typename Clock::time_point;
  using ticks = typename Clock::duration;

  struct waiting {
    op_id id;
    std::size_t bytes;
    std::vector<std::span<const std::byte>> pieces;
    moment arrives;
  };

  static constexpr std::size_t index(lane l) noexcept { return static_cast<std::size_t>(l); }

  moment arrival(lane l, std::size_t bytes) noexcept {
    const moment now = Clock::now();
    const ticks latency = std::chrono::ceil<ticks>(shape_.latency);
    if (l == lane::control)
      return now + latency;
    constexpr ticks century = std::chrono::duration_cast<ticks>(std::chrono::hours(24 * 365 * 100));
    const double seconds = static_cast<double>(bytes) / shape_.bytes_per_second;
    const double count = std::ceil(seconds * ticks::period::den / ticks::period::num);
    const ticks occupied = count < static_cast<double>(century.count())
                               ? ticks(static_cast<typename ticks::rep>(count))
                               : century; // no sum of times may overflow
    free_at_ = std::min(std::max(free_at_, now) + occupied, now + century);
    return free_at_ + latency;
  }

  // When the next message is due, on the clock that deadlines are on.
  deadline next_arrival() const noexcept {
    moment first = moment::max();
    for (const auto& queue : held_)
      if (!queue.empty())
        first = std::min(first, queue.front().arrives);
    if (first == moment::max())
      return deadline{deadline::clock::time_point::max()};
    return deadline{deadline::clock::now() +
                    std::chrono::ceil<deadline::clock::duration>(first - Clock::now())};
  }

  void forward() noexcept {
    for (const lane l : {lane::control, lane::data}) {
      auto& queue = held_[index(l)];
      while (!queue.empty() && queue.front().arrives <= Clock::now()) {
        const waiting due = std::move(queue.front());
        queue.pop_front();
        const status sent = inner_.send(l, due.pieces, due.id);
        if (!sent)
          ended_.push_back({due.id, sent, 0});
        else if (l == lane::data)
          bytes_forwarded_ += due.bytes;
        if (sent == errc::closed)
          lose(sent);
      }
    }
  }

  void lose(const status& why) noexcept {
    if (over_)
      over_ = why;
    for (auto& queue : held_) {
      for (const waiting& w : queue)
        ended_.push_back({w.id, why, 0});
      queue.clear();
    }
  }

  Inner inner_;
  transport_limits limits_;
  link_shape shape_;
  moment free_at_ = moment::min();
  std::array<std::deque<waiting>, 2> held_;        // not yet at the inner transport
  std::array<std::unordered_set<op_id>, 2> sends_; // not yet told of by poll
  std::deque<completion> ended_;                   // of messages that the inner transport never saw
  std::uint64_t bytes_forwarded_ = 0;
  status over_;
};

static_assert(transport<shaped<loopback>>);

} // namespace planecast::inline v0
