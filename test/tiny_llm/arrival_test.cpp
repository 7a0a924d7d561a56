// The text that the embedded model decodes while its cache arrives is the text on the original cache, token
// for token: whatever the prompt, the policy, the cut, the order of arrival, and what happens on the way.
#include "planecast/planecast.hpp"

#include "code/rows.hpp"
#include "decode/driven.hpp"
#include "support/dice.hpp"
#include "support/gated.hpp"
#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/engine.hpp"
#include "tiny_llm/random_prompt.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <memory>
#include <optional>
#include <vector>

namespace tiny_llm_arrival_test {

namespace {

using namespace planecast;
using planecast_test::rounds;

using usual = precision_policy<tiers<4, 8, lossless>, keys<per_channel<64>>, planecast::values<per_token>>;
using four_steps =
    precision_policy<tiers<2, 4, 8, lossless>, keys<per_channel<32>>, planecast::values<per_token>>;
using eight_first = precision_policy<tiers<8, lossless>, keys<per_token>, planecast::values<per_token>>;
template <class Policy>
using prefill_end = typename plane_stream<Policy, test::gated<faulty<loopback>>>::sender;
template <class Policy>
using decode_end = typename plane_stream<Policy, loopback>::receiver;

constexpr std::size_t text_tokens = 20;

// A prompt, its cache, and the text on it.
struct origin {
  std::vector<token_id> prompt;
  tiny::engine engine;
  shared_noise how; // at a temperature of 0 it is greedy decoding
  std::vector<token_id> text;

  origin(test::dice& dice, const std::shared_ptr<const tiny::model>& model, number dtype)
      : prompt(tiny_llm_test::random_prompt(dice)),
        engine(model, {.context = 320, .dtype = dtype}), how{.seed = dice.below(1000),
                                                             .temperature = dice.one_in(2) ? 0.0f : 0.9f} {
    text.push_back(engine.prefill(prompt));
    sampled chooser(engine, how);
    while (text.size() < text_tokens)
      text.push_back(chooser.step(text.back()));
    engine.truncate(prompt.size());
  }
};

struct counts {
  std::size_t drafted = 0, retracted = 0, early = 0, asked_again = 0, lost = 0, equal = 0;
};

// The link was lost: nothing is taken for what it is not, and the text is whole.
void check_lost(const origin& was, const speculated& result, int tier, tiny::engine& engine) {
  REQUIRE(result.status == errc::closed);
  REQUIRE(result.tokens.size() == (tier < 0 ? 1 : text_tokens));
  if (tier < 0)
    return;
  CHECK(std::ranges::none_of(result.tags.begin() + 1, result.tags.end(),
                             [](token_tag t) { return t == token_tag::verified; }));
  if (tier == 0) { // of drafts alone, each on what was there then
    CHECK(result.rounds == 0);
    return;
  }
  engine.truncate(was.prompt.size()); // the text on what there is in the end
  sampled chooser(engine, was.how);
  for (std::size_t i = 1; i < text_tokens; ++i)
    REQUIRE(chooser.step(result.tokens[i - 1]) == result.tokens[i]);
}

template <class Policy>
void one_case(test::dice& dice, origin& was, const std::shared_ptr<const tiny::model>& model, number dtype,
              std::uint64_t id, counts& seen) {
  const auto n = static_cast<std::uint32_t>(was.prompt.size());
  const geometry shape = was.engine.geometry();
  auto [a, b] = loopback::pair();
  auto door = std::make_shared<test::gate>();
  const std::size_t window =
      dice.one_in(2) ? dice.between(2, 4) : 0; // frames change places, or bits flip anywhere
  std::vector<fault> faults;
  for (std::uint64_t k = 0; k < 40; ++k)
    if (dice.one_in(12))
      faults.push_back({.message = k,
                        .what = fault::flip,
                        .amount = window > 0 ? 512 + dice.below(4000) : dice.below(4000)});
  const bool loses = dice.one_in(10);
  if (loses)
    faults.push_back({.message = dice.between(4, 20), .what = fault::kill});
  prefill_end<Policy> out(
      test::gated(faulty<loopback>(std::move(a), {.faults = faults, .reorder_window = window, .seed = id}),
                  door),
      shape, {.chunk_bytes = dice.between(13000, 20000), .window_bytes = 1});
  decode_end<Policy> in(std::move(b), shape);

  tiny::engine engine(model, {.context = 320, .dtype = dtype});
  std::vector<kv_pages> pages;
  for (std::uint32_t l = 0; l < shape.layers; ++l)
    pages.push_back(engine.pages(l, n));
  engine.adopt(n);
  auto kv = in.expect({.id = id, .tokens = n}, pages);
  auto shot = out.open({.id = id, .tokens = n});
  for (std::uint32_t l = 0; l < shape.layers; ++l)
    REQUIRE(shot.put(l, was.engine.view(l, n)).ok());
  const plan_options how{.order = dice.one_in(3) ? plan_order::worth : plan_order::greedy};
  const std::uint64_t ceiling = shape.raw_bytes(n) * dice.between(15, 60) / 100;
  const status planned = shot.plan(budget::bytes(ceiling), was.engine.importance(), how);
  if (planned == errc::infeasible)
    REQUIRE(shot.plan(budget::bytes(planned.there), was.engine.importance(), how).ok());
  door->allowed = 0;

  // The link: a frame every few looks, with a stall now and then.
  const std::size_t looks = dice.between(1, 6), stall_at = dice.below(60),
                    stall = dice.one_in(3) ? dice.below(40) : 0;
  std::size_t turns = 0;
  decode_test::driven_cache arriving(kv, [&, slow = decode_test::slowly(looks)]() mutable {
    if (++turns < stall_at || turns >= stall_at + stall)
      slow(out, *door);
  });
  const speculate_options options{.first = was.text.front(),
                                  .max_tokens = text_tokens,
                                  .max_drafts = dice.one_in(4) ? dice.below(6) : 1000,
                                  .draft_from = dice.one_in(6) ? 1u : 0u,
                                  .go_on = true};
  sampled chooser(engine, was.how);
  const speculated result = speculate(chooser, arriving, options);
  CAPTURE(result.status.message());
  if (loses && result.degraded()) {
    check_lost(was, result, kv.tier(), engine);
    ++seen.lost;
    return;
  }
  REQUIRE(result.status.ok());
  REQUIRE(result.tokens == was.text);
  ++seen.equal;
  CHECK(std::ranges::all_of(result.tags, [](token_tag t) { return t == token_tag::verified; }));
  seen.drafted += result.drafted > 0 ? 1 : 0;
  seen.retracted += result.accepted < result.drafted ? 1 : 0;
  seen.early += result.first_drafted && result.first_drafted < result.focused ? 1 : 0;
  seen.asked_again += in.metrics().damaged > 0 ? 1 : 0;
}

TEST_CASE("the embedded model's text is the original's, in hundreds of ways to arrive") {
  constexpr std::uint64_t cases = rounds(564, 6), cases_of_a_prompt = rounds(6, 3);
  const auto model = tiny::embedded();
  counts seen;
  std::optional<origin> was;
  for (std::uint64_t id = 0; id < cases; ++id) {
    CAPTURE(id);
    const number dtype = id / cases_of_a_prompt % 2 == 0 ? number::bf16 : number::fp16;
    test::dice dice(id);
    if (id % cases_of_a_prompt == 0)
      was.emplace(dice, model, dtype);
    switch (id % 3) {
    case 0:
      one_case<usual>(dice, *was, model, dtype, id, seen);
      break;
    case 1:
      one_case<four_steps>(dice, *was, model, dtype, id, seen);
      break;
    default:
      one_case<eight_first>(dice, *was, model, dtype, id, seen);
    }
  }
  MESSAGE("of ", cases, ": ", seen.drafted, " drafted, ", seen.early, " before focus, ", seen.retracted,
          " took something back, ", seen.asked_again, " had damaged frames, ", seen.lost, " lost the link");
  CHECK(seen.early > cases / 4);
  if (cases > 100) { // few cases may take nothing back; many must, or coarse caches are as good as exact ones
    CHECK(seen.retracted > cases / 50);
    CHECK(seen.lost > cases / 50);
    CHECK(seen.equal >= 500);
  }
  CHECK(seen.asked_again > cases / 10);
}

} // namespace

} // namespace tiny_llm_arrival_test
