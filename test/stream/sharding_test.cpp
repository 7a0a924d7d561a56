// A cache that goes from any spread over ranks to any other, each stream carrying a shard.
#include "planecast/planecast.hpp"

#include "code/rows.hpp"
#include "stream/ranks.hpp"
#include "stream/scripted.hpp"
#include "support/dice.hpp"
#include "support/stream_pair.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace stream_sharding_test {

using namespace planecast;
using namespace std::chrono_literals;

namespace {

using pair = test::stream_pair<>;
using incoming = pair::receiver::incoming;
using outgoing = pair::sender::outgoing;

/// Sends one cache from engine to engine, all streams turn by turn, and looks at what came.
void transfer(const test::model_cache& whole, const std::vector<shard>& from, const std::vector<shard>& to,
              std::uint32_t first, test::dice& dice) {
  const std::uint32_t n = whole.tokens();
  const geometry& model = whole.model();
  std::vector<test::engine_rank> sources, targets;
  for (const shard& s : from)
    whole.fill_rank(sources.emplace_back(model, s, n, dice).memory, s);
  for (const shard& s : to)
    targets.emplace_back(model, s, n, dice);
  std::vector<float> scores(n);
  for (float& s : scores)
    s = static_cast<float>(dice.below(20));

  const std::vector<test::route> routes = test::routes_between(from, to);
  std::vector<std::unique_ptr<pair>> streams;
  std::vector<outgoing> shots;
  std::vector<std::vector<incoming>> arriving(to.size());
  std::vector<std::vector<std::size_t>> number_of(to.size()); // of the stream, for each that arrives
  for (const test::route& r : routes) {
    const geometry part = model.of(r.carried);
    const std::uint64_t least = pair::sender::least_chunk_bytes(part);
    pair& p = *streams.emplace_back(std::make_unique<pair>(
        model,
        sender_options{.carries = r.carried,
                       .chunk_bytes = static_cast<std::uint32_t>(least + dice.below(20000))},
        receiver_options{.carries = r.carried}));
    number_of[r.to].push_back(streams.size() - 1);
    arriving[r.to].push_back(
        p.in.expect({.id = 9, .tokens = n, .first = first}, targets[r.to].pages(r.carried)));
    outgoing& shot = shots.emplace_back(p.out.open({.id = 9, .tokens = n, .first = first}));
    REQUIRE(sources[r.from].put(shot, r.carried).ok());
    // Each stream has a budget of its own, and holds it.
    const std::uint64_t raw = part.raw_bytes(n - first);
    std::uint64_t ceiling = dice.below(raw + 1);
    const status planned = shot.plan(budget::bytes(ceiling), scores, {.pinned = {2, 5}});
    if (planned == errc::infeasible) {
      ceiling = planned.there;
      REQUIRE(shot.plan(budget::bytes(ceiling), scores, {.pinned = {2, 5}}).ok());
    } else
      REQUIRE(planned.ok());
    CHECK(shot.metrics().light_bytes <= ceiling);
    CHECK(shot.metrics().raw_bytes == raw);
  }

  std::vector<gathered<incoming>> caches;
  for (auto& shards : arriving)
    caches.emplace_back(std::move(shards));
  const auto all = [&](auto&& done) {
    for (int i = 0; i < 20000 && !std::ranges::all_of(caches, done); ++i) {
      for (auto& p : streams)
        (void)p->out.progress(deadline::passed());
      for (auto& kv : caches)
        (void)kv.poll();
    }
    return std::ranges::all_of(caches, done);
  };
  REQUIRE(all([](const auto& kv) { return kv.reached(focused); }));
  for (std::size_t i = 0; i < to.size(); ++i) {
    CAPTURE(i);
    CHECK(caches[i].status().ok());
    CHECK(caches[i].reached(first_light));
    CHECK(caches[i].tier() == 2);
    CHECK(caches[i].unsharp().empty());
    for (std::size_t k = 0; k < number_of[i].size(); ++k) {
      const std::size_t number = number_of[i][k];
      CHECK(shots[number].metrics().raw_bytes == model.of(routes[number].carried).raw_bytes(n - first));
      CHECK(shots[number].metrics().data_bytes == streams[number]->in.metrics().data_bytes);
    }
    test::cache_memory wanted(model.of(to[i]), n, dice);
    whole.fill_rank(wanted, to[i]);
    CHECK(targets[i].memory.received(wanted, first));
  }
  for (std::size_t i = 0; i < from.size(); ++i) { // and nothing happened to what was sent
    test::cache_memory wanted(model.of(from[i]), n, dice);
    whole.fill_rank(wanted, from[i]);
    CHECK(sources[i].memory.values() == wanted.values());
  }
}

std::vector<shard> tensor(std::uint32_t ranks, std::uint32_t layers) {
  return test::ranks_of(std::vector{layers}, ranks);
}

geometry model_of(std::vector<std::uint32_t> heads, number dtype = number::bf16) {
  return {dtype, static_cast<std::uint32_t>(heads.size()), 0, 24, 16, std::move(heads)};
}

} // namespace

TEST_CASE("sharding: one rank to two, and two to one") {
  test::dice dice(1);
  const test::model_cache whole({number::bf16, 2, 4, 32, 16}, 100, dice);
  transfer(whole, tensor(1, 2), tensor(2, 2), 0, dice);
  transfer(whole, tensor(2, 2), tensor(1, 2), 0, dice);
}

TEST_CASE("sharding: two ranks to three are six streams") {
  test::dice dice(2);
  const test::model_cache whole({number::fp16, 2, 6, 16, 16}, 130, dice);
  const auto routes = test::routes_between(tensor(2, 2), tensor(3, 2));
  REQUIRE(routes.size() == 6);
  for (std::uint32_t r = 0; r < 6; ++r) {
    CHECK(routes[r].carried == shard{0, 2, r, 6});
    CHECK(routes[r].from == r / 3);
    CHECK(routes[r].to == r / 2);
  }
  transfer(whole, tensor(2, 2), tensor(3, 2), 0, dice);
  transfer(whole, tensor(3, 2), tensor(2, 2), 65, dice);
}

TEST_CASE("sharding: layers with fewer heads than ranks go to each that has them") {
  test::dice dice(3);
  const test::model_cache whole(model_of({4, 1, 2}), 80, dice);
  transfer(whole, tensor(1, 3), tensor(4, 3), 0, dice);
  transfer(whole, tensor(4, 3), tensor(1, 3), 0, dice); // two or four write the same
  transfer(whole, tensor(2, 3), tensor(4, 3), 0, dice);
  transfer(whole, tensor(4, 3), tensor(8, 3), 0, dice);
}

TEST_CASE("sharding: pipeline stages, of other lengths at either end, and both kinds at once") {
  test::dice dice(4);
  const test::model_cache whole(model_of({2, 4, 2, 4, 2}, number::fp16), 70, dice);
  const auto stages = [](std::vector<std::uint32_t> ends, std::uint32_t ranks) {
    return test::ranks_of(ends, ranks);
  };
  transfer(whole, stages({5}, 1), stages({2, 5}, 1), 0, dice);
  transfer(whole, stages({1, 5}, 1), stages({3, 4, 5}, 1), 0, dice);
  transfer(whole, stages({2, 5}, 2), stages({3, 5}, 1), 0, dice);
  transfer(whole, stages({1, 2, 5}, 2), stages({4, 5}, 4), 10, dice);
}

TEST_CASE("sharding: any spread to any other, whatever the layouts") {
  for (std::uint64_t seed = 0; seed < planecast_test::rounds(40, 8); ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const std::uint32_t from = dice.between(1, 4), to = dice.between(1, 4), both = std::lcm(from, to);
    const std::uint32_t layers = dice.between(1, 4);
    geometry model{dice.one_in(2) ? number::fp16 : number::bf16, layers, 0, 8 * dice.between(1, 6),
                   8 * dice.between(1, 6)};
    const auto heads = [&] { // a multiple of the ranks, or a divisor of them that suits both ends
      for (;;) {
        const std::uint32_t h = dice.one_in(3) ? dice.between(1, 4) : both * dice.between(1, 2);
        if ((h % from == 0 || from % h == 0) && (h % to == 0 || to % h == 0))
          return h;
      }
    };
    if (dice.one_in(2))
      model.kv_heads = heads();
    else
      for (std::uint32_t l = 0; l < layers; ++l)
        model.kv_heads_by_layer.push_back(heads());
    const auto stage_ends = [&] {
      std::vector<std::uint32_t> ends;
      for (std::uint32_t end = 1; end < layers; ++end)
        if (dice.one_in(2))
          ends.push_back(end);
      ends.push_back(layers);
      return ends;
    };
    const std::uint32_t n = test::random_tokens(dice);
    const test::model_cache whole(model, n, dice);
    const std::vector<std::uint32_t> senders = stage_ends(), receivers = stage_ends();
    transfer(whole, test::ranks_of(senders, from), test::ranks_of(receivers, to),
             dice.one_in(2) ? 0 : dice.below(n), dice);
  }
}

TEST_CASE("sharding: raw bytes of the shards are the model's, where no head goes twice") {
  const geometry model = model_of({12, 6, 6, 12});
  for (const std::uint32_t ranks : {1u, 2u, 3u, 6u})
    for (const std::vector<std::uint32_t>& ends : {std::vector<std::uint32_t>{4}, {1, 4}, {1, 2, 4}}) {
      std::uint64_t sum = 0;
      for (const shard& s : test::ranks_of(ends, ranks))
        sum += model.of(s).raw_bytes(77);
      CHECK(sum == model.raw_bytes(77));
    }
}

TEST_CASE("sharding: two ends that carry different shards part at the handshake, and say on what") {
  const geometry model = model_of({4, 8, 4, 8});
  const auto differ = [&](const shard& here, const shard& there, const std::string& about, std::uint64_t mine,
                          std::uint64_t theirs) {
    CAPTURE(about);
    pair streams(model, {.carries = here}, {.carries = there});
    streams.settle();
    for (const status& s : {streams.out.wait_connected(1s), streams.in.wait_connected(1s)}) {
      CHECK(s == errc::mismatch);
      CHECK(std::string(s.about) == "shard: " + about);
    }
    const status s = streams.out.wait_connected(1s);
    CHECK(s.message() == "mismatch: shard: " + about + " (here " + std::to_string(mine) + ", peer " +
                             std::to_string(theirs) + ")");
    CHECK(streams.in.wait_connected(1s).here == theirs);
    CHECK(streams.in.wait_connected(1s).there == mine);
    // Whatever comes next says so too.
    test::dice dice(1);
    test::engine_rank target(model, there, 10, dice);
    CHECK(streams.out.open({.id = 1, .tokens = 10}).status() == errc::mismatch);
    CHECK(streams.in.expect({.id = 1, .tokens = 10}, target.pages(there)).status() == errc::mismatch);
  };
  differ(shard::tensor(0, 2), shard::tensor(1, 2), "rank", 0, 1);
  differ(shard::tensor(0, 2), shard::tensor(0, 4), "ranks", 2, 4);
  differ({}, shard::tensor(0, 2), "ranks", 1, 2);
  differ(shard::layers(0, 2), shard::layers(2, 2), "layer_first", 0, 2);
  differ(shard::layers(0, 2), shard::layers(0, 3), "layer_count", 2, 3);
  differ({}, shard::layers(0, 3), "layer_count", 4, 3);
  differ({1, 0, 1, 2}, {1, 2, 1, 2}, "layer_count", 3, 2);

  // The same written in two ways is the same.
  pair streams(model, {.carries = shard::layers(1, 3)}, {.carries = {.layer_first = 1}});
  streams.settle();
  CHECK(streams.out.wait_connected(1s).ok());
  CHECK(streams.in.wait_connected(1s).ok());
}

TEST_CASE("sharding: the model is compared too, though only a piece of it is carried") {
  geometry other = model_of({4, 8, 4, 8});
  other.kv_heads_by_layer[0] = 8; // a layer that is not carried
  pair streams(model_of({4, 8, 4, 8}), other, {.carries = shard::layers(2, 2)},
               {.carries = shard::layers(2, 2)});
  streams.settle();
  const status s = streams.out.wait_connected(1s);
  CHECK(s == errc::mismatch);
  CHECK(std::string(s.about) == "geometry: kv_heads_by_layer, as fingerprints");
}

TEST_CASE("sharding: shards that a model does not have throw, at either end, with what is wrong") {
  const geometry model = model_of({4, 8, 4, 8});
  const auto refused = [&](const shard& s, const std::string& about) {
    CAPTURE(about);
    for (const bool at_sender : {true, false})
      try {
        pair streams(model, {.carries = at_sender ? s : shard{}}, {.carries = at_sender ? shard{} : s});
        FAIL_CHECK("it was taken");
      } catch (const error& e) {
        CHECK(std::string(e.what()).find(about) != std::string::npos);
      }
  };
  refused(shard::tensor(2, 2), "shard: rank (limit 2, asked 2)");
  refused(shard::tensor(0, 3), "shard: ranks do not divide a layer's heads, nor heads the ranks");
  refused(shard::tensor(0, 0), "shard: rank");
  refused(shard::layers(4, 0), "shard: layer_first (limit 3, asked 4)");
  refused(shard::layers(3, 2), "shard: layer_count (limit 1, asked 2)");
  refused({0xFFFF'FFFFu, 2, 0, 1}, "shard: layer_first");
}

TEST_CASE("sharding: layers go by their numbers in the model") {
  const geometry model = model_of({1, 2, 1, 2});
  test::dice dice(5);
  pair streams(model, {.carries = shard::layers(1, 2)}, {.carries = shard::layers(1, 2)});
  test::engine_rank source(model, {}, 70, dice), target(model, shard::layers(1, 2), 70, dice);
  test::fill(source.memory, model.dtype, dice);
  auto kv = streams.in.expect({.id = 1, .tokens = 70}, target.pages(shard::layers(1, 2)));
  CHECK(kv.unsharp() == std::vector<layer_page>{{1, 0}, {1, 1}, {2, 0}, {2, 1}});
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  for (const std::uint32_t layer : {0u, 3u, 4u, 0xFFFF'FFFFu})
    CHECK_THROWS_AS((void)shot.put(layer, source.view<kv_view>({}, 1)), std::invalid_argument);
  CHECK(shot.put(2, source.view<kv_view>({}, 2)).ok());
  CHECK(shot.put(1, source.view<kv_view>({}, 1)).ok());
  CHECK(shot.reached(source_free));
  CHECK(shot.plan(budget::base()).ok());
  REQUIRE(streams.run(kv, [&] { return kv.reached(focused); }));
  for (const auto& m : streams.door->data)
    CHECK((test::header_of(m).layer_first == 1 || test::header_of(m).layer_first == 2));
  // Pages for the carried layers, no more and no fewer.
  auto pages = target.pages(shard::layers(1, 2));
  pages.push_back(pages.back());
  CHECK_THROWS_AS(streams.in.expect({.id = 2, .tokens = 70}, pages), std::invalid_argument);
  pages.resize(1);
  CHECK_THROWS_AS(streams.in.expect({.id = 2, .tokens = 70}, pages), std::invalid_argument);
}

} // namespace stream_sharding_test
