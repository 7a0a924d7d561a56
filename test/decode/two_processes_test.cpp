// The same between two processes over TCP: equal text and cache, and a peer that is killed.
#include "code/rows.hpp"
#include "decode/two_processes.hpp"
#include "support/dice.hpp"
#include "toy_engine/toy_engine.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <vector>

namespace decode_two_processes_test {

namespace {

using namespace decode_test;

std::shared_ptr<const toy::model> weights() {
  return std::make_shared<const toy::model>(toy::config{.layers = 3, .context = 512});
}

scene<toy::engine> random_scene(std::uint64_t seed, std::size_t length) {
  const auto model = weights();
  test::dice dice(seed);
  std::vector<pc::token_id> prompt(dice.between(150, 300));
  for (pc::token_id& t : prompt)
    t = static_cast<pc::token_id>(dice.below(model->shape.vocab));
  return {toy::engine(model), model->shape.geometry(), prompt, length};
}

} // namespace

TEST_CASE("two processes: the text and the cache are the original's") {
  for (std::uint64_t seed = 0; seed < planecast_test::rounds(5, 2); ++seed) {
    CAPTURE(seed);
    const auto s = random_scene(seed, 24);
    toy::engine decode(weights());
    (void)hand_over(s, decode, {.bytes_per_second = raw_in(s, 0.3), .share = seed % 2 == 0 ? 0 : 0.4});
  }
}

TEST_CASE("two processes: shards that two of them send are one cache to a third") {
  for (const bool killed : {false, true}) { // one of the two
    CAPTURE(killed);
    const auto s = random_scene(7, 24);
    const pc::shard parts[] = {pc::shard::tensor(0, 2), pc::shard::tensor(1, 2)};
    pc::listener one(0), two(0);
    prefill_process first(s, one.port(), {.bytes_per_second = raw_in(s, 0.6), .part = parts[0]}),
        second(s, two.port(), {.bytes_per_second = raw_in(s, killed ? 4 : 1), .part = parts[1]});
    decode_stream::receiver from_first(one.accept(20s), s.shape, {.carries = parts[0]});
    decode_stream::receiver from_second(two.accept(20s), s.shape, {.carries = parts[1]});
    toy::engine decode(weights());
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
  const auto s = random_scene(9, 24);
  pc::listener door(0);
  prefill_process peer(s, door.port(), {.bytes_per_second = raw_in(s, 2)});
  decode_stream::receiver in(door.accept(20s), s.shape);
  toy::engine decode(weights());
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
  const auto s = random_scene(10, 4);
  pc::listener door(0);
  prefill_process peer(s, door.port(), {.bytes_per_second = 1000});
  decode_stream::receiver in(door.accept(20s), s.shape);
  toy::engine decode(weights());
  auto kv = in.expect({.id = 1, .tokens = s.tokens}, pages_of(decode, s));
  CHECK(kv.wait(pc::first_light, 50ms) == pc::errc::timeout);
  peer.kill();
  CHECK(kv.wait(pc::first_light, 20s) == pc::errc::closed);
  CHECK(kv.tier() == -1);
}

} // namespace decode_two_processes_test
