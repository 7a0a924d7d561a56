#include "planecast/code/coded_cache.hpp"
#include "planecast/code/executor.hpp"
#include "planecast/cpu/cpu.hpp"

#include "code/caches.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <functional>
#include <new>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

namespace code_executor_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

// Three threads of its own for each call, which take the pieces as they come.
void on_threads(std::size_t count, const std::function<void(std::size_t)>& piece) {
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      for (std::size_t at = next++; at < count; at = next++)
        piece(at);
    });
  for (std::thread& t : threads)
    t.join();
}
void backwards(std::size_t count, const std::function<void(std::size_t)>& piece) {
  while (count > 0)
    piece(--count);
}

const pc::executor executors[] = {{}, on_threads, backwards};

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using coded_cache = pc::coded_cache<policy, pc::cpu>;

// All that a cache hands out, part by part.
std::vector<std::vector<std::byte>> all_of(const coded_cache& cache, std::uint32_t tokens) {
  std::vector<std::vector<std::byte>> parts;
  const auto keep = [&](auto bytes) { parts.emplace_back(bytes.begin(), bytes.end()); };
  for (std::uint32_t layer = 0; layer < cache.map().shape.layers; ++layer)
    cache.give_base(layer, 0, cache.map().tiles(layer), keep);
  std::vector<std::uint32_t> each(tokens);
  std::iota(each.begin(), each.end(), 0u);
  for (std::uint32_t plane = policy::base_planes; plane < policy::planes::count; ++plane)
    cache.give_upgrade(plane, each, keep);
  return parts;
}

} // namespace

TEST_CASE("executor: each piece runs once, on whatever threads") {
  for (const pc::executor& threads : executors)
    for (const std::size_t count : {0u, 1u, 2u, 100u}) {
      std::vector<std::atomic<int>> ran(count);
      pc::detail::run_pieces(threads, count, [&](std::size_t i) { ++ran.at(i); });
      for (const auto& times : ran)
        CHECK(times == 1);
    }
}

TEST_CASE("executor: what pieces wrote is seen by who called") {
  std::vector<std::size_t> squares(500);
  pc::detail::run_pieces(on_threads, squares.size(), [&](std::size_t i) { squares[i] = i * i; });
  for (std::size_t i = 0; i < squares.size(); ++i)
    CHECK(squares[i] == i * i);
}

TEST_CASE("executor: an empty one is the calling thread, in order") {
  const std::thread::id self = std::this_thread::get_id();
  std::vector<std::size_t> ran;
  pc::detail::run_pieces({}, 4, [&](std::size_t i) {
    ran.push_back(i);
    CHECK(std::this_thread::get_id() == self);
  });
  CHECK(ran == std::vector<std::size_t>{0, 1, 2, 3});
}

TEST_CASE("executor: what a piece throws reaches the caller, and the others run") {
  for (const pc::executor& threads : {executors[1], executors[2]}) {
    std::atomic<int> ran{0};
    const auto some_fail = [&](std::size_t i) {
      ++ran;
      if (i % 3 == 1)
        throw std::runtime_error("piece");
    };
    CHECK_THROWS_WITH_AS(pc::detail::run_pieces(threads, 10, some_fail), "piece", std::runtime_error);
    CHECK(ran == 10);
  }
  CHECK_THROWS_AS(pc::detail::run_pieces({}, 3, [](std::size_t) { throw std::bad_alloc(); }), std::bad_alloc);
}

TEST_CASE("executor: what it throws itself passes") {
  const pc::executor broken = [](std::size_t, const std::function<void(std::size_t)>&) {
    throw std::length_error("pool");
  };
  CHECK_THROWS_AS(pc::detail::run_pieces(broken, 2, [](std::size_t) {}), std::length_error);
}

TEST_CASE("coded_cache: threads give the same tiles") {
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  random_source random(seed);
  const std::uint32_t tokens = 711;
  const pc::geometry shape{pc::number::bf16, 2, 4, 128, 128}; // 1.4 MB a layer: several pieces
  test_cache cache = hard_cache(shape, tokens, hard_kinds_in_range, random);
  std::vector<std::vector<std::byte>> alone;
  std::uint64_t bytes = 0;
  for (const pc::executor& threads : executors) {
    std::size_t calls = 0;
    const pc::executor counted = [&](std::size_t count, const std::function<void(std::size_t)>& piece) {
      ++calls;
      CHECK(count > 1);
      threads(count, piece);
    };
    coded_cache all({shape, tokens}, pc::coding::planes);
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      all.put(layer, cache.view<pc::kv_view>(layer), threads ? counted : threads);
    if (!threads) {
      alone = all_of(all, tokens);
      bytes = all.bytes();
      continue;
    }
    CHECK(calls == shape.layers); // else nothing was divided
    CHECK((all_of(all, tokens) == alone));
    CHECK(all.bytes() == bytes);
  }
}

} // namespace code_executor_test
