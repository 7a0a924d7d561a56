// The two sides' first connection, which stays while caches cross on others: over it they compare what they
// were given, the decode side says which way is next, and each notices when the other is gone.
#pragma once

#include "planecast/status.hpp"
#include "planecast/transport/transport.hpp"

#include "given.hpp"
#include "interruption.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

namespace demo {

/// Nobody is at the other end any more.
struct peer_gone : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Short messages over any transport, in their order. `other` is what the other side is called.
template <planecast::transport Link>
class meeting {
public:
  meeting(Link link, std::string other)
      : room_(std::make_unique<room>()), link_(std::move(link)), other_(std::move(other)) {
    post();
  }

  meeting(meeting&&) = default;
  meeting& operator=(meeting&&) = delete; // the link here would outlive the room that it has borrowed

  /// Returns when the link has taken it.
  /// Errors: throws peer_gone, and `interrupted`.
  void say(const std::string& text, planecast::deadline until = std::chrono::seconds(10)) {
    const std::array<std::span<const std::byte>, 1> pieces{std::as_bytes(std::span(text))};
    const planecast::status sent = link_.send(planecast::lane::control, pieces, saying);
    note(sent);
    saying_ = sent.ok();
    while (saying_ && !until.has_passed() && !interruption_came())
      progress(a_while().sooner(until));
    if (saying_) {
      note({planecast::errc::timeout, "it takes no message"});
      link_.abort();
      while (saying_) // the text is borrowed
        progress(std::chrono::milliseconds(10));
    }
    check_interruption();
    if (!lost_.ok())
      gone();
  }
  /// The next message; empty if none has come by then.
  /// Errors: throws peer_gone, and `interrupted`.
  std::optional<std::string> hear(planecast::deadline until) {
    while (!heard_ && lost_.ok()) {
      progress(a_while().sooner(until));
      check_interruption();
      if (until.has_passed())
        break;
    }
    if (!heard_ && !lost_.ok())
      gone();
    std::optional<std::string> text = std::exchange(heard_, std::nullopt);
    if (text)
      post();
    return text;
  }

  /// Tells the other side what this one was given, and looks whether it was given the same.
  /// Errors: throws peer_gone, `interrupted`, and std::runtime_error that says what differs.
  void compare(const given& mine) {
    say(written(mine));
    const std::optional<std::string> text =
        hear(std::chrono::seconds(60)); // it may be busy with its model's files
    if (!text)
      throw std::runtime_error("the " + other_ + " side says nothing");
    const std::optional<given> theirs = read_given(*text);
    if (!theirs)
      throw std::runtime_error("who answers is not the " + other_ + " side of this demo");
    if (const std::string what = differences(mine, *theirs); !what.empty())
      throw std::runtime_error("the " + other_ +
                               " side was given something else. Give both the same:" + what);
  }

private:
  static constexpr planecast::op_id saying = 1, hearing = 2;
  using room = std::array<std::byte, most_given>;

  /// Waits are cut in pieces: a signal ends none of them.
  static planecast::deadline a_while() { return std::chrono::milliseconds(200); }
  void post() { note(link_.receive(planecast::lane::control, *room_, hearing)); }
  void note(const planecast::status& s) {
    if (!s.ok() && lost_.ok())
      lost_ = s;
  }
  void progress(planecast::deadline until) {
    std::array<planecast::completion, 2> done;
    for (const planecast::completion& c : std::span(done).first(link_.poll(done, until))) {
      if (c.id == saying)
        saying_ = false;
      else if (c.result.ok())
        heard_ = std::string(reinterpret_cast<const char*>(room_->data()), c.bytes);
      note(c.result);
    }
  }
  [[noreturn]] void gone() const {
    throw peer_gone("the " + other_ + " side is gone (" + lost_.message() + ")");
  }

  std::unique_ptr<room>
      room_; // of the message that is waited for; the link, which ends before it, has borrowed it
  Link link_;
  std::string other_;
  std::optional<std::string> heard_;
  bool saying_ = false;
  planecast::status lost_;
};

} // namespace demo
