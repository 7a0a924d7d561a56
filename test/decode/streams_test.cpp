// What streams may bring besides a whole cache in three tiers: shards of it, what follows a prefix, other
// policies. The text is the same.
#include "planecast/planecast.hpp"

#include "code/rows.hpp"
#include "decode/driven.hpp"
#include "support/dice.hpp"
#include "support/stream_pair.hpp"
#include "toy_engine/toy_engine.hpp"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace decode_streams_test {

using namespace planecast;
using planecast_test::rounds;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t text_length = 24;

/// A prompt, the engine that has computed its cache, and the text that follows.
struct scene {
  std::shared_ptr<const toy::model> weights;
  geometry shape;
  std::vector<token_id> prompt, text;
  toy::engine prefill;
  std::uint32_t tokens = 0;

  scene(std::shared_ptr<const toy::model> w, test::dice& dice)
      : weights(std::move(w)), shape(weights->shape.geometry()), prompt(dice.between(70, 200)),
        prefill(weights), tokens(static_cast<std::uint32_t>(prompt.size())) {
    for (token_id& t : prompt)
      t = static_cast<token_id>(dice.below(weights->shape.vocab));
    text = decoded(prefill, prefill.prefill(prompt));
  }
  /// What an engine that is at the end of the prompt says by itself.
  [[nodiscard]] static std::vector<token_id> decoded(toy::engine& e, token_id first) {
    const std::size_t start = e.position();
    std::vector<token_id> text{first};
    while (text.size() < text_length)
      text.push_back(e.step(text.back()));
    e.truncate(start);
    return text;
  }
  /// Copies tokens 0 … end − 1 of a cache.
  void copy(const toy::engine& from, toy::engine& to, std::uint32_t end) const {
    for (std::uint32_t l = 0; l < shape.layers; ++l) {
      const kv_view a = from.view(l, tokens);
      const kv_pages b = to.pages(l, tokens);
      for (std::uint32_t t = 0; t < end; ++t)
        for (std::uint32_t h = 0; h < shape.kv_heads; ++h) {
          std::memcpy(b.key(t, h), a.key(t, h), 2 * std::size_t{shape.key_dim});
          std::memcpy(b.value(t, h), a.value(t, h), 2 * std::size_t{shape.value_dim});
        }
    }
  }
  [[nodiscard]] bool same_cache(const toy::engine& a, const toy::engine& b) const {
    bool same = true;
    for (std::uint32_t l = 0; l < shape.layers; ++l) {
      const kv_view x = a.view(l, tokens), y = b.view(l, tokens);
      for (std::uint32_t t = 0; t < tokens; ++t)
        for (std::uint32_t h = 0; h < shape.kv_heads; ++h)
          same = same && std::memcmp(x.key(t, h), y.key(t, h), 2 * std::size_t{shape.key_dim}) == 0 &&
                 std::memcmp(x.value(t, h), y.value(t, h), 2 * std::size_t{shape.value_dim}) == 0;
    }
    return same;
  }
};

std::shared_ptr<const toy::model> weights_of(number dtype) {
  return std::make_shared<const toy::model>(toy::config{.layers = 3, .context = 512, .dtype = dtype});
}

/// Streams of a scene's cache to another engine, one for each shard, a data frame now and then.
template <class Policy>
struct delivery {
  using pair = test::stream_pair<Policy>;
  using incoming = typename pair::receiver::incoming;

  toy::engine decode;
  std::vector<std::unique_ptr<pair>> streams;
  std::vector<typename pair::sender::outgoing> shots;
  std::vector<incoming> arriving;
  std::vector<decode_test::slowly> pace;

  delivery(const scene& s, const std::vector<shard>& shards, std::uint32_t first, int until, test::dice& dice)
      : decode(s.weights) {
    for (const shard& part : shards) {
      const std::uint64_t least = pair::sender::least_chunk_bytes(s.shape.of(part));
      pair& p = *streams.emplace_back(std::make_unique<pair>(
          s.shape,
          sender_options{.carries = part,
                         .chunk_bytes = static_cast<std::uint32_t>(least + dice.below(8000)),
                         .window_bytes = 1},
          receiver_options{.carries = part}));
      const std::uint32_t end = part.layer_first + s.shape.of(part).layers;
      std::vector<kv_pages> pages;
      for (std::uint32_t l = part.layer_first; l < end; ++l)
        pages.push_back(decode.pages(l, s.tokens).from_head(part.head_first(s.shape.kv_heads)));
      const request r{.id = 1, .tokens = s.tokens, .first = first};
      arriving.push_back(p.in.expect(r, pages));
      auto& shot = shots.emplace_back(p.out.open(r));
      for (std::uint32_t l = part.layer_first; l < end; ++l)
        REQUIRE(shot.put(l, s.prefill.view(l, s.tokens).from_head(part.head_first(s.shape.kv_heads))).ok());
      plan_options how;
      how.until = until;
      REQUIRE(shot.plan(budget::base(), s.prefill.importance(), how).ok());
      p.door->allowed = 0;
      pace.emplace_back(dice.between(1, 4));
    }
    s.copy(s.prefill, decode, first);
    decode.adopt(s.tokens);
  }
  void turn() {
    for (std::size_t i = 0; i < streams.size(); ++i)
      pace[i](streams[i]->out, *streams[i]->door);
  }
};

/// What a text was shown as.
struct shown {
  std::vector<token_id> tokens;
  std::set<token_tag> tags;
  void operator()(const token_event& e) {
    tags.insert(e.tag);
    if (e.tag == token_tag::retracted) {
      REQUIRE(e.index + 1 == tokens.size());
      tokens.pop_back();
    } else if (e.index == tokens.size())
      tokens.push_back(e.id);
    else
      CHECK(tokens.at(e.index) == e.id);
  }
};

template <class Incoming, class Delivery>
speculated speculate_on(Incoming& kv, Delivery& d, const scene& s, shown& text) {
  decode_test::driven_cache<Incoming> arriving(kv, [&] { d.turn(); });
  return speculate(d.decode, arriving,
                   {.first = s.text.front(),
                    .max_tokens = text_length,
                    .on_token = [&](const token_event& e) { text(e); },
                    .timeout = 100s});
}

void check_exact(const speculated& result, const shown& text, const scene& s, const toy::engine& decode) {
  CAPTURE(result.status.message());
  CHECK_FALSE(result.degraded());
  CHECK(result.tokens == s.text);
  CHECK(text.tokens == s.text);
  CHECK(std::ranges::count(result.tags, token_tag::verified) == static_cast<int>(text_length));
  CHECK(s.same_cache(s.prefill, decode));
}

} // namespace

TEST_CASE("streams: the text on a cache from several senders is the original's") {
  std::size_t drafted = 0;
  for (std::uint64_t seed = 0; seed < rounds(12, 4); ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const scene s(weights_of(seed % 2 == 0 ? number::bf16 : number::fp16), dice);
    const std::vector<shard> spreads[] = {
        {shard::tensor(0, 2), shard::tensor(1, 2)},
        {shard::layers(0, 1), shard::layers(1, 2)},
        {{0, 2, 0, 2}, {0, 2, 1, 2}, {2, 1, 1, 2}, {2, 1, 0, 2}},
        {shard::tensor(0, 4), shard::tensor(1, 4), shard::tensor(2, 4), shard::tensor(3, 4)}}; // heads twice
    delivery<test::default_policy> d(s, spreads[seed % 4], 0, lossless, dice);
    gathered kv(std::move(d.arriving));
    shown text;
    const speculated result = speculate_on(kv, d, s, text);
    check_exact(result, text, s, d.decode);
    CHECK(kv.reached(focused));
    CHECK(kv.unsharp().empty());
    drafted += result.drafted;
  }
  CHECK(drafted > 0); // decoding began before all was there
}

TEST_CASE("streams: a shard that is lost degrades the text, and says why") {
  for (const std::size_t which : {0u, 1u}) {
    test::dice dice(20);
    const scene s(weights_of(number::bf16), dice);
    delivery<test::default_policy> d(s, {shard::tensor(0, 2), shard::tensor(1, 2)}, 0, lossless, dice);
    gathered kv(std::move(d.arriving));
    shown text;
    std::size_t count = 0;
    decode_test::driven_cache<decltype(kv)> arriving(kv, [&] {
      d.turn();
      if (kv.reached(first_light) && ++count == 3)
        d.shots[which].cancel();
    });
    const speculated result =
        speculate(d.decode, arriving, {.first = s.text.front(), .max_tokens = text_length, .go_on = true});
    CHECK(result.degraded());
    CHECK(result.status == errc::cancelled);
    CHECK(result.tokens.size() == text_length);
    CHECK(result.tokens.front() == s.text.front());
  }
}

TEST_CASE("streams: the text on a prefix that is there and the rest that arrives is the original's") {
  for (std::uint64_t seed = 0; seed < rounds(12, 4); ++seed) {
    CAPTURE(seed);
    test::dice dice(100 + seed);
    const scene s(weights_of(seed % 2 == 0 ? number::bf16 : number::fp16), dice);
    const std::uint32_t firsts[] = {64, 65, 63, s.tokens - 1};
    const std::uint32_t first = firsts[seed % 4];
    const bool two = seed % 3 == 0;
    delivery<test::default_policy> d(
        s, two ? std::vector{shard::tensor(0, 2), shard::tensor(1, 2)} : std::vector{shard{}}, first,
        lossless, dice);
    shown text;
    if (two) {
      gathered kv(std::move(d.arriving));
      check_exact(speculate_on(kv, d, s, text), text, s, d.decode);
    } else {
      auto kv = std::move(d.arriving.front());
      check_exact(speculate_on(kv, d, s, text), text, s, d.decode);
    }
    for (const auto& shot : d.shots)
      CHECK(shot.metrics().raw_bytes * d.shots.size() == s.shape.raw_bytes(s.tokens - first));
  }
}

namespace {

template <class Policy>
std::pair<speculated, shown> on_policy(std::uint64_t seed, int until) {
  test::dice dice(200 + seed);
  const scene s(weights_of(seed % 2 == 0 ? number::bf16 : number::fp16), dice);
  delivery<Policy> d(s, {shard{}}, 0, until, dice);
  auto kv = std::move(d.arriving.front());
  shown text;
  const speculated result = speculate_on(kv, d, s, text);
  CHECK(kv.reached(focused));
  CHECK(kv.tier() == static_cast<int>(Policy::tiers::count) - 1);
  if (until == lossless)
    check_exact(result, text, s, d.decode);
  else { // what an engine says by itself on the cache that came
    CHECK_FALSE(result.degraded());
    toy::engine alone(s.weights);
    s.copy(d.decode, alone, s.tokens);
    alone.adopt(s.tokens);
    CHECK(result.tokens == scene::decoded(alone, s.text.front()));
    CHECK(text.tokens == result.tokens);
    CHECK_FALSE(s.same_cache(s.prefill, d.decode));
  }
  return {result, text};
}

} // namespace

TEST_CASE("streams: four tiers, of which the middle ones verify, end in the original's text") {
  using four = precision_policy<tiers<2, 4, 8, lossless>, keys<per_channel<64>>, planecast::values<per_token>,
                                planes<2, 2, 2, 2, tail>>;
  std::set<token_tag> seen;
  for (std::uint64_t seed = 0; seed < rounds(6, 2); ++seed) {
    CAPTURE(seed);
    const auto [result, text] = on_policy<four>(seed, lossless);
    seen.insert(text.tags.begin(), text.tags.end());
    CHECK(result.rounds >= 1);
  }
  CHECK(seen ==
        std::set{token_tag::drafted, token_tag::verified_int8, token_tag::verified, token_tag::retracted});
}

TEST_CASE("streams: two tiers without lossless verify at int8, and never more") {
  using eight = precision_policy<tiers<4, 8>, keys<per_channel<64>>, planecast::values<per_token>>;
  for (std::uint64_t seed = 0; seed < rounds(6, 2); ++seed) {
    CAPTURE(seed);
    const auto [result, text] = on_policy<eight>(seed, 8);
    CHECK(result.tags.front() == token_tag::verified); // prefill's own
    CHECK(std::ranges::count(result.tags, token_tag::verified_int8) == static_cast<int>(text_length) - 1);
    CHECK(text.tags.contains(token_tag::drafted));
    CHECK_FALSE(result.first_verified);
  }
}

TEST_CASE("streams: eight bits first, then lossless: drafted on int8, then verified") {
  using coarse = precision_policy<tiers<8, lossless>, keys<per_channel<64>>, planecast::values<per_token>,
                                  planes<8, tail>>;
  for (std::uint64_t seed = 0; seed < rounds(6, 2); ++seed) {
    CAPTURE(seed);
    const auto [result, text] = on_policy<coarse>(seed, lossless);
    CHECK(text.tags.contains(token_tag::drafted));
    CHECK_FALSE(text.tags.contains(token_tag::verified_int8));
  }
}

} // namespace decode_streams_test
