// A sender and a receiver in threads of their own, over links between threads: for the thread sanitizer.
#include "planecast/planecast.hpp"
#include "planecast/transport/socket.hpp"

#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <doctest/doctest.h>
#include <string>
#include <thread>

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

} // namespace

TEST_CASE("two threads: over loopback") {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    auto [a, b] = loopback::pair();
    exchange(std::move(a), std::move(b), seed);
  }
}

TEST_CASE("two threads: over a slow loopback") {
  auto [a, b] = loopback::pair();
  exchange(shaped(std::move(a), {.bytes_per_second = 20e6, .latency = 1ms}), std::move(b), 11);
}

TEST_CASE("two threads: over TCP") {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    listener door(0);
    const std::string address = "127.0.0.1:" + std::to_string(door.port());
    planecast::socket a;
    std::thread dial([&] { a = planecast::connect(address); });
    planecast::socket b = door.accept(20s);
    dial.join();
    exchange(std::move(a), std::move(b), seed);
  }
}
