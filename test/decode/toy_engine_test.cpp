#include "planecast/cpu/cpu.hpp"
#include "planecast/decode/speculate.hpp"

#include "scripted_cache.hpp"
#include "toy_engine/toy_engine.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <memory>
#include <set>
#include <vector>

namespace decode_toy_engine_test {

namespace {

namespace pc = planecast;
using namespace decode_test;
using pc::token_id, pc::token_tag;
using ids = std::vector<token_id>;

constexpr std::uint32_t text_tokens = 32;

std::shared_ptr<const toy::model> make_model(std::uint32_t layers = 4, pc::number dtype = pc::number::bf16) {
  toy::config c;
  c.layers = layers;
  c.context = 320;
  c.dtype = dtype;
  return std::make_shared<toy::model>(c);
}

ids random_prompt(toy::random& r, std::uint32_t tokens) {
  ids prompt(tokens);
  for (token_id& t : prompt)
    t = static_cast<token_id>(r.below(256));
  return prompt;
}

/// A prompt's cache at each tier, coded by the library.
class coded_cache {
public:
  enum : int { int4_only, int8_only, exact, spoilt, levels }; // spoilt: int8 with noise for its second plane

  coded_cache(const toy::engine& source, std::uint32_t tokens, std::uint64_t seed)
      : c_(source.shape()), tokens_(tokens), noise_(seed) {
    for (auto& level : at_)
      level.assign(std::size_t{c_.layers} * c_.kv_heads * 2 * tokens * c_.head_dim, 0);
    for (std::uint32_t l = 0; l < c_.layers; ++l) {
      const pc::kv_view view = source.view(l, tokens);
      for (std::uint32_t h = 0; h < c_.kv_heads; ++h) {
        code<three_tiers::key_quantizer>(l, h, 0, [&](std::uint32_t t) { return view.key(t, h); });
        code<three_tiers::value_quantizer>(l, h, 1, [&](std::uint32_t t) { return view.value(t, h); });
      }
    }
  }

  /// Puts a token at a level into an engine's pages.
  void put(toy::engine& to, std::uint32_t token, int level) const {
    for (std::uint32_t l = 0; l < c_.layers; ++l)
      put(to.pages(l, tokens_), l, token, level);
  }
  void put_all(toy::engine& to, int level) const {
    for (std::uint32_t l = 0; l < c_.layers; ++l) {
      const pc::kv_pages pages = to.pages(l, tokens_);
      for (std::uint32_t t = 0; t < tokens_; ++t)
        put(pages, l, t, level);
    }
  }

private:
  void put(const pc::kv_pages& pages, std::uint32_t l, std::uint32_t token, int level) const {
    const auto& from = at_[static_cast<std::size_t>(level)];
    for (std::uint32_t h = 0; h < c_.kv_heads; ++h) {
      std::memcpy(pages.key(token, h), &from[row(l, h, 0, token)], 2 * std::size_t{c_.head_dim});
      std::memcpy(pages.value(token, h), &from[row(l, h, 1, token)], 2 * std::size_t{c_.head_dim});
    }
  }
  std::size_t row(std::uint32_t l, std::uint32_t h, std::uint32_t kind, std::uint32_t t) const {
    return (((std::size_t{l} * c_.kv_heads + h) * 2 + kind) * tokens_ + t) * c_.head_dim;
  }

  template <class Quantizer, class Row>
  void code(std::uint32_t l, std::uint32_t h, std::uint32_t kind, Row source) {
    using planes = three_tiers::planes;
    for (std::uint32_t begin = 0; begin < tokens_; begin += three_tiers::page_tokens) {
      const std::uint32_t n = std::min(three_tiers::page_tokens, tokens_ - begin);
      const pc::tile_layout<Quantizer, planes> layout{{n, c_.head_dim}};
      std::vector<std::uint16_t> values(layout.shape.values());
      for (std::uint32_t t = 0; t < n; ++t)
        std::memcpy(&values[std::size_t{t} * c_.head_dim], source(begin + t), 2 * std::size_t{c_.head_dim});
      std::vector<std::byte> tile(layout.bound());
      std::vector<std::uint32_t> ends(n);
      const pc::encoded_tile coded = pc::cpu::encode(
          c_.dtype, layout, pc::source_rows::of(values.data(), layout.shape.dim), tile.data(), ends.data());
      std::vector<std::byte> noisy = tile;
      if (!coded.stored)
        for (std::uint32_t b = layout.plane_at(1); b < layout.tails_at(); ++b)
          noisy[b] = static_cast<std::byte>(noise_.bits());
      for (std::uint32_t t = 0; t < n; ++t) {
        const std::uint16_t* const original = &values[std::size_t{t} * c_.head_dim];
        for (int level = 0; level < levels; ++level) {
          std::uint16_t* const to = &at_[static_cast<std::size_t>(level)][row(l, h, kind, begin + t)];
          if (coded.stored || level == exact)
            std::copy_n(original, c_.head_dim, to);
          else
            pc::cpu::decode(c_.dtype, layout, level == spoilt ? noisy.data() : tile.data(), t, 1,
                            level == int4_only ? 1 : 2, pc::target_rows::of(to, c_.head_dim));
        }
      }
    }
  }

  toy::config c_;
  std::uint32_t tokens_;
  toy::random noise_;
  std::vector<std::uint16_t> at_[levels];
};

ids decode(toy::engine& e, token_id first, std::size_t tokens) {
  ids text = {first};
  while (text.size() < tokens)
    text.push_back(e.step(text.back()));
  return text;
}

// Whether two engines hold the same K and V, bit for bit.
bool same_cache(const toy::engine& a, const toy::engine& b, std::uint32_t tokens) {
  for (std::uint32_t l = 0; l < a.shape().layers; ++l) {
    const pc::kv_view x = a.view(l, tokens), y = b.view(l, tokens);
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t h = 0; h < a.shape().kv_heads; ++h)
        if (std::memcmp(x.key(t, h), y.key(t, h), 2 * std::size_t{a.shape().head_dim}) != 0 ||
            std::memcmp(x.value(t, h), y.value(t, h), 2 * std::size_t{a.shape().head_dim}) != 0)
          return false;
  }
  return true;
}

TEST_CASE("toy: prefill, verify and steps compute the same, bit for bit") {
  for (const pc::number dtype : {pc::number::bf16, pc::number::fp16}) {
    const auto model = make_model(2, dtype);
    toy::random r(5);
    for (const std::uint32_t tokens : {1u, 15u, 16u, 17u, 70u}) {
      const ids prompt = random_prompt(r, tokens);
      toy::engine whole(model), stepped(model), parts(model);
      const token_id first = whole.prefill(prompt);
      token_id next = 0;
      for (const token_id t : prompt)
        next = stepped.step(t);
      CHECK(next == first);
      ids some(tokens);
      for (std::size_t at = 0, n = 1; at < tokens; at += n, n = 2 * n + 1) {
        n = std::min<std::size_t>(n, tokens - at);
        parts.verify(std::span(prompt).subspan(at, n), std::span(some).subspan(at, n));
      }
      CHECK(some.back() == first);
      CHECK(same_cache(whole, stepped, tokens));
      CHECK(same_cache(whole, parts, tokens));

      const ids text = decode(whole, first, 20);
      ids next_of(19);
      stepped.verify(std::span(text).first(19), next_of);
      CHECK(ids(text.begin() + 1, text.end()) == next_of);
      CHECK(same_cache(whole, stepped, tokens + 19));
      stepped.truncate(tokens + 7);
      CHECK(stepped.step(text[7]) == text[8]);
    }
  }
}

TEST_CASE("toy: a hook follows each layer, when its cache is there; importance is a share of attention") {
  const auto model = make_model();
  toy::random r(6);
  const ids prompt = random_prompt(r, 100);
  toy::engine e(model), reference(model);
  const token_id first = reference.prefill(prompt);
  std::vector<std::uint32_t> layers;
  const token_id again = e.prefill(prompt, [&](std::uint32_t l) {
    layers.push_back(l);
    const pc::kv_view mine = e.view(l, 100), theirs = reference.view(l, 100);
    CHECK(std::memcmp(mine.key(99, 1), theirs.key(99, 1), 128) == 0);
  });
  CHECK(again == first);
  CHECK(layers == std::vector<std::uint32_t>{0, 1, 2, 3});
  CHECK(e.importance().size() == 100);
  double sum = 0;
  float most = 0;
  for (const float x : e.importance()) {
    sum += static_cast<double>(x);
    most = std::max(most, x);
  }
  // 32 queries × 4 heads × 4 layers, each shares out 1.
  CHECK(sum == doctest::Approx(512).epsilon(0.001));
  CHECK(static_cast<double>(most) > 4 * sum / 100);
  CHECK_THROWS_AS((void)e.prefill(prompt), std::invalid_argument);
  CHECK_THROWS_AS((void)e.step(256), std::out_of_range);
  CHECK_THROWS_AS(e.truncate(101), std::invalid_argument);
  CHECK_THROWS_AS(e.adopt(321), std::length_error);
}

TEST_CASE("toy: precision matters as it does to a model") {
  const auto model = make_model();
  const int prompts = sanitized ? 2 : 60;
  int astray[coded_cache::levels] = {};
  std::size_t distinct = 0, other_prompt = 0;
  std::set<ids> texts;
  for (int k = 0; k < prompts; ++k) {
    toy::random r(1000 + static_cast<std::uint64_t>(k));
    const std::uint32_t tokens = 48 + r.below(100);
    const ids prompt = random_prompt(r, tokens);
    toy::engine source(model);
    const token_id first = source.prefill(prompt);
    const coded_cache coded(source, tokens, 7);
    const ids exact = decode(source, first, text_tokens + 1);
    for (int level = 0; level < coded_cache::levels; ++level) {
      toy::engine e(model);
      coded.put_all(e, level);
      e.adopt(tokens);
      astray[level] += decode(e, first, text_tokens + 1) != exact ? 1 : 0;
    }
    distinct += std::set<token_id>(exact.begin(), exact.end()).size();
    texts.insert(exact);
    ids altered = random_prompt(r, tokens); // the text hangs on the prompt, not only on its end
    altered.back() = prompt.back();
    toy::engine other(model);
    (void)other.prefill(altered);
    other_prompt += decode(other, first, text_tokens + 1) != exact ? 1 : 0;
  }
  const auto share = [&](int n) { return static_cast<double>(n) / prompts; };
  MESSAGE("of ", prompts, " texts of ", text_tokens, " tokens went astray: on the anchor ", astray[0],
          ", at int8 ", astray[1], ", exact ", astray[2], ", at int8 with its refine plane spoilt ",
          astray[3], "; distinct tokens ", static_cast<double>(distinct) / prompts,
          " a text; on another prompt ", other_prompt);
  CHECK(astray[coded_cache::exact] == 0);
  CHECK(static_cast<double>(distinct) / prompts > 24); // of 33: no loops
  CHECK(texts.size() == static_cast<std::size_t>(prompts));
  if (!sanitized) {
    CHECK(share(astray[coded_cache::int4_only]) >= 0.2);
    CHECK(share(astray[coded_cache::int4_only]) <= 0.8);
    CHECK(share(astray[coded_cache::int8_only]) <= 0.2);
    CHECK(share(astray[coded_cache::spoilt]) >= 0.4);
    CHECK(share(static_cast<int>(other_prompt)) >= 0.9);
  }
}

// The toy engine, but it does not say that it is batch-invariant.
struct modest {
  static constexpr bool batch_invariant = false;
  toy::engine& e;
  token_id step(token_id t) { return e.step(t); }
  void verify(std::span<const token_id> run, std::span<token_id> next) { e.verify(run, next); }
  void truncate(std::size_t n) { e.truncate(n); }
  std::size_t position() const { return e.position(); }
};

TEST_CASE("toy: text decoded while the cache arrives is the exact cache's") {
  const auto model = make_model();
  const int prompts = sanitized ? 3 : 60;
  std::size_t drafted = 0, accepted = 0;
  int corrected = 0;
  for (int k = 0; k < prompts; ++k) {
    toy::random r(5000 + static_cast<std::uint64_t>(k));
    const std::uint32_t tokens = 40 + r.below(100);
    const ids prompt = random_prompt(r, tokens);
    toy::engine source(model);
    const token_id first = source.prefill(prompt);
    const coded_cache coded(source, tokens, 8);
    const ids exact = decode(source, first, text_tokens + 1);
    toy::engine at_int8(model);
    coded.put_all(at_int8, coded_cache::int8_only);
    at_int8.adopt(tokens);
    const ids int8 = decode(at_int8, first, text_tokens + 1);

    for (int schedule = 0; schedule < 4; ++schedule) {
      script s; // 0: staged; 1: each token when it likes; 2: int8 only; 3: all upgrades after the last draft
      const std::uint32_t at = schedule == 3 ? 60 : 4 + r.below(16), then = at + 1 + r.below(16);
      s.whole(1, tokens, 0);
      for (std::uint32_t t = 0; t < tokens; ++t) {
        s.arrivals.push_back({schedule == 1 ? 2 + r.below(then) : at, t, 1});
        if (schedule != 2)
          s.arrivals.push_back({schedule == 1 ? 2 + r.below(then) : then, t, 2});
      }
      s.first_light = 1;
      s.focused = schedule == 1 ? then + 2 : schedule == 2 ? at : then;
      toy::engine e(model);
      e.adopt(tokens);
      scripted_cache<> kv(tokens, s, [&](std::uint32_t t, int tier) { coded.put(e, t, tier); });
      const pc::speculate_options options{.first = first, .max_tokens = text_tokens + 1};
      modest m{e};
      const pc::speculated result =
          k % 2 == 0 ? pc::speculate(e, kv, options) : pc::speculate(m, kv, options);
      REQUIRE(result.status.ok());
      REQUIRE(result.tokens == (schedule == 2 ? int8 : exact));
      CHECK(result.tags.back() == (schedule == 2 ? token_tag::verified_int8 : token_tag::verified));
      CHECK(e.position() == tokens + text_tokens);
      if (schedule != 2)
        CHECK(same_cache(e, source, tokens + text_tokens));
      if (schedule == 3) {
        drafted += result.drafted;
        accepted += result.accepted;
        corrected += result.wasted > 0 ? 1 : 0;
      }
    }
  }
  MESSAGE("drafted whole: ", prompts - corrected, " of ", prompts, " texts; ", accepted, " of ", drafted,
          " drafted tokens stood");
  if (!sanitized) {
    CHECK(corrected > 0);
    CHECK(corrected < prompts);
  }
}

} // namespace

} // namespace decode_toy_engine_test
