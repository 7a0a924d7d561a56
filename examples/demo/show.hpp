// What a reader sees while one cache crosses: a region that is drawn again and again, or plain lines.
#pragma once

#include "block.hpp"
#include "interruption.hpp"
#include "screen.hpp"
#include "timeline.hpp"
#include "watcher.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace demo {

class show final : public watcher {
public:
  using clock = std::chrono::steady_clock;
  static constexpr auto frame_time = std::chrono::milliseconds(34); // 30 a second at most
  static constexpr double ghost_time = 0.7;

  /// The timeline's planes are filled in; it and the screen outlive this.
  show(screen& on, timeline& t, block first)
      : screen_(on), t_(t), b_(std::move(first)), live_(screen_.live()) {
    if (!live_)
      say_what();
  }

  /// From here time counts.
  void begin() override {
    draw(); // which takes time of its own
    begun_ = clock::now();
  }
  [[nodiscard]] double now() const { return std::chrono::duration<double>(clock::now() - begun_).count(); }

  void came(std::uint32_t plane, std::uint64_t bytes) override {
    plane = std::min<std::uint32_t>(plane, static_cast<std::uint32_t>(t_.planes.size()) - 1);
    t_.planes[plane].bytes += bytes;
    t_.arrivals.push_back({now(), plane, bytes});
  }
  void said(const planecast::token_event& e) override {
    t_.words.push_back({now(), e});
    if (e.tag == planecast::token_tag::retracted) {
      b_.ghosts.insert(b_.ghosts.begin(), {e.index, e.id}); // the newest are taken back first
      ghosts_until_ = now() + ghost_time;
      ++taken_back_;
    } else if (e.index == 1)
      first_token(e.tag);
  }
  /// To be called often: draws if it is time for it.
  /// Errors: throws `interrupted`.
  void tick() override {
    check_interruption();
    if (live_ && clock::now() - drawn_ >= frame_time)
      draw();
  }
  /// All is said. What is drawn stays.
  void end(std::string verdict) {
    t_.end = now();
    b_.ghosts.clear();
    for (timeline::plane& p : t_.planes)
      p.expected = p.bytes;
    b_.verdict = std::move(verdict);
    draw();
    if (live_) {
      screen_.leave();
      screen::print("\n");
      return;
    }
    std::string text;
    for (const standing_token& s : text_of(t_))
      text += harmless(b_.spelled(s.id));
    screen::print("  text: " + text + "\n");
    if (taken_back_ != 0)
      screen::print("  " + std::to_string(taken_back_) + " tokens were taken back\n");
    screen::print("  " + b_.verdict + "\n");
  }

private:
  void say_what() const { screen::print(b_.name + ": " + b_.what + "\n"); }
  void first_token(planecast::token_tag tag) {
    const std::string how = tag == planecast::token_tag::drafted         ? "drafted"
                            : tag == planecast::token_tag::verified_int8 ? "at 8 bits"
                                                                         : "exact";
    const std::string when = spoken_seconds(now());
    if (!live_)
      screen::print("  " + when + "  first token: " + how + "\n");
    if (begun_text_)
      b_.state += ", " + how + " " + when;
    else
      b_.state = "first token: " + how + " " + when;
    begun_text_ = true;
  }
  void draw() {
    if (live_ && !screen_.live()) { // it has become too small: from here on in lines
      live_ = false;
      screen_.leave();
      say_what();
    }
    if (!live_)
      return;
    drawn_ = clock::now();
    b_.now = now();
    if (b_.now > ghosts_until_)
      b_.ghosts.clear();
    const int fixed = 7 + static_cast<int>(t_.planes.size());
    screen_.draw(demo::draw(b_, t_,
                            {.columns = screen_.columns() - 1, // a full line could not be cleared to its end
                             .text_rows = std::clamp(screen_.rows() - fixed, 1, 4),
                             .utf8 = screen_.utf8()}));
  }

  screen& screen_;
  timeline& t_;
  block b_;
  clock::time_point begun_ = clock::now(), drawn_{};
  double ghosts_until_ = 0;
  std::size_t taken_back_ = 0;
  bool begun_text_ = false; // a token was decoded
  bool live_;               // bars, not lines
};

} // namespace demo
