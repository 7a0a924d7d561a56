#include "planecast/planecast.hpp"
#include "planecast/stream/arguments.hpp"

#include "stream/ranks.hpp"
#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace stream_arguments_test {

using namespace planecast;

namespace {

// What a call says as it throws; nothing if it does not.
template <class F>
std::string refusal_of(F&& f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return {};
}

const geometry model{number::bf16, 4, 2, 16, 24};
const shard part = shard::layers(1, 2);

} // namespace

TEST_CASE("arguments: a request that cannot be is refused at either end, with its numbers") {
  test::stream_pair streams(model);
  test::dice dice(1);
  test::cache_memory cache(model, 70, dice);
  const auto first_open = streams.out.open({.id = 7, .tokens = 70});
  const auto first_expected = streams.in.expect({.id = 7, .tokens = 70}, cache.pages());
  const auto refused = [&](const request& r, const std::string& why) {
    const std::vector<kv_pages> pages(model.layers, kv_pages(nullptr, {}, nullptr, {}, r.tokens));
    CHECK(refusal_of([&] { (void)streams.out.open(r); }) == "planecast: open: " + why);
    CHECK(refusal_of([&] { (void)streams.in.expect(r, pages); }) == "planecast: expect: " + why);
  };
  refused({.id = 7, .tokens = 70}, "the id 7 is in use");
  refused({.id = 8, .tokens = 0}, "no tokens: the first is 0 of 0");
  refused({.id = 8, .tokens = 5, .first = 5}, "no tokens: the first is 5 of 5");
  refused({.id = 8, .tokens = 5, .first = 9}, "no tokens: the first is 9 of 5");
  refused({.id = 8, .tokens = 4294967295u},
          "4294967295 tokens are more than 32 bits can number the tiles of");
  const std::string half = "kept tokens of which not all is said; request::keeping() says it";
  refused({.id = 8, .tokens = 5, .dropped = 1}, half);
  refused({.id = 8, .tokens = 5, .kept = 1}, half);
  refused({.id = 8, .tokens = 5, .dropped = 0xFFFF'FFFFu, .kept = 1}, half);
  CHECK(streams.out.open({.id = 8, .tokens = 5}).status().ok()); // nothing of it stayed
}

TEST_CASE("arguments: layers that are not carried, or put before") {
  test::stream_pair streams(model, {.carries = part}, {.carries = part});
  test::dice dice(2);
  test::engine_rank rank(model, {}, 70, dice);
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  const auto put = [&](std::uint32_t layer) {
    return refusal_of([&] { (void)shot.put(layer, rank.view<kv_view>({}, 1)); });
  };
  CHECK(put(0) == "planecast: put: layer 0: the stream carries 1 to 2");
  CHECK(put(3) == "planecast: put: layer 3: the stream carries 1 to 2");
  CHECK(put(4294967295u) == "planecast: put: layer 4294967295: the stream carries 1 to 2");
  CHECK(put(2).empty());
  CHECK(put(2) == "planecast: put: layer 2 was put before");
  CHECK(put(1).empty());

  auto pages = rank.pages(part);
  pages.push_back(pages.back());
  const auto expect = [&] { (void)streams.in.expect({.id = 1, .tokens = 70}, pages); };
  CHECK(refusal_of(expect) == "planecast: expect: views of 3 layers, the stream carries 2");
  pages.resize(1);
  CHECK(refusal_of(expect) == "planecast: expect: views of 1 layers, the stream carries 2");
}

TEST_CASE("arguments: views of another number of tokens, by the layer's number in the model") {
  test::stream_pair streams(model, {.carries = part}, {.carries = part});
  test::dice dice(3);
  test::engine_rank rank(model, {}, 70, dice), longer(model, {}, 71, dice);
  auto shot = streams.out.open({.id = 1, .tokens = 70});
  const std::string why = "layer 2: a view of 71 tokens, the sequence has 70";
  CHECK(refusal_of([&] { (void)shot.put(2, longer.view<kv_view>(part, 2)); }) == "planecast: put: " + why);
  auto pages = rank.pages(part);
  pages[1] = longer.pages(part)[1];
  CHECK(refusal_of([&] { (void)streams.in.expect({.id = 1, .tokens = 70}, pages); }) ==
        "planecast: expect: " + why);
  // A prefix hit is no excuse: views are of the whole sequence.
  auto rest = streams.out.open({.id = 2, .tokens = 71, .first = 1});
  CHECK(refusal_of([&] { (void)rest.put(1, rank.view<kv_view>(part, 1)); }) ==
        "planecast: put: layer 1: a view of 70 tokens, the sequence has 71");
}

TEST_CASE("arguments: a view by a layout's name that shows fewer heads, or other channels") {
  const geometry alike{number::bf16, 1, 4, 16, 16};
  test::stream_pair streams(alike, {.carries = shard::tensor(1, 2)}, {.carries = shard::tensor(1, 2)});
  auto shot = streams.out.open({.id = 1, .tokens = 10});
  std::vector<std::uint16_t> tensor(2 * 16 * 8 * 32);
  const auto put = [&](std::uint32_t heads, std::uint32_t dim, std::uint32_t from) {
    const kv_view v(layouts::nl_x_two_nb_bs_nh_hs, tensor.data(),
                    {.blocks = 1, .block_size = 16, .heads = heads, .dim = dim}, token_slots::first(10));
    return refusal_of([&] { (void)shot.put(0, v.from_head(from)); });
  };
  const std::string why = "planecast: put: layer 0: the view's extents do not hold 2 heads of 16 and 16 "
                          "channels, which the stream carries";
  CHECK(put(1, 16, 0) == why);
  CHECK(put(4, 16, 3) == why); // one is left
  CHECK(put(4, 16, 9) == why);
  CHECK(put(4, 8, 2) == why);
  CHECK(put(4, 32, 2) == why);
  CHECK(put(4, 16, 2).empty());
}

} // namespace stream_arguments_test
