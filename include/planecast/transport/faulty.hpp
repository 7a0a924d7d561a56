// A worse link than the one there is: chosen faults laid over any transport, the same in every run.
#pragma once

#include "planecast/transport/detail/limits.hpp"
#include "planecast/transport/loopback.hpp"
#include "planecast/transport/transport.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <random>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// What goes wrong with one message that an end sends.
struct fault {
  /// Several may befall one message.
  enum kind : std::uint8_t {
    flip,     ///< one bit is inverted: the amount-th, counted round and round
    truncate, ///< only the first `amount` bytes arrive
    kill,     ///< the link is lost instead
    hold,     ///< it leaves after the next `amount` messages of its lane
    stall,    ///< it, and its lane behind it, wait for `time`
  };
  planecast::lane lane = planecast::lane::data; ///< on which the message is sent
  std::uint64_t message = 0;                    ///< which one of those sent on the lane, from 0
  kind what = flip;                             ///< goes wrong
  std::uint64_t amount = 0;                     ///< see kind
  std::chrono::nanoseconds time{0};             ///< see kind
};

/// All that goes wrong at an end.
struct faulty_options {
  std::vector<fault> faults{};    ///< in any order
  std::size_t reorder_window = 0; ///< on the data lane, messages leave after up to this many - 1 later ones
  std::uint64_t seed = 1;         ///< of the reordering
};

/// Any transport, with faults in what this end sends. It gives up what the concept promises, order and whole
/// bytes, where it is told to; the sender's completions say nothing of it. A lost link looks the same from
/// both ends: operations complete with `closed`.
///
/// What is held for reordering is let go when no further send comes: in the second poll in a row without a
/// send, and in any poll that would have to wait.
/// Effects: as the concept says, but for the faults. Messages move on within poll. A message that is changed
/// is copied when it is sent.
/// Errors: those of the inner transport.
/// Example: `faulty bad(std::move(end), {.faults = {{.message = 3, .what = fault::flip, .amount = 17}}});`
template <transport Inner, class Clock = std::chrono::steady_clock>
class faulty {
public:
  /// Takes a transport over. Messages are counted from here.
  faulty(Inner inner, faulty_options options)
      : limits_(inner.limits()), options_(std::move(options)), random_(options_.seed),
        inner_(std::move(inner)) {}
  /// Takes the end over, with all that is under way.
  faulty(faulty&&) noexcept = default;
  /// Likewise; the end that was here is destroyed first.
  faulty& operator=(faulty&& other) noexcept {
    if (this != &other) { // not member by member: the inner transport goes first, for it borrows changes_
      std::destroy_at(this);
      std::construct_at(this, std::move(other));
    }
    return *this;
  }
  ~faulty() = default;

  /// As `transport` says. @{
  [[nodiscard]] status send(lane l, gather g, op_id id) noexcept {
    if (!over_)
      return over_;
    const std::size_t bytes = detail::bytes_of(g);
    traffic& t = lanes_[static_cast<std::size_t>(l)];
    if (const status s = detail::admit_send(limits_, names, g, bytes, t.under_way.size()); !s)
      return s;
    t.under_way.insert(id);
    parcel p{.id = id, .pieces = {g.begin(), g.end()}};
    for (const fault& f : options_.faults)
      if (f.lane == l && f.message == t.sent)
        apply(f, p, bytes);
    if (l == lane::data && options_.reorder_window > 1)
      p.behind = std::max<std::uint64_t>(p.behind, random_() % options_.reorder_window);
    ++t.sent;
    sent_since_poll_ = true;
    const bool leaves = p.behind == 0; // and before those that it frees
    if (leaves)
      t.ready.push_back(std::move(p));
    t.let_go([](parcel& q) { return --q.behind == 0; });
    if (!leaves)
      t.waiting.push_back(std::move(p));
    return {};
  }

  [[nodiscard]] status receive(lane l, slot s, op_id id) noexcept {
    return over_ ? inner_.receive(l, s, id) : over_;
  }

  [[nodiscard]] std::size_t poll(std::span<completion> out, deadline d) noexcept {
    if (out.empty())
      return 0;
    for (bool wait = false;; wait = true) {
      if (wait || !sent_since_poll_)
        for (traffic& t : lanes_)
          t.let_go([](parcel&) { return true; });
      sent_since_poll_ = false;
      forward();
      std::size_t n = std::min(out.size(), ended_.size());
      std::copy_n(ended_.begin(), n, out.begin());
      ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(n));
      if (n < out.size())
        n += inner_.poll(out.subspan(n), wait && n == 0 ? d.sooner(next_stall_end()) : deadline::passed());
      for (completion& c : out.first(n))
        note(c);
      if (n != 0 || d.has_passed())
        return n;
    }
  }

  void abort() noexcept {
    inner_.abort();
    lose({errc::cancelled, "faulty"});
  }

  [[nodiscard]] transport_limits limits() const noexcept { return limits_; }
  /// @}

  /// Messages sent so far on a lane: the number that the next one will have.
  [[nodiscard]] std::uint64_t messages(lane l) const noexcept {
    return lanes_[static_cast<std::size_t>(l)].sent;
  }
  /// The transport below, for what the concept does not say. @{
  [[nodiscard]] Inner& inner() noexcept { return inner_; }
  [[nodiscard]] const Inner& inner() const noexcept { return inner_; }
  /// @}

private:
  static constexpr detail::limit_names names{"faulty: bytes of a message", "faulty: pieces of a message",
                                             "faulty: operations"};
  using moment = typename Clock::time_point;

  struct parcel {
    op_id id = 0;
    std::vector<std::span<const std::byte>> pieces;
    std::uint64_t behind = 0; // how many later messages go first
    std::chrono::nanoseconds stall{0};
    bool kill = false;
  };
  struct traffic { // of one lane
    std::uint64_t sent = 0;
    std::deque<parcel> waiting; // for later messages to go first
    std::deque<parcel> ready;
    std::unordered_set<op_id> under_way; // not yet told of by poll
    moment opens = moment::min();

    template <class May>
    void let_go(May may) noexcept {
      std::deque<parcel> still;
      for (parcel& p : waiting)
        (may(p) ? ready : still).push_back(std::move(p));
      waiting = std::move(still);
    }
  };
  struct change {
    std::vector<std::byte> bytes; // what is sent instead
    std::size_t original;         // how long it was
  };

  void apply(const fault& f, parcel& p, std::size_t length) noexcept {
    if (f.what == fault::kill) {
      p.kill = true;
    } else if (f.what == fault::hold) {
      p.behind = f.amount;
    } else if (f.what == fault::stall) {
      p.stall += f.time;
    } else {
      const auto [at, fresh] = changes_.try_emplace(p.id, change{{}, length});
      std::vector<std::byte>& bytes = at->second.bytes;
      if (fresh)
        for (const auto& piece : p.pieces)
          bytes.insert(bytes.end(), piece.begin(), piece.end());
      if (f.what == fault::truncate)
        bytes.resize(std::min<std::size_t>(bytes.size(), f.amount));
      else if (!bytes.empty())
        bytes[f.amount / 8 % bytes.size()] ^= std::byte{1} << f.amount % 8;
      p.pieces.assign(1, bytes);
    }
  }

  void forward() noexcept {
    for (const lane l : {lane::control, lane::data}) {
      traffic& t = lanes_[static_cast<std::size_t>(l)];
      while (!t.ready.empty() && t.opens <= Clock::now()) {
        parcel& next = t.ready.front();
        if (next.stall.count() > 0) {
          t.opens = Clock::now() + std::chrono::ceil<typename Clock::duration>(next.stall);
          next.stall = {};
          continue;
        }
        if (next.kill) {
          killed_ = true;
          inner_.abort();
          return lose({errc::closed, "faulty: the link was killed"});
        }
        const parcel due = std::move(next);
        t.ready.pop_front();
        if (const status sent = inner_.send(l, due.pieces, due.id); !sent)
          ended_.push_back({due.id, sent, 0});
      }
    }
  }

  deadline next_stall_end() const noexcept {
    auto first = deadline{deadline::clock::time_point::max()};
    for (const traffic& t : lanes_)
      if (!t.ready.empty())
        first = first.sooner(deadline::clock::now() +
                             std::chrono::ceil<deadline::clock::duration>(t.opens - Clock::now()));
    return first;
  }

  void note(completion& c) noexcept {
    if (killed_ && c.result == errc::cancelled)
      c.result = over_;
    for (traffic& t : lanes_)
      t.under_way.erase(c.id);
    if (const auto at = changes_.find(c.id); at != changes_.end()) {
      c.bytes = c.result.ok() ? at->second.original : c.bytes;
      changes_.erase(at);
    }
    if (c.result == errc::closed)
      lose(c.result);
  }

  void lose(const status& why) noexcept {
    if (over_)
      over_ = why;
    for (traffic& t : lanes_) {
      t.let_go([](parcel&) { return true; });
      for (const parcel& p : t.ready)
        ended_.push_back({p.id, why, 0});
      t.ready.clear();
    }
  }

  transport_limits limits_;
  faulty_options options_;
  std::mt19937_64 random_;
  std::array<traffic, 2> lanes_;
  std::unordered_map<op_id, change> changes_; // borrowed by the inner transport until their ids complete
  std::deque<completion> ended_;              // of messages that the inner transport never saw
  status over_;
  bool killed_ = false;
  bool sent_since_poll_ = false;
  Inner inner_; // the last, so that it ends before what it borrows
};

static_assert(transport<faulty<loopback>>);

} // namespace planecast::inline v0
