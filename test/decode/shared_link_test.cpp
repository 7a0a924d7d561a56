// Requests of one link, driven as a scheduler drives them: none throws away what another is about to take.
#include "planecast/decode/speculation.hpp"

#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <doctest/doctest.h>
#include <optional>

namespace decode_shared_link_test {

using namespace planecast;
using namespace std::chrono_literals;

namespace {

const geometry small{number::fp16, 2, 2, 16, 24};

struct sent {
  std::uint64_t id;
  std::uint32_t tokens;
  test::dice dice{2};
  test::cache_memory source, target;

  sent(std::uint64_t i, std::uint32_t n) : id(i), tokens(n), source(small, n, dice), target(small, n, dice) {
    test::fill(source, small.dtype, dice);
  }
  auto open(test::stream_pair<>& streams) { return streams.out.open({.id = id, .tokens = tokens}); }
  void put(test::stream_pair<>::sender::outgoing& shot) {
    for (std::uint32_t l = 0; l < small.layers; ++l)
      (void)shot.put(l, source.view<kv_view>(l));
    CHECK(shot.plan(budget::base()).ok());
  }
  auto text(test::stream_pair<>& streams, speculate_options options) {
    options.first = 1;
    return speculation(streams.in.expect({.id = id, .tokens = tokens}, target.pages()), options, tokens,
                       true);
  }
};
const sender_options short_frames{.chunk_bytes = 8192};

// What a pass would say.
template <class Text>
turn feed(Text& text, std::size_t most) {
  const turn now = text.next(most);
  if (now == turn::feed) {
    std::ranges::fill(text.next_tokens(), 1);
    text.took();
  }
  return now;
}

} // namespace

TEST_CASE("shared link: a request that has nothing yet costs the others no frame") {
  for (const bool opened : {false, true}) {
    test::stream_pair streams(small, short_frames, {.slots = 2, .staged_frames = 4, .unattended = 1h});
    sent here(1, 3000), late(2, 70);
    auto a = here.text(streams, {.max_tokens = 100000});
    auto c = late.text(streams, {});
    auto shot = here.open(streams);
    here.put(shot);
    std::optional<test::stream_pair<>::sender::outgoing> other;
    if (opened)
      other.emplace(late.open(streams));
    for (int i = 0; i < 2000 && !a.cache().reached(focused); ++i) {
      CHECK(c.next(0) == turn::wait);
      (void)feed(a, 1);
      streams.settle();
      c.wait(0ms);
    }
    CHECK(a.cache().reached(focused));
    CHECK(streams.out.metrics().sent_again == 0);
  }
}

TEST_CASE("shared link: a text that goes on without its cache leaves others theirs, and takes what comes") {
  test::stream_pair streams(small, short_frames, {.slots = 2, .staged_frames = 4, .unattended = 1h});
  sent first(1, 3000), second(2, 3000);
  auto a = first.text(streams, {.max_tokens = 100000, .timeout = 0s, .max_drafts = 0, .go_on = true});
  auto c = second.text(streams, {.max_tokens = 100000});
  auto one = first.open(streams), two = second.open(streams);
  first.put(one);
  second.put(two);
  for (int i = 0; i < 2000 && a.cache().wait(first_light, 0ms) == errc::timeout; ++i) {
    (void)c.next(0);
    streams.settle();
  }
  CHECK(feed(a, 1) == turn::feed);
  CHECK(a.so_far().status == errc::timeout);
  for (int i = 0; i < 2000 && !(a.cache().reached(focused) && c.cache().reached(focused)); ++i) {
    (void)feed(a, 64);
    (void)feed(c, 64);
    streams.settle();
  }
  CHECK(c.cache().reached(focused));
  CHECK(c.so_far().status.ok());
  CHECK(a.cache().reached(focused));
  (void)feed(a, 10000);
  CHECK(a.so_far().status.ok()); // it was only late
  CHECK(first.target.values() == first.source.values());
  CHECK(streams.out.metrics().sent_again == 0);
}

} // namespace decode_shared_link_test
