// A peer that signs its frames properly and lies: it costs a status, never memory, a crash or a wait without
// an end.
#include "planecast/planecast.hpp"

#include "code/rows.hpp"
#include "stream/altering.hpp"
#include "stream/recorded.hpp"
#include "stream/scripted.hpp"
#include "support/cache_case.hpp"
#include "support/dice.hpp"
#include "support/layered_scores.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <doctest/doctest.h>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace stream_hostile_test {

using namespace planecast;
using namespace std::chrono_literals;
using planecast_test::rounds;

namespace {

using policy = precision_policy<tiers<4, 8, lossless>, keys<per_channel<8>>, values<per_token>>;
using stream = plane_stream<policy, loopback>;

constexpr std::uint64_t id = 7;
constexpr std::uint32_t opening = 5; // of the honest requests

/// What the allocator has given out; 0 where it cannot be asked.
std::size_t memory_in_use() {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
  const struct mallinfo2 m = mallinfo2();
  return m.uordblks + m.hblkhd;
#else
  return 0;
#endif
}

hello said_by(role who, const geometry& model, std::uint32_t chunk, const shard& carried = {}) {
  return {who, chunk, model, carried, policy::page_tokens, policy::planes::count, policy::fingerprint()};
}

/// A small model, and some of it that is carried.
geometry any_model(test::dice& dice) {
  geometry g{dice.one_in(2) ? number::fp16 : number::bf16, dice.between(1, 3), dice.between(1, 2), 8,
             8 * dice.between(1, 2)};
  if (dice.one_in(3))
    for (std::uint32_t l = 0; l < g.layers; ++l)
      g.kv_heads_by_layer.push_back(dice.between(1, 2));
  return g;
}
shard any_shard(const geometry& g, test::dice& dice) {
  if (dice.one_in(3))
    return {};
  const std::uint32_t first = dice.below(g.layers), ranks = dice.between(1, 2);
  return {first, dice.between(1, g.layers - first), dice.below(ranks), ranks};
}

/// A small request, its honest frames, and the pages they are for.
struct honest {
  explicit honest(test::dice& dice, bool may_drop = false)
      : model(any_model(dice)), carried(any_shard(model, dice)), shape(model.of(carried)),
        tokens(dice.between(1, 40)), first(dice.one_in(2) ? 0 : dice.below(tokens)),
        kept(may_drop && dice.one_in(4) ? 1 + dice.below(99) : 0), from(shape, tokens, dice),
        to(shape, tokens, dice), chunk(static_cast<std::uint32_t>(stream::sender::least_chunk_bytes(shape))) {
    test::fill(from, shape.dtype, dice);
    detail::outgoing_request<policy, cpu> out(wanted(), opening, shape, carried.layer_first, chunk);
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      out.put(carried.layer_first + l, from.view<kv_view>(l));
    plan_options options{.pinned = {1, 2}};
    options.order = dice.one_in(2) ? plan_order::greedy : plan_order::worth;
    options.window_bytes = dice.below(300);
    const auto plan = [&](const auto& by) {
      if (kept != 0) // what is behind its cut would not come
        CHECK(out.make_plan(budget::everything(), by, options).ok());
      else if (!out.make_plan(budget::of_raw(0.01 * dice.below(200)), by, options).ok())
        CHECK(out.make_plan(budget::base(), by, options).ok());
    };
    if (dice.one_in(2))
      plan(test::layered_scores(shape.layers, tokens, dice));
    else
      plan(equal_scores{});
    out.accepted = true;
    detail::schedule line;
    out.enqueue(line);
    frames = test::emptied(line, out, chunk);
  }
  [[nodiscard]] hello says() const { return said_by(role::sender, model, chunk, carried); }
  [[nodiscard]] request wanted() const {
    return {id, tokens, first, coding::planes, kept == 0 ? 0u : 5u, kept};
  }
  [[nodiscard]] test::message open_payload() const {
    return kept == 0 ? test::message{} : test::numbers(kept);
  }
  [[nodiscard]] frame_header opens(std::uint32_t number) const {
    return {.kind = frame_kind::open, .request = id, .first = first, .count = tokens, .opening = number};
  }
  [[nodiscard]] bool arrived() { return to.received(from, first); }

  geometry model;
  shard carried;
  geometry shape; // of what is carried
  std::uint32_t tokens, first;
  std::uint64_t kept;
  test::cache_memory from, to;
  std::uint32_t chunk;
  std::vector<test::recorded_frame> frames;
};

/// Numbers that are likely to hurt.
std::uint64_t sharp_number(test::dice& dice, std::uint64_t near) {
  switch (dice.below(8)) {
  case 0:
    return 0;
  case 1:
    return near + 1;
  case 2:
    return near - 1;
  case 3:
    return 0xFFFF'FFFFu;
  case 4:
    return ~std::uint64_t{0} - dice.below(3);
  case 5:
    return std::uint64_t{1} << dice.below(64);
  case 6:
    return dice.below(100);
  default:
    return dice.engine()();
  }
}

template <class T>
void spoil(T& field, test::dice& dice) {
  field = static_cast<T>(sharp_number(dice, static_cast<std::uint64_t>(field)));
}

void spoil_header(frame_header& h, test::dice& dice) {
  switch (dice.below(10)) {
  case 0:
    return spoil(h.kind, dice);
  case 1:
    h.kind = static_cast<frame_kind>(16 + dice.below(5));
    return;
  case 2:
    return spoil(h.plane, dice);
  case 3:
    return spoil(h.request, dice);
  case 4:
    return spoil(h.sequence, dice);
  case 5:
    return spoil(h.first, dice);
  case 6:
    return spoil(h.count, dice);
  case 7:
    return spoil(h.layer_first, dice);
  case 8:
    return spoil(h.layer_count, dice);
  default:
    return spoil(h.opening, dice);
  }
}

void spoil_payload(test::message& payload, test::dice& dice) {
  switch (payload.empty() ? 4 : dice.below(6)) {
  case 0:
    payload.resize(dice.below(payload.size()));
    return;
  case 1: { // a whole number somewhere
    const std::size_t at = dice.below(payload.size()) / 4 * 4;
    if (at + 4 <= payload.size())
      detail::store(&payload[at], static_cast<std::uint32_t>(
                                      sharp_number(dice, detail::load<std::uint32_t>(&payload[at]))));
    return;
  }
  case 2:
    for (std::byte& b : payload)
      b = static_cast<std::byte>(dice.below(256));
    return;
  case 3: {
    const std::size_t at = dice.below(payload.size());
    for (std::size_t i = at; i < std::min(payload.size(), at + 8); ++i)
      payload[i] = static_cast<std::byte>(dice.one_in(2) ? 0xFF : 0);
    return;
  }
  case 4:
    payload.insert(payload.end(), dice.below(40), static_cast<std::byte>(dice.below(256)));
    return;
  default:
    payload[dice.below(payload.size())] ^= static_cast<std::byte>(1u << dice.below(8));
  }
}

/// Lies about some frames, and signs the lies.
void spoil_some(std::vector<test::recorded_frame>& frames, test::dice& dice) {
  for (std::uint32_t n = dice.between(1, 3); n > 0 && !frames.empty(); --n) {
    test::recorded_frame& f = frames[dice.below(frames.size())];
    frame_header h = test::header_of(f.bytes);
    test::message payload(f.payload().begin(), f.payload().end());
    switch (dice.below(5)) {
    case 0:
    case 1:
      spoil_header(h, dice);
      break;
    case 2:
    case 3:
      spoil_payload(payload, dice);
      break;
    default: { // the same again, somewhere, under a number of its own
      test::recorded_frame twin = f;
      h.sequence = frames.size();
      twin.bytes = test::frame(h, payload);
      frames.insert(frames.begin() + dice.below(frames.size() + 1), std::move(twin));
      continue;
    }
    }
    f.bytes = test::frame(h, payload);
  }
}

frame_header any_control(test::dice& dice, std::uint32_t likely_opening) {
  frame_header h{.kind = static_cast<frame_kind>(dice.one_in(4) ? dice.below(256) : dice.between(1, 7)),
                 .request = dice.one_in(2) ? id : dice.below(100),
                 .first = dice.below(5),
                 .count = dice.below(60),
                 .opening = likely_opening};
  if (dice.one_in(4))
    spoil_header(h, dice);
  return h;
}
test::message any_payload(test::dice& dice) {
  test::message m(dice.one_in(2) ? 0 : dice.one_in(2) ? 8 : dice.below(300));
  for (std::byte& b : m)
    b = static_cast<std::byte>(dice.one_in(2) ? 0 : dice.below(256));
  return m;
}

struct outcome {
  bool focused = false, exact = false;
  status s;
};

enum class lying { in_data, in_control, everywhere, only_disorder };

/// One receiver, one peer that lies in its own way.
outcome receive_from_liar(unsigned seed, lying how) {
  test::dice dice(seed);
  honest h(dice, true);
  auto [a, b] = loopback::pair();
  test::scripted peer(std::move(a));
  receiver_options options{.carries = h.carried, .chunk_bytes = h.chunk + dice.below(100)};
  options.slots = dice.between(1, 4);
  options.staged_frames = dice.one_in(2) ? 4096 : dice.between(options.slots, 12);
  options.unexpected_requests = 16;
  stream::receiver in(std::move(b), h.model, options);
  std::optional<stream::receiver::incoming> kv;
  const bool early = dice.one_in(2);
  if (early)
    kv.emplace(in.expect(h.wanted(), h.to.pages()));

  const std::vector<test::recorded_frame> as_numbered = h.frames;
  const bool lies_in_control = how == lying::in_control || how == lying::everywhere;
  if (how == lying::in_data || how == lying::everywhere)
    spoil_some(h.frames, dice);
  const bool shuffled = dice.one_in(how == lying::only_disorder ? 2 : 4);
  if (shuffled) {
    std::shuffle(h.frames.begin(), h.frames.end(), dice.engine());
    for (std::uint32_t n = dice.below(4); n > 0; --n) // some come twice, under the same number
      h.frames.push_back(h.frames[dice.below(h.frames.size())]);
  }
  test::message mine = test::frame_of(h.says());
  mine.erase(mine.begin(), mine.begin() + frame_header_bytes);
  if (lies_in_control && dice.one_in(10)) {
    std::byte* const field = &mine[8 * dice.below(hello::count)];
    detail::store(field, sharp_number(dice, detail::load<std::uint64_t>(field)));
  }
  peer.say({.kind = frame_kind::hello}, mine);
  if (how != lying::only_disorder && dice.one_in(20))
    peer.say({.kind = frame_kind::hello}, mine);
  frame_header opens = h.opens(opening);
  for (std::uint32_t* field : {&opens.first, &opens.count, &opens.opening})
    if (lies_in_control && dice.one_in(10))
      spoil(*field, dice);
  test::message opens_with = h.open_payload();
  if (lies_in_control && dice.one_in(10))
    spoil_payload(opens_with, dice);
  peer.say(opens, opens_with);
  if (!early) {
    (void)in.progress(deadline::passed());
    kv.emplace(in.expect(h.wanted(), h.to.pages()));
  }

  const auto start = std::chrono::steady_clock::now();
  std::size_t next = 0, heard = 0;
  const int most = how == lying::only_disorder ? 20000 : 400;
  for (int i = 0; i < most && (next < h.frames.size() || peer.waiting() > 0 ||
                               (how == lying::only_disorder && !kv->reached(focused)));
       ++i) {
    if (next < h.frames.size()) {
      test::message m = h.frames[next++].bytes;
      // Damage; where the lane keeps no order, not to the number, which could not be guessed then.
      const std::size_t spare = shuffled ? frame_header_bytes : 0;
      if (how == lying::only_disorder && m.size() > spare && dice.one_in(6))
        m[spare + dice.below(m.size() - spare)] ^= static_cast<std::byte>(1u << dice.below(8));
      if (how == lying::everywhere && dice.one_in(20))
        m = any_payload(dice);
      peer.send(lane::data, std::move(m));
    }
    if (lies_in_control && dice.one_in(6))
      peer.say(any_control(dice, opens.opening), any_payload(dice));
    peer.take();
    for (; how == lying::only_disorder && heard < peer.control.size(); ++heard) { // what it lost comes again
      const test::message& m = peer.control[heard];
      if (test::header_of(m).kind != frame_kind::lost || m.size() != frame_header_bytes + 8)
        continue;
      if (const auto n = detail::load<std::uint64_t>(&m[frame_header_bytes]); n < as_numbered.size())
        h.frames.push_back(as_numbered[n]);
    }
    if (dice.one_in(2))
      (void)kv->poll();
    else
      (void)in.progress(deadline::passed());
  }
  outcome o;
  (void)kv->wait(first_light, 1ms);
  o.s = kv->wait(focused, 1ms);
  o.focused = kv->reached(focused);
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK(o.s.ok() == o.focused);
  o.exact = h.arrived();
  CHECK(h.to.untouched_values() >= h.to.all_values() - h.shape.values_per_token() * (h.tokens - h.first));
  if (dice.one_in(2))
    kv->cancel();
  (void)kv->tier();
  (void)kv->unsharp();
  return o;
}

} // namespace

TEST_CASE("hostile sender: frames in any order, twice or damaged give the right cache") {
  for (unsigned seed = 0; seed < rounds(1000, 100); ++seed) {
    CAPTURE(seed);
    const outcome o = receive_from_liar(seed, lying::only_disorder);
    CHECK(o.focused);
    CHECK(o.exact);
    CHECK(o.s.ok());
  }
}

TEST_CASE("hostile sender: lies on the data lane") {
  unsigned ended = 0;
  for (unsigned seed = 0; seed < rounds(3000, 300); ++seed) {
    CAPTURE(seed);
    const outcome o = receive_from_liar(seed, lying::in_data);
    CHECK((o.s.ok() || o.s == errc::corrupt || o.s == errc::timeout || o.s == errc::mismatch));
    ended += o.s == errc::corrupt ? 1 : 0;
  }
  CHECK(ended > 100);
}

TEST_CASE("hostile sender: lies on the control lane, and on both") {
  for (unsigned seed = 0; seed < rounds(2000, 200); ++seed) {
    CAPTURE(seed);
    const outcome o = receive_from_liar(seed, lying::in_control);
    CHECK((!o.focused || o.exact));
    receive_from_liar(seed, lying::everywhere);
  }
}

TEST_CASE("hostile sender: requests that nobody expects cost no memory") {
  const geometry shape{number::bf16, 1, 1, 8, 8};
  auto [a, b] = loopback::pair();
  test::scripted peer(std::move(a));
  stream::receiver in(std::move(b), shape, {.chunk_bytes = 4096, .unexpected_requests = 8});
  peer.say(said_by(role::sender, shape, 4096));
  const auto more = [&](std::uint64_t from) {
    for (std::uint64_t i = 0; i < 5000; ++i) {
      const auto number = static_cast<std::uint32_t>(from + i + 1);
      peer.say({.kind = frame_kind::open, .request = from + i, .count = 0xFFFF'FFFFu, .opening = number});
      peer.send(
          lane::data,
          test::frame(
              {.kind = frame_kind::base, .request = from + i, .sequence = from + i, .opening = number}));
      CHECK(in.progress(deadline::passed()).ok());
      peer.take();
    }
    peer.control.clear();
    for (int i = 0; i < 5000 && peer.waiting() > 0; ++i) {
      (void)in.progress(deadline::passed());
      peer.take();
    }
  };
  more(0);
  const std::size_t before = memory_in_use();
  more(5000);
  peer.control.clear();
  CHECK(memory_in_use() < before + 1'000'000);
  CHECK(in.metrics().not_expected == 10000);
}

namespace {

/// One sender, one receiver that lies.
void send_to_liar(unsigned seed) {
  test::dice dice(seed);
  const geometry shape{number::bf16, dice.between(1, 2), 1, 8, 8};
  const std::uint32_t tokens = dice.between(1, 30);
  test::cache_memory cache(shape, tokens, dice);
  test::fill(cache, shape.dtype, dice);
  const auto source = cache.values();
  const auto chunk = static_cast<std::uint32_t>(stream::sender::least_chunk_bytes(shape));
  auto [a, b] = loopback::pair();
  test::scripted peer(std::move(b));
  stream::sender out(std::move(a), shape, {.chunk_bytes = chunk, .window_bytes = 1 + dice.below(5000)});
  const auto start = std::chrono::steady_clock::now();

  hello mine = said_by(role::receiver, shape, chunk + dice.below(10));
  if (dice.one_in(20))
    spoil(mine.chunk_bytes, dice);
  struct sending {
    stream::sender::outgoing handle;
    std::uint32_t layers = 0;
    bool planned = false;
  };
  std::vector<sending> shots;
  bool greeted = false;
  // Of a request as it was opened last, of an earlier opening, or of none.
  const auto number_of = [&](std::uint64_t request) {
    std::uint32_t last = 0;
    for (const test::message& m : peer.control)
      if (const frame_header h = test::header_of(m); h.kind == frame_kind::open && h.request == request)
        last = h.opening;
    if (dice.one_in(5))
      spoil(last, dice);
    return last;
  };
  const auto say = [&](frame_header h) {
    h.opening = number_of(h.request);
    peer.say(h);
  };
  for (int i = 0; i < 60; ++i) {
    if (!greeted && dice.one_in(3)) {
      peer.say(mine);
      greeted = true;
    }
    switch (dice.below(12)) {
    case 0:
      try {
        shots.push_back({out.open({dice.one_in(2) ? id : dice.below(4), tokens})});
      } catch (const std::invalid_argument&) { // the id is in use
      }
      break;
    case 1:
    case 2:
    case 3:
      if (!shots.empty()) {
        sending& s = shots[dice.below(shots.size())];
        if (s.layers < shape.layers) {
          (void)s.handle.put(s.layers, cache.view<kv_view>(s.layers));
          ++s.layers;
        } else if (!s.planned && s.handle.status().ok() && s.handle.metrics().at(source_free))
          s.planned = s.handle.plan(budget::of_raw(0.01 * dice.below(200))).ok();
      }
      break;
    case 4:
      if (!shots.empty() && dice.one_in(4))
        shots[dice.below(shots.size())].handle.cancel();
      break;
    case 5:
      for (std::uint32_t n = dice.below(5); n > 0; --n)
        peer.post(lane::data, frame_header_bytes + chunk);
      break;
    case 6:
      say({.kind = frame_kind::accept, .request = dice.one_in(2) ? id : dice.below(4)});
      break;
    case 7: // lost: what was sent, what was not, what nobody sends
      peer.say({.kind = frame_kind::lost},
               test::numbers(dice.one_in(4) ? sharp_number(dice, peer.data.size())
                                            : std::uint64_t{dice.below(peer.data.size() + 3)}));
      break;
    case 8:
      if (dice.one_in(3))
        say({.kind = frame_kind::delivered,
             .request = dice.one_in(2) ? id : dice.below(4),
             .first = dice.one_in(8) ? dice.below(9) : dice.between(1, 2)});
      break;
    case 9:
      if (dice.one_in(4))
        say({.kind = dice.one_in(2) ? frame_kind::cancel : frame_kind::refuse,
             .request = dice.one_in(2) ? id : dice.below(4),
             .first = dice.below(10),
             .count = dice.below(100)});
      break;
    case 10:
      if (dice.one_in(10))
        peer.say(any_control(dice, number_of(id)), any_payload(dice));
      if (dice.one_in(20))
        peer.send(lane::data, any_payload(dice));
      break;
    default:
      if (!shots.empty() && dice.one_in(4))
        (void)shots[dice.below(shots.size())].handle.wait(dice.one_in(2) ? focused : first_light, 100us);
    }
    (void)out.progress(deadline::passed());
    peer.take();
  }
  for (sending& s : shots) {
    (void)s.handle.wait(focused, 100us);
    (void)s.handle.status().message();
  }
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK(cache.values() == source);
  for (const test::message& m : peer.data) { // whatever it was told, what it sends is whole
    const frame_header h = test::header_of(m);
    CHECK(check_payload(m, h).ok());
    CHECK(m.size() <= frame_header_bytes + chunk);
  }
}

} // namespace

TEST_CASE("hostile receiver: anything it says is a status") {
  for (unsigned seed = 0; seed < rounds(6000, 500); ++seed) {
    CAPTURE(seed);
    send_to_liar(seed);
  }
}

namespace {

// A sender with one layer of two put, and a receiver that has accepted it.
struct half_sent {
  half_sent() : half_sent(loopback::pair()) {}
  explicit half_sent(std::pair<loopback, loopback> ends)
      : peer(std::move(ends.second)), out(std::move(ends.first), shape, {.chunk_bytes = chunk}),
        shot(out.open({id, tokens})) {
    peer.say(said_by(role::receiver, shape, chunk));
    go();
    REQUIRE(peer.control.size() == 2);
    CHECK(test::header_of(peer.control[1]).opening == 1);
    peer.say({.kind = frame_kind::accept, .request = id, .opening = 1});
    CHECK(put(0).ok());
    go();
  }
  status put(std::uint32_t layer) { return shot.put(layer, cache.view<kv_view>(layer)); }
  void go() {
    for (int i = 0; i < 3; ++i) {
      (void)out.progress(deadline::passed());
      peer.take();
    }
  }
  const geometry shape{number::bf16, 2, 1, 8, 8};
  const std::uint32_t tokens = 20, chunk = 1000;
  test::dice dice{1};
  test::cache_memory cache{shape, tokens, dice};
  test::scripted peer;
  stream::sender out;
  stream::sender::outgoing shot;
};

} // namespace

TEST_CASE("hostile receiver: has everything before anything was planned") {
  half_sent s;
  s.peer.say({.kind = frame_kind::delivered, .request = id, .first = 2, .opening = 1});
  s.go();
  CHECK(!s.shot.reached(focused));
  CHECK(s.put(1).ok());
  CHECK(s.shot.plan(budget::base()).ok());
  CHECK(s.shot.wait(focused, 1ms) == errc::timeout);
}

TEST_CASE("hostile receiver: asks for the same frame for ever") {
  half_sent s;
  s.peer.post(lane::data, frame_header_bytes + s.chunk);
  s.go();
  REQUIRE(s.peer.data.size() == 1);
  const auto ask = [&] {
    for (int i = 0; i < 5000; ++i) {
      s.peer.say({.kind = frame_kind::lost}, test::numbers(std::uint64_t{0}));
      s.go();
    }
    s.go();
  };
  ask();
  const std::size_t before = memory_in_use();
  ask();
  CHECK(memory_in_use() < before + 500'000);
  CHECK(s.shot.status().ok());
}

TEST_CASE("hostile receiver: asks for a frame of a request whose id is in use again") {
  half_sent s;
  auto other = s.out.open({8, s.tokens});
  s.go();
  s.peer.say({.kind = frame_kind::accept, .request = 8, .opening = 2});
  s.go();
  CHECK(other.put(0, s.cache.view<kv_view>(0)).ok());
  for (int i = 0; i < 10; ++i)
    s.peer.post(lane::data, frame_header_bytes + s.chunk);
  s.go();
  const std::size_t sent = s.peer.data.size();
  REQUIRE(sent >= 2);
  other.cancel();
  auto again = s.out.open({8, s.tokens}); // nothing was put: there is nothing to send from
  s.go();
  for (std::uint64_t n = 0; n < 10; ++n)
    s.peer.say({.kind = frame_kind::lost}, test::numbers(n));
  s.go();
  for (std::size_t i = sent; i < s.peer.data.size(); ++i)
    CHECK(test::header_of(s.peer.data[i]).request == id);
  CHECK(again.status().ok());
}

TEST_CASE("hostile receiver: speaks of openings that are not") {
  half_sent s;
  for (const std::uint32_t number : {0u, 2u, 0xFFFF'FFFFu})
    for (const frame_kind kind : {frame_kind::cancel, frame_kind::refuse, frame_kind::delivered}) {
      s.peer.say({.kind = kind, .request = id, .first = 2, .opening = number});
      s.go();
      CHECK(s.shot.status().ok());
    }
  CHECK(s.put(1).ok());
  CHECK(s.shot.plan(budget::base()).ok());
  s.peer.say({.kind = frame_kind::delivered, .request = id, .first = 2, .opening = 2});
  s.go();
  CHECK(!s.shot.reached(focused));
  s.peer.say({.kind = frame_kind::delivered, .request = id, .first = 2, .opening = 1});
  s.go();
  CHECK(s.shot.reached(focused)); // the true one is heard
  // What is opened next is not accepted by a number that it does not have.
  auto next = s.out.open({id, s.tokens});
  s.go();
  CHECK(test::header_of(s.peer.control.back()).opening == 2);
  for (int i = 0; i < 50; ++i)
    s.peer.post(lane::data, frame_header_bytes + s.chunk);
  s.go();
  s.go();
  const std::size_t sent = s.peer.data.size();
  CHECK(next.put(0, s.cache.view<kv_view>(0)).ok());
  for (const std::uint32_t number : {0u, 1u, 3u})
    s.peer.say({.kind = frame_kind::accept, .request = id, .opening = number});
  s.go();
  CHECK(s.peer.data.size() == sent);
  s.peer.say({.kind = frame_kind::accept, .request = id, .opening = 2});
  s.go();
  REQUIRE(s.peer.data.size() > sent);
  CHECK(test::header_of(s.peer.data.back()).opening == 2);
}

namespace {

// A receiver that expects a request, and a peer that says what it is told to.
struct half_received {
  explicit half_received(std::uint64_t seed = 3) : half_received(seed, loopback::pair()) {}
  half_received(std::uint64_t seed, std::pair<loopback, loopback> ends)
      : dice(seed), peer(std::move(ends.first)),
        in(std::move(ends.second), h.model, {.carries = h.carried, .chunk_bytes = h.chunk}) {
    peer.say(h.says());
    CHECK(go().ok());
    peer.control.clear();
  }
  status go() {
    status s;
    for (int i = 0; i < 3; ++i) {
      s = in.progress(deadline::passed());
      peer.take();
    }
    return s;
  }
  status open(std::uint32_t number) {
    peer.say(h.opens(number));
    return go();
  }
  test::dice dice;
  honest h{dice};
  test::scripted peer;
  stream::receiver in;
};

} // namespace

TEST_CASE("hostile sender: opens without a number, or twice") {
  for (const bool early : {true, false}) {
    CAPTURE(early);
    const auto after = [&](auto&& openings) {
      half_received r;
      std::optional<stream::receiver::incoming> kv;
      if (early)
        kv.emplace(r.in.expect(r.h.wanted(), r.h.to.pages()));
      for (const std::uint32_t number : openings) {
        (void)r.open(number);
        if (!kv)
          kv.emplace(r.in.expect(r.h.wanted(), r.h.to.pages()));
      }
      CHECK(kv->status() == r.go().code);
      CHECK(r.in.progress(deadline::passed()) == kv->status().code);
      return kv->status();
    };
    using numbers = std::vector<std::uint32_t>;
    CHECK(after(numbers{1}).ok());
    CHECK(after(numbers{0xFFFF'FFFFu}).ok());
    CHECK(after(numbers{0}) == errc::corrupt);
    CHECK(after(numbers{1, 1}) == errc::corrupt);
    CHECK(after(numbers{1, 2}) == errc::corrupt);
    CHECK(after(numbers{1, 0}) == errc::corrupt);
    CHECK(after(numbers{0, 1}) == errc::corrupt);
  }
}

TEST_CASE("hostile sender: frames of openings that are not reach nothing") {
  half_received r;
  auto kv = r.in.expect(r.h.wanted(), r.h.to.pages());
  REQUIRE(r.open(opening).ok());
  REQUIRE(r.peer.control.size() == 1);
  CHECK(test::header_of(r.peer.control[0]).kind == frame_kind::accept);
  CHECK(test::header_of(r.peer.control[0]).opening == opening);
  std::uint64_t sequence = 0, passed_over = 0;
  for (const std::uint32_t number : {0u, opening - 1, opening + 1, 0xFFFF'FFFFu}) {
    r.peer.say({.kind = frame_kind::cancel, .request = id, .opening = number});
    for (const test::recorded_frame& f : r.h.frames) {
      frame_header h = f.pending.header;
      h.sequence = sequence++;
      h.opening = number;
      CHECK(r.peer.send(lane::data, test::frame(h, f.payload())));
      CHECK(r.go().ok());
      CHECK(kv.poll().ok());
      CHECK(r.in.metrics().not_expected == ++passed_over);
    }
  }
  CHECK(kv.metrics().data_bytes == 0);
  CHECK(kv.tier() == -1);
  CHECK(r.h.to.untouched_values() == r.h.to.all_values());
  for (const test::recorded_frame& f : r.h.frames) {
    frame_header h = f.pending.header;
    h.sequence = sequence++;
    CHECK(r.peer.send(lane::data, test::frame(h, f.payload())));
    CHECK(r.go().ok());
    (void)kv.poll();
  }
  CHECK(kv.reached(focused));
  CHECK(r.h.arrived());
  CHECK(r.in.metrics().not_expected == passed_over);
}

namespace {

// Says all honest frames of a request that is expected, from the sequence number on.
void say_frames(half_received& r, std::uint64_t sequence) {
  for (const test::recorded_frame& f : r.h.frames) {
    frame_header h = f.pending.header;
    h.sequence = sequence++;
    CHECK(r.peer.send(lane::data, test::frame(h, f.payload())));
    CHECK(r.go().ok());
  }
}

// Sets a bit that means nothing in a frame's header, and signs it.
test::message with_bit(test::message m, std::size_t at, unsigned bit) {
  m[at] |= static_cast<std::byte>(1u << bit);
  const std::uint64_t sum = checksum_of(std::span(m).first(60));
  detail::store(&m[60], static_cast<std::uint32_t>(sum ^ (sum >> 32)));
  return m;
}

} // namespace

TEST_CASE("hostile sender: bits that mean nothing end the connection on the control lane") {
  for (std::size_t at = 36; at < 44; ++at) {
    CAPTURE(at);
    half_received r;
    auto kv = r.in.expect(r.h.wanted(), r.h.to.pages());
    frame_header open = r.h.opens(opening);
    open.sequence = 1;
    r.peer.send(lane::control, with_bit(test::frame(open), at, at % 8));
    CHECK(r.go() == errc::corrupt);
    CHECK(std::string(kv.status().about) == "frame: the header has bits that mean nothing");
  }
}

TEST_CASE("hostile sender: bits that mean nothing cost a repeat on the data lane") {
  half_received r;
  auto kv = r.in.expect(r.h.wanted(), r.h.to.pages());
  REQUIRE(r.open(opening).ok());
  r.peer.control.clear();
  for (std::size_t at = 36; at < 44; ++at)
    CHECK(r.peer.send(lane::data, with_bit(r.h.frames[0].bytes, at, at % 8)));
  for (int i = 0; i < 8; ++i)
    CHECK(r.go().ok());
  CHECK(r.in.metrics().damaged == 8);
  CHECK(kv.metrics().data_bytes == 0);
  CHECK(r.peer.control.size() >= 8);
  for (const test::message& m : r.peer.control)
    CHECK(test::header_of(m).kind == frame_kind::lost);
  say_frames(r, 0); // numbers that are known to be missing, and later ones
  (void)kv.poll();
  CHECK(kv.reached(focused));
  CHECK(r.h.arrived());
}

TEST_CASE("hostile sender: layers that the stream does not carry end the request, and it alone") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    half_received r(seed);
    test::dice dice(seed);
    auto kv = r.in.expect(r.h.wanted(), r.h.to.pages());
    test::cache_memory elsewhere(r.h.shape, 10, dice);
    auto other = r.in.expect({id + 1, 10}, elsewhere.pages());
    REQUIRE(r.open(opening).ok());
    const test::recorded_frame& f = r.h.frames[dice.below(r.h.frames.size())];
    frame_header h = f.pending.header;
    h.sequence = 0;
    const std::uint32_t end = r.h.carried.layer_first + r.h.shape.layers;
    const std::uint32_t wrong[] = {r.h.carried.layer_first - 1, end, end + dice.below(1000), 0xFFFF};
    if (h.kind == frame_kind::base || dice.one_in(2))
      h.layer_first = static_cast<std::uint16_t>(wrong[dice.below(4)]);
    else
      h.layer_count = static_cast<std::uint16_t>(h.layer_count + dice.between(1, 100));
    CHECK(r.peer.send(lane::data, test::frame(h, f.payload())));
    CHECK(r.go().ok());
    CHECK(kv.poll() == errc::corrupt);
    CHECK(kv.reached(quiesced));
    CHECK(other.status().ok());
    CHECK(r.h.to.untouched_values() == r.h.to.all_values());
  }
}

TEST_CASE("hostile sender: opens what has no tokens, or ends before it begins") {
  for (const bool early : {true, false})
    for (const auto& range :
         {std::pair{5u, 5u}, {6u, 5u}, {0xFFFF'FFFFu, 1u}, {0u, 0u}, {0xFFFF'FFFFu, 0xFFFF'FFFFu}}) {
      const std::uint32_t first = range.first, count = range.second;
      CAPTURE(early);
      CAPTURE(first);
      CAPTURE(count);
      half_received r;
      std::optional<stream::receiver::incoming> kv;
      if (early)
        kv.emplace(r.in.expect(r.h.wanted(), r.h.to.pages()));
      frame_header open = r.h.opens(opening);
      open.first = first;
      open.count = count;
      r.peer.say(open);
      CHECK(r.go().ok());
      if (!early)
        kv.emplace(r.in.expect(r.h.wanted(), r.h.to.pages()));
      CHECK(r.go().ok());
      CHECK(kv->status() == errc::mismatch);
      REQUIRE(r.peer.control.size() == 1);
      const frame_header h = test::header_of(r.peer.control[0]);
      CHECK(h.kind == frame_kind::refuse);
      CHECK(h.first == static_cast<std::uint32_t>(errc::mismatch));
      const bool by_length = count != r.h.tokens;
      CHECK(h.plane == static_cast<std::uint8_t>(by_length ? refusal::tokens : refusal::first));
      CHECK(h.count == (by_length ? r.h.tokens : r.h.first));
      CHECK(r.h.to.untouched_values() == r.h.to.all_values());
    }
}

TEST_CASE("hostile receiver: refuses for reasons that nobody knows") {
  for (const unsigned plane : {0u, 1u, 2u, 77u, 255u})
    for (const std::uint32_t code : {0u, 4u, 6u, 9u, 255u, 0xFFFF'FFFFu}) {
      CAPTURE(plane);
      CAPTURE(code);
      if (plane == 2 && code == static_cast<std::uint32_t>(errc::mismatch))
        continue; // says a fingerprint, or ends the link: below
      half_sent s;
      s.peer.say({.kind = frame_kind::refuse,
                  .plane = static_cast<std::uint8_t>(plane),
                  .request = id,
                  .first = code,
                  .count = 12345,
                  .opening = 1});
      s.go();
      const status why = s.shot.status();
      CHECK_FALSE(why.ok());
      CHECK(why.message().size() > 10);
      CHECK((why == errc::mismatch) == (code == static_cast<std::uint32_t>(errc::mismatch)));
      if (why == errc::mismatch) {
        CHECK(why.here == (plane == 1 ? 0 : s.tokens));
        CHECK(why.there == 12345);
      }
      CHECK(s.shot.reached(quiesced));
      CHECK(s.out.progress(deadline::passed()).ok()); // the others go on
      CHECK(s.out.open({id, s.tokens}).status().ok());
    }
}

TEST_CASE("a frame that was lost gets in, though frames that wait for it take all the room") {
  const geometry shape{number::bf16, 1, 1, 8, 8};
  constexpr std::uint32_t tokens = 200;
  test::dice dice(1);
  test::cache_memory from(shape, tokens, dice), to(shape, tokens, dice);
  test::fill(from, shape.dtype, dice);
  using altered = test::altering<loopback>;
  auto [a, b] = loopback::pair();
  const auto damage = [](lane l, std::size_t n, test::message& m) {
    if (l == lane::data && n == 0)
      m[70] ^= std::byte{1};
  };
  stream_sender<policy, altered, cpu> out(altered(std::move(a), damage), shape, {.chunk_bytes = 300});
  receiver_options options{.chunk_bytes = 300};
  options.staged_frames = 8; // fewer than there are upgrades
  stream::receiver in(std::move(b), shape, options);
  auto kv = in.expect({id, tokens}, to.pages());
  auto shot = out.open({id, tokens});
  (void)in.progress(deadline::passed());
  (void)out.progress(deadline::passed());
  CHECK(shot.put(0, from.view<kv_view>(0)).ok());
  CHECK(shot.plan(budget::base()).ok());
  for (int i = 0; i < 1000 && !kv.reached(focused); ++i) {
    (void)out.progress(deadline::passed());
    (void)kv.poll();
  }
  CHECK(kv.reached(focused));
  CHECK(to.values() == from.values());
}

TEST_CASE("an id may be used again while old handles live") {
  const geometry shape{number::bf16, 1, 1, 8, 8};
  constexpr std::uint32_t tokens = 20;
  test::dice dice(1);
  test::cache_memory first(shape, tokens, dice), second(shape, tokens, dice), to(shape, tokens, dice);
  test::fill(first, shape.dtype, dice);
  test::fill(second, shape.dtype, dice);
  auto [a, b] = loopback::pair();
  stream::sender out(std::move(a), shape, {.chunk_bytes = 1000});
  stream::receiver in(std::move(b), shape, {.chunk_bytes = 1000});
  const auto run = [&](auto& shot, auto& kv, test::cache_memory& from) {
    CHECK(shot.put(0, from.view<kv_view>(0)).ok());
    CHECK(shot.plan(budget::base()).ok());
    for (int i = 0; i < 100 && !shot.reached(focused); ++i) {
      (void)out.progress(deadline::passed());
      (void)kv.poll();
    }
    CHECK(shot.status().ok());
    CHECK(kv.status().ok());
    CHECK(kv.reached(focused));
    CHECK(to.values() == from.values());
  };
  auto kv = std::make_optional(in.expect({id, tokens}, to.pages()));
  auto shot = out.open({id, tokens});
  run(shot, *kv, first);
  auto kv_again = in.expect({id, tokens}, to.pages());
  auto shot_again = out.open({id, tokens});
  shot.cancel(); // over long ago: nothing happens
  kv->cancel();
  (void)kv->poll();
  kv.reset();
  CHECK(shot_again.status().ok());
  CHECK(kv_again.status().ok());
  run(shot_again, kv_again, second);
}

TEST_CASE("hostile: an open or a refusal whose payload makes no sense ends the link, not more") {
  const geometry g{number::bf16, 1, 1, 8, 8};
  const auto receiver_says = [&](const test::message& payload) {
    auto [a, b] = loopback::pair();
    test::scripted peer(std::move(a));
    stream::receiver in(std::move(b), g);
    peer.say(said_by(role::sender, g, 65536));
    peer.say({.kind = frame_kind::open, .request = 7, .count = 3, .opening = 1}, payload);
    return in.progress(deadline::passed());
  };
  CHECK(receiver_says({}).ok());
  CHECK(receiver_says(test::numbers(std::uint64_t{1})).ok());
  CHECK(receiver_says(test::numbers(std::uint64_t{0})) == errc::corrupt);
  CHECK(receiver_says(test::numbers(std::uint32_t{1})) == errc::corrupt);
  CHECK(receiver_says(test::numbers(std::uint64_t{1}, std::uint64_t{1})) == errc::corrupt);
  CHECK(receiver_says(test::message(most_control_payload)) == errc::corrupt);

  const auto sender_says = [&](std::uint8_t about, const test::message& payload) {
    auto [a, b] = loopback::pair();
    test::scripted peer(std::move(b));
    stream::sender out(std::move(a), g);
    auto shot = out.open(request::keeping(7, kept_tokens({0, 1}, 3)));
    peer.say(said_by(role::receiver, g, 1 << 20));
    (void)out.progress(deadline::passed());
    peer.say({.kind = frame_kind::refuse,
              .plane = about,
              .request = 7,
              .first = static_cast<std::uint32_t>(errc::mismatch),
              .count = 9,
              .opening = 1},
             payload);
    (void)out.progress(deadline::passed());
    return shot.status();
  };
  CHECK(sender_says(0, {}).there == 9);
  CHECK(sender_says(2, test::numbers(std::uint64_t{5})).there == 5);
  CHECK(sender_says(2, {}) == errc::corrupt);
  CHECK(sender_says(2, test::numbers(std::uint32_t{5})) == errc::corrupt);
  CHECK(sender_says(0, test::numbers(std::uint64_t{5})).there == 9); // not looked at
}

} // namespace stream_hostile_test
