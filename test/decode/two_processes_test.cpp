// The same between two processes over TCP: equal text and cache, and a peer that is killed.
#include "planecast/planecast.hpp"
#include "planecast/transport/socket.hpp"

#include "support/dice.hpp"
#include "toy_engine/toy_engine.hpp"

#include <csignal>
#include <cstring>
#include <doctest/doctest.h>
#include <memory>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace decode_two_processes_test {

namespace {

namespace pc = planecast;
using namespace std::chrono_literals;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using prefill_stream = pc::plane_stream<policy, pc::shaped<pc::socket>>;
using decode_stream = pc::plane_stream<policy, pc::socket>;

struct scene {
  std::shared_ptr<const toy::model> weights =
      std::make_shared<const toy::model>(toy::config{.layers = 3, .context = 512});
  pc::geometry shape = weights->shape.geometry();
  std::vector<pc::token_id> prompt, text;
  toy::engine engine{weights};
  std::uint32_t tokens = 0;

  scene(std::uint64_t seed, std::size_t length) {
    test::dice dice(seed);
    prompt.resize(dice.between(150, 300));
    for (pc::token_id& t : prompt)
      t = static_cast<pc::token_id>(dice.below(weights->shape.vocab));
    tokens = static_cast<std::uint32_t>(prompt.size());
    text.push_back(engine.prefill(prompt));
    while (text.size() < length)
      text.push_back(engine.step(text.back()));
    engine.truncate(tokens);
  }
};

/// A prefill process. It ends by itself: with 0 if all was delivered.
class prefill_process {
public:
  prefill_process(const scene& s, std::uint16_t port, double share, double bytes_per_second,
                  const pc::shard& part = {})
      : id_(fork()) {
    REQUIRE(id_ >= 0);
    if (id_ > 0)
      return;
    int result = 1;
    try {
      prefill_stream::sender out(pc::shaped(pc::connect("127.0.0.1:" + std::to_string(port)),
                                            {.bytes_per_second = bytes_per_second}),
                                 s.shape,
                                 {.carries = part, .chunk_bytes = 16 * 1024, .window_bytes = 32 * 1024});
      auto shot = out.open({.id = 1, .tokens = s.tokens});
      for (std::uint32_t l = 0; l < s.shape.layers; ++l)
        (void)shot.put(l, s.engine.view(l, s.tokens).from_head(part.head_first(s.shape.kv_heads)));
      (void)shot.plan(share == 0 ? pc::budget::base() : pc::budget::of_raw(share), s.engine.importance());
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

bool equal_caches(const scene& s, const toy::engine& other) {
  for (std::uint32_t l = 0; l < s.shape.layers; ++l) {
    const pc::kv_view a = s.engine.view(l, s.tokens), b = other.view(l, s.tokens);
    for (std::uint32_t t = 0; t < s.tokens; ++t)
      for (std::uint32_t h = 0; h < s.shape.kv_heads; ++h)
        if (std::memcmp(a.key(t, h), b.key(t, h), 128) != 0 ||
            std::memcmp(a.value(t, h), b.value(t, h), 128) != 0)
          return false;
  }
  return true;
}

std::vector<pc::kv_pages> pages_of(toy::engine& e, const scene& s, const pc::shard& part = {}) {
  std::vector<pc::kv_pages> pages;
  for (std::uint32_t l = 0; l < s.shape.layers; ++l)
    pages.push_back(e.pages(l, s.tokens).from_head(part.head_first(s.shape.kv_heads)));
  e.adopt(s.tokens);
  return pages;
}

/// Takes what is beyond first light from a cache once a draft was shown, however slow this machine is.
struct patient_cache {
  using policy = ::decode_two_processes_test::policy;
  decode_stream::receiver::incoming kv;
  bool drafted = false;

  pc::status poll() { return drafted ? kv.poll() : kv.status(); }
  [[nodiscard]] int tier() const { return kv.tier(); }
  [[nodiscard]] bool whole() const { return kv.whole(); }
  [[nodiscard]] bool reached(pc::event e) const { return kv.reached(e); }
  pc::status wait(pc::event e, pc::deadline until) { return kv.wait(e, until); }
};
static_assert(pc::arriving_cache<patient_cache>);

} // namespace

TEST_CASE("two processes: the text and the cache are the original's") {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    CAPTURE(seed);
    const scene s(seed, 24);
    pc::listener door(0);
    const double raw = static_cast<double>(s.shape.raw_bytes(s.tokens));
    prefill_process peer(s, door.port(), seed % 2 == 0 ? 0 : 0.4, raw / 0.3);
    decode_stream::receiver in(door.accept(20s), s.shape);
    toy::engine decode(s.weights);
    patient_cache kv{in.expect({.id = 1, .tokens = s.tokens}, pages_of(decode, s))};
    const pc::speculated said = pc::speculate(
        decode, kv,
        {.first = s.text.front(),
         .max_tokens = s.text.size(),
         .on_token = [&](const pc::token_event& e) { kv.drafted |= e.tag == pc::token_tag::drafted; },
         .timeout = 20s});
    CAPTURE(said.status.message());
    CHECK_FALSE(said.degraded());
    CHECK(said.tokens == s.text);
    CHECK(equal_caches(s, decode));
    CHECK(said.first_drafted.has_value());
    CHECK(said.first_drafted < said.first_verified);
    CHECK(peer.result() == 0); // the sender was told, too
  }
}

TEST_CASE("two processes: shards that two of them send are one cache to a third") {
  for (const bool killed : {false, true}) { // one of the two
    CAPTURE(killed);
    const scene s(7, 24);
    const pc::shard parts[] = {pc::shard::tensor(0, 2), pc::shard::tensor(1, 2)};
    pc::listener one(0), two(0);
    const double raw = static_cast<double>(s.shape.raw_bytes(s.tokens)) / 2;
    prefill_process first(s, one.port(), 0, raw / 0.3, parts[0]),
        second(s, two.port(), 0, raw / (killed ? 2.0 : 0.5), parts[1]);
    decode_stream::receiver from_first(one.accept(20s), s.shape, {.carries = parts[0]});
    decode_stream::receiver from_second(two.accept(20s), s.shape, {.carries = parts[1]});
    toy::engine decode(s.weights);
    const pc::request r{.id = 1, .tokens = s.tokens};
    pc::gathered kv(from_first.expect(r, pages_of(decode, s, parts[0])),
                    from_second.expect(r, pages_of(decode, s, parts[1])));
    REQUIRE(kv.wait(pc::first_light, 20s).ok());
    if (killed)
      second.kill();
    const pc::speculated said =
        pc::speculate(decode, kv, {.first = s.text.front(), .max_tokens = s.text.size(), .timeout = 20s});
    CAPTURE(said.status.message());
    CHECK(said.degraded() == killed);
    if (killed) {
      CHECK(said.status == pc::errc::closed); // not a timeout
      CHECK(kv.tier() < 2);
      continue;
    }
    CHECK(said.tokens == s.text);
    CHECK(equal_caches(s, decode));
    CHECK(first.result() == 0);
    CHECK(second.result() == 0);
  }
}

TEST_CASE("two processes: a killed peer is noticed, and what came is marked") {
  const scene s(9, 24);
  pc::listener door(0);
  const double raw = static_cast<double>(s.shape.raw_bytes(s.tokens));
  prefill_process peer(s, door.port(), 0, raw / 2);
  decode_stream::receiver in(door.accept(20s), s.shape);
  toy::engine decode(s.weights);
  auto kv = in.expect({.id = 1, .tokens = s.tokens}, pages_of(decode, s));
  REQUIRE(kv.wait(pc::first_light, 20s).ok());
  peer.kill();
  const pc::speculated said =
      pc::speculate(decode, kv, {.first = s.text.front(), .max_tokens = s.text.size(), .timeout = 20s});
  CHECK(said.degraded());
  CHECK(said.status == pc::errc::closed); // not a timeout
  CHECK(kv.wait(pc::focused, 20s) == pc::errc::closed);
  CHECK_FALSE(kv.unsharp().empty());
  for (std::size_t i = 1; i < said.tags.size(); ++i)
    CHECK(said.tags[i] != pc::token_tag::verified);
}

TEST_CASE("two processes: a peer that is killed before first light") {
  const scene s(10, 4);
  pc::listener door(0);
  prefill_process peer(s, door.port(), 0, 1000.0);
  decode_stream::receiver in(door.accept(20s), s.shape);
  toy::engine decode(s.weights);
  auto kv = in.expect({.id = 1, .tokens = s.tokens}, pages_of(decode, s));
  CHECK(kv.wait(pc::first_light, 50ms) == pc::errc::timeout);
  peer.kill();
  CHECK(kv.wait(pc::first_light, 20s) == pc::errc::closed);
  CHECK(kv.tier() == -1);
}

} // namespace decode_two_processes_test
