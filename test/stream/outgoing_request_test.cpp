#include "planecast/planecast.hpp"
#include "planecast/stream/outgoing_request.hpp"

#include "code/rows.hpp"
#include "stream/recorded.hpp"
#include "support/cache_case.hpp"
#include "support/dice.hpp"
#include "support/layered_scores.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <memory>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

namespace stream_outgoing_request_test {

using namespace planecast;

namespace {

using usual = precision_policy<tiers<4, 8, lossless>, keys<per_channel<64>>, values<per_token>>;
using small_pages =
    precision_policy<tiers<4, lossless>, keys<per_channel<8>>, values<per_token>, planes<2, 2, 4, tail>>;

constexpr std::uint32_t opening = 5;

template <class Policy>
using outgoing = detail::outgoing_request<Policy, cpu>;

// A random cache, and how it is to be sent: some layers of a model, perhaps without a prefix.
template <class Policy>
struct sending {
  explicit sending(test::dice& dice)
      : shape(test::random_geometry(dice)), tokens(test::random_tokens(dice)),
        first(dice.one_in(2) ? 0 : dice.below(tokens)), first_layer(dice.below(4)),
        cache(shape, tokens, dice), how(dice.one_in(5) ? coding::raw : coding::planes) {
    test::fill(cache, shape.dtype, dice);
    const std::uint64_t least = stream_sender<Policy, loopback, cpu>::least_chunk_bytes(shape);
    chunk = static_cast<std::uint32_t>(least + dice.below(dice.one_in(2) ? 1 : 8 * least));
    scores = test::layered_scores(shape.layers, tokens, dice);
    options.pinned = {dice.below(6), dice.below(40)};
    if (dice.one_in(2))
      options.order = plan_order::worth;
    options.window_bytes = dice.one_in(2) ? 0 : dice.below(3000);
  }
  std::unique_ptr<outgoing<Policy>> request(std::uint64_t id = 7) {
    auto r = std::make_unique<outgoing<Policy>>(planecast::request{id, tokens, first, how}, opening, shape,
                                                first_layer, chunk);
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      r->put(first_layer + l, cache.template view<kv_view>(l));
    return r;
  }
  status plan(outgoing<Policy>& r, budget b) const {
    return per_layer ? r.make_plan(b, scores, options) : r.make_plan(b, given_scores(scores.of[0]), options);
  }

  geometry shape;
  std::uint32_t tokens, first, first_layer;
  test::cache_memory cache;
  coding how;
  std::uint32_t chunk = 0;
  test::layered_scores scores;
  bool per_layer = false;
  plan_options options;
};

std::uint64_t bytes_of(const std::vector<test::recorded_frame>& frames, auto&& which) {
  std::uint64_t sum = 0;
  for (const auto& f : frames)
    sum += which(f) ? f.bytes.size() : 0;
  return sum;
}

template <class Policy>
void check_frames(unsigned seed) {
  test::dice dice(seed);
  sending<Policy> from(dice);
  from.per_layer = dice.one_in(2);
  auto r = from.request();
  const std::uint64_t raw = from.shape.raw_bytes(from.tokens - from.first);
  CHECK(r->metrics.raw_bytes == raw);
  CHECK(r->metrics.at(source_free));

  const std::uint64_t budget_bytes = dice.below(2 * raw + 1);
  const budget b = dice.one_in(4) ? budget::everything() : budget::bytes(budget_bytes);
  const status s = from.plan(*r, b);
  if (s == errc::infeasible) {
    CHECK(s.here == budget_bytes);
    CHECK(s.there > budget_bytes);
    CHECK(from.plan(*r, budget::bytes(s.there)).ok()); // the true least
    CHECK(r->metrics.light_bytes <= s.there);
    auto again = from.request();
    CHECK(from.plan(*again, budget::bytes(s.there - 1)) == errc::infeasible);
  } else
    REQUIRE(s.ok());

  detail::schedule line;
  r->enqueue(line);
  CHECK(line.empty()); // not accepted yet
  r->accepted = true;
  r->enqueue(line);
  const std::vector<test::recorded_frame> frames = test::emptied(line, *r, from.chunk);
  r->enqueue(line);
  CHECK(line.empty()); // once

  const tile_map<Policy> map{from.shape, from.tokens, from.first};
  std::set<std::pair<std::uint32_t, std::uint32_t>> tiles, upgrades;
  std::vector<std::uint32_t> order;
  const item_map items{from.per_layer ? from.shape.layers : 1, from.tokens, from.first};
  std::vector<std::uint32_t> held(items.count(), Policy::base_planes);
  std::uint64_t light_upgrades = 0;
  bool plan_seen = false, focus_seen = false;
  constexpr std::size_t upgrades_above_base = Policy::planes::count - Policy::base_planes;
  upgrade_plan plan;
  for (const test::recorded_frame& f : frames) {
    const frame_header& h = f.pending.header;
    CHECK(h.request == 7);
    CHECK(h.opening == opening);
    if (h.kind != frame_kind::base) {
      CHECK(h.layer_first == from.first_layer);
      CHECK(h.layer_count == from.shape.layers);
    }
    CHECK(f.bytes.size() <= frame_header_bytes + from.chunk);
    CHECK(check_payload(f.bytes, h).ok());
    CHECK(!f.pending.again);
    CHECK(!(focus_seen && f.pending.before_cut));
    focus_seen = focus_seen || !f.pending.before_cut;
    switch (h.kind) {
    case frame_kind::base:
      CHECK(h.layer_count == 1);
      CHECK(f.pending.before_cut);
      CHECK(h.count > 0);
      CHECK(h.layer_first >= from.first_layer);
      CHECK(h.layer_first < from.first_layer + from.shape.layers);
      for (std::uint32_t i = h.first; i < h.first + h.count; ++i)
        CHECK(tiles.insert({h.layer_first, i}).second);
      break;
    case frame_kind::order:
      CHECK(f.pending.before_cut);
      REQUIRE(f.payload().size() == 4 * h.count);
      for (std::uint32_t i = 0; i < h.count; ++i) {
        CHECK(order.at(h.first + i) == ~0u);
        order.at(h.first + i) = detail::load<std::uint32_t>(&f.payload()[4 * i]);
      }
      break;
    case frame_kind::plan:
      CHECK(f.pending.before_cut);
      CHECK(!plan_seen);
      plan_seen = true;
      REQUIRE(plan.read(f.payload(), {from.shape.layers, from.tokens, from.first}, Policy::base_planes,
                        Policy::planes::count)
                  .ok());
      order = plan.order.items;
      CHECK(plan.order.per_layer == from.per_layer);
      CHECK(order.size() <= upgrades_above_base * items.count());
      if (from.options.order == plan_order::greedy)
        CHECK(order.size() == items.count()); // each stands there once
      CHECK(std::count(order.begin(), order.end(), ~0u) == static_cast<std::ptrdiff_t>(order.size()));
      break;
    default:
      REQUIRE(h.kind == frame_kind::upgrade);
      CHECK(plan_seen);
      CHECK(h.count > 0);
      for (std::uint32_t rank = h.first; rank < h.first + h.count; ++rank) {
        REQUIRE(items.has(order.at(rank)));
        CHECK(held.at(items.index(order[rank]))++ == h.plane);
        CHECK(upgrades.insert({h.plane, order.at(rank)}).second);
      }
      light_upgrades += f.pending.before_cut ? h.count : 0;
    }
  }
  CHECK(tiles.size() == map.all_tiles());
  CHECK(upgrades.size() == items.count() * upgrades_above_base);
  CHECK(plan.light_upgrades == light_upgrades);

  const std::uint64_t light = bytes_of(frames, [](auto& f) { return f.pending.before_cut; });
  const std::uint64_t base =
      bytes_of(frames, [](auto& f) { return f.pending.header.kind != frame_kind::upgrade; });
  CHECK(r->metrics.light_bytes == light);
  CHECK(r->metrics.base_bytes == base);
  if (s.ok())
    CHECK(light <= b.ceiling(raw, base));
  // As near to the ceiling as one upgrade: the first of what follows did not fit.
  for (const test::recorded_frame& f : frames)
    if (!f.pending.before_cut && s.ok()) {
      const auto tokens = std::span(order).subspan(f.pending.header.first, 1);
      auto again = from.request();
      CHECK(from.plan(*again, budget::everything()).ok());
      frame_header one = f.pending.header;
      one.count = 1;
      test::message room(frame_header_bytes + from.chunk);
      frame_writer w(room);
      again->fill(one, w);
      CHECK(light + w.finish(one).size() > b.ceiling(raw, base));
      CHECK(tokens.size() == 1);
      break;
    }
  if (from.how == coding::raw) {
    CHECK(r->metrics.stored_tiles == tiles.size());
    CHECK(bytes_of(frames, [](auto& f) { return f.pending.header.kind == frame_kind::upgrade; }) ==
          frame_header_bytes *
              static_cast<std::uint64_t>(std::count_if(frames.begin(), frames.end(), [](auto& f) {
                return f.pending.header.kind == frame_kind::upgrade;
              })));
  }
  CHECK(r->bytes_held() > 0);
  r->release();
  CHECK(r->bytes_held() == 0);
}

} // namespace

TEST_CASE("outgoing_request: frames hold every tile and every upgrade once, and the budget holds") {
  for (unsigned seed = 0; seed < planecast_test::rounds(60, 24); ++seed) {
    CAPTURE(seed);
    check_frames<usual>(seed);
    check_frames<small_pages>(seed);
  }
}

TEST_CASE("outgoing_request: a layer's base may leave before the next layer is there") {
  test::dice dice(3);
  sending<usual> from(dice);
  from.shape.layers = 3;
  from.cache = test::cache_memory(from.shape, from.tokens, dice);
  outgoing<usual> r({.id = 1, .tokens = from.tokens}, opening, from.shape, 4, from.chunk);
  r.accepted = true;
  detail::schedule line;
  for (const std::uint32_t layer : {6u, 4u, 5u}) {
    CHECK(!r.metrics.at(source_free));
    r.put(layer, from.cache.view<kv_view>(layer - 4));
    r.enqueue(line);
    const auto frames = test::emptied(line, r, from.chunk);
    CHECK(!frames.empty());
    for (const auto& f : frames) {
      CHECK(f.pending.header.layer_first == layer);
      CHECK(f.pending.header.opening == opening);
    }
  }
  CHECK(r.metrics.at(source_free));
  CHECK(r.metrics.at(quiesced));
}

TEST_CASE("outgoing_request: a plan may end at a lower tier") {
  test::dice dice(4);
  sending<usual> from(dice);
  from.how = coding::planes;
  for (const int until : {4, 8}) {
    CAPTURE(until);
    auto r = from.request();
    from.options.until = until;
    CHECK(from.plan(*r, budget::everything()).ok());
    r->accepted = true;
    detail::schedule line;
    r->enqueue(line);
    std::uint32_t upgrades = 0;
    for (const auto& f : test::emptied(line, *r, from.chunk))
      if (f.pending.header.kind == frame_kind::upgrade) {
        CHECK(f.pending.header.plane == 1);
        upgrades += f.pending.header.count;
      }
    CHECK(upgrades == (until == 8 ? from.tokens - from.first : 0));
  }
  for (const int until : {1, 2, 3, 5, 7, 9, 16, -1, -8}) {
    auto r = from.request();
    from.options.until = until;
    CHECK_THROWS_AS((void)from.plan(*r, budget::everything()), std::invalid_argument);
  }
}

TEST_CASE("outgoing_request: what make_plan() refuses, and which layers it has") {
  test::dice dice(5);
  sending<usual> from(dice);
  outgoing<usual> r({.id = 1, .tokens = from.tokens}, opening, from.shape, 3, from.chunk);
  const auto plan = [&](budget b, const auto& by) { return r.make_plan(b, by, {}); };
  CHECK_THROWS_AS((void)plan(budget::base(), equal_scores{}), std::logic_error); // nothing was put
  for (std::uint32_t l = 0; l < from.shape.layers; ++l) {
    CHECK(!r.has(3 + l));
    r.put(3 + l, from.cache.view<kv_view>(l));
    CHECK(r.has(3 + l));
  }
  std::vector<float> scores(from.tokens, 1.0f);
  scores.back() = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS((void)plan(budget::base(), given_scores(scores)), std::invalid_argument);
  scores.back() = std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS((void)plan(budget::base(), given_scores(std::span(scores).first(from.tokens - 1))),
                  std::invalid_argument);
  CHECK(plan(budget::bytes(0), given_scores(scores)) == errc::infeasible); // nothing happened
  CHECK(plan(budget::base(), given_scores(scores)).ok());
  CHECK(r.metrics.light_bytes == r.metrics.base_bytes);
  CHECK_THROWS_AS((void)plan(budget::base(), given_scores(scores)), std::logic_error); // twice
}

} // namespace stream_outgoing_request_test
