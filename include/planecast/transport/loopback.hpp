// A link inside one process: for tests, for examples, and for prefill and decode that share a machine.
#pragma once

#include "planecast/transport/detail/limits.hpp"
#include "planecast/transport/transport.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// One end of a link between two threads of a process, or within one thread. A message is copied once, from
/// its pieces into the slot, as soon as both are there; until then its send is under way, for nothing is kept
/// in between. When one end is destroyed, what it had not delivered is lost.
/// Preconditions: each end is used from one thread at a time; the two ends may be used from two.
/// Effects: as the concept says. A default-constructed or moved-from end is closed.
/// Errors: as the concept says.
/// Example: `auto [prefill, decode] = loopback::pair();`
class loopback {
public:
  loopback() = default;
  /// Takes the end over, with all that is under way.
  loopback(loopback&&) noexcept = default;
  /// Likewise; the end that was here is aborted.
  loopback& operator=(loopback&& other) noexcept {
    loopback taken(std::move(other));
    std::swap(link_, taken.link_);
    std::swap(side_, taken.side_);
    return *this;
  }
  ~loopback() { abort(); }

  /// Two ends of a new link. The limits are what it refuses to pass: nothing is allocated for them.
  [[nodiscard]] static std::pair<loopback, loopback>
  pair(transport_limits limits = {.message_bytes = std::size_t{1} << 30, .pieces = 256, .operations = 4096}) {
    auto both = std::make_shared<link>();
    both->limits = limits;
    return {loopback(both, 0), loopback(both, 1)};
  }

  /// As `transport` says. @{
  [[nodiscard]] status send(lane l, gather g, op_id id) noexcept {
    if (!link_)
      return {errc::closed, "loopback"};
    const std::size_t bytes = detail::bytes_of(g);
    if (const status s = detail::admit_message(link_->limits, names, g, bytes); !s)
      return s;
    const std::scoped_lock hold(link_->mutex);
    end& me = link_->ends[side_];
    if (const status s = me.admit(sends, l, link_->limits); !s)
      return s;
    me.out[index(l)].push_back({id, bytes, {g.begin(), g.end()}});
    link_->match(l, side_);
    return {};
  }

  [[nodiscard]] status receive(lane l, slot s, op_id id) noexcept {
    if (!link_)
      return {errc::closed, "loopback"};
    const std::scoped_lock hold(link_->mutex);
    end& me = link_->ends[side_];
    if (const status admitted = me.admit(receives, l, link_->limits); !admitted)
      return admitted;
    me.in[index(l)].push_back({id, s});
    link_->match(l, 1 - side_);
    return {};
  }

  [[nodiscard]] std::size_t poll(std::span<completion> out, deadline d) noexcept {
    if (!link_ || out.empty())
      return 0;
    std::unique_lock hold(link_->mutex);
    end& me = link_->ends[side_];
    if (me.done.empty() && !d.has_passed())
      me.wake.wait_until(hold, d.at(), [&] { return !me.done.empty(); });
    const std::size_t n = std::min(out.size(), me.done.size());
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = me.done.front().what;
      --*me.done.front().count;
      me.done.pop_front();
    }
    return n;
  }

  void abort() noexcept {
    if (!link_)
      return;
    const std::scoped_lock hold(link_->mutex);
    link_->ends[side_].finish({errc::cancelled, "loopback"});
    link_->ends[1 - side_].finish({errc::closed, "loopback"});
  }

  [[nodiscard]] transport_limits limits() const noexcept {
    return link_ ? link_->limits : transport_limits{};
  }
  /// @}

private:
  static constexpr detail::limit_names names{"loopback: bytes of a message", "loopback: pieces of a message",
                                             "loopback: operations"};
  enum kind : std::size_t { sends, receives };
  static constexpr std::size_t index(lane l) noexcept { return static_cast<std::size_t>(l); }

  struct outgoing {
    op_id id;
    std::size_t bytes;
    std::vector<std::span<const std::byte>> pieces;
  };
  struct incoming {
    op_id id;
    slot where;
  };
  struct finished {
    completion what;
    std::size_t* count; // of its kind and lane: an operation is under way until poll has told of it
  };

  struct end {
    std::array<std::deque<outgoing>, 2> out;
    std::array<std::deque<incoming>, 2> in;
    std::deque<finished> done;
    std::array<std::array<std::size_t, 2>, 2> under_way{}; // [kind][lane]
    status over;
    std::condition_variable wake;

    status admit(kind k, lane l, const transport_limits& most) noexcept {
      if (!over)
        return over;
      std::size_t& count = under_way[k][index(l)];
      const status s = detail::admit_operation(most, names.operations, count);
      count += s.ok() ? 1 : 0;
      return s;
    }
    void complete(kind k, std::size_t l, const completion& c) noexcept {
      done.push_back({c, &under_way[k][l]});
      wake.notify_one();
    }
    void finish(const status& why) noexcept {
      if (!over)
        return;
      over = why;
      for (std::size_t l = 0; l < 2; ++l) {
        for (const outgoing& o : out[l])
          complete(sends, l, {o.id, why, 0});
        for (const incoming& i : in[l])
          complete(receives, l, {i.id, why, 0});
        out[l].clear();
        in[l].clear();
      }
    }
  };

  struct link {
    std::mutex mutex;
    std::array<end, 2> ends;
    transport_limits limits;

    // Moves what the end `from` has sent into the slots that its peer has posted.
    void match(lane which, std::size_t from) noexcept {
      const std::size_t l = index(which);
      auto& out = ends[from].out[l];
      auto& in = ends[1 - from].in[l];
      while (!out.empty() && !in.empty()) {
        const outgoing& o = out.front();
        const incoming& i = in.front();
        status arrived;
        if (o.bytes > i.where.size()) {
          arrived = {errc::limit, "loopback: bytes of a slot", i.where.size(), o.bytes};
        } else {
          std::byte* to = i.where.data();
          for (const auto& piece : o.pieces) {
            if (!piece.empty())
              std::memcpy(to, piece.data(), piece.size());
            to += piece.size();
          }
        }
        ends[1 - from].complete(receives, l, {i.id, arrived, o.bytes});
        ends[from].complete(sends, l, {o.id, {}, o.bytes});
        out.pop_front();
        in.pop_front();
      }
    }
  };

  loopback(std::shared_ptr<link> l, std::size_t side) noexcept : link_(std::move(l)), side_(side) {}

  std::shared_ptr<link> link_;
  std::size_t side_ = 0;
};

static_assert(transport<loopback>);

} // namespace planecast::inline v0
