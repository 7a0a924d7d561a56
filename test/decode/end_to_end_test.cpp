// From a prefilled cache to tokens: coded, planned, sent in any order, drafted on, verified.
#include "planecast/planecast.hpp"

#include "code/rows.hpp"
#include "decode/driven.hpp"
#include "support/dice.hpp"
#include "support/gated.hpp"
#include "toy_engine/toy_engine.hpp"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <memory>
#include <vector>

namespace decode_end_to_end_test {

using namespace planecast;
using planecast_test::rounds;
using namespace std::chrono_literals;

namespace {

using policy = precision_policy<tiers<4, 8, lossless>, keys<per_channel<64>>, planecast::values<per_token>>;
using prefill_link = test::gated<faulty<loopback>>;
using prefill_end = plane_stream<policy, prefill_link>::sender;
using decode_end = plane_stream<policy, loopback>::receiver;

std::shared_ptr<const toy::model> model_of(number dtype) {
  return std::make_shared<const toy::model>(toy::config{.layers = 3, .context = 512, .dtype = dtype});
}

using driven_cache = decode_test::driven_cache<decode_end::incoming>;
static_assert(arriving_cache<driven_cache>);
static_assert(foreseeing_cache<decode_end::incoming>);

} // namespace

TEST_CASE("end to end: the text is the original's, whatever the cut, the order of arrival and the damage") {
  constexpr std::size_t text = 32;
  constexpr int cases = rounds(60, 6);
  int drafted_before_focus = 0, drafted_cases = 0, retracted_cases = 0, int8_cases = 0;
  const std::shared_ptr<const toy::model> models[] = {model_of(number::bf16), model_of(number::fp16)};
  for (std::uint64_t seed = 0; seed < cases; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const auto& model = models[seed % 2];
    std::vector<token_id> prompt(dice.between(100, 260));
    for (token_id& t : prompt)
      t = static_cast<token_id>(dice.below(model->shape.vocab));
    const auto n = static_cast<std::uint32_t>(prompt.size());

    toy::engine prefill(model);
    const token_id first = prefill.prefill(prompt);
    std::vector<token_id> original{first};
    while (original.size() < text)
      original.push_back(prefill.step(original.back()));
    prefill.truncate(n);

    auto [a, b] = loopback::pair();
    auto door = std::make_shared<test::gate>();
    // Damage anywhere, headers too, or another order: a lane that keeps its order makes a lost number known.
    const std::size_t window = dice.one_in(2) ? dice.between(2, 4) : 0;
    std::vector<fault> faults;
    for (std::uint64_t k = 0; k < 30; ++k)
      if (dice.one_in(10))
        faults.push_back({.message = k,
                          .what = fault::flip,
                          .amount = window > 0 ? 512 + dice.below(4000) : dice.below(4000)});
    const geometry shape = model->shape.geometry();
    prefill_end out(
        prefill_link(
            faulty<loopback>(std::move(a), {.faults = faults, .reorder_window = window, .seed = seed}), door),
        shape, {.chunk_bytes = dice.between(13000, 20000), .window_bytes = 1});
    decode_end in(std::move(b), shape);

    toy::engine decode(model);
    std::vector<kv_pages> pages;
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      pages.push_back(decode.pages(l, n));
    decode.adopt(n);
    auto kv = in.expect({.id = seed, .tokens = n}, pages);
    auto shot = out.open({.id = seed, .tokens = n});
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      REQUIRE(shot.put(l, prefill.view(l, n)).ok());
    const std::uint64_t ceiling = shape.raw_bytes(n) * dice.between(29, 55) / 100;
    const status planned = shot.plan(budget::bytes(ceiling), prefill.importance());
    if (planned == errc::infeasible)
      REQUIRE(shot.plan(budget::bytes(planned.there), prefill.importance()).ok());
    door->allowed = 0;

    driven_cache arriving(
        kv, [&, slow = decode_test::slowly(dice.between(2, 6))]() mutable { slow(out, *door); });
    std::vector<token_id> shown;
    std::vector<token_tag> tags;
    std::size_t frames_at_first_draft = 0;
    bool retracted = false, int8 = false;
    const speculated result = speculate(
        decode, arriving, {.first = first, .max_tokens = text, .on_token = [&](const token_event& e) {
                             if (e.tag == token_tag::drafted && frames_at_first_draft == 0)
                               frames_at_first_draft = door->allowed;
                             if (e.tag == token_tag::retracted) {
                               retracted = true;
                               REQUIRE(e.index + 1 == shown.size());
                               REQUIRE(shown.back() == e.id);
                               shown.pop_back();
                               tags.pop_back();
                               return;
                             }
                             int8 = int8 || e.tag == token_tag::verified_int8;
                             REQUIRE(e.index <= shown.size());
                             if (e.index == shown.size()) {
                               shown.push_back(e.id);
                               tags.push_back(e.tag);
                             }
                             REQUIRE(shown[e.index] == e.id);
                             REQUIRE(e.tag >= tags[e.index]); // never less sure than before
                             tags[e.index] = e.tag;
                           }});
    CAPTURE(result.status.message());
    REQUIRE_FALSE(result.degraded());
    CHECK(result.tokens == original);
    CHECK(shown == original);
    for (const token_tag t : result.tags)
      CHECK(t == token_tag::verified);
    CHECK(kv.reached(focused));
    // The cache is the original's too, bit for bit.
    for (std::uint32_t l = 0; l < shape.layers; ++l) {
      const kv_view was = prefill.view(l, n), is = decode.view(l, n);
      for (std::uint32_t t = 0; t < n; ++t)
        for (std::uint32_t h = 0; h < shape.kv_heads; ++h) {
          REQUIRE(std::memcmp(was.key(t, h), is.key(t, h), 2 * std::size_t{shape.key_dim}) == 0);
          REQUIRE(std::memcmp(was.value(t, h), is.value(t, h), 2 * std::size_t{shape.value_dim}) == 0);
        }
    }
    // A draft is shown before the last byte of focus is sent.
    drafted_cases += result.drafted > 0 ? 1 : 0;
    drafted_before_focus += frames_at_first_draft > 0 && frames_at_first_draft < door->data.size() ? 1 : 0;
    retracted_cases += retracted ? 1 : 0;
    int8_cases += int8 ? 1 : 0;
  }
  MESSAGE(drafted_before_focus, " drafted before focus, ", retracted_cases, " retracted, ", int8_cases,
          " verified at int8, of ", cases);
  CHECK(drafted_before_focus == drafted_cases);
  CHECK(drafted_cases > cases * 3 / 4);
  CHECK(retracted_cases > cases / 20); // the coarse cache does go astray
  CHECK(int8_cases > cases / 3);
}

} // namespace decode_end_to_end_test
