#include "planecast/planecast.hpp"
#include "planecast/stream/outgoing_request.hpp"

#include "stream/recorded.hpp"
#include "support/cache_case.hpp"
#include "support/dice.hpp"

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

using namespace planecast;

namespace {

using usual = precision_policy<tiers<4, 8, lossless>, keys<per_channel<64>>, values<per_token>>;
using small_pages =
    precision_policy<tiers<4, lossless>, keys<per_channel<8>>, values<per_token>, planes<2, 2, 4, tail>>;

constexpr std::uint32_t opening = 5;

template <class Policy>
using outgoing = detail::outgoing_request<Policy, cpu>;

// A random cache, and how it is to be sent.
template <class Policy>
struct sending {
  explicit sending(test::dice& dice)
      : shape(test::random_geometry(dice)), tokens(test::random_tokens(dice)), cache(shape, tokens, dice),
        how(dice.one_in(5) ? coding::raw : coding::planes) {
    test::fill(cache, shape.dtype, dice);
    const std::uint64_t least = stream_sender<Policy, loopback, cpu>::least_chunk_bytes(shape);
    chunk = static_cast<std::uint32_t>(least + dice.below(dice.one_in(2) ? 1 : 8 * least));
    scores.resize(dice.one_in(4) ? 0 : tokens);
    for (float& s : scores)
      s = dice.one_in(10) ? 1.0f : dice.gaussian();
    options.pinned = {dice.below(6), dice.below(40)};
  }
  std::unique_ptr<outgoing<Policy>> request(std::uint64_t id = 7) {
    auto r = std::make_unique<outgoing<Policy>>(planecast::request{id, tokens, how}, opening, shape, chunk);
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      r->put(l, cache.template view<kv_view>(l));
    return r;
  }
  geometry shape;
  std::uint32_t tokens;
  test::cache_memory cache;
  coding how;
  std::uint32_t chunk = 0;
  std::vector<float> scores;
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
  auto r = from.request();
  const std::uint64_t raw = from.shape.raw_bytes(from.tokens);
  CHECK(r->metrics.raw_bytes == raw);
  CHECK(r->metrics.at(source_free));

  const std::uint64_t budget_bytes = dice.below(2 * raw + 1);
  const budget b = dice.one_in(4) ? budget::everything() : budget::bytes(budget_bytes);
  const status s = r->make_plan(b, from.scores, from.options);
  if (s == errc::infeasible) {
    CHECK(s.here == budget_bytes);
    CHECK(s.there > budget_bytes);
    CHECK(r->make_plan(budget::bytes(s.there), from.scores, from.options).ok()); // the true least
    CHECK(r->metrics.light_bytes <= s.there);
    auto again = from.request();
    CHECK(again->make_plan(budget::bytes(s.there - 1), from.scores, from.options) == errc::infeasible);
  } else
    REQUIRE(s.ok());

  schedule line;
  r->enqueue(line);
  CHECK(line.empty()); // not accepted yet
  r->accepted = true;
  r->enqueue(line);
  const std::vector<test::recorded_frame> frames = test::emptied(line, *r, from.chunk);
  r->enqueue(line);
  CHECK(line.empty()); // once

  const tile_map<Policy> map{from.shape, from.tokens};
  std::set<std::pair<std::uint32_t, std::uint32_t>> tiles, upgrades;
  std::vector<std::uint32_t> order(from.tokens, ~0u);
  std::vector<std::uint32_t> held(from.tokens, Policy::base_planes); // by rank
  std::uint64_t light_upgrades = 0;
  bool plan_seen = false, focus_seen = false;
  upgrade_plan plan;
  for (const test::recorded_frame& f : frames) {
    const frame_header& h = f.pending.header;
    CHECK(h.request == 7);
    CHECK(h.opening == opening);
    CHECK(h.head_first == 0);
    CHECK(h.head_count == from.shape.kv_heads);
    CHECK(h.source_rank == 0);
    if (h.kind != frame_kind::base) {
      CHECK(h.layer_first == 0);
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
      plan.order.tokens = order;
      REQUIRE(plan.read(f.payload(), Policy::base_planes, Policy::planes::count).ok());
      break;
    default:
      REQUIRE(h.kind == frame_kind::upgrade);
      CHECK(plan_seen);
      CHECK(h.count > 0);
      for (std::uint32_t rank = h.first; rank < h.first + h.count; ++rank) {
        CHECK(held.at(rank)++ == h.plane);
        CHECK(upgrades.insert({h.plane, order.at(rank)}).second);
      }
      light_upgrades += f.pending.before_cut ? h.count : 0;
    }
  }
  CHECK(tiles.size() == std::size_t{map.shape.layers} * map.tiles_per_layer());
  CHECK(upgrades.size() == std::size_t{from.tokens} * (Policy::planes::count - Policy::base_planes));
  CHECK(plan.light_upgrades == light_upgrades);
  std::vector<std::uint32_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (std::uint32_t t = 0; t < from.tokens; ++t)
    CHECK(sorted[t] == t);

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
      CHECK(again->make_plan(budget::everything(), from.scores, from.options).ok());
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
  for (unsigned seed = 0; seed < 60; ++seed) {
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
  outgoing<usual> r({.id = 1, .tokens = from.tokens}, opening, from.shape, from.chunk);
  r.accepted = true;
  schedule line;
  for (const std::uint32_t layer : {2u, 0u, 1u}) {
    CHECK(!r.metrics.at(source_free));
    r.put(layer, from.cache.view<kv_view>(layer));
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
    CHECK(r->make_plan(budget::everything(), from.scores, from.options).ok());
    r->accepted = true;
    schedule line;
    r->enqueue(line);
    std::uint32_t upgrades = 0;
    for (const auto& f : test::emptied(line, *r, from.chunk))
      if (f.pending.header.kind == frame_kind::upgrade) {
        CHECK(f.pending.header.plane == 1);
        upgrades += f.pending.header.count;
      }
    CHECK(upgrades == (until == 8 ? from.tokens : 0));
  }
  for (const int until : {1, 2, 3, 5, 7, 9, 16, -1, -8}) {
    auto r = from.request();
    from.options.until = until;
    CHECK_THROWS_AS((void)r->make_plan(budget::everything(), from.scores, from.options),
                    std::invalid_argument);
  }
}

TEST_CASE("outgoing_request: what takes() and make_plan() refuse") {
  test::dice dice(5);
  sending<usual> from(dice);
  outgoing<usual> r({.id = 1, .tokens = from.tokens}, opening, from.shape, from.chunk);
  CHECK_THROWS_AS((void)r.make_plan(budget::base(), {}, {}), std::logic_error); // nothing was put
  const kv_view view = from.cache.view<kv_view>(0);
  CHECK(r.takes(0, view));
  CHECK(!r.takes(from.shape.layers, view));
  CHECK(!r.takes(~0u, view));
  const test::cache_memory shorter(from.shape, from.tokens, dice);
  CHECK(!r.takes(0, kv_view(nullptr, {}, nullptr, {}, from.tokens + 1)));
  for (std::uint32_t l = 0; l < from.shape.layers; ++l) {
    r.put(l, from.cache.view<kv_view>(l));
    CHECK(!r.takes(l, view)); // put before
  }
  std::vector<float> scores(from.tokens, 1.0f);
  scores.back() = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS((void)r.make_plan(budget::base(), scores, {}), std::invalid_argument);
  scores.back() = std::numeric_limits<float>::infinity();
  scores.push_back(0);
  CHECK_THROWS_AS((void)r.make_plan(budget::base(), scores, {}), std::invalid_argument);
  scores.pop_back();
  CHECK(r.make_plan(budget::bytes(0), scores, {}) == errc::infeasible); // nothing happened
  CHECK(r.make_plan(budget::base(), scores, {}).ok());
  CHECK(r.metrics.light_bytes == r.metrics.base_bytes);
  CHECK_THROWS_AS((void)r.make_plan(budget::base(), scores, {}), std::logic_error); // twice
}
