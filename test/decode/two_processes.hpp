// Two processes over TCP: one prefills and sends, the other receives.
#pragma once

#include "planecast/planecast.hpp"
#include "planecast/transport/socket.hpp"

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace decode_test {

namespace pc = planecast;
using namespace std::chrono_literals;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using prefill_stream = pc::plane_stream<policy, pc::faulty<pc::shaped<pc::socket>>>;
using decode_stream = pc::plane_stream<policy, pc::socket>;

/// A prompt in an engine's cache, and the text on it.
template <class Engine>
struct scene {
  Engine engine;
  pc::geometry shape;
  std::uint32_t tokens;
  std::vector<pc::token_id> text;

  scene(Engine e, const pc::geometry& g, const std::vector<pc::token_id>& prompt, std::size_t length)
      : engine(std::move(e)), shape(g), tokens(static_cast<std::uint32_t>(prompt.size())) {
    text.push_back(engine.prefill(prompt));
    while (text.size() < length)
      text.push_back(engine.step(text.back()));
    engine.truncate(tokens);
  }
};

/// How a cache is sent.
struct delivery {
  double bytes_per_second;
  double share = 0; // of the raw bytes, the budget; 0 is the base alone
  pc::shard part = {};
  pc::plan_options plan = {};
  pc::faulty_options faults = {};
  std::size_t drafts = 1; // so many are shown before what is beyond first light is taken
};

/// A prefill process. It ends by itself: with 0 if all was delivered.
class prefill_process {
public:
  template <class Engine>
  prefill_process(const scene<Engine>& s, std::uint16_t port, const delivery& how) : id_(fork()) {
    REQUIRE(id_ >= 0);
    if (id_ > 0)
      return;
    int result = 1;
    try {
      pc::shaped link(pc::connect("127.0.0.1:" + std::to_string(port)),
                      {.bytes_per_second = how.bytes_per_second});
      prefill_stream::sender out(pc::faulty(std::move(link), how.faults), s.shape,
                                 {.carries = how.part, .chunk_bytes = 16 * 1024, .window_bytes = 32 * 1024});
      auto shot = out.open({.id = 1, .tokens = s.tokens});
      for (std::uint32_t l = 0; l < s.shape.layers; ++l)
        (void)shot.put(l, s.engine.view(l, s.tokens).from_head(how.part.head_first(s.shape.kv_heads)));
      const pc::status planned =
          shot.plan(how.share == 0 ? pc::budget::base() : pc::budget::of_raw(how.share),
                    s.engine.importance(), how.plan);
      if (planned == pc::errc::infeasible)
        (void)shot.plan(pc::budget::base(), s.engine.importance(), how.plan);
      result = shot.wait(pc::focused, 20s).ok() ? 0 : 2;
    } catch (...) {
      result = 3;
    }
    _exit(result);
  }
  ~prefill_process() {
    if (id_ > 0)
      end();
  }
  prefill_process(const prefill_process&) = delete;
  prefill_process& operator=(const prefill_process&) = delete;

  void kill() const { ::kill(id_, SIGKILL); }
  int result() {
    int status = -1;
    waitpid(std::exchange(id_, 0), &status, 0);
    return status;
  }

private:
  void end() {
    kill();
    (void)result();
  }
  pid_t id_;
};

/// The rate at which a cache as it is takes so long.
template <class Engine>
double raw_in(const scene<Engine>& s, double seconds) {
  return static_cast<double>(s.shape.raw_bytes(s.tokens)) / seconds;
}

template <class Engine>
bool equal_caches(const scene<Engine>& s, const Engine& other) {
  for (std::uint32_t l = 0; l < s.shape.layers; ++l) {
    const pc::kv_view a = s.engine.view(l, s.tokens), b = other.view(l, s.tokens);
    for (std::uint32_t t = 0; t < s.tokens; ++t)
      for (std::uint32_t h = 0; h < s.shape.kv_heads; ++h)
        if (std::memcmp(a.key(t, h), b.key(t, h), 2 * std::size_t{s.shape.key_dim}) != 0 ||
            std::memcmp(a.value(t, h), b.value(t, h), 2 * std::size_t{s.shape.value_dim}) != 0)
          return false;
  }
  return true;
}

template <class Engine>
std::vector<pc::kv_pages> pages_of(Engine& e, const scene<Engine>& s, const pc::shard& part = {}) {
  std::vector<pc::kv_pages> pages;
  for (std::uint32_t l = 0; l < s.shape.layers; ++l)
    pages.push_back(e.pages(l, s.tokens).from_head(part.head_first(s.shape.kv_heads)));
  e.adopt(s.tokens);
  return pages;
}

/// Takes what is beyond first light from a cache once drafts were shown, however slow this machine is.
struct patient_cache {
  using policy = decode_test::policy;
  decode_stream::receiver::incoming kv;
  std::size_t awaited; // drafts

  pc::status poll() { return awaited == 0 ? kv.poll() : kv.status(); }
  [[nodiscard]] int tier() const { return kv.tier(); }
  [[nodiscard]] bool whole() const { return kv.whole(); }
  [[nodiscard]] bool reached(pc::event e) const { return kv.reached(e); }
  pc::status wait(pc::event e, pc::deadline until) { return kv.wait(e, until); }
};
static_assert(pc::arriving_cache<patient_cache>);

/// Sends the cache to this process, where `decode` is given its text while it arrives. Returns what became of
/// the text.
template <class Engine>
pc::speculated hand_over(const scene<Engine>& s, Engine& decode, const delivery& how) {
  pc::listener door(0);
  prefill_process peer(s, door.port(), how);
  decode_stream::receiver in(door.accept(20s), s.shape);
  patient_cache kv{in.expect({.id = 1, .tokens = s.tokens}, pages_of(decode, s)), how.drafts};
  const pc::speculated said = pc::speculate(decode, kv,
                                            {.first = s.text.front(),
                                             .max_tokens = s.text.size(),
                                             .on_token =
                                                 [&](const pc::token_event& e) {
                                                   if (e.tag == pc::token_tag::drafted && kv.awaited > 0)
                                                     --kv.awaited;
                                                 },
                                             .timeout = 20s});
  CAPTURE(said.status.message());
  CHECK_FALSE(said.degraded());
  CHECK(said.tokens == s.text);
  CHECK(equal_caches(s, decode));
  if (how.faults.faults.empty() && how.faults.reorder_window == 0) { // else all may come with the base
    CHECK(said.first_drafted.has_value());
    CHECK(said.first_drafted < said.first_verified);
  }
  CHECK(peer.result() == 0); // the sender was told, too
  return said;
}

} // namespace decode_test
