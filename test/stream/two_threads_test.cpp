// A sender and a receiver in threads of their own, over links between threads: for the thread sanitizer.
#include "planecast/planecast.hpp"
#include "planecast/transport/socket.hpp"

#include "code/rows.hpp"
#include "stream/ranks.hpp"
#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <doctest/doctest.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace stream_two_threads_test {

using namespace planecast;
using namespace std::chrono_literals;

namespace {

// Several requests at once, each sent and awaited in its own way.
template <class SenderLink, class ReceiverLink>
void exchange(SenderLink a, ReceiverLink b, std::uint64_t seed) {
  CAPTURE(seed);
  constexpr std::uint64_t requests = 4;
  constexpr std::uint32_t tokens = 150;
  const geometry g{number::bf16, 2, 2, 32, 64};
  test::dice dice(seed);
  std::vector<test::cache_memory> source, target;
  for (std::uint64_t i = 0; i < requests; ++i) {
    source.emplace_back(g, tokens, dice);
    target.emplace_back(g, tokens, dice);
    test::fill(source.back(), g.dtype, dice);
  }
  bool delivered = true;
  std::thread prefill([&] {
    typename plane_stream<test::default_policy, SenderLink>::sender out(std::move(a), g,
                                                                        {.chunk_bytes = 20000});
    std::vector<decltype(out.open({}))> shots;
    for (std::uint64_t i = 0; i < requests; ++i) {
      auto& shot = shots.emplace_back(out.open({.id = i, .tokens = tokens}));
      for (std::uint32_t l = 0; l < g.layers; ++l)
        delivered = shot.put(l, source[i].template view<kv_view>(l)).ok() && delivered;
      delivered = shot.plan(i % 2 == 0 ? budget::base() : budget::everything()).ok() && delivered;
    }
    for (auto& shot : shots)
      delivered = shot.wait(focused, 20s).ok() && delivered;
  });
  {
    typename plane_stream<test::default_policy, ReceiverLink>::receiver in(std::move(b), g);
    std::vector<decltype(in.expect({}, {}))> kvs;
    for (std::uint64_t i = 0; i < requests; ++i)
      kvs.push_back(in.expect({.id = i, .tokens = tokens}, target[i].pages()));
    for (auto& kv : kvs)
      CHECK(kv.wait(focused, 20s).ok());
    prefill.join();
  }
  CHECK(delivered);
  for (std::uint64_t i = 0; i < requests; ++i)
    CHECK(source[i].values() == target[i].values());
}

// Shards of one cache over two links: a sender's thread that serves one after the other, in either order, or
// a thread for each; the receiver waits for both at once.
void gather_shards(std::vector<std::vector<std::size_t>> orders) {
  constexpr std::uint32_t tokens = 150;
  const geometry model{number::bf16, 2, 4, 32, 24};
  test::dice dice(orders.size());
  test::engine_rank source(model, {}, tokens, dice), target(model, {}, tokens, dice);
  test::fill(source.memory, model.dtype, dice);
  std::pair<loopback, loopback> links[] = {loopback::pair(), loopback::pair()};
  bool delivered[] = {false, false};
  std::vector<std::thread> prefill;
  for (const std::vector<std::size_t>& order : orders)
    prefill.emplace_back([&, order] {
      using sender = plane_stream<test::default_policy, loopback>::sender;
      std::vector<sender> out;
      std::vector<sender::outgoing> shots;
      for (const std::size_t i : order) {
        const shard s = shard::tensor(static_cast<std::uint32_t>(i), 2);
        out.emplace_back(std::move(links[i].first), model, sender_options{.carries = s, .chunk_bytes = 9000});
        shots.push_back(out.back().open({.id = 1, .tokens = tokens}));
        (void)source.put(shots.back(), s);
        (void)shots.back().plan(budget::of_raw(0.5));
      }
      for (std::size_t k = 0; k < order.size(); ++k) // the other one is not driven meanwhile
        delivered[order[k]] = shots[k].wait(focused, 20s).ok();
    });
  {
    using receiver = plane_stream<test::default_policy, loopback>::receiver;
    receiver one(std::move(links[0].second), model, {.carries = shard::tensor(0, 2)});
    receiver two(std::move(links[1].second), model, {.carries = shard::tensor(1, 2)});
    gathered kv(one.expect({.id = 1, .tokens = tokens}, target.pages(shard::tensor(0, 2))),
                two.expect({.id = 1, .tokens = tokens}, target.pages(shard::tensor(1, 2))));
    CHECK(kv.wait(first_light, 20s).ok());
    CHECK(kv.wait(focused, 20s).ok());
    for (std::thread& t : prefill)
      t.join();
  }
  CHECK(delivered[0]);
  CHECK(delivered[1]);
  CHECK(target.memory.received(source.memory));
}

} // namespace

TEST_CASE("two threads: shards that one thread sends by turns, or each its own") {
  gather_shards({{0, 1}});
  gather_shards({{1, 0}});
  gather_shards({{0}, {1}});
}

TEST_CASE("two threads: over loopback") {
  for (std::uint64_t seed = 0; seed < planecast_test::rounds(5, 3); ++seed) {
    auto [a, b] = loopback::pair();
    exchange(std::move(a), std::move(b), seed);
  }
}

TEST_CASE("two threads: over a slow loopback") {
  auto [a, b] = loopback::pair();
  exchange(shaped(std::move(a), {.bytes_per_second = 20e6, .latency = 1ms}), std::move(b), 11);
}

TEST_CASE("two threads: over TCP") {
  for (std::uint64_t seed = 0; seed < planecast_test::rounds(5, 3); ++seed) {
    listener door(0);
    const std::string address = "127.0.0.1:" + std::to_string(door.port());
    planecast::socket a;
    std::thread dial([&] { a = planecast::connect(address); });
    planecast::socket b = door.accept(20s);
    dial.join();
    exchange(std::move(a), std::move(b), seed);
  }
}

} // namespace stream_two_threads_test
